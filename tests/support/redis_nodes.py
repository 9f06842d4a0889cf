"""A cluster of Redis, and a Redis that Sentinel watches over: real processes on free ports."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import psutil
import redis
from redis.exceptions import RedisError

from tests.support.backends import Backends
from tests.support.patience import PATIENCE
from tests.support.service import free_port

BINARY = "from devtools import redis; print(redis._binary())"
SLOTS = 16384
MASTER = "mymaster"
SENTINEL_PASSWORD = "another password"


def find_binary(backends: Backends) -> str:
    """Return the one that the project itself would start."""
    command = ["python", "-c", BINARY]
    done = subprocess.run(
        command, cwd=backends.project, env=backends.environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Node:
    """One process; `settings` are lines of its configuration."""

    def __init__(self, binary: str, folder: Path, password: str, *settings: str, sentinel: bool = False) -> None:
        folder.mkdir(parents=True)
        self.port = free_port()
        self._password = password
        self._command = [binary, str(folder / "redis.conf"), *(["--sentinel"] if sentinel else [])]
        lines = [f"port {self.port}", "bind 127.0.0.1", f"dir {folder}", f'requirepass "{password}"', *settings]
        (folder / "redis.conf").write_text("\n".join([*lines, ""]))
        self._process: psutil.Popen | None = None

    def start(self) -> None:
        self._process = psutil.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except RedisError:
            return False

    def ask(self, *command: Any) -> Any:
        options: dict[str, Any] = {"password": self._password, "decode_responses": True, "socket_timeout": PATIENCE}
        with redis.Redis(port=self.port, **options) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None

    @contextmanager
    def frozen(self) -> Iterator[None]:
        assert self._process
        self._process.suspend()
        try:
            yield
        finally:
            self._process.resume()


class Cluster:
    """Three masters, each with a third of the slots."""

    def __init__(self, binary: str, folder: Path, password: str) -> None:
        self.nodes = [Node(binary, folder / name, password, *self._settings()) for name in ("one", "two", "three")]
        self._password = password

    def _settings(self) -> list[str]:
        return ["cluster-enabled yes", f"cluster-port {free_port()}", "cluster-node-timeout 2000", 'save ""']

    @property
    def url(self) -> str:
        return f"redis+cluster://:{self._password}@{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}"

    def start(self) -> None:
        for node in self.nodes:
            node.start()
        for number, node in enumerate(self.nodes):
            first, last = number * SLOTS // 3, (number + 1) * SLOTS // 3 - 1
            node.ask("CLUSTER ADDSLOTSRANGE", first, last)
            node.ask("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            port = node.ask("CONFIG", "GET", "cluster-port")["cluster-port"]
            self.nodes[0].ask("CLUSTER MEET", "127.0.0.1", node.port, port)
        wait_until(self.is_whole)

    def is_whole(self) -> bool:
        return all(
            node.ask("CLUSTER INFO")["cluster_state"] == "ok" and len(node.ask("CLUSTER SLOTS")) == len(self.nodes)
            for node in self.nodes
        )

    def keys_of_nodes(self) -> list[list[str]]:
        return [node.ask("KEYS", "*") for node in self.nodes]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        with ExitStack() as stack:
            for node in self.nodes:
                stack.enter_context(node.frozen())
            yield

    def stop(self) -> None:
        for node in self.nodes:
            node.kill()


class Watched:
    """A master, its replica, and a Sentinel that promotes the replica when the master is down."""

    def __init__(self, binary: str, folder: Path, password: str) -> None:
        self._binary, self._folder, self._password = binary, folder, password
        settings = (f'masterauth "{password}"', 'save ""')
        self.master = Node(binary, folder / "master", password, *settings)
        replicated = f"replicaof 127.0.0.1 {self.master.port}"
        self.replica = Node(binary, folder / "replica", password, *settings, replicated)
        watch = [
            f"monitor {MASTER} 127.0.0.1 {self.master.port} 1",
            f'auth-pass {MASTER} "{password}"',
            f"down-after-milliseconds {MASTER} 500",
            f"failover-timeout {MASTER} 2000",
        ]
        lines = [f"sentinel {line}" for line in watch]
        self.sentinel = Node(binary, folder / "sentinel", SENTINEL_PASSWORD, *lines, sentinel=True)

    @property
    def url(self) -> str:
        """Its address; the first of the Sentinels is not there."""
        sentinels = f"127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}"
        password = SENTINEL_PASSWORD.replace(" ", "%20")
        return f"redis+sentinel://:{self._password}@{sentinels}/{MASTER}/0?sentinel_password={password}"

    def start(self) -> None:
        for node in (self.master, self.replica, self.sentinel):
            node.start()
        wait_until(lambda: self.master.ask("INFO", "replication")["connected_slaves"] == 1)
        wait_until(lambda: self.replica.ask("INFO", "replication")["master_link_status"] == "up")
        wait_until(lambda: len(self.sentinel.ask("SENTINEL REPLICAS", MASTER)) == 1)

    def lose_master(self) -> None:
        """End the master; Sentinel does nothing about it yet."""
        self._be_patient(600_000)
        self.master.kill()

    def fail_over(self) -> None:
        """Wait until the replica has become the master."""
        self._be_patient(500)
        wait_until(lambda: self.replica.ask("INFO", "replication")["role"] == "master")
        wait_until(lambda: int(self.sentinel.ask("SENTINEL MASTER", MASTER)["port"]) == self.replica.port)

    def _be_patient(self, milliseconds: int) -> None:
        self.sentinel.ask("SENTINEL SET", MASTER, "down-after-milliseconds", milliseconds)

    def stop(self) -> None:
        for node in (self.master, self.replica, self.sentinel):
            node.kill()


NodesT = TypeVar("NodesT", Cluster, Watched)


@contextmanager
def started(kind: type[NodesT], backends: Backends, folder: Path) -> Iterator[NodesT]:
    """Run nodes that have the password of the project's own Redis."""
    nodes = kind(find_binary(backends), folder / "nodes", backends.settings["REDIS_PASSWORD"])
    try:
        nodes.start()
        yield nodes
    finally:
        nodes.stop()
