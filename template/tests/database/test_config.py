"""The address of the database."""

import pytest

from src.config import InvalidSettingsError
from src.database.config import get_database_settings
from tests.settings import forget_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")


def test_a_password_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are quoted: a password with @ and / does not change the host."""
    monkeypatch.setenv("DB_PASSWORD", "p@ss/w:rd?#%")
    forget_settings()
    url = get_database_settings().url
    assert (url.host, url.password) == ("localhost", "p@ss/w:rd?#%")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_the_addresses_of_platforms_are_understood(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The driver is ours to choose, `sslmode` has another name here."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@db.example.com:6543/name?sslmode=require")
    forget_settings()
    url = get_database_settings().url
    assert url.drivername == "postgresql+asyncpg"
    assert (url.host, url.port, url.query) == ("db.example.com", 6543, {"ssl": "require"})


@pytest.mark.parametrize("value", ["mysql://u:s3cret@h/n", "s3cret", "postgresql://u:s3cret@h:port/n"])
def test_a_broken_address_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The message has the variable and the remedy, never the password."""
    monkeypatch.setenv("DATABASE_URL", value)
    forget_settings()
    with pytest.raises(InvalidSettingsError, match="DATABASE_URL: write postgresql://") as error:
        get_database_settings()
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("password", ["", "change-me"])
def test_prod_refuses_a_missing_or_example_password(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """Nobody goes live on the example."""
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setenv("DB_PASSWORD", password)
    forget_settings()
    with pytest.raises(InvalidSettingsError, match="DB_PASSWORD"):
        get_database_settings()
