"""The template for `make update`: where it is, its releases, and what it renders."""

import ast
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devtools import update_copier
from devtools.process import fail, say
from devtools.update_git import NO_HOOKS, Git, Tree, Workshop, without_configuration

COPIER = ["uv", "tool", "run", "--quiet", "--from", "copier>=9.19.1,<10", "python", update_copier.__file__]
# Short forms of addresses that Copier knows.
HOSTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": ""}
SECTION = re.compile(
    r"^## \[(?P<version>[\d.]+)\].*?^\*\*When you update:\*\*\s*(?P<text>.*?)\s*(?=^##|\Z)", re.DOTALL | re.MULTILINE
)
RELEASE = re.compile(r"v?(\d+)\.(\d+)\.(\d+)")
SOURCE = re.compile(r"^_src_path: .*$", re.MULTILINE)
SECRETS = ".env"  # random at each rendering, never in git

Answers = dict[str, Any]


def ask_copier(folder: Path, **request: Any) -> list[Any]:
    """Let Copier do something; what it asks is answered at the terminal."""
    asked, answer = folder / "request.json", folder / "answer.json"
    asked.write_text(json.dumps(request), encoding="utf-8")
    if subprocess.run([*COPIER, str(asked), str(answer)], env=without_configuration(), check=False).returncode:
        fail("Nothing was changed.")
    found: list[Any] = json.loads(answer.read_text(encoding="utf-8"))
    return found


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def what_to_do(changelog: str, current: str, latest: str) -> Iterator[tuple[str, str]]:
    """Yield each release after `current` up to `latest`, oldest first, with its paragraph "When you update"."""
    for section in reversed(list(SECTION.finditer(changelog))):
        if number(current) < number(section["version"]) <= number(latest):
            yield section["version"], section["text"]


@dataclass
class Rendering:
    """What a release of the template is for some answers."""

    answers: Answers
    tree: Tree


class Template:
    """A copy of the template's repository, fetched as the user's git fetches."""

    def __init__(self, source: str, users: Git, workshop: Workshop, answers_file: str) -> None:
        self.address = _address(source)
        self._workshop, self._answers_file = workshop, answers_file
        self._line = f"_src_path: {source}"
        self._clone = workshop.folder / "template.git"
        fetched = users.run(*NO_HOOKS, "clone", "--quiet", "--bare", "--", self.address, str(self._clone))
        if fetched.returncode:
            said = fetched.stderr.decode(errors="replace").strip()
            fail(f"{said}\nThe template cannot be fetched: see _src_path in {answers_file}. Nothing was changed.")
        self.git = Git(self._clone, {**without_configuration(), "GIT_DIR": str(self._clone)})
        self._count = 0

    def find(self, version: str) -> str | None:
        """Return the commit of a version as Copier writes it down."""
        return self.git.find("rev-parse", "--verify", "--quiet", "--end-of-options", f"{version}^{{commit}}")

    def latest(self) -> str:
        tags = self.git.text("tag", "--list").splitlines()
        return max((tag for tag in tags if RELEASE.fullmatch(tag)), key=number, default="HEAD")

    def describe(self, commit: str) -> str:
        return self.git.text("describe", "--tags", "--always", commit)

    def is_older(self, commit: str, other: str) -> bool:
        return commit != other and self.git.find("merge-base", "--is-ancestor", commit, other) is not None

    def show(self, commit: str, path: str) -> str:
        return self.git.find("show", f"{commit}:{path}") or ""

    def moves(self, after: str, until: str) -> Iterator[tuple[str, str]]:
        """Yield the files that major versions in between have moved, as their migrations name them."""
        paths = self.git.text("ls-tree", "-r", "--name-only", until, "hooks/migrations").splitlines()
        majors = {int(found[1]): path for path in paths if (found := re.search(r"/v(\d+)\.py$", path))}
        for major, path in sorted(majors.items()):
            if number(after) < (major, 0, 0):
                for table in ast.walk(ast.parse(self.show(until, path))):
                    if isinstance(table, ast.Dict):
                        yield from ast.literal_eval(table).items()

    def load(self, texts: Sequence[str]) -> list[Any]:
        return ask_copier(self._workshop.folder, load=list(texts))

    def render(self, *wanted: tuple[str, Answers], data: dict[str, str], asks: bool) -> list[Rendering]:
        """Render releases with answers; the last one is the new release, of which the data are."""
        jobs = []
        for commit, answers in wanted:
            self._count += 1
            folder = self._workshop.folder / f"render-{self._count}"
            jobs.append({"folder": str(folder), "commit": commit, "answers": answers, "data": {}, "asks": False})
            jobs[-1] |= {"source": str(self._clone), "answers_file": self._answers_file}
        jobs[-1] |= {"data": data, "asks": asks}
        found = ask_copier(self._workshop.folder, render=jobs)
        return [Rendering(answers, self._take(job)) for answers, job in zip(found, jobs, strict=True)]

    def _take(self, job: dict[str, Any]) -> Tree:
        folder = Path(job["folder"])
        answers = folder / self._answers_file
        answers.write_bytes(SOURCE.sub(lambda _: self._line, answers.read_bytes().decode()).encode())
        tree = self._workshop.add(folder)
        tree.pop(SECRETS, None)
        return tree


def _address(source: str) -> str:
    """Return where the template is, in a form that git knows."""
    text = source.strip("'\"")
    for short, host in HOSTS.items():
        if text.startswith(short):
            return host + text.removeprefix(short).removeprefix("/")
    return str(Path(text).expanduser()) if text.startswith("~") else text


def fingerprint(answers: Answers) -> str:
    """Return a short name of some answers."""
    own = {name: value for name, value in answers.items() if not name.startswith("_")}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()[:12]


def is_at_a_terminal() -> bool:
    return sys.stdin.isatty()


def agree(question: str, *, yes: bool) -> None:
    """Go on if the user says yes."""
    say(question)
    if yes:
        return
    if not is_at_a_terminal():
        fail("Nothing was changed. To agree, add --yes.")
    if input("Continue? [y/N] ").strip().lower() not in {"y", "yes"}:
        fail("Nothing was changed.")
