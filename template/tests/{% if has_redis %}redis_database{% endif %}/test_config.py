"""The address of Redis."""

import re

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


@pytest.mark.parametrize(
    ("value", "kind", "nodes", "master"),
    [
        ("redis+cluster://:p%40ss@one,two:7001", "cluster", (("one", 6379), ("two", 7001)), ""),
        ("rediss+cluster://u:p%40ss@[::1]:7000/0?ssl_ca_certs=ca.pem", "cluster", (("::1", 7000),), ""),
        ("redis+cluster://:p%40ss@one,[::1]:7000,[::2]", "cluster", (("one", 6379), ("::1", 7000), ("::2", 6379)), ""),
        ("redis+sentinel://:p%40ss@one,two:7001/mymaster/3", "sentinel", (("one", 26379), ("two", 7001)), "mymaster"),
        ("rediss+sentinel://:p%40ss@one/m?sentinel_password=a%26b", "sentinel", (("one", 26379),), "m"),
    ],
)
def test_an_address_may_have_several_nodes(
    monkeypatch: pytest.MonkeyPatch, value: str, kind: str, nodes: tuple[tuple[str, int], ...], master: str
) -> None:
    """Of a cluster, or of Sentinel; with TLS by the scheme, and its options behind the question mark."""
    monkeypatch.setenv("REDIS_URL", value)
    address = get_redis_settings().address
    assert (address.kind, address.nodes, address.master) == (kind, nodes, master)
    assert (address.password, address.tls) == ("p@ss", value.startswith("rediss"))
    assert address.options.get("db", 0) == (3 if value.endswith("/3") else 0)
    assert address.options.get("ssl_ca_certs") == ("ca.pem" if "ca.pem" in value else None)
    assert address.sentinel_password == ("a&b" if "a%26b" in value else "")


@pytest.mark.parametrize(
    "value",
    [
        "redis+cluster://:s3cret@one,two/1",
        "redis+cluster://:s3cret@one,",
        "redis+cluster://:s3cret@one?db=1",
        "rediss+cluster://:s3cret@one?ssl_nothing=1",
        "redis+sentinel://:s3cret@one",
        "redis+sentinel://:s3cret@one/mymaster/first",
        "redis+sentinel://:s3cret@one/mymaster/0/0",
        "redis+sentinel://:s3cret@one:0/mymaster",
    ],
)
def test_a_broken_address_of_several_is_named_too(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """With an example of its own kind."""
    monkeypatch.setenv("REDIS_URL", value)
    example = re.escape(f"REDIS_URL: write {value.partition(':')[0].replace('rediss', 'redis')}://")
    with pytest.raises(InvalidSettingsError, match=example) as error:
        get_redis_settings()
    assert "s3cret" not in str(error.value)


def test_prod_refuses_the_example_password(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody goes live on the example."""
    monkeypatch.setenv("ENVIRONMENT", "prod")
    monkeypatch.setenv("REDIS_PASSWORD", "change-me")
    with pytest.raises(InvalidSettingsError, match="REDIS_PASSWORD"):
        get_redis_settings()
