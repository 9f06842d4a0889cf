"""Settings of authentication: prod starts with good ones only."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from src.auth.config import _development_key, get_auth_settings
from src.config import InvalidSettingsError
from tests.settings import forget_settings

GOOD = "0123456789abcdef" * 4


def read(monkeypatch: pytest.MonkeyPatch, environment: str, **values: str) -> str:
    """Return the message that settings are refused with, or nothing."""
    monkeypatch.setenv("ENVIRONMENT", environment)
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    forget_settings()
    try:
        get_auth_settings()
    except InvalidSettingsError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("environment", ["test", "prod"])
@pytest.mark.parametrize(
    "key", ["", "short", "change-me", "x" * 64, "change-me-change-me-change-me-now", "0123456789abcdef" * 2 + "\0"[:0]]
)
def test_a_key_that_is_no_secret_is_refused(monkeypatch: pytest.MonkeyPatch, environment: str, key: str) -> None:
    """Missing, short, an example, or one key held down; the message names it and the remedy, never the value."""
    message = read(monkeypatch, environment, SECRET_KEY=key[:31] if key.startswith("0") else key)
    assert "SECRET_KEY" in message
    assert "make env" in message
    assert not key or key not in message or key == "short"


@pytest.mark.parametrize(
    ("name", "value"),
    [("COOKIE_SECURE", "false"), ("SECRET_KEY_PREVIOUS", "short"), ("ALGORITHM", "none"), ("ALGORITHM", "RS256"),
     ("RATE_LIMIT_LOGIN_ACCOUNT", "often"), ("LOGIN_PAGE", "//evil.com"), ("HOME_PAGE", "https://evil.com"),
     ("REFRESH_GRACE_SECONDS", "600"), ("PASSWORD_MIN_LENGTH", "4"), ("ACCESS_TOKEN_EXPIRE", "0")],
)  # fmt: skip
def test_prod_refuses_what_is_not_safe(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """In one line that names the setting."""
    assert name in read(monkeypatch, "prod", **{"SECRET_KEY": GOOD, name: value})


def test_prod_starts_with_good_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is all it asks for."""
    assert read(monkeypatch, "prod", SECRET_KEY=GOOD) == ""
    assert get_auth_settings().cookie_secure


@pytest.fixture
def development_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / ".dev" / "secret_key"
    monkeypatch.setattr("src.auth.config.DEVELOPMENT_KEY", path)
    return path


def test_dev_makes_a_key_of_its_own(monkeypatch: pytest.MonkeyPatch, development_key: Path) -> None:
    """Nobody else can read it, git does not see it, tokens outlive a restart; cookies work over http there."""
    assert read(monkeypatch, "dev", SECRET_KEY="") == ""
    settings = get_auth_settings()
    assert settings.SECRET_KEY.get_secret_value() == development_key.read_text()
    assert development_key.stat().st_mode & 0o777 == 0o600
    assert development_key.with_name(".gitignore").read_text() == "*\n"
    assert not settings.cookie_secure
    assert read(monkeypatch, "dev", SECRET_KEY="") == ""
    assert get_auth_settings().SECRET_KEY == settings.SECRET_KEY


def test_processes_that_start_at_once_make_one_key(monkeypatch: pytest.MonkeyPatch, development_key: Path) -> None:
    """Each of them found no key."""
    start = threading.Barrier(8)

    def make(_: int) -> str:
        start.wait()
        return _development_key()

    monkeypatch.setattr(Path, "exists", lambda _: False)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(make, range(8))) == {development_key.read_text()}
    assert {path.name for path in development_key.parent.iterdir()} == {".gitignore", "secret_key"}


def test_dev_that_cannot_keep_a_key_says_so(monkeypatch: pytest.MonkeyPatch, development_key: Path) -> None:
    """With the remedy."""
    development_key.parent.write_text("a file")
    message = read(monkeypatch, "dev", SECRET_KEY="")
    assert "SECRET_KEY" in message
    assert "make env" in message


def test_a_limit_may_have_several_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that cannot be read is named."""
    assert read(monkeypatch, "test", RATE_LIMIT_PASSWORD="1/minute; 9/hour") == ""
    assert "RATE_LIMIT_PASSWORD" in read(monkeypatch, "test", RATE_LIMIT_PASSWORD="1/minute; often")


@pytest.mark.parametrize(("algorithm", "size"), [("HS256", 32), ("HS384", 48), ("HS512", 64)])
def test_a_key_is_as_long_as_its_algorithm_needs(monkeypatch: pytest.MonkeyPatch, algorithm: str, size: int) -> None:
    """RFC 7518, 3.2."""
    assert read(monkeypatch, "prod", ALGORITHM=algorithm, SECRET_KEY=GOOD[: size - 1])
    assert not read(monkeypatch, "prod", ALGORITHM=algorithm, SECRET_KEY=GOOD[:size])


def test_an_empty_value_is_the_default_unless_it_means_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """`RATE_LIMIT_...=` and `LOGIN_PAGE=` mean none."""
    read(monkeypatch, "test", MAX_SESSIONS="", LOGIN_PAGE="", RATE_LIMIT_LOGIN_ACCOUNT="", COOKIE_SECURE="")
    settings = get_auth_settings()
    assert (settings.MAX_SESSIONS, settings.LOGIN_PAGE, settings.RATE_LIMIT_LOGIN_ACCOUNT) == (10, "", "")
    assert settings.COOKIE_SECURE is None
