"""PostgreSQL and Redis of a rendered project, each a process that a test can freeze, kill and start again."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import redis

from tests.support.patience import PATIENCE
from tests.support.rendering import render
from tests.support.service import Service, free_port

KEEPER = """
import signal, sys
from contextlib import suppress
from pathlib import Path
from devtools.services import SERVERS

server = {each.NAME: each for each in SERVERS}[sys.argv[1]]
with suppress(KeyboardInterrupt), server.serve(Path(sys.argv[2]), wanted_port=int(sys.argv[3])) as address:
    print("It is up:", address, flush=True)
    signal.pause()
"""


def read_env(project: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", (project / ".env").read_text(), re.MULTILINE))


class Server:
    """One server, started by the project's own devtools, on the same port each time."""

    def __init__(
        self, name: str, port: int, project: Path, environment: dict[str, str], folder: str = "backends"
    ) -> None:
        self._command = ["python", "-c", KEEPER, name, str(project / folder), str(port)]
        self._port = port
        self._project, self._environment = project, environment
        self._keeper: Service | None = None

    def start(self) -> None:
        if self._keeper is None:
            self._keeper = Service(self._command, self._project, self._environment)
            self._keeper.wait_for(f"It is up: .*127.0.0.1:{self._port}/")

    def stop(self) -> None:
        """Stop it in order: what it held is on the disk."""
        if self._keeper:
            self._keeper.press_ctrl_c()
            self._keeper.process.wait(PATIENCE)
            self._keeper = None

    def kill(self) -> None:
        """End it as a crash does."""
        processes = self._processes()
        for process in processes:
            process.kill()
        psutil.wait_procs(processes, PATIENCE)
        self.stop()

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it accept connections, as the kernel does for it, and answer nothing."""
        processes = self._processes()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        try:
            yield
        finally:
            for process in processes:
                with suppress(psutil.NoSuchProcess):  # a server of one connection was ending already
                    process.resume()

    def _processes(self) -> list[psutil.Process]:
        assert self._keeper
        guard, *server = psutil.Process(self._keeper.process.pid).children(recursive=True)
        assert "devtools.guard" in guard.cmdline()
        return server


class Backends:
    """The servers of one project, and a client of each that is not the service's."""

    def __init__(self, project: Path, environment: dict[str, str]) -> None:
        self.project = project
        self.settings = read_env(project)
        self.postgres_port, self.redis_port = free_port(), free_port()
        self.environment = {**environment, "DB_PORT": str(self.postgres_port), "REDIS_PORT": str(self.redis_port)}
        self.postgres = Server("PostgreSQL", self.postgres_port, project, self.environment)
        self.redis = Server("Redis", self.redis_port, project, self.environment)
        has_redis = (project / "devtools" / "redis.py").exists()
        self._servers = [self.postgres, *([self.redis] if has_redis else [])]

    def start(self) -> None:
        for server in self._servers:
            server.start()

    def stop(self) -> None:
        for server in self._servers:
            server.stop()

    def migrate(self) -> None:
        command = ["python", "-m", "alembic", "upgrade", "head"]
        subprocess.run(command, cwd=self.project, env=self.environment, capture_output=True, check=True)

    def create_superuser(self, username: str, password: str) -> None:
        values = {"USERNAME": username, "EMAIL": f"{username}@example.com", "PASSWORD": password}
        environment = {**self.environment, **{f"SUPERUSER_{name}": value for name, value in values.items()}}
        command = ["python", "-m", "src.auth.superuser"]
        subprocess.run(command, cwd=self.project, env=environment, capture_output=True, check=True)

    @contextmanager
    def redis_client(self) -> Iterator["redis.Redis[str]"]:
        password = self.settings["REDIS_PASSWORD"]
        with redis.Redis(
            port=self.redis_port, password=password, decode_responses=True, socket_timeout=PATIENCE
        ) as client:
            yield client

    async def connect(self) -> Any:
        """Open a connection to the database, of the service's user."""
        return await asyncpg.connect(
            host="127.0.0.1",
            port=self.postgres_port,
            user=self.settings["DB_USER"],
            password=self.settings["DB_PASSWORD"],
            database=self.settings["DB_NAME"],
            timeout=PATIENCE,
        )

    async def execute(self, statement: str, *arguments: Any) -> Any:
        """Run one statement and return its rows."""
        connection = await self.connect()
        try:
            return await connection.fetch(statement, *arguments)
        finally:
            await connection.close()


@contextmanager
def running_backends(template: Path, folder: Path, environment: dict[str, str], **answers: Any) -> Iterator[Backends]:
    """Render a project, start what it needs, and migrate."""
    backends = Backends(render(template, folder / "project", **answers), {**environment, "PYTHONUNBUFFERED": "1"})
    try:
        backends.start()
        backends.migrate()
        yield backends
    finally:
        backends.stop()
