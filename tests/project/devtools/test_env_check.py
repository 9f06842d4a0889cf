"""`make env-check` names what is wrong with .env, and shows no value."""

from collections.abc import Callable
from pathlib import Path

import pytest

from devtools import env_check
from devtools.process import Failure

GOOD = "ENVIRONMENT=dev\nDATABASE_URL=postgresql://u:p@host/name\n"


def said(tmp_path: Path, text: str) -> str:
    """Check a file of this text; what a project of yours has besides does not matter."""
    path = tmp_path / ".env"
    path.write_text(text)
    return "\n".join(env_check.findings(env_check.read(path), env_check.read(env_check.EXAMPLE)))


def test_an_unknown_variable_is_named_with_what_it_may_have_meant(tmp_path: Path) -> None:
    """A misspelt name would have no effect, unnoticed."""
    assert "DB_PASWORD (is it DB_PASSWORD?)" in said(tmp_path, f"{GOOD}DB_PASWORD=x\n")


def test_a_secret_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """Unless one address says it all."""
    assert "DB_PASSWORD" in said(tmp_path, "ENVIRONMENT=dev\n")
    assert "DB_PASSWORD" not in said(tmp_path, GOOD)


def test_an_example_is_not_a_value(tmp_path: Path) -> None:
    """The file was copied, and not finished."""
    assert "Still the example: DB_PASSWORD" in said(tmp_path, "DB_PASSWORD=change-me\n")


def test_no_value_is_shown(tmp_path: Path) -> None:
    """It may be a password."""
    assert "hunter2" not in said(tmp_path, "DB_PASWORD=hunter2\nDB_HOST=hunter2\n")


Check = Callable[[], tuple[int, str]]


@pytest.fixture
def env_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    monkeypatch.setenv("ENV_FILE", str(path))
    return path


@pytest.fixture
def check(capsys: pytest.CaptureFixture[str]) -> Check:
    """Run the command; return its exit code and what it says."""
    return lambda: (env_check.main(), capsys.readouterr().out)


def test_the_example_itself_is_unfinished(env_file: Path, check: Check) -> None:
    """`cp .env.example .env` is a beginning, and the exit code says so."""
    env_file.write_text(env_check.EXAMPLE.read_text())
    code, said = check()
    assert code == 1
    assert "Still the example: " in said
    assert "Unknown" not in said


def test_without_a_file_it_says_how_to_begin(env_file: Path) -> None:
    """`make env` writes one."""
    assert not env_file.exists()
    with pytest.raises(Failure, match="make env"):
        env_check.main()


def test_a_file_that_others_can_read_is_named(env_file: Path, check: Check) -> None:
    """It holds passwords; the exit code says so, too."""
    env_file.write_text(GOOD)
    env_file.chmod(0o640)
    code, said = check()
    assert code == 1
    assert f"chmod 600 {env_file}" in said
    env_file.chmod(0o600)
    assert "chmod" not in check()[1]
