"""The examples of the documentation in other variants than the largest, each with the whole suite."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.typing_in import type_in_everything
from tests.support.variants import Variant, find


@pytest.mark.usefixtures("known_types")
@pytest.mark.parametrize("variant", [find("ru-auth-demo_pages-celery"), find("ru-celery"), find("en-auth")], ids=str)
def test_the_examples_work_as_written(new_project: Callable[..., Path], run: Run, variant: Variant) -> None:
    """They are clean and typed, and disturb no test of the template's."""
    project = new_project(**variant.answers)
    type_in_everything(project, run)
    assert re.search(r"\d{3,} passed", run("pytest", "-q", cwd=project).stdout)
