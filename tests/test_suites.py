"""Every variant's own suite, on real servers that it starts itself."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.conftest import Run
from tests.variants import Variant


def test_the_suite_of_the_variant_passes(variant: Variant, project: Path, tmp_path: Path, run: Run) -> None:
    """As `make test` runs it there; no test is skipped, and none leaves a file behind."""
    copy = Path(shutil.copytree(project, tmp_path / str(variant)))
    before = set(copy.rglob("*"))
    done = run("pytest", "-q", "-p", "no:cacheprovider", cwd=copy)
    summary = done.stdout.splitlines()[-1]
    assert re.fullmatch(r"\d{3,} passed in .*", summary), done.stdout
    assert set(copy.rglob("*")) == before


def test_the_default_project_stands_alone(new_project: Callable[..., Path], clean_environment: dict[str, str]) -> None:
    """A new environment from nothing, by the commands of its Makefile: `make check`, and `make test` in parallel."""
    project = new_project()
    for target in ("check", "test"):
        done = subprocess.run(
            ["make", target], cwd=project, env=clean_environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (project / "uv.lock").exists()
