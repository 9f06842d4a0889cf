"""A real HAProxy in front of two processes of the service, which are restarted in turn."""

import asyncio
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.backends import Backends
from tests.support.clients import Client
from tests.support.live import LiveService, NewClient, NewService
from tests.support.packages import find_or_install
from tests.support.patience import PATIENCE
from tests.support.redis_nodes import wait_until
from tests.support.service import free_port

REQUESTS, RESTARTS, CLIENTS = 5_000, 4, 4
HAPROXY = """
defaults
    mode http
    retries 0
    timeout connect {patience}s
    timeout client {patience}s
    timeout server {patience}s
    timeout check {patience}s

frontend clients
    bind 127.0.0.1:{port}
    default_backend service

frontend stats
    bind 127.0.0.1:{stats}
    stats enable
    stats uri /

"""


class HAProxy:
    def __init__(self, ports: list[int], project: Path, folder: Path) -> None:
        self.port, self._stats = free_port(), free_port()
        lines = re.search(r"^```text\n(backend .*?)^```$", (project / "docs" / "running.md").read_text(), re.M | re.S)
        assert lines
        backend = re.sub(r"10\.0\.0\.(\d):8000", lambda found: f"127.0.0.1:{ports[int(found[1]) - 1]}", lines[1])
        path = folder / "haproxy.cfg"
        path.write_text(HAPROXY.format(port=self.port, stats=self._stats, patience=int(PATIENCE)) + backend)
        command = [find_or_install("haproxy"), "-f", str(path)]
        subprocess.run([*command, "-c", "-q"], check=True)
        self.process = psutil.Popen([*command, "-db"])

    def wait_until_both_serve(self) -> None:
        wait_until(lambda: len(re.findall(r"^service,(?:one|two),.*,UP,", self._read(), re.MULTILINE)) == 2)

    def _read(self) -> str:
        try:
            return httpx.get(f"http://127.0.0.1:{self._stats}/;csv").text
        except httpx.ConnectError:
            return ""


@pytest.fixture
def services(new_service: NewService) -> list[LiveService]:
    return [new_service(DRAIN_SECONDS="5") for _ in range(2)]


@pytest.fixture
def proxy(services: list[LiveService], backends: Backends, tmp_path: Path) -> Iterator[HAProxy]:
    proxy = HAProxy([service.port for service in services], backends.project, tmp_path)
    try:
        proxy.wait_until_both_serve()
        yield proxy
    finally:
        proxy.process.terminate()
        proxy.process.wait()


async def ask_until(client: Client, done: asyncio.Event) -> list[int]:
    """Ask again and again, over a connection that stays open; return the status of each answer."""
    statuses: list[int] = []
    while not done.is_set() or len(statuses) < REQUESTS / CLIENTS:
        statuses.append((await client.profile()).status_code)
    return statuses


async def test_a_rolling_restart_loses_no_request(
    proxy: HAProxy, services: list[LiveService], new_service: NewService, new_client: NewClient
) -> None:
    """The proxy asks for readiness as docs/running.md shows it, and tries no request twice."""
    clients = [await (await new_client(services[0])).sign_up() for _ in range(CLIENTS)]
    done = asyncio.Event()
    behind = [Client(proxy.port, cookies=client.cookies) for client in clients]
    asking = [asyncio.create_task(ask_until(client, done)) for client in behind]
    for number in range(RESTARTS):
        service = services[number % 2]
        assert await asyncio.to_thread(service.stop) == 0
        services[number % 2] = await asyncio.to_thread(new_service, PORT=str(service.port), DRAIN_SECONDS="5")
        await asyncio.to_thread(proxy.wait_until_both_serve)
    done.set()
    statuses = [status for found in await asyncio.gather(*asking) for status in found]
    assert (len(statuses) >= REQUESTS, set(statuses)) == (True, {200})
