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


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg", "postgresql+psycopg2"])
def test_the_addresses_of_platforms_are_understood(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """The driver is ours to choose, `sslmode` has another name here."""
    monkeypatch.setenv("DATABASE_URL", f"{scheme}://u:p@db.example.com:6543/name?sslmode=require")
    forget_settings()
    url = get_database_settings().url
    assert url.drivername == "postgresql+asyncpg"
    assert (url.host, url.port, url.query) == ("db.example.com", 6543, {"ssl": "require"})


@pytest.mark.parametrize(
    ("query", "remedy"),
    [
        ("channel_binding=require&sslmode=require", "take out channel_binding; sslmode is the only option"),
        ("sslmode=s3cret", "sslmode is one of disable"),
        ("sslmode=require&sslmode=disable", "sslmode is one of disable"),
    ],
)
def test_an_option_that_the_driver_does_not_know_is_named(
    monkeypatch: pytest.MonkeyPatch, query: str, remedy: str
) -> None:
    """It would otherwise be a TypeError at the first connection."""
    monkeypatch.setenv("DATABASE_URL", f"postgresql://u:p@h/n?{query}")
    forget_settings()
    with pytest.raises(InvalidSettingsError, match=remedy) as error:
        get_database_settings()
    assert "s3cret" not in str(error.value)


def test_pgbouncer_is_asked_for_nothing_that_outlives_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """No prepared statement, no parameter of the server."""
    monkeypatch.setenv("DB_PGBOUNCER", "true")
    settings = get_database_settings()
    assert settings.connect_args["statement_cache_size"] == 0
    assert "server_settings" not in settings.limits


@pytest.mark.parametrize(
    "value", ["mysql://u:s3cret@h/n", "s3cret", "postgresql://u:s3cret@h:port/n", "postgresql://h", "postgresql:///n"]
)
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
