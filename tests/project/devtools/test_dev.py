"""What `make dev` refuses, each with one sentence that names the remedy, and how it protects the secrets."""

import os
import socket
import stat
from pathlib import Path

import pytest
from src.config import get_settings

from devtools.dev import protect_env_file, refuse_what_is_not_development
from devtools.process import Failure, free_port


@pytest.fixture(autouse=True)
def development(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVIRONMENT", "dev")
    monkeypatch.setenv("PORT", str(free_port()))


def test_a_local_development_environment_is_accepted() -> None:
    """Here and now nothing speaks against it."""
    refuse_what_is_not_development()
    assert get_settings().is_dev


@pytest.mark.parametrize("environment", ["test", "prod"])
def test_another_environment_is_refused(monkeypatch: pytest.MonkeyPatch, environment: str) -> None:
    """It migrates and reloads: not where it matters."""
    monkeypatch.setenv("ENVIRONMENT", environment)
    monkeypatch.setenv("DB_PASSWORD", "good")
    with pytest.raises(Failure, match="ENVIRONMENT=dev"):
        refuse_what_is_not_development()


def test_a_clone_without_settings_is_told_where_they_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Git does not hold `.env`."""
    monkeypatch.delenv("ENVIRONMENT")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / ".env"))
    with pytest.raises(Failure, match=r"There is no .*\.env.*: make env"):
        refuse_what_is_not_development()


def test_a_database_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody migrates a colleague's database by mistake; the password is not shown."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:s3cret@db.example.com/name")
    with pytest.raises(Failure, match=r"db\.example\.com.*DB_HOST=localhost") as failure:
        refuse_what_is_not_development()
    assert "s3cret" not in str(failure.value)


def test_a_taken_port_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is started."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("PORT", str(port))
        with pytest.raises(Failure, match=f"Port {port} is taken.*PORT={port + 1} make dev"):
            refuse_what_is_not_development()


def test_a_host_that_is_not_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not said to be a taken port."""
    monkeypatch.setenv("HOST", "no.such.host.invalid")
    with pytest.raises(Failure, match=r"cannot listen on no\.such\.host\.invalid.*HOST=127\.0\.0\.1"):
        refuse_what_is_not_development()


def test_the_secrets_are_for_their_owner_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A copied file is often readable for everyone. It is reported once; `/dev/null` keeps its mode."""
    path = tmp_path / ".env"
    path.write_text("DB_PASSWORD=hunter2\n")
    path.chmod(0o644)
    monkeypatch.setenv("ENV_FILE", str(path))
    protect_env_file()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "(0600)" in capsys.readouterr().out
    before = Path(os.devnull).stat().st_mode
    for other in (path, tmp_path / "nowhere", os.devnull):
        monkeypatch.setenv("ENV_FILE", str(other))
        protect_env_file()
    assert capsys.readouterr().out == ""
    assert Path(os.devnull).stat().st_mode == before
