"""A major release may move files: its migration moves the user's edits to the new places."""

from pathlib import Path

import copier
import pytest
from copier.errors import UnsafeTemplateError

from tests.conftest import Run
from tests.support.engine import run_update
from tests.support.history import History, commit_all, git
from tests.support.rendering import fast
from tests.support.updating import NEWEST, copy, files, point_to, update
from tests.support.variants import EVERYTHING

MOVES = {"src/utils.py": "src/documentation.py", "src/health.py": "src/vital_signs.py", "Makefile": "tools.mk"}
MIGRATION = f'''"""Version 1000: what it has moved."""

from moves import move_files

move_files({MOVES!r})
'''
SETTINGS = """
_migrations:
  - version: v1000.0.0
    command: ["{{ _copier_python }}", "{{ _copier_conf.src_path }}/hooks/migrations/v1000.py"]
"""
MINE = "\n\ndef mine() -> None:\n    pass\n"


def move(folder: Path) -> None:
    """Move three files, and change two of them on the way."""
    template = folder / "template"
    (folder / "hooks" / "migrations" / "v1000.py").write_text(MIGRATION)
    with (folder / "copier.yml").open("a") as file:
        file.write(SETTINGS)
    for old, new in MOVES.items():
        suffix = "" if (template / old).exists() else ".jinja"
        git(folder, "mv", f"template/{old}{suffix}", f"template/{new}{suffix}")
    for name, old, new in (
        ("src/documentation.py", '"""Helpers that', '"""Functions that'),
        ("src/vital_signs.py.jinja", "PATIENCE = 2 ", "PATIENCE = 3 "),
    ):
        text = (template / name).read_text()
        assert old in text
        (template / name).write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def major(history: History, tmp_path_factory: pytest.TempPathFactory) -> History:
    return history.branch(tmp_path_factory.mktemp("major") / "template", move, "v1000.0.0")


@pytest.fixture
def project(history: History, major: History, tmp_path: Path) -> Path:
    project = copy(history, tmp_path / "project", auth=False)
    point_to(project, major.folder)
    return project


def cross(project: Path) -> None:
    with fast():
        copier.run_update(str(project), defaults=True, overwrite=True, quiet=True, unsafe=True)


def test_edits_go_along_to_the_new_place(project: Path, run: Run) -> None:
    """They are merged with the changes of the new version; nothing stays in the old place."""
    (project / "src" / "utils.py").write_text((project / "src" / "utils.py").read_text() + MINE)
    commit_all(project, "feat: mine")
    cross(project)
    text = (project / "src" / "documentation.py").read_text()
    assert text.startswith('"""Functions that')
    assert text.endswith(MINE)
    assert not any((project / old).exists() for old in MOVES)
    assert not git(project, "diff", "--name-only", "--diff-filter=U")
    run("ruff", "check", "--no-cache", "src/documentation.py", cwd=project)


def test_the_same_line_changed_by_both_is_a_visible_conflict(project: Path) -> None:
    """The conflict is in the new place, and git lists it like Copier's own."""
    path = project / "src" / "health.py"
    path.write_text(path.read_text().replace("PATIENCE = 2 ", "PATIENCE = 5 "))
    commit_all(project, "fix: patience")
    cross(project)
    text = (project / "src" / "vital_signs.py").read_text()
    assert "<<<<<<< before updating\nPATIENCE = 5 " in text
    assert ">>>>>>> after updating" in text
    assert git(project, "diff", "--name-only", "--diff-filter=U").split() == ["src/vital_signs.py"]


def test_what_was_deleted_stays_deleted(project: Path) -> None:
    """A deleted file stays deleted under its new name, too; an untouched one has moved."""
    (project / "Makefile").unlink()
    commit_all(project, "chore: no make")
    cross(project)
    assert not (project / "tools.mk").exists()
    assert (project / "src" / "documentation.py").exists()


def test_it_works_in_a_folder_of_a_larger_repository(history: History, major: History, tmp_path: Path) -> None:
    """Paths are relative to the project, not to the repository."""
    copy(history, tmp_path / "everything" / "service", auth=False)
    point_to(tmp_path / "everything" / "service", major.folder)
    project = tmp_path / "everything" / "service"
    (project / ".git").rename(tmp_path / "git")
    path = project / "src" / "health.py"
    path.write_text(path.read_text().replace("PATIENCE = 2 ", "PATIENCE = 5 "))
    commit_all(tmp_path / "everything", "chore: one repository")
    cross(project)
    assert (project / "src" / "documentation.py").exists()
    assert git(project, "diff", "--name-only", "--diff-filter=U").split() == ["service/src/vital_signs.py"]


def test_what_the_new_version_no_longer_has_comes_back_if_it_was_edited(history: History, tmp_path: Path) -> None:
    """As a conflict, "deleted by them": git lists it until the user has moved the edits and deleted it."""
    gone = ["src/utils.py", "src/health.py"]

    def merge_away(folder: Path) -> None:
        move(folder)
        (folder / "hooks" / "migrations" / "v1000.py").write_text(MIGRATION.replace(str(MOVES), "{}"))

    major = history.branch(tmp_path / "template", merge_away, "v1000.0.0")
    project = copy(history, tmp_path / "project", auth=False)
    point_to(project, major.folder)
    (project / gone[0]).write_text((project / gone[0]).read_text() + MINE)
    commit_all(project, "feat: mine")
    cross(project)
    assert (project / gone[0]).read_text().endswith(MINE)
    assert not (project / gone[1]).exists()
    assert f"UD {gone[0]}" in git(project, "status", "--porcelain").splitlines()


def write_a_line_into_every_file(project: Path) -> dict[str, str]:
    names = [name for name in files(project) if name != ".copier-answers.yml"]
    lines = {name: f"# mine: {number}" for number, name in enumerate(names)}
    for name, line in lines.items():
        with (project / name).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    commit_all(project, "feat: mine")
    return lines


@pytest.mark.parametrize("command", ["copier update --trust", "make update"])
def test_a_line_in_every_file_of_the_newest_release_arrives(history: History, tmp_path: Path, command: str) -> None:
    """In the file, at its new place, or in one that git lists as a conflict."""
    project = copy(history, tmp_path / "project", NEWEST, **EVERYTHING.answers)
    lines = write_a_line_into_every_file(project)
    if command == "make update":
        assert " lines of yours, " in run_update(project).text
    else:
        update(project)
    there = "\n".join(files(project).values())
    assert {name: line for name, line in lines.items() if f"{line}\n" not in there} == {}


def test_make_update_needs_no_trust_and_does_the_same(project: Path) -> None:
    """As the migration does by plain Copier, file by file."""
    (project / "src" / "utils.py").write_text((project / "src" / "utils.py").read_text() + MINE)
    (project / "Makefile").unlink()
    commit_all(project, "feat: mine")
    said = run_update(project)
    assert said.code == 0, said.text
    ours = files(project)
    git(project, "merge", "--abort")
    cross(project)
    assert ours == files(project)


def test_only_a_major_version_asks_for_trust(major: History, project: Path, tmp_path: Path) -> None:
    """Without --trust the update is refused and nothing changes; the next update does not ask for it."""
    with pytest.raises(UnsafeTemplateError):
        copier.run_update(str(project), defaults=True, overwrite=True, quiet=True)
    assert not git(project, "status", "--porcelain")
    cross(project)
    commit_all(project, "chore: update")
    point_to(project, major.branch(tmp_path / "later", lambda _: None, "v1000.1.0").folder)
    copier.run_update(str(project), defaults=True, overwrite=True, quiet=True)
    assert "_commit: v1000.1.0" in (project / ".copier-answers.yml").read_text()
