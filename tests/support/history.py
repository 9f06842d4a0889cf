"""A clone of this repository with its releases as tags, and the working tree as the release after all of them."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rendering import ROOT, files_of_repository
from tools.release import Release, releases

NEXT = "v999.0.0"  # the working tree
IDENTITY = ["-c", "user.name=Tester", "-c", "user.email=tester@example.com", "-c", "core.hooksPath=/dev/null"]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *IDENTITY, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def commit_all(folder: Path, message: str = "change") -> None:
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)


class History:
    """The template as its users meet it: an address of git with tags."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of_this_repository(cls, folder: Path) -> "History":
        found = releases(ROOT)
        git(ROOT, "clone", "--quiet", "--no-local", str(ROOT), str(folder))  # one pack, which clones of it get whole
        for tag in git(folder, "tag", "--list").split():
            git(folder, "tag", "--delete", tag)
        for release in found:
            git(folder, "tag", release.tag, release.commit)
        git(folder, "rm", "-r", "--quiet", ".")
        for name in files_of_repository():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
            target.chmod((ROOT / name).stat().st_mode)
        history = cls(folder)
        history.tag(NEXT)
        return history

    def tag(self, name: str) -> None:
        commit_all(self.folder, f"chore: release {name}")
        git(self.folder, "tag", name)

    def branch(self, folder: Path, change: Callable[[Path], None], tag: str) -> "History":
        """Return a clone with one more release, in which something is different."""
        git(self.folder, "clone", "--quiet", str(self.folder), str(folder))
        change(folder)
        history = History(folder)
        history.tag(tag)
        return history


def all_releases() -> list[Release]:
    """List the releases for parametrizing; an empty list fails in test_release.py."""
    try:
        return releases(ROOT)
    except SystemExit:
        return []


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History.of_this_repository(tmp_path_factory.mktemp("history") / "template")
