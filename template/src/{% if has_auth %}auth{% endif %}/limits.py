"""Rate limits, counted in Redis for all processes together."""

import hashlib
import math
import time
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Literal

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis.asyncio import Redis

from src.auth.config import AuthSettings
from src.auth.exceptions import TooManyRequestsException

Limit = Literal["LOGIN_ACCOUNT", "LOGIN_ADDRESS", "REGISTER", "REFRESH"]
NETWORK_BITS = 64  # of an IPv6 address: what one customer gets


class RateLimits:
    def __init__(self, redis: Redis, settings: AuthSettings) -> None:
        storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="limits",
            connection_pool=redis.connection_pool,  # type: ignore[arg-type]  # its documentation names this option
        )
        self._limiter = MovingWindowRateLimiter(storage)
        texts: dict[Limit, str] = {
            "LOGIN_ACCOUNT": settings.RATE_LIMIT_LOGIN_ACCOUNT,
            "LOGIN_ADDRESS": settings.RATE_LIMIT_LOGIN_ADDRESS,
            "REGISTER": settings.RATE_LIMIT_REGISTER,
            "REFRESH": settings.RATE_LIMIT_REFRESH,
        }
        self._limits: dict[Limit, RateLimitItem] = {name: parse(text) for name, text in texts.items() if text}

    async def count(self, name: Limit, key: str) -> None:
        """Count one more.

        Raises:
            TooManyRequestsException: there were too many already.
        """
        limit = self._limits.get(name)
        if limit and not await self._limiter.hit(limit, name, _digest(key)):
            raise await self._refusal(limit, name, key)

    async def check(self, name: Limit, key: str) -> None:
        """Ask whether there may be one more, without counting it.

        Raises:
            TooManyRequestsException: there were too many already.
        """
        limit = self._limits.get(name)
        if limit and not await self._limiter.test(limit, name, _digest(key)):
            raise await self._refusal(limit, name, key)

    async def _refusal(self, limit: RateLimitItem, name: Limit, key: str) -> TooManyRequestsException:
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
