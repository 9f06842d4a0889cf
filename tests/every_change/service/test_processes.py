"""Two processes of the service on the same servers behave as one."""

import asyncio
import json

import pytest

from tests.support.backends import Backends
from tests.support.clients import PASSWORD, Client, new_name
from tests.support.live import LiveService, NewClient, NewService


@pytest.fixture
def twin(shared_service: NewService) -> LiveService:
    """A second process, which trusts no proxy on this machine."""
    return shared_service(FORWARDED_ALLOW_IPS="10.0.0.1")


@pytest.fixture
async def elsewhere(signed_in: Client, twin: LiveService, new_client: NewClient) -> Client:
    """The same browser, with its next request served by the other process."""
    return await new_client(twin, cookies=signed_in.cookies)


def pass_the_grace(backends: Backends) -> None:
    """Make the last rotation of every session old."""
    with backends.redis_client() as redis:
        for key in redis.scan_iter("session:*"):
            for field, value in redis.hgetall(key).items():
                if field.startswith("s:"):
                    redis.hset(key, field, json.dumps({**json.loads(value), "rot": 0}))


async def test_a_session_of_one_is_a_session_of_the_other(signed_in: Client, elsewhere: Client) -> None:
    """A session from one process works in the other, even after a refresh there."""
    assert (await elsewhere.profile()).json() == (await signed_in.profile()).json()
    assert (await elsewhere.refresh()).status_code == 204
    assert (await signed_in.profile()).status_code == 200


async def test_an_address_is_the_peers_or_what_a_known_proxy_says(
    signed_in: Client, twin: LiveService, new_client: NewClient
) -> None:
    """The last address, which the proxy saw itself; anyone can write the ones before it."""
    forwarded = {"X-Forwarded-For": "192.0.2.1, 203.0.113.9", "Forwarded": "for=192.0.2.1", "X-Real-IP": "192.0.2.1"}
    body = {"username": signed_in.username, "password": PASSWORD}
    for client, address in ((signed_in, "203.0.113.9"), (await new_client(twin), "127.0.0.1")):
        assert (await client.ask("POST", "/auth/login", json=body, headers=forwarded)).status_code == 200
        devices = (await client.get("/auth/sessions")).json()
        assert [each["address"] for each in devices if each["current"]] == [address]


async def test_within_the_grace_the_other_gives_the_same_successor(
    signed_in: Client, elsewhere: Client, service: LiveService, new_client: NewClient
) -> None:
    """A tab that lost the response retries in either process; both sets of tokens it got work."""
    assert (await signed_in.refresh()).status_code == 204
    assert (await elsewhere.refresh()).status_code == 204
    for cookies in (signed_in.cookies, elsewhere.cookies):
        client = await new_client(service, cookies=cookies)
        assert (await client.profile()).status_code == 200
        assert (await client.refresh()).status_code == 204


async def test_the_grace_outlives_a_restart(new_service: NewService, new_client: NewClient, backends: Backends) -> None:
    """The counters of the service and its limits are in Redis, not in the process."""
    before = new_service()
    client = await (await new_client(before)).sign_up()
    late = dict(client.cookies)
    assert (await client.refresh()).status_code == 204
    assert await asyncio.to_thread(before.stop) == 0
    await asyncio.to_thread(backends.redis.restart)
    after = await asyncio.to_thread(new_service)
    for cookies in (late, client.cookies):
        client = await new_client(after, cookies=cookies)
        assert (await client.refresh()).status_code == 204
        assert (await client.profile()).status_code == 200


async def test_a_token_that_is_used_again_ends_the_session_everywhere(
    signed_in: Client, elsewhere: Client, service: LiveService, backends: Backends
) -> None:
    """For attacker and victim alike; the log names the user, not the token."""
    assert (await signed_in.refresh()).status_code == 204
    pass_the_grace(backends)
    assert (await elsewhere.refresh()).status_code == 401
    assert elsewhere.cookies == {}
    assert (await signed_in.profile()).status_code == 401
    assert (await signed_in.refresh()).status_code == 401
    assert (await signed_in.login(signed_in.username)).status_code == 200
    service.assert_log_is_clean()


async def test_reuse_is_logged_where_it_is_seen(
    signed_in: Client, elsewhere: Client, twin: LiveService, backends: Backends
) -> None:
    """It is logged as a security event, with the user."""
    user = (await signed_in.profile()).json()["id"]
    await signed_in.refresh()
    pass_the_grace(backends)
    await elsewhere.refresh()
    assert await asyncio.to_thread(twin.wait_for, f"refresh token reused user={user}")


async def test_logout_in_one_is_seen_by_the_other_at_once(signed_in: Client, elsewhere: Client) -> None:
    """It ends on its very next request, even with tokens that are valid for minutes."""
    assert (await elsewhere.profile()).status_code == 200
    assert (await signed_in.post("/auth/logout")).status_code == 204
    assert (await elsewhere.profile()).status_code == 401
    assert (await elsewhere.refresh()).status_code == 401


async def test_logout_everywhere_is_everywhere(
    signed_in: Client, elsewhere: Client, twin: LiveService, new_client: NewClient
) -> None:
    """A device signed in at one process is signed out by the other."""
    device = await new_client(twin)
    assert (await device.login(signed_in.username)).status_code == 200
    assert (await signed_in.post("/auth/logout-all")).status_code == 204
    assert {(await each.profile()).status_code for each in (device, elsewhere)} == {401}


async def test_a_changed_password_ends_sessions_of_the_other(
    signed_in: Client, twin: LiveService, new_client: NewClient
) -> None:
    """The session that changed it continues."""
    device = await new_client(twin)
    assert (await device.login(signed_in.username)).status_code == 200
    change = {"current_password": PASSWORD, "new_password": f"{PASSWORD} at all"}
    assert (await signed_in.post("/auth/change-password", **change)).status_code == 200
    assert (await device.profile()).status_code == 401
    assert (await signed_in.profile()).status_code == 200
    assert (await device.login(signed_in.username)).status_code == 401


async def test_a_change_of_the_profile_is_seen_by_the_other(signed_in: Client, elsewhere: Client) -> None:
    """Although both processes cache what they read."""
    for name in ("first.name", "second.name"):
        changed = f"{name}{signed_in.username[:10]}"
        assert (await elsewhere.profile()).status_code == 200
        assert (
            await signed_in.ask("PATCH", "/users/info", json={"username": changed, "current_password": PASSWORD})
        ).status_code == 200
        assert (await elsewhere.profile()).json()["username"] == changed


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"is_active": False}), ("DELETE", None)])
async def test_who_is_barred_in_one_is_out_of_the_other(
    signed_in: Client, elsewhere: Client, superuser: Client, method: str, body: dict[str, bool] | None
) -> None:
    """It takes effect on the next request, in every process; signing in fails too."""
    user = (await elsewhere.profile()).json()["id"]
    assert (await superuser.ask(method, f"/users/{user}", json=body)).is_success
    assert {(await each.profile()).status_code for each in (signed_in, elsewhere)} == {401}
    assert (await elsewhere.refresh()).status_code == 401
    assert (await elsewhere.login(signed_in.username)).status_code == 401


async def test_a_promotion_counts_in_the_other_at_once(elsewhere: Client, superuser: Client) -> None:
    """The reverse takes effect as well."""
    user = (await elsewhere.profile()).json()["id"]
    for is_superuser, status in ((True, 200), (False, 403)):
        await superuser.ask("PATCH", f"/users/{user}", json={"is_superuser": is_superuser})
        assert (await elsewhere.get("/users")).status_code == status


async def test_fifty_refreshes_over_both_make_one_generation(
    signed_in: Client, service: LiveService, twin: LiveService, new_client: NewClient, backends: Backends
) -> None:
    """Fifty tabs with one token all succeed, and the tokens of each of them work."""
    tabs = [await new_client((service, twin)[n % 2], cookies=signed_in.cookies) for n in range(50)]
    answers = await asyncio.gather(*[tab.refresh() for tab in tabs])
    assert [answer.status_code for answer in answers] == [204] * 50
    user = (await tabs[0].profile()).json()["id"]
    with backends.redis_client() as redis:
        (session,) = [
            json.loads(value) for field, value in redis.hgetall(f"session:{user}").items() if field[:2] == "s:"
        ]
    assert (session["gen"], session["rep"]) == (2, 49)
    assert {answer.status_code for answer in await asyncio.gather(*[tab.profile() for tab in tabs])} == {200}


async def test_fifty_registrations_over_both_make_one_user(
    client: Client, twin: LiveService, new_client: NewClient
) -> None:
    """The database decides, not a check before the write."""
    other, name = await new_client(twin), new_name()
    answers = await asyncio.gather(*[(client, other)[n % 2].register(name) for n in range(50)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 49
