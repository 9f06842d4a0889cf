"""What a copy contains, in plain words. Each test copies the working tree with pytest-copie."""

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
