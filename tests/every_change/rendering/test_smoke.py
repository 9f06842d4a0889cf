"""The content of a copy, in plain words. Each test copies the working tree with pytest-copie."""

import os
import subprocess
from pathlib import Path

import pytest
from pytest_copie.plugin import Copie

from tests.support.rendering import ROOT


@pytest.fixture(scope="session")
def copie_template() -> Path:
    return ROOT


def test_a_copy_with_the_defaults(copie: Copie) -> None:
    """A service, its tests, its Docker files and its secrets."""
    result = copie.copy()
    assert result.exception is None
    assert result.exit_code == 0
    for name in ("src/main.py", "tests/conftest.py", "Dockerfile", "docker-compose.yaml", ".env", "README.md"):
        assert (result.project_dir / name).is_file(), name


def test_a_copy_in_russian(copie: Copie) -> None:
    """The service responds in Russian."""
    result = copie.copy(extra_answers={"lang": "ru"})
    assert "Не найдено." in (result.project_dir / "src" / "messages.py").read_text(encoding="utf-8")


def test_a_copy_with_redis(copie: Copie) -> None:
    """A client package, a Compose service, a password."""
    result = copie.copy(extra_answers={"redis": True})
    assert (result.project_dir / "src" / "redis_database" / "client.py").is_file()
    assert "image: redis:" in (result.project_dir / "docker-compose.yaml").read_text()
    assert "REDIS_PASSWORD=" in (result.project_dir / ".env").read_text()


def test_the_message_of_a_migration_arrives_as_typed(copie: Copie, tmp_path: Path) -> None:
    """Neither make nor the shell reads quotes, dollars and backticks."""
    fake = tmp_path / "uv"
    fake.write_text("#!/bin/sh\nfor argument; do printf '%s\\n' \"$argument\"; done\n")
    fake.chmod(0o755)
    message = """say "hi" to it's $5, `id` and $(nobody)"""
    project, environment = (
        copie.copy().project_dir,
        os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"},
    )
    done = subprocess.run(
        ["make", "migration", f"m={message}"], cwd=project, env=environment, capture_output=True, text=True, check=True
    )
    assert message in done.stdout.splitlines()
