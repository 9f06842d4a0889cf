"""Runs a command that must not outlive whoever started it: see `running` in process.py.

The guard's standard input is a pipe that only the starter holds: when it ends, by closing or by the starter's death,
the command is told to stop by a signal, and killed if it does not in so many seconds. What it started goes with it.

    python -m devtools.guard <file descriptor of the command's standard input> SIGINT 15 postgres -D ...
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _handle(handler: signal.Handlers) -> None:
    for number in STOPPING:
        signal.signal(number, handler)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """Kill the command and all that it started, or on the terminal, where others are of its group, it alone."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    child.kill()


def _watch(child: subprocess.Popen[bytes], number: signal.Signals, patience: int) -> None:
    """Stop the command when the pipe ends."""
    while os.read(sys.stdin.fileno(), 1):
        pass
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(number)
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        _kill(child)


def main(source: str, stop_signal: str, patience: str, *command: str) -> int:
    _handle(signal.SIG_IGN)  # only the pipe ends a guard, so that it never goes before its command
    child = subprocess.Popen(command, stdin=int(source), preexec_fn=lambda: _handle(signal.SIG_DFL))  # noqa: PLW1509 - no threads yet
    threading.Thread(target=_watch, args=(child, signal.Signals[stop_signal], int(patience)), daemon=True).start()
    code = child.wait()
    if select.select([sys.stdin], [], [], 0)[0]:  # its end: nobody waits for what the command left
        _kill(child)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    os._exit(main(*sys.argv[1:]))  # at once: the thread still waits for the pipe
