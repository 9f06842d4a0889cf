"""A volume of Redis that was written before there was an append-only file keeps its sessions and its tasks."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.support.backends import Backends, running_backends
from tests.support.live import LiveService, NewClient
from tests.support.packages import find_or_install
from tests.support.patience import PATIENCE
from tests.support.redis_nodes import Node, find_binary
from tests.support.service import free_port
from tests.support.tasks import worker

OLD_COMMAND = ["--save", "60", "1"]  # that of docker-compose.yaml before it had an append-only file


class Container(Node):
    """Redis as Compose runs it: by its command line, on a volume that others were on before."""

    def __init__(self, binary: str, volume: Path, password: str, options: list[str]) -> None:
        self.port, self._password, self._process = free_port(), password, None
        self._command = [binary, "--requirepass", password, *options, "--port", str(self.port), "--dir", str(volume)]
        self.url = f"redis://:{password}@127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        """Stop it as `docker stop` does."""
        assert self._process
        self._process.terminate()
        self._process.wait(PATIENCE)


class Volume:
    """The data of the Compose service `redis`, and the containers that follow each other on it."""

    def __init__(self, backends: Backends, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._backends, self._folder = backends, folder

    @property
    def new_command(self) -> list[str]:
        services = yaml.safe_load((self._backends.project / "docker-compose.yaml").read_text())["services"]
        program, option, _, *options = services["redis"]["command"]
        assert [program, option] == ["redis-server", "--requirepass"]
        return list(options)

    @contextmanager
    def served(self, options: list[str]) -> Iterator[Container]:
        password = self._backends.settings["REDIS_PASSWORD"]
        container = Container(find_binary(self._backends), self._folder, password, options)
        container.start()
        try:
            yield container
        finally:
            container.stop()

    def copy(self, folder: Path) -> "Volume":
        shutil.copytree(self._folder, folder)
        return Volume(self._backends, folder)


@pytest.fixture(scope="module")
def backends_with_tasks(
    template: Path, tmp_path_factory: pytest.TempPathFactory, shared_environment: dict[str, str]
) -> Iterator[Backends]:
    folder = tmp_path_factory.mktemp("volume")
    with running_backends(template, folder, shared_environment, celery=True, demo_pages=False) as backends:
        yield backends


def follow_the_docs(backends: Backends, container: Container, folder: Path) -> str:
    """Run the command that docs/running.md gives for the container, in a shell, and return what it prints."""
    text = (backends.project / "docs" / "running.md").read_text()
    found = re.search(r"^docker compose exec redis (sh -c '[^']*CONFIG SET appendonly yes[^']*')$", text, re.MULTILINE)
    assert found
    program = folder / "redis-cli"
    program.write_text(f'#!/bin/sh\nexec {find_or_install("redis-cli")} -p {container.port} "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "REDISCLI_AUTH": backends.settings["REDIS_PASSWORD"]}
    done = subprocess.run(["sh", "-c", found[1]], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


async def test_a_volume_of_before_keeps_sessions_and_tasks(
    backends_with_tasks: Backends, tmp_path: Path, new_client: NewClient
) -> None:
    """By the command of the docs, given to the Redis that still runs; without it a start begins empty."""
    backends = backends_with_tasks
    volume = Volume(backends, tmp_path / "volume")
    with volume.served(OLD_COMMAND) as redis:
        service = LiveService(backends, {"REDIS_URL": redis.url})
        client = await new_client(service)
        await client.become_superuser(backends)
        task = (await client.post("/tasks/remove-expired")).json()["id"]
        redis.ask("SAVE")
        neglected = volume.copy(tmp_path / "neglected")
        assert follow_the_docs(backends, redis, tmp_path).split()[-2:] == [
            "aof_enabled:1",
            "aof_last_bgrewrite_status:ok",
        ]
    with neglected.served(neglected.new_command) as redis:
        assert redis.ask("DBSIZE") == 0
    service.stop()
    with volume.served(volume.new_command) as redis:
        settings = {"REDIS_URL": redis.url}
        service = LiveService(backends, settings)
        kept = await new_client(service, cookies=client.cookies)
        assert (await kept.profile()).json()["username"] == client.username
        assert (await kept.get(f"/tasks/{task}")).json()["state"] == "PENDING"
        with worker(backends, settings) as running:
            running.wait_for(f"id={task} state=SUCCESS")
        assert (await kept.get(f"/tasks/{task}")).json()["state"] == "SUCCESS"
        service.stop()
