"""Runs a command that must not outlive whoever started it.

Standard input is a pipe that only the starter holds: when it ends, by closing or by the starter's death, the command
is told to stop by a signal, and killed if it does not in so many seconds. What it started goes with it.

    python -m devtools.guard SIGINT 15 postgres -D ...
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading


class Stopper(threading.Thread):
    """Ends a command, and this process with it, as soon as standard input ends."""

    def __init__(self, child: subprocess.Popen[bytes], number: signal.Signals, patience: int) -> None:
        super().__init__(daemon=True)
        self.stops = False
        self._child, self._number, self._patience = child, number, patience

    def run(self) -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        self.stops = True
        with contextlib.suppress(ProcessLookupError):
            self._child.send_signal(self._number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(self._patience)
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main(stop_signal: str, patience: str, *command: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe ends a guard, so that it never goes before its command
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_default_signals)  # noqa: PLW1509 - no threads yet
    stopper = Stopper(child, signal.Signals[stop_signal], int(patience))
    stopper.start()
    code = child.wait()
    if stopper.stops:
        stopper.join()  # until it kills
    return code


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # at once: the thread still waits for the pipe
