"""A project of any release can be updated to the working tree, with the user's work in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from tests.conftest import Run
from tests.support.edits import MIGRATION, User
from tests.support.history import NEXT, History, commit_all, git
from tests.support.suites import assembled
from tests.support.updating import (
    ANSWERS,
    NEWEST,
    OLDEST,
    assert_added_to,
    assert_an_untouched_project_becomes_a_fresh_one,
    assert_no_conflict,
    assert_the_work_of_the_user_stays,
    copy,
    edited,
    point_to,
    rename_application,
    run_suite,
    update,
    update_with_a_database,
)

each_release = pytest.mark.parametrize("tag", sorted({OLDEST, NEWEST}))
each_answers = pytest.mark.parametrize("name", ANSWERS)


@each_release
@each_answers
def test_an_untouched_project_becomes_a_fresh_one(history: History, tmp_path: Path, tag: str, name: str) -> None:
    """File by file, except for those that belong to the user once they are rendered."""
    assert_an_untouched_project_becomes_a_fresh_one(history, tmp_path, tag, name)


@each_release
@each_answers
def test_the_work_of_the_user_stays(history: History, tmp_path: Path, run: Run, tag: str, name: str) -> None:
    """There is no conflict, no lost line, no changed byte of .env, and what was deleted stays deleted."""
    assert_the_work_of_the_user_stays(history, tmp_path, run, tag, name)


def test_an_updated_project_works_with_its_old_database(history: History, tmp_path: Path, run: Run) -> None:
    """From the oldest release: no row is lost, and the application with the user's part passes its tests."""
    project = update_with_a_database(history, tmp_path, run, OLDEST, "defaults")
    run_suite(run, project, "tests/notes", *assembled(project))


FLIPS: dict[str, list[dict[str, Any]]] = {
    "auth": [{"auth": False}, {"auth": True}],
    "demo_pages": [{"demo_pages": False}, {"demo_pages": True}],
    "celery": [{"celery": True}, {"celery": False}, {"celery": True}],
    "redis": [{"auth": False, "redis": True}, {"redis": False}, {"redis": True}],
    "extras": [{"extras": ["redis_ha"]}, {"auth": False}, {"auth": True}, {"extras": []}],
}


@pytest.mark.parametrize("switch", FLIPS)
def test_a_switch_can_be_flipped_and_flipped_back(history: History, tmp_path: Path, run: Run, switch: str) -> None:
    """The user's additions stay; the other files are byte for byte a fresh copy's, whose suite test_suites.py runs.

    Here runs what could notice what the user added: the user's tests, and those of the settings.
    """
    user = edited(history, tmp_path / "project", run, NEXT)
    user.write("migrations/versions/0002_notes.py", MIGRATION)
    commit_all(user.project, "feat: the table of notes")
    answers: dict[str, Any] = {}
    for number, flip in enumerate(FLIPS[switch]):
        update(user.project, **flip)
        answers |= flip
        assert_no_conflict(user.project)
        assert_added_to(user.project, copy(history, tmp_path / f"fresh-{number}", **answers), user.edited)
        commit_all(user.project, f"chore: flip {number}")
    run_suite(run, user.project, "tests/notes", "tests/test_docs.py")


def test_the_same_line_changed_by_both_is_a_visible_conflict(history: History, tmp_path: Path) -> None:
    """Both versions are in the file, git knows about it, and everything else is merged."""
    project = copy(history, tmp_path / "project")
    user = User(project)
    user.replace("src/health.py", "PATIENCE = 2 ", "PATIENCE = 5 ")
    history.branch(tmp_path / "template", rename_application, "v999.1.0")
    point_to(project, tmp_path / "template")
    update(project)
    text = (project / "src" / "health.py").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith(("<<<<<<<", "PATIENCE", "=======", ">>>>>>>"))] == [
        "<<<<<<< before updating",
        "PATIENCE = 5  # seconds",
        "=======",
        "PATIENCE = 3  # seconds",
        ">>>>>>> after updating",
    ]
    assert git(project, "diff", "--name-only", "--diff-filter=U").split() == ["src/health.py"]


def exclude_by_answer(folder: Path) -> None:
    """Put an answer into `_exclude`: the old version does not know a new question."""
    settings = folder / "copier.yml"
    text = settings.read_text(encoding="utf-8").replace(
        "  - .DS_Store\n", '  - .DS_Store\n  - "{% if not extra %}Makefile{% endif %}"\n'
    )
    settings.write_text(f"{text}\nextra: {{type: bool, default: true}}\n")


def forget_skipping(folder: Path) -> None:
    """Drop `_skip_if_exists` and render .env always: secrets are rolled anew."""
    git(folder, "mv", "template/{% if has_env %}.env{% endif %}.jinja", "template/.env.jinja")
    settings = folder / "copier.yml"
    text = settings.read_text(encoding="utf-8")
    start, end = text.index("_skip_if_exists:"), text.index("_message_after_copy:")
    settings.write_text(text[:start] + text[end:])


def roll_dice(folder: Path) -> None:
    """Render a random value into a tracked file."""
    with (folder / "template" / ".env.example.jinja").open("a") as file:
        file.write("{% set bits = 2 ** 64 %}SALT={{ '%016x' % bits|ans_random }}\n")


def rename_file(folder: Path) -> None:
    """Move a file that the user has edited."""
    git(folder, "mv", "template/src/config.py", "template/src/settings.py")


def assert_updates_are_clean(user: User, *templates: Path) -> None:
    secrets = (user.project / ".env").read_bytes()
    for template in templates:
        point_to(user.project, template)
        update(user.project)
        assert_no_conflict(user.project)
        user.assert_all_is_there()
        assert (user.project / ".env").read_bytes() == secrets
        commit_all(user.project, "chore: update")


def test_one_update_after_the_other_is_clean(history: History, tmp_path: Path, run: Run) -> None:
    """Without the faults of the tests below, an update works."""
    first = history.branch(tmp_path / "template", lambda _: None, "v999.1.0")
    second = first.branch(tmp_path / "again", lambda _: None, "v999.2.0")
    assert_updates_are_clean(edited(history, tmp_path / "project", run, NEXT), first.folder, second.folder)


@pytest.mark.parametrize("sabotage", [exclude_by_answer, forget_skipping, roll_dice, rename_file])
def test_a_broken_design_would_be_noticed(
    history: History, tmp_path: Path, run: Run, sabotage: Callable[[Path], None]
) -> None:
    """Every way in which templates lose their users' work fails one of these checks."""
    broken = history.branch(tmp_path / "template", sabotage, "v999.1.0")
    again = broken.branch(tmp_path / "again", lambda _: None, "v999.2.0")
    user = edited(history, tmp_path / "project", run, NEXT)
    with pytest.raises((AssertionError, FileNotFoundError, UndefinedError)):
        assert_updates_are_clean(user, broken.folder, again.folder)
