"""Releases are found in the history, and a release that breaks a promise gets no tag."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.history import NEXT, History, commit_all, git
from tests.support.rendering import ROOT
from tools.release import breaking_changes, export, main, migrations_of_minor_versions, releases, version_of


def test_the_history_has_releases() -> None:
    """The first and all later ones, each with its own commit, in ascending order."""
    found = releases(ROOT)
    assert str(found[0].version) == "0.1.0"
    assert [release.version for release in found] == sorted({release.version for release in found})
    assert len({release.commit for release in found}) == len(found)


def test_a_shallow_clone_is_refused(history: History, tmp_path: Path) -> None:
    """A shallow clone cannot know the releases: the command fails and names the remedy."""
    git(tmp_path, "clone", "--quiet", "--depth", "1", f"file://{history.folder}", "shallow")
    with pytest.raises(SystemExit, match="git fetch --unshallow"):
        releases(tmp_path / "shallow")


def test_the_working_tree_breaks_no_promise(history: History, tmp_path: Path) -> None:
    """Since the last release no question and no file has been removed, unless this is the next major version."""
    last = releases(ROOT)[-1]
    old, new = (export(history.folder, tag, tmp_path / tag) for tag in (last.tag, NEXT))
    version = version_of(history.folder, NEXT)
    assert version
    assert version.major > last.version.major or list(breaking_changes(old, new)) == []
    assert list(migrations_of_minor_versions(new)) == []


SECTION = "## [{version}] - 2030-01-02\n\n**When you update:** nothing.\n"


def set_version(folder: Path, version: str, section: str = SECTION) -> None:
    project, changelog = folder / "pyproject.toml", folder / "CHANGELOG.md"
    lines = [
        f'version = "{version}"' if line.startswith("version = ") else line for line in project.read_text().splitlines()
    ]
    project.write_text("\n".join([*lines, ""]))
    changelog.write_text(section.format(version=version) + changelog.read_text())


@pytest.fixture
def repository(history: History, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(history.folder), "repository")
    repository = tmp_path / "repository"
    for name, value in (("user.name", "Tester"), ("user.email", "tester@example.com")):
        git(repository, "config", name, value)
    return repository


def test_a_release_gets_its_tag_once(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The tag has the release notes; the second run finds nothing to tag and explains how to release."""
    set_version(repository, "998.1.0")
    commit_all(repository, "chore: release 998.1.0")
    main(repository)
    assert "v998.1.0 is the commit" in capsys.readouterr().out
    assert "When you update:" in git(repository, "tag", "--list", "--format=%(contents)", "v998.1.0")
    commit_all(repository, "docs: something else")
    with pytest.raises(SystemExit, match=r"the last is v998\.1\.0\. How to release"):
        main(repository)


def test_ci_publishes_a_release_once(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tag is on origin, `gh` gets the section of the changelog, and the next push finds nothing to do."""
    origin, said = tmp_path / "origin.git", tmp_path / "said.txt"
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(origin))
    git(repository, "remote", "set-url", "origin", str(origin))
    gh = tmp_path / "bin" / "gh"
    gh.parent.mkdir()
    gh.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {said}\n')
    gh.chmod(0o755)
    monkeypatch.setenv("PATH", str(gh.parent), prepend=os.pathsep)
    set_version(repository, "998.1.0")
    commit_all(repository, "chore: release 998.1.0")
    for _ in range(2):
        main(repository, "--publish")
    released = git(repository, "rev-parse", "HEAD").strip()
    assert git(origin, "rev-parse", "v998.1.0^{commit}").strip() == released
    assert said.read_text().count("--verify-tag") == 1
    assert "**When you update:** nothing." in said.read_text()


def rename_question(folder: Path) -> None:
    settings = folder / "copier.yml"
    settings.write_text(
        settings.read_text().replace("\ndb_name:", "\ndatabase:").replace("{{ db_name }}", "{{ database }}")
    )


def move_file(folder: Path) -> None:
    git(folder, "mv", "template/src/utils.py", "template/src/documentation.py")


def add_task(folder: Path) -> None:
    settings = folder / "copier.yml"
    settings.write_text(f"{settings.read_text()}\n_tasks: [echo]\n")


def add_migration(folder: Path) -> None:
    settings = folder / "copier.yml"
    settings.write_text(f"{settings.read_text()}\n_migrations: [{{version: v0.9.0, command: echo}}]\n")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rename_question, "the question db_name was removed"),
        (move_file, r"template/src/utils\.py was removed or moved"),
        (add_task, "_tasks asks for --trust"),
        (add_migration, r"the migration of version v0\.9\.0"),
    ],
)
def test_what_only_a_major_version_may_do_gets_no_tag(
    repository: Path, change: Callable[[Path], None], reason: str
) -> None:
    """The message gives the reason, and nothing is tagged."""
    last = releases(repository)[-1].version
    change(repository)
    set_version(repository, f"{last.major}.{last.minor + 1}.0")
    commit_all(repository, "chore: release")
    for release in releases(repository)[:-1]:
        git(repository, "tag", "--force", release.tag, release.commit)
    with pytest.raises(SystemExit, match=f"has to be a new major version, for\n(.*\n)*- {reason}"):
        main(repository)


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("## [{version}] - Unreleased\n", "with a date"),
        ("## [{version}] - 2030-01-02\n", 'does not say "\\*\\*When you'),
    ],
)
def test_a_release_without_notes_gets_no_tag(repository: Path, section: str, reason: str) -> None:
    """It tells users what they have to do."""
    set_version(repository, "998.1.0", section)
    commit_all(repository, "chore: release 998.1.0")
    with pytest.raises(SystemExit, match=reason):
        main(repository)


def test_uncommitted_work_is_no_release(repository: Path) -> None:
    """It would not be part of the tag."""
    set_version(repository, "998.1.0")
    with pytest.raises(SystemExit, match="commit these first"):
        main(repository)


def test_a_tag_never_moves(repository: Path) -> None:
    """Users already have what it pointed to."""
    git(repository, "tag", "--force", releases(repository)[0].tag, "HEAD")
    with pytest.raises(SystemExit, match="never moves"):
        main(repository)
