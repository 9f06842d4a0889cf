"""Random work of a user between two releases, and what must be true of each update.

python -m tests.support.fuzz --seed 7 --count 1000      # many
python -m tests.support.fuzz --seed 7 --number 123      # one again, minimised if it fails
"""

import argparse
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import copier
import yaml

from tests.support.engine import ANSWERS, copy, make_template, run_update
from tests.support.history import commit_all, git
from tests.support.rendering import fast

FLIPS = ["", "", "", "celery=true", "auth=false", "name=Other", "lang=ru", "extras=[mail]"]
COMMON = ["", ")", "    return value", "LINE_9 = 9", "# end"]
USERS = ("README.md", "migrations/", ".env", ".gitignore", ANSWERS)
ORDINARY = ("insert", "replace", "append", "add")


@dataclass(frozen=True)
class Edit:
    """One thing that a user does; `dice` decides where."""

    kind: str
    dice: int
    token: str


@dataclass
class Case:
    """An update to try: its edits, and the answer that changes with it."""

    edits: list[Edit]
    flip: str
    by_copier: bool


def make_case(seed: int, number: int) -> Case:
    dice = Random(f"{seed}:{number}")
    by_copier = number % 4 == 3
    kinds = ORDINARY if by_copier else tuple(KINDS)
    edits = [
        Edit(dice.choice(kinds), dice.randrange(2**32), f"mine_{number}_{place} = {place}")
        for place in range(dice.randint(1, 12))
    ]
    return Case(edits, "" if by_copier else dice.choice(FLIPS), by_copier)


def _paths(project: Path) -> list[str]:
    names = git(project, "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return sorted({name for name in names if not name.startswith(USERS) and (project / name).is_file()})


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().split(b"\n")


def _on_lines(change: Callable[[list[bytes], Random, bytes], None]) -> Callable[[Path, Random, str], None]:
    def apply(project: Path, dice: Random, token: str) -> None:
        if paths := _paths(project):
            path = project / dice.choice(paths)
            lines = _lines(path)
            change(lines, dice, token.encode())
            path.write_bytes(b"\n".join(lines))

    return apply


def _insert(lines: list[bytes], dice: Random, token: bytes) -> None:
    place = dice.randint(0, len(lines))
    lines[place:place] = [token, *(dice.choice(COMMON).encode() for _ in range(dice.randint(0, 2)))]


def _append(lines: list[bytes], _: Random, token: bytes) -> None:
    lines[-1:] = [b"", b"def mine() -> int:", b"    " + token, b"    return 1", b""]


def _replace(lines: list[bytes], dice: Random, token: bytes) -> None:
    lines[dice.randrange(len(lines))] = token


def _delete(lines: list[bytes], dice: Random, _: bytes) -> None:
    place = dice.randrange(len(lines))
    del lines[place : place + dice.randint(1, 4)]


def _move(lines: list[bytes], dice: Random, _: bytes) -> None:
    place, size = dice.randrange(len(lines)), dice.randint(1, 5)
    block = lines[place : place + size]
    del lines[place : place + size]
    place = dice.randint(0, len(lines))
    lines[place:place] = block


def _duplicate(lines: list[bytes], dice: Random, _: bytes) -> None:
    place = dice.randrange(len(lines))
    target = dice.randint(0, len(lines))
    lines[target:target] = lines[place : place + dice.randint(1, 5)]


def _odd(lines: list[bytes], dice: Random, token: bytes) -> None:
    lines.insert(dice.randint(0, len(lines)), token + b"  # caf\xe9 " + dice.choice([b"", b"\r", b"\xff", b"\x0c"]))


def _add(project: Path, dice: Random, token: str) -> None:
    path = project / dice.choice(["mine", "docs", "tasks", "auth"]) / f"new_{dice.randrange(10**6)}.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{token}\n\nVALUE = 1\n")


def _remove(project: Path, dice: Random, _: str) -> None:
    if paths := _paths(project):
        (project / dice.choice(paths)).unlink()


def _rename(project: Path, dice: Random, _: str) -> None:
    if paths := _paths(project):
        path = project / dice.choice(paths)
        target = path.with_name(f"renamed_{dice.randrange(10**6)}.py")
        path.rename(target)


def _make_binary(project: Path, dice: Random, token: str) -> None:
    if paths := _paths(project):
        (project / dice.choice(paths)).write_bytes(b"\0\1\n" + token.encode() + b"\n\xff\r\n")


def _commit(project: Path, *_: object) -> None:
    commit_all(project, "feat: some of it")


KINDS: dict[str, Callable[[Path, Random, str], None]] = {
    "insert": _on_lines(_insert),
    "replace": _on_lines(_replace),
    "append": _on_lines(_append),
    "add": _add,
    "delete": _on_lines(_delete),
    "move": _on_lines(_move),
    "duplicate": _on_lines(_duplicate),
    "odd": _on_lines(_odd),
    "remove": _remove,
    "rename": _rename,
    "make binary": _make_binary,
    "commit": _commit,
}


def _contents(project: Path) -> dict[str, bytes]:
    names = [name for name in git(project, "ls-files", "-z").split("\0") if name]
    return {name: (project / name).read_bytes() for name in names if (project / name).is_file()}


def _tokens(contents: dict[str, bytes]) -> Counter[bytes]:
    return Counter(line.strip() for text in contents.values() for line in text.split(b"\n") if b"mine_" in line)


class Fuzz:
    """Tries cases on projects of one template."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._template = make_template(folder / "template")
        self._start = copy(self._template, folder / "start")
        self._old = _contents(self._start)
        self._fresh: dict[str, dict[str, bytes]] = {}
        self.conflicts = 0

    def _new(self, flip: str) -> dict[str, bytes]:
        """Return a fresh copy of the new release."""
        if flip not in self._fresh:
            project = self._folder / f"fresh-{len(self._fresh)}"
            key, _, value = flip.partition("=")
            answers = {key: yaml.safe_load(value)} if flip else {}
            self._fresh[flip] = _contents(copy(self._template, project, "v1.1.0", **answers))
        return self._fresh[flip]

    def try_case(self, case: Case) -> str | None:
        """Return what is wrong after an update, or None."""
        project = self._folder / "project"
        shutil.rmtree(project, ignore_errors=True)
        shutil.copytree(self._start, project)
        for edit in case.edits:
            KINDS[edit.kind](project, Random(edit.dice), edit.token)
        commit_all(project, "feat: all of it")
        before = _contents(project)
        try:
            said = self._update(project, case)
        except Exception as error:  # noqa: BLE001 (it is what is looked for)
            return f"crashed: {error!r}"
        return self._judge(project, case, before, said)

    def _update(self, project: Path, case: Case) -> str:
        if case.by_copier:
            with fast():
                copier.run_update(str(project), defaults=True, overwrite=True, quiet=True)
            return "1 found."
        said = run_update(project, "--yes", *(["--data", case.flip] if case.flip else []))
        return said.text

    def _judge(self, project: Path, case: Case, before: dict[str, bytes], said: str) -> str | None:
        after, new = _contents(project), self._new(case.flip)
        unmerged = set(git(project, "diff", "--name-only", "--diff-filter=U").splitlines())
        self.conflicts += bool(unmerged)
        agreed = {name for name in before if name in self._old and name not in new}
        lost = _tokens({name: text for name, text in before.items() if name not in agreed}) - _tokens(after)
        if "found" not in said.splitlines()[-1] or lost:
            return f"refused or lost: {dict(lost)}: {said}"
        for name in self._old.keys() - unmerged:
            if not name.startswith(USERS) and (wrong := self._judge_file(name, before, after, new)):
                return wrong
        if not case.by_copier:
            git(project, "merge", "--abort")
            if _contents(project) != before or git(project, "status", "--porcelain"):
                return "it cannot be undone"
        return None

    def _judge_file(self, name: str, *sides: dict[str, bytes]) -> str | None:
        """Compare a file of the template that has no conflict."""
        old, (before, after, new) = self._old[name], (side.get(name) for side in sides)
        if before == old and after != new:
            return f"{name} is not what the template has"
        if before is not None and before != old and new == old and after != before:
            return f"{name} is not what the user had"
        return f"{name} came back" if before is None and after is not None else None

    def minimise(self, case: Case) -> Case:
        """Leave out each edit without which it fails as well."""
        for edit in list(case.edits):
            fewer = Case([each for each in case.edits if each is not edit], case.flip, case.by_copier)
            if self.try_case(fewer):
                case = fewer
        return case


def run(seed: int, numbers: Sequence[int]) -> tuple[int, list[str]]:
    """Return how many updates had conflicts, and each failure with what leads to it."""
    with tempfile.TemporaryDirectory() as folder:
        fuzz, failures = Fuzz(Path(folder)), []
        for number in numbers:
            case = make_case(seed, number)
            if fuzz.try_case(case):
                least = fuzz.minimise(case)
                failures.append(f"--seed {seed} --number {number}: {fuzz.try_case(least)}\n{least}")
        return fuzz.conflicts, failures


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--number", type=int)
    options = parser.parse_args()
    numbers = range(options.count) if options.number is None else [options.number]
    conflicts, failures = run(options.seed, numbers)
    for failure in failures:
        print(failure)
    print(f"{len(numbers)} updates, {conflicts} with conflicts, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
