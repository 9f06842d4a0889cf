"""The service as a process."""

import gc
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection
from urllib.request import urlopen

import pytest
from fastapi import APIRouter, FastAPI
from httpx import AsyncClient

from devtools.process import ROOT, free_port, wait_until
from src import about, routers
from src.config import get_settings
from src.main import create_app


@contextmanager
def serving(*command: str, port: int) -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def answers(port: int, path: str = "/health") -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("command", ["src.main", "uvicorn src.main:create_app --factory --port {port}"])
def test_it_starts_and_stops(command: str) -> None:
    """Both ways to start it work, and SIGTERM ends it in order; ours with an exit code that says so."""
    port = free_port()
    with serving(*command.format(port=port).split(), port=port) as process:
        wait_until(lambda: answers(port), "the service does not answer")
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=10)
    assert "started" in log
    assert "stopped" in log
    assert process.returncode == (0 if command == "src.main" else -signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_it_serves_on_while_a_load_balancer_turns_away(monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """For DRAIN_SECONDS it is not ready, answers and keeps no connection; a second signal ends it at once."""
    monkeypatch.setenv("DRAIN_SECONDS", "3600")
    port = free_port()
    with serving("src.main", port=port) as process, ExitStack() as stack:
        wait_until(lambda: answers(port), "the service does not answer")
        kept = stack.enter_context(closing(HTTPConnection("127.0.0.1", port)))
        kept.request("GET", "/health")
        assert kept.getresponse().read()
        process.send_signal(number)
        wait_until(lambda: not answers(port, "/health/ready"), "the service is still ready")
        kept.request("GET", "/health")
        answer = kept.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        process.send_signal(number)
        _, log = process.communicate(timeout=30)
    assert "stopped" in log
    assert process.returncode == 0


def test_it_stops_by_itself_after_that_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One signal is enough."""
    monkeypatch.setenv("DRAIN_SECONDS", "0.1")
    port = free_port()
    with serving("src.main", port=port) as process:
        wait_until(lambda: answers(port), "the service does not answer")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 0


@pytest.mark.parametrize(("environment", "seconds"), [("dev", 0), ("test", 0), ("prod", 5)])
def test_only_production_has_a_load_balancer_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, environment: str, seconds: int
) -> None:
    """Unless DRAIN_SECONDS says so."""
    monkeypatch.setenv("ENVIRONMENT", environment)
    assert get_settings().drain_seconds == seconds


def test_compose_waits_until_it_has_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Longer than DRAIN_SECONDS and SHUTDOWN_TIMEOUT together."""
    monkeypatch.setenv("ENVIRONMENT", "prod")
    settings = get_settings()
    grace = re.search(r"stop_grace_period: (\d+)s", (ROOT / "docker-compose.yaml").read_text(encoding="utf-8"))
    assert grace
    assert int(grace[1]) > settings.drain_seconds + settings.SHUTDOWN_TIMEOUT


def test_requests_log_json_only_in_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each; what uvicorn would write about them in its own format is left out."""
    monkeypatch.setenv("SERIALIZE", "true")
    port = free_port()
    with serving("uvicorn", "src.main:create_app", "--factory", "--workers=2", f"--port={port}", port=port) as process:
        wait_until(lambda: answers(port), "the service does not answer")
        urlopen(f"http://127.0.0.1:{port}/openapi.json").close()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
    (line,) = [line for line in log.splitlines() if "unmatched" in line]
    assert json.loads(line)["status"] == 200


def test_a_broken_setting_is_one_line_and_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says what to fix."""
    monkeypatch.setenv("LEVEL", "LOUD")
    command = [sys.executable, "-m", "src.main"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "LEVEL" in done.stderr
    assert "Traceback" not in done.stderr


def test_routers_of_the_user_are_included(monkeypatch: pytest.MonkeyPatch) -> None:
    """src/routers.py is all that a new feature needs."""
    router = APIRouter(prefix="/articles")

    @router.get("")
    async def read() -> None: ...

    monkeypatch.setattr(routers, "routers", [*routers.routers, router])
    assert "/articles" in create_app().openapi()["paths"]


async def test_the_document_says_what_the_service_is(app: FastAPI) -> None:
    """Its title and description are those of the project."""
    info = app.openapi()["info"]
    assert (info["title"], info["description"]) == (about.TITLE, about.DESCRIPTION)


@pytest.mark.parametrize("provider", ["trace.get_tracer_provider", "metrics.get_meter_provider"])
async def test_no_request_is_traced(client: AsyncClient, monkeypatch: pytest.MonkeyPatch, provider: str) -> None:
    """FastAPI would put raw queries into spans, where tokens may be."""
    monkeypatch.setattr(f"opentelemetry.{provider}", lambda: pytest.fail("telemetry is on"))
    assert (await client.get("/health")).status_code == 200


async def test_the_garbage_collector_skips_what_is_loaded() -> None:
    """It would scan hundreds of thousands of objects that are never freed."""
    gc.unfreeze()
    app = create_app()
    async with app.router.lifespan_context(app):
        assert gc.get_freeze_count() > 0
