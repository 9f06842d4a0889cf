"""A service needs nothing that its own pyproject.toml does not name."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.variants import VARIANTS, Variant

START = "from src.main import create_app; print(len(create_app().openapi()['paths']))"


@pytest.mark.parametrize("variant", [each for each in VARIANTS if each.lang == "en"], ids=str)
def test_it_starts_with_what_it_declares(
    new_project: Callable[..., Path], clean_environment: dict[str, str], variant: Variant
) -> None:
    """In a new environment without development tools; both languages declare the same packages."""
    project = new_project(**variant.answers)
    environment = {**clean_environment, "ENVIRONMENT": "dev", "LEVEL": "ERROR", "UV_NO_DEV": "1"}
    for command in (["uv", "sync", "--quiet"], [".venv/bin/python", "-c", START]):
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
