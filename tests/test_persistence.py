"""What Redis keeps over a crash, and what becomes of data that it kept in another way."""

import os
import re
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from tests.backends import PATIENCE, Backends, running_backends
from tests.clients import PASSWORD, Client
from tests.live import LiveService, NewClient
from tests.packages import find_or_install
from tests.redis_nodes import Node, find_binary
from tests.service import free_port
from tests.test_tasks import worker

OTHER_PASSWORD = "four other words, no better"
OLD_COMMAND = ["--save", "60", "1"]  # that of docker-compose.yaml before it had an append-only file
End = Callable[[Client], Awaitable[httpx.Response]]


async def log_out(client: Client) -> httpx.Response:
    return await client.post("/auth/logout")


async def log_out_everywhere(client: Client) -> httpx.Response:
    return await client.post("/auth/logout-all")


async def change_password(client: Client) -> httpx.Response:
    return await client.post("/auth/change-password", current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def assert_is_out(client: Client) -> None:
    """Neither of its tokens is good for anything."""
    assert (await client.profile()).status_code == 401
    assert (await client.refresh()).status_code == 401


def save_snapshot(backends: Backends) -> None:
    with backends.redis_client() as client:
        client.save()


def crash_redis(backends: Backends) -> None:
    backends.redis.kill()
    backends.redis.start()


def make_data_of_before(backends: Backends) -> None:
    """Leave the folder of Redis as `make dev` left it before it had an append-only file."""
    with backends.redis_client() as client:
        client.config_set("appendonly", "no")
    save_snapshot(backends)
    backends.redis.stop()
    shutil.rmtree(backends.project / "backends" / "redis" / "appendonlydir")


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password])
async def test_a_crash_brings_no_session_back(
    signed_in: Client, service: LiveService, new_client: NewClient, backends: Backends, end: End
) -> None:
    """Redis is killed at once after a session was ended, and a snapshot on its disk still has that session."""
    old = await new_client(service, cookies=signed_in.cookies)
    save_snapshot(backends)
    assert (await end(signed_in)).is_success
    crash_redis(backends)
    await assert_is_out(old)
    assert (await signed_in.profile()).status_code == (200 if end is change_password else 401)


async def test_a_crash_signs_nobody_out(signed_in: Client, backends: Backends) -> None:
    """The last write before it survives: a new session, and new tokens, stay valid."""
    assert (await signed_in.refresh()).status_code == 204
    crash_redis(backends)
    assert (await signed_in.profile()).status_code == 200
    assert (await signed_in.refresh()).status_code == 204


async def test_a_folder_of_before_keeps_its_data(
    signed_in: Client, service: LiveService, new_client: NewClient, backends: Backends
) -> None:
    """`make dev` meets a snapshot without an append-only file: its sessions live, and ended ones stay ended from then on."""
    make_data_of_before(backends)
    backends.redis.start()
    assert (await signed_in.profile()).status_code == 200
    old = await new_client(service, cookies=signed_in.cookies)
    assert (await log_out(signed_in)).status_code == 204
    crash_redis(backends)
    await assert_is_out(old)


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
    program.write_text(f'#!/bin/sh\nexec {find_or_install("redis-cli", "redis-tools")} -p {container.port} "$@"\n')
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
