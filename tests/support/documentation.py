"""Does what a page of Markdown says, in its order: types files in, and runs commands at a terminal."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pytest

from tests.support.history import History, git
from tests.support.patience import PATIENCE
from tests.support.rendering import ROOT
from tests.support.service import READY, fetch, free_port, wait_until_gone
from tests.support.updating import copy

BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
ADDRESS = re.compile(r"<http://127\.0\.0\.1:8000(/[^>]*)>")
QUESTION = "🎤"  # Copier begins each with it
PROMPT = re.compile(r"\[done: (\d+)\] ")


class Reader:
    """Somebody who has a page open beside a terminal."""

    def __init__(
        self, folder: Path, environment: dict[str, str], *, elsewhere: dict[str, str], fails: set[str]
    ) -> None:
        self.folder = folder
        self.said = ""
        self._elsewhere, self._fails = elsewhere, fails
        self._port = int(environment["PORT"])
        variables = {**environment, "TERM": "xterm", "GIT_PAGER": "cat", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self._shell = pexpect.spawn(
            "bash",
            ["--norc", "--noprofile"],
            cwd=str(folder),
            env={**variables, "PS1": "[done: $?] "},
            encoding="utf-8",
            timeout=PATIENCE,
            dimensions=(50, 200),
        )
        self._shell.setecho(False)
        self._shell.expect(PROMPT)

    def close(self) -> None:
        self._shell.close(force=True)

    def follow(self, page: Path) -> None:
        text = page.read_text(encoding="utf-8")
        blocks = list(BLOCK.finditer(text))
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            language, title, content = block.groups()
            until = following.start() if following else len(text)
            if title and language == "diff":
                edit(self.folder / title, content)
            elif title:
                self._type_in(title, content)
            elif language == "bash":
                for command in content.splitlines():
                    self._run(command, ADDRESS.findall(text[block.end() : until]))

    def _type_in(self, title: str, content: str) -> None:
        path = self.folder / title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def _run(self, command: str, addresses: list[str]) -> None:
        if command in self._elsewhere:
            return
        self._shell.sendline(command)
        if re.search(r"\bmake (dev|demo)\b", command):
            self._visit(addresses)
        said = self._answer()
        status = int(self._shell.match[1])
        if moved := re.match(r"cd (\S+)", command):
            self.folder /= moved[1]
        self.said += said
        is_stopped = re.search(r"\bmake (dev|demo)\b", command) is not None
        assert is_stopped or (status != 0) is (command in self._fails), f"{command}: {status}\n{said}"

    def _visit(self, addresses: list[str]) -> None:
        """Look at the pages that the text names while they are there, then press Ctrl-C."""
        self._shell.expect_exact(READY)
        for path in addresses:
            assert fetch(self._port, path)[0] == 200, path
        self._shell.sendintr()

    def _answer(self) -> str:
        """Press Enter at each question until the command has ended."""
        said = ""
        while self._shell.expect([PROMPT, QUESTION]):
            said += self._shell.before
            self._shell.send("\r")
        return said + self._shell.before


def edit(path: Path, difference: str) -> None:
    """Change a file as a difference shows; what it shows of a line is the beginning of it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    shown = [(line[:1] or " ", line[1:]) for line in difference.splitlines()]
    old = [text for sign, text in shown if sign != "+"]
    places = [
        number
        for number in range(len(lines) - len(old) + 1)
        if all(line.startswith(text) for line, text in zip(lines[number:], old, strict=False))
    ]
    assert len(places) == 1, f"{path.name} has {len(places)} places like\n{difference}"
    found = iter(lines[places[0] : places[0] + len(old)])
    new = []
    for sign, text in shown:
        if sign == "+":
            new.append(text)
        elif (line := next(found)) is not None and sign == " ":
            new.append(line)
    lines[places[0] : places[0] + len(old)] = new
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


TEMPLATE = "https://github.com/OWNER/REPO"  # what the pages call this repository
# Commands that take minutes, and where else they are proven.
ELSEWHERE = {
    "make check": "tests/every_change/rendering/test_variants.py, for each variant",
    "make test": "tests/every_change/suites, for each variant",
    'make test ARGS="tests/every_change/updates/test_moves.py"': "it is a part of this suite",
}
Read = Callable[..., Reader]


@pytest.fixture
def read(history: History, tmp_path: Path, shared_environment: dict[str, str]) -> Iterator[Read]:
    """Read a page and do what it says, where its address is that of this template with its releases."""
    environment = {
        **shared_environment,
        **{name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")},
        **{
            f"GIT_{role}_{part}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        },
        "GIT_CONFIG_COUNT": "2",
        **{f"GIT_CONFIG_KEY_{number}": f"url.{history.folder}.insteadOf" for number in range(2)},
        "GIT_CONFIG_VALUE_0": TEMPLATE,
        "GIT_CONFIG_VALUE_1": f"{TEMPLATE}.git",  # as Copier writes it
    }
    readers: list[Reader] = []

    def do(page: str, folder: Path, *but: str, fails: str = "", **variables: str) -> Reader:
        elsewhere = {command: why for command, why in ELSEWHERE.items() if command not in but}
        readers.append(Reader(folder, {**environment, **variables}, elsewhere=elsewhere, fails={fails}))
        readers[-1].follow(ROOT / page)
        return readers[-1]

    yield do
    for reader in readers:
        reader.close()
    assert wait_until_gone(tmp_path) == []


@pytest.fixture
def released_project(history: History, tmp_path: Path) -> Path:
    """A project under git, of the last release."""
    return copy(history, tmp_path / "project")


@pytest.fixture
def template_clone(history: History, tmp_path: Path) -> Path:
    """The template itself, to work on."""
    git(history.folder, "clone", "--quiet", str(history.folder), str(tmp_path / "clone"))
    return tmp_path / "clone"
