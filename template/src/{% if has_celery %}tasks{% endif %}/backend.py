"""Where Celery keeps the states of tasks: in the configured Redis, a cluster or one that Sentinel watches over too."""

from typing import Any, cast

from celery.backends.asynchronous import BaseResultConsumer
from celery.backends.redis import RedisBackend
from redis import Redis, RedisCluster
from redis.cluster import ClusterNode
from redis.sentinel import Sentinel

from src.redis_database.config import get_redis_settings

_node, _sentinel = cast("Any", ClusterNode), cast("Any", Sentinel)  # they have no types
TIMEOUT = 5.0  # seconds; a worker can wait longer than a request


class NoConsumer(BaseResultConsumer):
    """Subscribes to nothing."""

    backend: RedisBackend

    def on_after_fork(self) -> None:
        """Let a child connect anew."""
        self.backend.__dict__.pop("client", None)

    def cancel_for(self, task_id: str) -> None:
        """Celery asks for it when a state is forgotten."""


class StateBackend(RedisBackend):
    """Redis without its subscriptions: a process that enqueues asks for states, it waits for no result."""

    ResultConsumer = NoConsumer

    expires: int

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Leave out what Celery does here: a subscription for every task, which nobody would ever end."""

    def _create_client(self, **_: Any) -> Any:
        return _client()

    def _set(self, key: str, value: str, expires: int | None = None) -> None:
        """Store a state, and tell nobody."""
        self.client.set(key, value, ex=(self.expires if expires is None else expires) or None)

    def as_uri(self, include_password: bool = False) -> str:  # noqa: ARG002 - there is none in it
        """Name it in the greeting of a worker."""
        return "redis"


def _client() -> Any:
    settings = get_redis_settings()
    address = settings.address
    timeouts = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    if address.kind == "server":
        return Redis.from_url(settings.url, **timeouts)
    options: dict[str, Any] = {**address.options, **timeouts, "ssl": address.tls}
    if address.kind == "cluster":
        nodes = [_node(host, port) for host, port in address.nodes]
        return RedisCluster(startup_nodes=nodes, **options)
    asked = {name: value for name, value in options.items() if name.startswith(("socket_", "ssl"))}
    asked["password"] = address.sentinel_password or None
    return _sentinel(address.nodes, sentinel_kwargs=asked).master_for(address.master, **options)
