"""Runs a rendered project's `make dev`, or anything like it, as a person does at a terminal."""

import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Queue
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from tests.support.patience import PATIENCE

READY = "Application startup complete"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def processes_below(folder: Path) -> list[psutil.Process]:
    """List the processes that work in a folder or name it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or belongs to another user
            is_here = process.cwd().startswith(str(folder)) or str(folder) in " ".join(process.cmdline())
            if is_here and process.pid != os.getpid():
                found.append(process)
    return found


def wait_until_gone(folder: Path) -> list[psutil.Process]:
    """Return what still runs below a folder when it should not any more."""
    deadline = time.monotonic() + PATIENCE
    while (left := processes_below(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


class Service:
    """A command in its own process group, as a shell would start it, with its output."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.said: list[str] = []
        self._lines: Queue[str | None] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    @property
    def text(self) -> str:
        return "".join(self.said)

    def wait_for(self, pattern: str) -> "re.Match[str]":
        """Return the first line that matches, as soon as it is printed."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                line = None
            assert line is not None, f"{pattern!r} was not said in:\n{self.text}"
            self.said.append(line)
            if found := re.search(pattern, line):
                return found

    def drain(self) -> str:
        """Return what was said so far, all of it."""
        with suppress(Empty):
            while line := self._lines.get_nowait():
                self.said.append(line)
        return self.text

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        while (line := self._lines.get(timeout=PATIENCE)) is not None:
            self.said.append(line)
        return self.process.wait(PATIENCE)

    def press_ctrl_c(self) -> None:
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)


@contextmanager
def running(command: list[str], folder: Path, environment: dict[str, str]) -> Iterator[Service]:
    service = Service(command, folder, environment)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.press_ctrl_c()
        service.process.wait(PATIENCE)


def fetch(port: int, path: str) -> tuple[int, str]:
    """Get a path as soon as the port is open, and the servers behind it answer in time.

    uvicorn says that it is ready a moment before it is; a busy machine may need more than readiness waits for.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as answer:
                return answer.status, answer.read().decode()
        except URLError as error:
            is_early = isinstance(error.reason, ConnectionRefusedError) or getattr(error, "code", None) == 503
            if not is_early or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
