"""Addresses of Redis: one server, a cluster, or a master that Sentinel watches over."""

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, parse_url

Kind = Literal["server", "cluster", "sentinel"]
KINDS: dict[str, Kind] = {"": "server", "cluster": "cluster", "sentinel": "sentinel"}
PORTS: dict[Kind, int] = {"server": 6379, "cluster": 6379, "sentinel": 26379}
SENTINEL_PASSWORD = "sentinel_password"  # noqa: S105 - the name of an option


@dataclass(frozen=True, slots=True)
class Address:
    kind: Kind
    nodes: tuple[tuple[str, int], ...]
    options: dict[str, Any]  # user, password, number of the database, and those of TLS
    tls: bool = False
    master: str = ""  # as Sentinel calls it
    sentinel_password: str = ""

    @property
    def password(self) -> str:
        return str(self.options.get("password") or "")


def parse_address(url: str) -> Address:
    """Read the address of one server, as redis-py does, or of several.

    `redis+cluster://:password@host:6379,host:6379`,
    `redis+sentinel://:password@host:26379,host:26379/mymaster/0`; with TLS `rediss+cluster`, `rediss+sentinel`.

    Raises:
        ValueError: it is none.
        TypeError, RedisError: it has an option that is none.
    """
    scheme, _, rest = url.partition("://")
    base, _, suffix = scheme.partition("+")
    kind = KINDS.get(suffix)
    if kind is None or (kind != "server" and base not in {"redis", "rediss"}):
        raise ValueError("no scheme of Redis")
    return _one(url) if kind == "server" else _several(base, kind, rest)


def _one(url: str) -> Address:
    options: dict[str, Any] = {**parse_url(url)}
    connection_class = options.pop("connection_class", Connection)
    connection_class(**options)  # it opens nothing yet
    node = options.pop("host", "localhost"), options.pop("port", PORTS["server"])
    return Address("server", (node,), options, tls=connection_class is SSLConnection)


def _several(base: str, kind: Kind, rest: str) -> Address:
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    credentials, _, hosts = authority.rpartition("@")
    parts = urlsplit(f"//host{rest.removeprefix(authority)}")  # a list of hosts is no host: newer Pythons refuse it
    nodes = tuple(_node(host, PORTS[kind]) for host in hosts.split(","))
    path = [unquote(part) for part in parts.path.split("/")[1:] if part]
    master = path.pop(0) if kind == "sentinel" and path else ""
    database = path.pop(0) if path else "0"
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    sentinel_password = query.pop(SENTINEL_PASSWORD, "") if kind == "sentinel" else ""
    if path or bool(master) != (kind == "sentinel") or not database.isdecimal():
        raise ValueError("the path is the master's name, for Sentinel, and the number of the database")
    if not all(name.startswith("ssl_") for name in query) or (kind == "cluster" and int(database)):
        raise ValueError("an option that it does not have")
    one = _one(f"{base}://{credentials}@{hosts.split(',')[0]}/{database}?{urlencode(query)}")
    options = {name: value for name, value in one.options.items() if kind == "sentinel" or name != "db"}
    return Address(kind, nodes, options, one.tls, master, sentinel_password)


def _node(text: str, default_port: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path or parts.port == 0:
        raise ValueError("no host")
    return parts.hostname, parts.port or default_port
