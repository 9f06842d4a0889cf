"""The suites of the variants, on real servers that they start themselves."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.suites import ALL_PASSED, ASSEMBLED, assert_suite_passes, assert_tests_pass
from tests.support.variants import BAREST, DEFAULT, EVERYTHING, IN_PART, VALID, WHOLE, Variant, pairs_of
from tests.support.yours import ADDITIONS, add_everywhere, markers


@pytest.mark.parametrize("variant", [BAREST], ids=str)
def test_the_whole_suite_passes(project: Path, one_place: Path, run: Run) -> None:
    """With nothing switched on."""
    assert_suite_passes(project, one_place, run, whole=True)


@pytest.mark.usefixtures("known_types")
def test_what_is_yours_disturbs_no_test(new_project: Callable[..., Path], run: Run) -> None:
    """With everything switched on, and something of the owner's at each line that invites it."""
    project = new_project(**EVERYTHING.answers)
    assert markers(project) == {name: len(additions) for name, additions in ADDITIONS.items()}
    add_everywhere(project)
    run("make", "migration", "m=add roles", cwd=project)
    run("make", "check", cwd=project)
    assert run("make", "hello", cwd=project).stdout == "hello\n"
    assert_tests_pass(project, run)


def test_the_default_project_stands_alone(new_project: Callable[..., Path], clean_environment: dict[str, str]) -> None:
    """`make test` makes a new environment from nothing, and runs the whole suite in it."""
    project = new_project(**DEFAULT.answers)
    done = subprocess.run(
        ["make", "test"], cwd=project, env=clean_environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ALL_PASSED.fullmatch(done.stdout.splitlines()[-1]), done.stdout
    assert (project / "uv.lock").exists()


@pytest.mark.parametrize("variant", IN_PART, ids=str)
def test_the_assembled_application_passes(project: Path, one_place: Path, run: Run) -> None:
    """Tests of the whole application or of a feature; the unit tests ran above, on the same bytes."""
    assert_suite_passes(project, one_place, run, whole=False)


def test_every_two_answers_have_met() -> None:
    """No valid pair of a language, a switch and an extra, on or off, is in none of the suites that run."""
    assert pairs_of(VALID) - pairs_of([*WHOLE, *IN_PART]) == set()


def test_every_file_of_tests_runs(rendered: Callable[[Variant], Path]) -> None:
    """A test that the whole suites lack, or have with other contents, is among those that run in part."""

    def tests_of(variant: Variant) -> dict[str, str]:
        folder = rendered(variant)
        return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.glob("tests/**/test_*.py")}

    proven = {item for each in WHOLE for item in tests_of(each).items()}
    for each in IN_PART:
        others = {name for name, text in tests_of(each).items() if (name, text) not in proven}
        assert [name for name in others if not name.startswith(ASSEMBLED)] == []
