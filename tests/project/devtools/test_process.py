"""Nothing is left running, and a taken port is noticed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from devtools.process import ROOT, START_TIMEOUT, free_port, is_free, running, wait_until

SLEEP = [
    sys.executable,
    "-c",
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)",
]
PARENT = [sys.executable, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"]
# Hears what it is told, and ends when it may.
STUBBORN = """
import os, pathlib, signal, sys, time

ready, told, end = map(pathlib.Path, sys.argv[1:])
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: told.touch())
ready.write_text(str(os.getpid()))
while not end.exists():
    time.sleep(0.01)
sys.exit(7)
"""
STARTER = """
import sys, time
from devtools.process import running

with running(sys.argv[2:], on_terminal=sys.argv[1] == "terminal"):
    time.sleep(600)
"""
STOPPER = """
import pathlib, sys
from devtools.process import running, stop_on_signals, wait_until

stop_on_signals()
with running(sys.argv[1:], patience=600):
    wait_until(pathlib.Path(sys.argv[-3]).exists, "the command did not start")
"""
RUNNER = """
import os, sys
from devtools.process import finish, stop_on_signals

stop_on_signals()
sys.exit(finish(sys.argv[1:], os.environ))
"""


def is_running(process: int) -> bool:
    command = ["ps", "-o", "stat=", "-p", str(process)]
    state = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return state != "" and not state.startswith("Z")


def stubborn(folder: Path) -> list[str]:
    return [sys.executable, "-c", STUBBORN, *(str(folder / name) for name in ("ready", "told", "end"))]


def written_number(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text() != "", "the command did not start")
    return int(path.read_text())


def test_a_guarded_command_stops_with_its_guard(tmp_path: Path) -> None:
    """The block ends when the command is gone."""
    with running([*SLEEP, str(tmp_path / "pid")]):
        process = written_number(tmp_path / "pid")
    assert not is_running(process)


@pytest.mark.parametrize(
    ("where", "command"), [("apart", [*PARENT, *SLEEP]), ("terminal", SLEEP)], ids=["apart", "terminal"]
)
def test_a_guarded_command_does_not_outlive_a_killed_starter(tmp_path: Path, where: str, command: list[str]) -> None:
    """Even SIGKILL, which cannot be caught, leaves neither the command nor its children behind."""
    arguments = [where, *command, str(tmp_path / "pid")]
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *arguments], cwd=ROOT)
    process = written_number(tmp_path / "pid")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_until(lambda: not is_running(process), "the command outlived its starter")
    assert not is_running(process)


def test_what_a_guarded_command_started_goes_with_it(tmp_path: Path) -> None:
    """A command that is killed cannot stop its own children."""
    with running([*PARENT, *SLEEP, str(tmp_path / "pid")]):
        process = written_number(tmp_path / "pid")
    wait_until(lambda: not is_running(process), "the child outlived the command")
    assert not is_running(process)


def test_another_ctrl_c_ends_the_patience(tmp_path: Path) -> None:
    """A command that was told to stop and does not is killed at once."""
    command = [sys.executable, "-c", STOPPER, *stubborn(tmp_path)]
    stopper = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    process = written_number(tmp_path / "ready")
    wait_until((tmp_path / "told").exists, "the command was not told to stop")
    stopper.send_signal(signal.SIGTERM)
    stopper.wait(START_TIMEOUT)
    assert not is_running(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_told_to_stop_ends_in_its_own_time(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C in a terminal reaches both processes, SIGTERM only the first; the exit code is that of the command."""
    command = [sys.executable, "-c", RUNNER, *stubborn(tmp_path)]
    runner = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
    written_number(tmp_path / "ready")
    (os.killpg if number == signal.SIGINT else os.kill)(runner.pid, number)
    wait_until((tmp_path / "told").exists, "the command was not told to stop")
    (tmp_path / "end").touch()
    assert runner.wait() == 7


def test_a_taken_port_is_noticed_and_replaced() -> None:
    """The wanted port if it is free, else another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not is_free(port)
        assert free_port(port) != port
    assert free_port(port) == port


def test_an_early_ctrl_c_leaves_no_traceback() -> None:
    """It may come before `main`, while modules are imported; other errors still show where they happened."""
    command = [sys.executable, "-c", "import sys, devtools; raise __builtins__.__dict__[sys.argv[1]]"]
    interrupted, broken = (
        subprocess.run([*command, error], cwd=ROOT, capture_output=True, text=True, check=False)
        for error in ("KeyboardInterrupt", "OSError")
    )
    assert (interrupted.returncode, interrupted.stderr) == (-signal.SIGINT, "")
    assert (broken.returncode, "Traceback" in broken.stderr) == (1, True)
