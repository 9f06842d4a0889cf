"""The whole suite of every variant that each change meets in part, or not at all."""

from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.suites import assert_suite_passes
from tests.support.variants import EVERYTHING, VARIANTS, WHOLE


@pytest.mark.parametrize("variant", [EVERYTHING, *(each for each in VARIANTS if each not in WHOLE)], ids=str)
def test_the_whole_suite_passes(project: Path, one_place: Path, run: Run) -> None:
    """As `make test` runs it there."""
    assert_suite_passes(project, one_place, run, whole=True)
