"""A real terminal, what stands on its screen, and that screen as HTML."""

import re
import sys
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

import pexpect
import pyte
from pyte.screens import Char

ENTER, CLEAR = "\r", "\x15"
TIMEOUT = 20  # seconds; nothing takes that long unless it is broken


class Terminal:
    """A shell in a folder, with a prompt that is the same everywhere."""

    def __init__(self, folder: Path, environment: dict[str, str], columns: int, lines: int) -> None:
        self.screen = pyte.Screen(columns, lines)
        self._stream = pyte.Stream(self.screen)
        variables = {**environment, "PS1": "$ ", "TERM": "xterm-256color", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env=variables,
            encoding="utf-8",
            timeout=TIMEOUT,
            dimensions=(lines, columns),
        )

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def send(self, *keys: str) -> None:
        for key in keys:
            self._shell.send(key)

    def wait_for(self, pattern: str) -> None:
        """Read until the screen shows it.

        Raises:
            SystemExit: it never did, and what it shows instead.
        """
        while not re.search(pattern, self.text):
            if self._shell.expect([r"(?s).+", pexpect.TIMEOUT, pexpect.EOF]):
                sys.exit(f"The terminal does not show {pattern!r}, but\n{self.text}")
            self._stream.feed(self._shell.match[0])

    def close(self) -> None:
        self._shell.close(force=True)

    def html(self) -> str:
        """Return the lines down to the last that is not empty, a span for each run of one look."""
        rows = [self.screen.buffer[number] for number in range(self.text.count("\n") + 1)]
        lines = (_line([row[column] for column in range(self.screen.columns)]) for row in rows)
        return "\n".join(line.rstrip() for line in lines)


def _line(cells: list[Char]) -> str:
    return "".join(_spans(cell for cell in cells if cell.data))  # the second half of a wide character is empty


def _spans(cells: Iterator[Char]) -> Iterator[str]:
    for look, run in groupby(cells, key=lambda cell: (_classes(cell), cell.data > "\U0001f000")):
        classes, is_wide = look
        text = escape("".join(cell.data for cell in run))
        yield f'<span class="{classes} {"wide" if is_wide else ""}">{text}</span>' if classes or is_wide else text


def _classes(cell: Char) -> str:
    color = f"c-{cell.fg}" if cell.fg != "default" else ""
    return " ".join(filter(None, [color, "bold" if cell.bold else "", "reverse" if cell.reverse else ""]))
