"""What all servers of our own have in common."""

import socket
import sys
from pathlib import Path

import pytest

from devtools.process import Failure, free_port
from devtools.server import Server

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


class Listener(Server):
    """Any program that listens."""

    name = "Listener"
    variable = "LISTENER"
    code = LISTEN

    @classmethod
    def configured(cls) -> tuple[str, int]:
        return "localhost", 1

    @classmethod
    def configured_answers(cls) -> bool:
        return False

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None: ...

    def command(self) -> list[str]:
        return [sys.executable, "-c", self.code, str(self.port)]

    def is_ready(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Broken(Listener):
    code = "import sys; sys.exit('no such disk')"


def test_it_takes_the_wanted_port(tmp_path: Path) -> None:
    """So that other commands find it by the settings."""
    wanted = free_port()
    server = Listener(tmp_path, wanted_port=wanted)
    server.start()
    assert (server.port, server.is_ready()) == (wanted, True)
    server.stop()
    assert not server.is_ready()


def test_a_taken_port_is_replaced(tmp_path: Path) -> None:
    """Somebody else's server is no obstacle."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Listener(tmp_path, wanted_port=taken.getsockname()[1])
        server.start()
        assert server.port != taken.getsockname()[1]
        server.stop()


def test_a_port_that_was_just_taken_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the start somebody else may be quicker."""
    with socket.create_server(("127.0.0.1", 0)) as quicker:
        ports = [quicker.getsockname()[1], free_port()]
        monkeypatch.setattr("devtools.server.free_port", lambda _: ports.pop(0))
        monkeypatch.setattr(Listener, "is_ready", lambda self: self.port != quicker.getsockname()[1])
        server = Listener(tmp_path)
        server.start()
        assert server.port != quicker.getsockname()[1]
        server.stop()


def test_one_that_ends_at_once_is_explained(tmp_path: Path) -> None:
    """Its last words are shown, and where its log is."""
    with pytest.raises(Failure, match=r"Listener did not start; its log is .*listener\.log:") as failure:
        Broken(tmp_path).start()
    assert "no such disk" in str(failure.value)
