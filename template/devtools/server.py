"""A server of our own: on a free port of the loopback interface, its data in a folder, gone with whoever started it."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from devtools.process import Guarded, fail, free_port, interrupts_wait, last_words, wait_until

ATTEMPTS = 3  # a port that is free may be taken by the time the server listens
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Server(ABC):
    name: ClassVar[str]
    variable: ClassVar[str]  # the setting that leads to it
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, folder: Path, *, wanted_port: int | None = None, keep: bool = True) -> None:
        self.folder = folder
        self.keep = keep  # what was written outlives a crash; a test's server needs none of that
        self.log = folder / f"{self.name.lower()}.log"
        self.wanted_port = wanted_port
        self.port = 0
        self._process: Guarded | None = None

    @classmethod
    @abstractmethod
    def configured(cls) -> tuple[str, int]:
        """Return host and port of the settings."""

    @classmethod
    @abstractmethod
    def configured_answers(cls) -> bool:
        """Say whether the server of the settings answers with the user and password of the settings."""

    @property
    @abstractmethod
    def address(self) -> str:
        """The value of `variable` that leads to this server."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the folder ready for a start."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return what starts the server on `port`."""

    @abstractmethod
    def is_ready(self) -> bool: ...

    @classmethod
    def is_local(cls) -> bool:
        return cls.configured()[0] in LOOPBACK

    def start(self) -> None:
        """Start the server and wait until it answers.

        Raises:
            Failure: it did not, with its last words.
        """
        self.prepare()
        for _ in range(ATTEMPTS):
            self.port = free_port(self.wanted_port)
            self.log.write_bytes(b"")
            command = self.command()
            with interrupts_wait():
                self._process = process = Guarded(command, log=self.log, stop_signal=self.stop_signal)
            if self._becomes_ready(process):
                return
            self.stop()
            if "in use" not in self.log.read_text(errors="replace"):
                break
        fail(f"{self.name} did not start; its log is {self.log}:\n{last_words(self.log)}")

    def stop(self) -> None:
        if self._process:
            self._process.stop()

    def _becomes_ready(self, process: Guarded) -> bool:
        wait_until(
            lambda: self.is_ready() or process.exit_code is not None, f"{self.name} is not ready; see {self.log}."
        )
        return process.exit_code is None
