"""Every variant's own suite, on real servers that it starts itself."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.variants import VARIANTS, Variant

DEFAULT = next(
    each for each in VARIANTS if each.answers == {"lang": "en", "auth": True, "demo_pages": True, "celery": False}
)
ALL_PASSED = re.compile(r"=* ?\d{3,} passed in [^,]*")  # and none was skipped


@pytest.mark.parametrize("variant", [each for each in VARIANTS if each != DEFAULT], ids=str)
def test_the_suite_of_the_variant_passes(variant: Variant, project: Path, tmp_path: Path, run: Run) -> None:
    """As `make test` runs it there; no test is skipped, and none leaves a file behind."""
    copy = Path(shutil.copytree(project, tmp_path / str(variant)))
    before = set(copy.rglob("*"))
    done = run("pytest", "-q", "-p", "no:cacheprovider", cwd=copy)
    summary = done.stdout.splitlines()[-1]
    assert ALL_PASSED.fullmatch(summary), done.stdout
    assert set(copy.rglob("*")) == before


def test_the_default_project_stands_alone(new_project: Callable[..., Path], clean_environment: dict[str, str]) -> None:
    """A new environment from nothing, by the commands of its Makefile: `make check`, and `make test`, its whole suite."""
    project = new_project(**DEFAULT.answers)
    for target in ("check", "test"):
        done = subprocess.run(
            ["make", target], cwd=project, env=clean_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert ALL_PASSED.fullmatch(done.stdout.splitlines()[-1]), done.stdout
    assert (project / "uv.lock").exists()
