"""The address of Redis."""

import pytest
from redis.asyncio.connection import parse_url

from src.config import InvalidSettingsError
from src.redis_database.config import get_redis_settings
from tests.settings import forget_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REDIS_URL")
    forget_settings()


def test_a_password_may_hold_any_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts are quoted: a password with @ and / does not change the host."""
    monkeypatch.setenv("REDIS_PASSWORD", "p@ss/w:rd?#%")
    parts = parse_url(get_redis_settings().url)
    assert (parts["host"], parts["password"], parts["db"]) == ("localhost", "p@ss/w:rd?#%", 0)


def test_a_host_may_be_an_ipv6_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written in brackets where a port follows."""
    monkeypatch.setenv("REDIS_HOST", "::1")
    assert get_redis_settings().url == "redis://[::1]:6379/0"
    assert get_redis_settings().parts["host"] == "::1"


def test_a_whole_address_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_URL replaces the parts."""
    monkeypatch.setenv("REDIS_URL", "rediss://cache.example.com:6380/3")
    assert get_redis_settings().url == "rediss://cache.example.com:6380/3"


@pytest.mark.parametrize("value", ["http://:s3cret@h", "s3cret", "redis://:s3cret@h:port/0", "redis://h?s3cret=1"])
def test_a_broken_address_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """The message has the variable and the remedy, never the password."""
    monkeypatch.setenv("REDIS_URL", value)
    with pytest.raises(InvalidSettingsError, match="REDIS_URL: write redis://") as error:
        get_redis_settings()
    assert "s3cret" not in str(error.value)


def test_prod_refuses_the_example_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes live on the example."""
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setenv("REDIS_PASSWORD", "change-me")
    with pytest.raises(InvalidSettingsError, match="REDIS_PASSWORD"):
        get_redis_settings()
