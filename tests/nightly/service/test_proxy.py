"""A real nginx in front of the service, with the lines that docs/running.md gives for it."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.backends import Backends
from tests.support.live import LiveService
from tests.support.packages import find_or_install
from tests.support.redis_nodes import wait_until
from tests.support.service import free_port

NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{ access_log off; client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/answers; include {folder}/site; }}
"""
ADDRESS = "127.0.0.9"  # that of the client, which is another than the proxy's


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def proxy(service: LiveService, backends: Backends, tmp_path: Path) -> Iterator[str]:
    """The lines as they are, but for the ports and TLS, which ends there."""
    port, text = free_port(), (backends.project / "docs" / "running.md").read_text()
    lines = re.search(r"^```nginx\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert lines
    site = re.sub(r"^ *ssl_.*\n", "", lines[1], flags=re.MULTILINE)
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{port};").replace(
        "127.0.0.1:8000", f"127.0.0.1:{service.port}"
    )
    (tmp_path / "site").write_text(site)
    (tmp_path / "nginx.conf").write_text(NGINX.format(folder=tmp_path))
    command = [find_or_install("nginx"), "-c", str(tmp_path / "nginx.conf")]
    subprocess.run([*command, "-t"], capture_output=True, check=True)
    process = psutil.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: is_open(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def test_headers_end_at_the_proxy(proxy: str) -> None:
    """A line of 7 KB is served; one of 9 KB, and 60 KB in all, are not."""
    many = {f"X-{number}": "a" * 1000 for number in range(60)}
    sent = ({"X-One": "a" * 7000}, {"X-One": "a" * 9000}, many)
    assert [httpx.get(f"{proxy}/health", headers=headers).status_code for headers in sent] == [200, 400, 400]


def test_connections_of_one_client_end_at_a_hundred(proxy: str) -> None:
    """Whoever holds more than that, each in the middle of a request, gets 503 for the rest."""
    head = b"POST /auth/login HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 9\r\n\r\n{"
    with ExitStack() as stack:
        for _ in range(100):
            held = stack.enter_context(socket.create_connection(("127.0.0.1", int(proxy.rpartition(":")[2]))))
            held.sendall(head)
        wait_until(lambda: httpx.get(f"{proxy}/health").status_code == 503)
    wait_until(lambda: httpx.get(f"{proxy}/health").status_code == 200)


def test_the_client_has_its_own_address(proxy: str, service: LiveService) -> None:
    """The proxy is on this machine, so it is believed; what the client claims is not passed on."""
    transport = httpx.HTTPTransport(local_address=ADDRESS)
    with httpx.Client(transport=transport, headers={"X-Forwarded-For": "203.0.113.1"}) as client:
        body = {"username": "nobody", "password": "not the password"}
        assert client.post(f"{proxy}/auth/login", json=body).status_code == 401
    service.wait_for(f"sign-in failed.*address={re.escape(ADDRESS)}")
