"""`make dev` of a rendered project starts real servers where there are none, and leaves nothing behind."""

import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.dev import assert_it_serves
from tests.support.rendering import render
from tests.support.service import (
    free_port,
    processes_below,
    running,
    wait_until_gone,
)
from tests.support.tasks import wait_for_task

# Ctrl-C at the worst moment: the process with this word in its command exists, but its parent does not know it yet.
INTERRUPTED = """
import os, signal, subprocess, sys

start = subprocess.Popen._execute_child

def start_interrupted(process, command, *arguments):
    start(process, command, *arguments)
    if sys.argv[1] in map(os.path.basename, map(str, command)):
        os.kill(os.getpid(), signal.SIGINT)

subprocess.Popen._execute_child = start_interrupted
from devtools import dev

sys.exit(dev.main())
"""
QUERY = """
import asyncio, sys
from devtools.postgres import connect
from src.database.config import get_database_settings

async def main():
    connection = await connect(get_database_settings().url)
    print(await connection.fetch(sys.argv[1]))
    await connection.close()

asyncio.run(main())
"""


def test_it_says_what_it_does_and_ends_with_ctrl_c(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """Line by line: the servers and where their data is, the migrations, the address."""
    with running(["make", "dev"], new_dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        service.press_ctrl_c()
        service.wait()
    for line in (
        "PostgreSQL: creating",
        "PostgreSQL: /",
        "Redis: /",
        "Migrations: alembic",
        "Service: http://127.0.0.1:",
    ):
        assert line in service.text
    assert "Everything is stopped." in service.text
    assert "Traceback" not in service.text
    assert wait_until_gone(new_dev_project) == []


@pytest.mark.parametrize("word", ["-k", "alembic", "uvicorn"], ids=["postgres", "alembic", "uvicorn"])
def test_ctrl_c_while_a_process_starts_forgets_none(
    new_dev_project: Path, dev_environment: dict[str, str], word: str
) -> None:
    """Everything that was started stops before the last message, and nothing fails."""
    with running(["python", "-c", INTERRUPTED, word], new_dev_project, dev_environment) as service:
        assert service.wait() == 0
        assert "Everything is stopped." in service.text
        assert processes_below(new_dev_project) == []
    assert service.text.endswith("Everything is stopped.\n")
    assert "Traceback" not in service.text


def test_ctrl_c_while_it_migrates_leaves_no_traceback(dev_project: Path, dev_environment: dict[str, str]) -> None:
    """What was started is undone; the next run completes it."""
    with running(["python", "-m", "devtools.dev"], dev_project, dev_environment) as service:
        service.wait_for("Migrations: alembic")
        service.press_ctrl_c()
        assert service.wait() == 0
    assert service.text.endswith("Everything is stopped.\n")
    assert "Traceback" not in service.text
    assert wait_until_gone(dev_project) == []


def test_background_tasks_run_too(template: Path, open_folder: Path, dev_environment: dict[str, str]) -> None:
    """The worker and its scheduler run, restart when the code changes, and stop at the end."""
    project = render(template, open_folder, auth=False, celery=True)
    url = f"http://127.0.0.1:{dev_environment['PORT']}/tasks"
    with running(["make", "dev"], project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        assert wait_for_task(url) == "SUCCESS"
        (project / "src" / "tasks" / "tasks.py").open("a").write("\n")
        for event in ("worker stopped", "worker started"):
            service.wait_for(event)
        assert wait_for_task(url) == "SUCCESS"
        service.press_ctrl_c()
        service.wait()
    assert "Background tasks: celery" in service.text
    assert "Traceback" not in service.text
    assert wait_until_gone(project) == []


def test_a_second_run_finds_its_data(dev_project: Path, dev_environment: dict[str, str], run: Run) -> None:
    """Data stays in .dev, which git ignores."""
    for statement in ("CREATE TABLE kept AS SELECT 42 AS answer", "SELECT answer FROM kept"):
        with running(["make", "dev"], dev_project, dev_environment) as service:
            assert_it_serves(service, dev_environment)
            ports = {name: dev_environment[name] for name in ("DB_PORT", "REDIS_PORT")}
            done = run("python", "-c", QUERY, statement, cwd=dev_project, **ports)
    assert "answer=42" in done.stdout
    assert ".dev/" in (dev_project / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_it(dev_project: Path, dev_environment: dict[str, str], number: int) -> None:
    """Whether it is stopped politely, by a closed terminal or by SIGKILL, all servers stop too."""
    with running(["python", "-m", "devtools.dev"], dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        assert len(processes_below(dev_project)) > 2
        service.process.send_signal(number)
        service.process.wait()
        assert wait_until_gone(dev_project) == []


def test_servers_that_answer_are_used(dev_project: Path, dev_environment: dict[str, str]) -> None:
    """While `make dev` runs, every other command uses its servers."""
    with running(["make", "dev"], dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        done = subprocess.run(
            ["make", "migrate"], cwd=dev_project, env=dev_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        second = {**dev_environment, "PORT": str(free_port())}
        with running(["make", "dev"], dev_project, second) as other:
            assert other.wait() != 0
        assert "is running already: stop it first" in other.text


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ENVIRONMENT": "prod"}, "ENVIRONMENT is prod: `make dev` runs with ENVIRONMENT=dev in .env only"),
        ({"DB_HOST": "db.example.com"}, "is not on this machine"),
        ({"PORT": "none"}, "PORT: Input should be a valid integer"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY: HS256 needs 32 bytes or more"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    new_dev_project: Path, dev_environment: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    """The message names the remedy, nothing is started, and there is no traceback."""
    with running(["make", "dev"], new_dev_project, {**dev_environment, **change}) as service:
        assert service.wait() != 0
    assert sentence in service.text
    assert "Traceback" not in service.text
    assert not (new_dev_project / ".dev").exists()


def test_a_taken_port_is_one_sentence(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """The message names the port and how to choose another."""
    port = int(dev_environment["PORT"])
    with (
        socket.create_server(("127.0.0.1", port)),
        running(["make", "dev"], new_dev_project, dev_environment) as service,
    ):
        assert service.wait() != 0
    assert re.search(rf"Port {port} is taken: .*PORT={port + 1} make dev", service.text)


def test_a_broken_env_file_is_one_sentence(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """The message has the line number."""
    lines = (new_dev_project / ".env").read_text().splitlines()
    (new_dev_project / ".env").write_text("\n".join([*lines, "BROKEN LINE 'x", ""]))
    with running(["make", "dev"], new_dev_project, dev_environment) as service:
        assert service.wait() != 0
    assert f"line {len(lines) + 1}: write NAME=value" in service.text
    assert "Traceback" not in service.text


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_a_folder_for_data_that_is_none_is_one_sentence(
    new_dev_project: Path, dev_environment: dict[str, str], there: str
) -> None:
    """Nothing is removed unless the user asked for it."""
    if there == "file":
        (new_dev_project / ".dev").write_text("mine")
    else:
        (new_dev_project / ".dev").symlink_to("nowhere")
    with running(["make", "dev"], new_dev_project, dev_environment) as service:
        assert service.wait() != 0
    assert f"{new_dev_project / '.dev'} must be a folder that you may write to" in service.text
    assert "Traceback" not in service.text
