"""A server of our own: on a free port of the loopback interface, gone with whoever started it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from devtools.process import fail, free_port, running, wait_until

ATTEMPTS = 3  # a port that is free may be taken by the time the server listens


@contextmanager
def serving(
    name: str,
    folder: Path,
    command: Callable[[int], list[str]],
    is_ready: Callable[[int], bool],
    wanted_port: int | None,
    stop: str = "SIGTERM",
) -> Iterator[int]:
    """Start a server on the wanted port or another, wait until it answers, and yield the port; stop it at the end.

    Raises:
        Failure: it did not start, with its last words.
    """
    log = folder / f"{name.lower()}.log"
    for _ in range(ATTEMPTS):
        port = free_port(wanted_port)
        arguments = command(port)
        with log.open("wb") as output, running(arguments, stop=stop, stdout=output, stderr=output) as process:
            late = f"{name} is not ready; see {log}."
            wait_until(lambda: is_ready(port) or process.poll() is not None, late)  # noqa: B023 - called in this round
            if process.poll() is None:
                yield port
                return
        said = log.read_text(errors="replace")
        if "in use" not in said:
            break
    fail("\n".join([f"{name} did not start; its log is {log}:", *said.splitlines()[-5:]]))
