"""Every release, with every set of answers, where each change meets the oldest and the newest."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.history import NEXT, History, commit_all
from tests.support.updating import (
    ANSWERS,
    COUNT,
    NEWEST,
    NOTE,
    OLDEST,
    RELEASES,
    USER,
    add_column,
    assert_an_untouched_project_becomes_a_fresh_one,
    assert_no_conflict,
    assert_no_drift,
    assert_the_work_of_the_user_stays,
    copy,
    edited,
    migrate,
    point_to,
    release_much,
    run_suite,
    seed,
    update,
    update_with_a_database,
)

each_answers = pytest.mark.parametrize("name", ANSWERS)
TAGS = [release.tag for release in RELEASES]


@each_answers
@pytest.mark.parametrize("tag", [tag for tag in TAGS if tag not in {OLDEST, NEWEST}] or [NEWEST])
def test_any_release_can_be_updated(history: History, tmp_path: Path, run: Run, tag: str, name: str) -> None:
    """Untouched it becomes a fresh copy, and what its user did stays."""
    assert_an_untouched_project_becomes_a_fresh_one(history, tmp_path / "untouched", tag, name)
    assert_the_work_of_the_user_stays(history, tmp_path / "edited", run, tag, name)


@each_answers
@pytest.mark.parametrize("tag", TAGS)
def test_an_updated_project_works_with_its_old_database(
    history: History, tmp_path: Path, run: Run, tag: str, name: str
) -> None:
    """Both suites, the template's and the user's, pass, and no row is lost."""
    run_suite(run, update_with_a_database(history, tmp_path, run, tag, name))


def test_a_feature_with_tables_can_be_flipped_and_flipped_back(history: History, tmp_path: Path, run: Run) -> None:
    """The database follows by `make migration` and `make migrate`, and the rows of the user stay."""
    user = edited(history, tmp_path / "project", run, NEXT)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE)
    commit_all(user.project, "feat: the table of notes")
    for auth in (False, True):
        update(user.project, auth=auth)
        migrate(run, user.project, f"users {auth}")
        assert_no_drift(run, user.project)
        assert seed(run, user.project, COUNT) == ["1"]
        commit_all(user.project, f"chore: users {auth}")


def test_a_changed_model_reaches_the_database(history: History, tmp_path: Path, run: Run) -> None:
    """By `make migration` and `make migrate`, beside the column of the user, and each row stays."""
    user = edited(history, tmp_path / "project", run, NEXT)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE, USER)
    commit_all(user.project, "feat: the table of notes")
    history.branch(tmp_path / "template", add_column, "v999.1.0")
    point_to(user.project, tmp_path / "template")
    update(user.project)
    assert_no_conflict(user.project)
    migrate(run, user.project, "update")
    assert_no_drift(run, user.project)
    assert seed(run, user.project, COUNT, "SELECT nickname FROM users WHERE locale IS NULL") == ["1", "Ann"]


def test_the_oldest_release_has_a_long_list(history: History, tmp_path: Path, run: Run) -> None:
    """Every release since is named with what to do, from the changelog of the newest."""
    project = copy(history, tmp_path / "project", OLDEST, lang="ru")
    point_to(project, history.branch(tmp_path / "template", release_much, "v999.1.0").folder)
    said = run("python", "-m", "devtools.update", cwd=project).stdout
    assert "999.1.0, when you update: set `REGION`." in said
