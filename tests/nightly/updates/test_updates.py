"""Every release, with every set of answers, where each change meets the oldest and the newest."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.history import History
from tests.support.updating import (
    ANSWERS,
    NEWEST,
    OLDEST,
    RELEASES,
    assert_an_untouched_project_becomes_a_fresh_one,
    assert_the_work_of_the_user_stays,
    run_suite,
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
