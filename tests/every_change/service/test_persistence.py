"""What Redis keeps across a crash, and how older data is handled."""

import shutil
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.support.backends import Backends
from tests.support.clients import PASSWORD, Client
from tests.support.live import LiveService, NewClient

OTHER_PASSWORD = "four other words, no better"
End = Callable[[Client], Awaitable[httpx.Response]]


async def log_out(client: Client) -> httpx.Response:
    return await client.post("/auth/logout")


async def log_out_everywhere(client: Client) -> httpx.Response:
    return await client.post("/auth/logout-all")


async def change_password(client: Client) -> httpx.Response:
    return await client.post("/auth/change-password", current_password=PASSWORD, new_password=OTHER_PASSWORD)


async def assert_is_out(client: Client) -> None:
    """Neither token of the session works any more."""
    assert (await client.profile()).status_code == 401
    assert (await client.refresh()).status_code == 401


def save_snapshot(backends: Backends) -> None:
    with backends.redis_client() as client:
        client.save()


def crash_redis(backends: Backends) -> None:
    backends.redis.kill()
    backends.redis.start()


def make_data_of_before(backends: Backends) -> None:
    """Leave the folder of Redis as `make dev` left it before the append-only file was introduced."""
    with backends.redis_client() as client:
        client.config_set("appendonly", "no")
    save_snapshot(backends)
    backends.redis.stop()
    shutil.rmtree(backends.project / "backends" / "redis" / "appendonlydir")


@pytest.mark.parametrize("end", [log_out, log_out_everywhere, change_password])
async def test_a_crash_brings_no_session_back(
    signed_in: Client, service: LiveService, new_client: NewClient, backends: Backends, end: End
) -> None:
    """Redis is killed right after a session was revoked, while a snapshot on disk still contains that session."""
    old = await new_client(service, cookies=signed_in.cookies)
    save_snapshot(backends)
    assert (await end(signed_in)).is_success
    crash_redis(backends)
    await assert_is_out(old)
    assert (await signed_in.profile()).status_code == (200 if end is change_password else 401)


async def test_a_crash_signs_nobody_out(signed_in: Client, backends: Backends) -> None:
    """The last write before the crash survives: a new session, and new tokens, stay valid."""
    assert (await signed_in.refresh()).status_code == 204
    crash_redis(backends)
    assert (await signed_in.profile()).status_code == 200
    assert (await signed_in.refresh()).status_code == 204


async def test_a_folder_of_before_keeps_its_data(
    signed_in: Client, service: LiveService, new_client: NewClient, backends: Backends
) -> None:
    """`make dev` finds a snapshot without an append-only file: its sessions survive, and revoked ones stay revoked."""
    make_data_of_before(backends)
    backends.redis.start()
    assert (await signed_in.profile()).status_code == 200
    old = await new_client(service, cookies=signed_in.cookies)
    assert (await log_out(signed_in)).status_code == 204
    crash_redis(backends)
    await assert_is_out(old)
