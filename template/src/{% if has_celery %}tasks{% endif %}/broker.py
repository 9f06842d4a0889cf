"""The address of the broker, written as Celery reads it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from redis.asyncio.connection import parse_url

VERIFIED = {"ssl_cert_reqs": "required"}  # what is not said otherwise


class Broker(NamedTuple):
    url: str
    tls: dict[str, Any] | None = None  # how to verify the broker's certificate; `amqps` says it itself
    options: Mapping[str, Any] = MappingProxyType({})  # what Celery wants to know beside the address


def read_broker(url: str) -> Broker:
    """Read the address of a RabbitMQ, or of a Redis as redis-py has it: `redis://`, `rediss://` or `unix://`.

    Raises:
        ValueError: it is none of them.
    """
    if url.startswith(("amqp://", "amqps://")):
        return _read_amqp(url)
    parts = parse_url(url)
    database = parts.get("db", 0)
    if path := parts.get("path"):
        return Broker(f"redis+socket://{credentials(parts)}{quote(path)}?virtual_host={database}")
    scheme, port = ("rediss" if url.startswith("rediss://") else "redis"), parts.get("port", 6379)
    address = f"{scheme}://{credentials(parts)}{bracketed(parts.get('host', 'localhost'))}:{port}/{database}"
    return Broker(address, VERIFIED | tls_options(parts) if scheme == "rediss" else None)


def _read_amqp(url: str) -> Broker:
    parts = urlsplit(url)
    if not parts.hostname or parts.port == 0:
        raise ValueError("no host")
    return Broker(url)


def credentials(parts: Any) -> str:
    """Return user and password of an address, percent-encoded, with the @ behind them."""
    user, password = (quote(parts.get(name) or "", safe="") for name in ("username", "password"))
    return f"{user}:{password}@" if password else ""


def bracketed(host: str) -> str:
    """Write a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def tls_options(parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if name.startswith("ssl_")}
