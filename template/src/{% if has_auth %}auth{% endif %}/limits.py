"""Rate limits, counted in Redis for all processes together."""

import hashlib
import math
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any, Literal, cast, get_args

from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from src.auth.config import AuthSettings
from src.auth.exceptions import TooManyRequestsException

Limit = Literal["LOGIN_ACCOUNT", "LOGIN_ACCOUNT_TOTAL", "LOGIN_ADDRESS", "REGISTER", "REFRESH", "PASSWORD", "PROFILE"]
NETWORK_BITS = 64  # of an IPv6 address: what one customer gets


class SharedStorage(RedisStorage):
    """Counts through the client that the service has already."""

    STORAGE_SCHEME = None  # type: ignore[assignment]  # it is made here, not found by an address

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        super().__init__("async+redis://", implementation="redispy", key_prefix="limits")

    def configure_bridge(self) -> None:
        cast("Any", self.bridge).connection_getter = lambda _: self._redis


class RateLimits:
    """The limits RATE_LIMIT_… of the settings, each of which may have several windows."""

    def __init__(self, redis: Redis, settings: AuthSettings) -> None:
        self._limiter = MovingWindowRateLimiter(SharedStorage(redis))
        texts: dict[Limit, str] = {name: getattr(settings, f"RATE_LIMIT_{name}") for name in get_args(Limit)}
        self._limits = {name: parse_many(text) if text else [] for name, text in texts.items()}

    async def count(self, name: Limit, key: str) -> None:
        """Count one more.

        Raises:
            TooManyRequestsException: there were too many already.
        """
        await self.hit(self._limits[name], name, key)

    async def hit(self, limits: Iterable[RateLimitItem], name: str, key: str) -> None:
        """Count one more against limits that are no settings; raises as above."""
        for limit in limits:
            if not await self._limiter.hit(limit, name, _digest(key)):
                raise await self._refusal(limit, name, key)

    async def check(self, name: Limit, key: str) -> None:
        """Ask whether there may be one more, without counting it.

        Raises:
            TooManyRequestsException: there were too many already.
        """
        for limit in self._limits[name]:
            if not await self._limiter.test(limit, name, _digest(key)):
                raise await self._refusal(limit, name, key)

    async def _refusal(self, limit: RateLimitItem, name: str, key: str) -> TooManyRequestsException:
        stats = await self._limiter.get_window_stats(limit, name, _digest(key))
        return TooManyRequestsException(max(1, math.ceil(stats.reset_time - time.time())))


def _digest(key: str) -> str:
    """Keep what a client typed, and its length, out of Redis' keys."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def address_key(address: str) -> str:
    """Name whom an address belongs to: an IPv6 customer has 2^64 of them, but `::ffff:10.0.0.1` is one of IPv4."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return address
    return str(parsed.ipv4_mapped or ip_network((parsed, NETWORK_BITS), strict=False))
