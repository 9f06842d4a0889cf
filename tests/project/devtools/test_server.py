"""Behaviour common to all servers that we start."""

import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from devtools.process import Failure, free_port
from devtools.server import serving

LISTEN = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)"


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serve(folder: Path, wanted_port: int | None = None, code: str = LISTEN) -> AbstractContextManager[int]:
    """Run any program that listens."""
    return serving("Listener", folder, lambda port: [sys.executable, "-c", code, str(port)], listens, wanted_port)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody else's server has."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_it_takes_the_wanted_port(tmp_path: Path) -> None:
    """So that other commands find it by the settings."""
    wanted = free_port()
    with serve(tmp_path, wanted) as port:
        assert (port, listens(port)) == (wanted, True)
    assert not listens(port)


def test_a_taken_port_is_replaced(tmp_path: Path, taken: int) -> None:
    """Somebody else's server is no obstacle."""
    with serve(tmp_path, taken) as port:
        assert port != taken


def test_a_port_that_was_just_taken_is_replaced(tmp_path: Path, taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may take the port between the check and the start."""
    ports = [taken, free_port()]
    monkeypatch.setattr("devtools.server.free_port", lambda _: ports.pop(0))
    monkeypatch.setitem(globals(), "listens", lambda port: port != taken)
    with serve(tmp_path) as port:
        assert port != taken


def test_one_that_ends_at_once_is_explained(tmp_path: Path) -> None:
    """Its last words are shown, and where its log is."""
    with (
        pytest.raises(Failure, match=r"Listener did not start; its log is .*listener\.log:") as failure,
        serve(tmp_path, code="import sys; sys.exit('no such disk')"),
    ):
        pass
    assert "no such disk" in str(failure.value)
