"""Tests of devtools/ and of concurrent migrations, which run inside a project but are not part of it."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.rendering import ROOT
from tests.support.suites import assert_tests_pass, put
from tests.support.variants import BAREST, EVERYTHING

PROJECT = ROOT / "tests" / "project"


@pytest.mark.parametrize("variant", [EVERYTHING, BAREST], ids=str)
def test_they_pass_inside_a_project(project: Path, one_place: Path, run: Run) -> None:
    """Beside its own tests, with its own fixtures, on servers that it starts."""
    copy = put(project, one_place)
    shutil.copytree(PROJECT, copy / "tests", dirs_exist_ok=True)
    names = [f"tests/{path.relative_to(PROJECT)}" for path in sorted(PROJECT.rglob("test_*.py"))]
    assert_tests_pass(copy, run, *names)
