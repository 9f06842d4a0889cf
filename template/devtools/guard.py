"""Runs a command that must not outlive whoever started it.

Standard input is a pipe that only the starter holds: when it ends, by closing or by the starter's death, the command
is told to stop by a signal, and killed if it does not in so many seconds. What it started goes with it.

    python -m devtools.guard SIGINT 15 postgres -D ...
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading


def _stop_when_input_ends(child: subprocess.Popen[bytes], number: signal.Signals, patience: int) -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        os.killpg(os.getpgrp(), signal.SIGKILL)


def main(stop_signal: str, patience: str, *command: str) -> int:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe ends a guard, so that it never goes before its command
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_default_signals)  # noqa: PLW1509 - no threads yet
    arguments = (child, signal.Signals[stop_signal], int(patience))
    threading.Thread(target=_stop_when_input_ends, args=arguments, daemon=True).start()
    code = child.wait()
    if select.select([sys.stdin], [], [], 0)[0]:  # its end: nobody waits for the code, nor for what the command left
        os.killpg(os.getpgrp(), signal.SIGKILL)
    return code


def _default_signals() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # at once: the thread still waits for the pipe
