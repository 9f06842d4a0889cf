"""Runs a command that must not outlive whoever started it.

Standard input is a pipe that only the starter holds: when it ends, by closing or by the starter's death, the command
is told to stop, and killed if it does not.

    python -m devtools.guard postgres -D ...
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading

PATIENCE = 15  # seconds between the request to stop and the kill


def _stop_when_input_ends(child: subprocess.Popen[bytes]) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGINT)
    try:
        child.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main(command: list[str]) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe ends a guard, so that it never goes before its command
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_default_signals)  # noqa: PLW1509 - no threads yet
    threading.Thread(target=_stop_when_input_ends, args=[child], daemon=True).start()
    return child.wait()


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))  # at once: the thread still waits for the pipe
