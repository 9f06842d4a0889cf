"""Copies a release and updates it, in this process and as fast as the other renderings."""

import re
from pathlib import Path
from typing import Any

import copier

from tests.edits import DELETED
from tests.history import NEXT, History, commit_all, git
from tests.rendering import fast

# Rendered once, then the user's: an update leaves them as they are.
USERS = re.compile(r"\.env|README\.md|src/routers\.py|migrations/versions/.*|docker-compose\.override\.yml|uv\.lock")
MARKS = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)


def copy(history: History, project: Path, tag: str = NEXT, **answers: Any) -> Path:
    with fast():
        copier.run_copy(str(history.folder), project, data=answers, vcs_ref=tag, defaults=True, quiet=True)
    commit_all(project, "chore: begin")
    return project


def update(project: Path, **answers: Any) -> None:
    """Update without trust, as `copier update --defaults --data ...` does."""
    with fast():
        copier.run_update(str(project), data=answers, defaults=True, overwrite=True, quiet=True)


def files(project: Path) -> dict[str, str]:
    """Return what a commit would hold, and .env."""
    names = git(project, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    existing = [name for name in [*names, ".env"] if name and (project / name).is_file()]
    return {name: (project / name).read_text(encoding="utf-8") for name in existing}


def without_commit(text: str) -> str:
    return re.sub(r"^_commit: .*$", "_commit: any", text, flags=re.MULTILINE)


def assert_no_conflict(project: Path) -> None:
    for name, text in files(project).items():
        assert not name.endswith(".rej"), name
        assert not MARKS.search(text), f"{name} has a conflict:\n{text}"


def _users(*copies: dict[str, str]) -> set[str]:
    return {name for each in copies for name in each if USERS.fullmatch(name)}


def _assert_same(ours: dict[str, str], expected: dict[str, str], *, but: set[str]) -> None:
    assert (ours.keys() ^ expected.keys()) - but == set()
    for name in expected.keys() - but:
        assert without_commit(ours[name]) == without_commit(expected[name]), name


def assert_is_fresh(project: Path, before: dict[str, str], fresh: Path) -> None:
    """Fail if an updated project is not what a new copy is, the user's files aside, which are as they were."""
    updated, expected = files(project), files(fresh)
    users = _users(updated, expected)
    _assert_same(updated, expected, but=users)
    for name in users & updated.keys():
        assert updated[name] == before[name], name


def assert_added_to(project: Path, fresh: Path, edited: set[str]) -> None:
    """Fail if a project is not what a new copy is, the files aside that its user edited: those have each line of it."""
    ours, expected = files(project), files(fresh)
    users = _users(ours, expected)
    _assert_same(ours, expected, but=users | edited | {DELETED})
    for name in (edited & expected.keys()) - users:
        lost = set(expected[name].splitlines()) - set(ours[name].splitlines())
        assert lost == set(), name
