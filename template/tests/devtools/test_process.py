"""Nothing is left running, and a taken port is noticed."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from devtools.process import ROOT, Guarded, free_port, is_free, wait_until

SLEEP = [
    sys.executable,
    "-c",
    "import os, pathlib, sys, time; pathlib.Path(sys.argv[1]).write_text(str(os.getpid())); time.sleep(600)",
]
STARTER = "import sys, time; from devtools.process import Guarded; Guarded(sys.argv[1:]); time.sleep(600)"


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def written_number(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text() != "", "the command did not start")
    return int(path.read_text())


def test_a_guarded_command_stops_with_its_guard(tmp_path: Path) -> None:
    """`stop` returns when the command is gone."""
    command = Guarded([*SLEEP, str(tmp_path / "pid")])
    process = written_number(tmp_path / "pid")
    command.stop()
    assert not is_running(process)


def test_a_guarded_command_does_not_outlive_a_killed_starter(tmp_path: Path) -> None:
    """Even SIGKILL, which nobody can catch, leaves nothing behind."""
    starter = subprocess.Popen([sys.executable, "-c", STARTER, *SLEEP, str(tmp_path / "pid")], cwd=ROOT)
    process = written_number(tmp_path / "pid")
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    wait_until(lambda: not is_running(process), "the command outlived its starter")
    assert not is_running(process)


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
