"""Rate limits."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from limits import parse_many

from src.auth.app import AuthState
from src.auth.limits import Limit, address_key
from src.auth.passwords import PasswordHasher
from src.auth.schemes import UserData
from tests.auth.fixtures import PASSWORD, Asked, NewClient, NewUserFixture, login


def body(number: int) -> dict[str, str]:
    return {"username": f"user{number}", "email": f"user{number}@example.com", "password": PASSWORD}


@pytest.mark.parametrize("username", ["ann", "nobody"])
@pytest.mark.usefixtures("limited", "ann")
async def test_a_name_has_ten_failures(anonymous: AsyncClient, username: str) -> None:
    """Whether it exists or not; then even the right password waits."""
    answers = [await login(anonymous, username.upper(), "wrong") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 300
    assert (await login(anonymous, username)).status_code == 429


@pytest.mark.usefixtures("limited", "ann")
async def test_a_burst_gets_no_more_answers(anonymous: AsyncClient) -> None:
    """Guesses that arrive at once are counted like those in a row."""
    answers = await asyncio.gather(*[login(anonymous, "ann", "wrong") for _ in range(18)])
    assert sorted(answer.status_code for answer in answers) == [401] * 10 + [429] * 8


@pytest.mark.parametrize(("method", "path"), [("POST", "/auth/login"), ("DELETE", "/users/info")])
async def test_a_right_guess_that_comes_too_late_is_none(
    limited: AuthState, signed_in: AsyncClient, ann: UserData, method: str, path: str
) -> None:
    """The last allowed failure happened while it was hashed."""

    login_budget: tuple[Limit, str] = ("LOGIN_ACCOUNT", f"id {ann.id} 127.0.0.1")
    budget: tuple[Limit, str] = login_budget if method == "POST" else ("PASSWORD", str(ann.id))

    class SlowHasher(PasswordHasher):
        async def verify(self, password: str, stored: str | None) -> bool:
            for _ in range(10):
                await limited.limits.count(*budget)
            return await super().verify(password, stored)

    limited.passwords = SlowHasher(cost=4, queue=2)
    sent = {"username": "ann", "password": PASSWORD} if method == "POST" else {"current_password": PASSWORD}
    assert (await signed_in.request(method, path, json=sent)).status_code == 429
    assert (await signed_in.get("/users/info")).status_code == 200


@pytest.mark.usefixtures("limited", "ann")
async def test_successes_are_no_failures(anonymous: AsyncClient) -> None:
    """Only what is wrong counts against a name."""
    assert [(await login(anonymous)).status_code for _ in range(12)] == [200] * 12


@pytest.mark.usefixtures("limited")
async def test_an_address_has_twenty_attempts(anonymous: AsyncClient, new_client: NewClient) -> None:
    """Whatever names it tries; another address is not affected."""
    answers = [await login(anonymous, f"user{number}") for number in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    other = await new_client(transport=ASGITransport(anonymous._transport.app, client=("10.0.0.1", 1)))  # type: ignore[attr-defined]
    assert (await login(other)).status_code == 401


@pytest.mark.usefixtures("limited")
async def test_an_address_registers_five(app: FastAPI, new_client: NewClient) -> None:
    """An hour; of IPv6 it is the whole network of a customer."""
    peers = [ASGITransport(app, client=(f"2001:db8::{number}", 1)) for number in range(6)]
    clients = [await new_client(transport=peer) for peer in peers]
    answers = [await client.post("/auth/register", json=body(number)) for number, client in enumerate(clients)]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429]


async def test_new_tokens_of_a_session_are_counted(limited: AuthState, signed_in: AsyncClient) -> None:
    """Repeats within the grace are not."""
    for _ in range(40):
        assert (await signed_in.post("/auth/refresh")).status_code == 204
    limited.settings.REFRESH_GRACE_SECONDS = 0
    assert [(await signed_in.post("/auth/refresh")).status_code for _ in range(30)] == [204] * 29 + [429]


async def test_a_confirmed_password_is_limited_too(limited: AuthState, signed_in: AsyncClient) -> None:
    """A stolen session is no place to guess it."""
    wrong = {"current_password": "wrong"}
    answers = [await signed_in.request("DELETE", "/users/info", json=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    new = {"new_password": "four other words nobody guesses"}
    assert (await signed_in.post("/auth/change-password", json=wrong | new)).status_code == 429


async def test_who_renames_keeps_the_limits(limited: AuthState, signed_in: AsyncClient) -> None:
    """They hang on the user, not on a name that the user chooses."""
    wrong = {"current_password": "wrong", "new_password": "four other words nobody guesses"}
    for _ in range(9):
        assert (await signed_in.post("/auth/change-password", json=wrong)).status_code == 422
    renamed = {"username": "anna", "email": "anna@example.com", "current_password": PASSWORD}
    assert (await signed_in.patch("/users/info", json=renamed)).status_code == 200
    answers = [await signed_in.post("/auth/change-password", json=wrong) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [422, 429]
    assert limited.limits


@pytest.mark.parametrize("password", [PASSWORD, "wrong", None])
async def test_who_looks_for_taken_names_has_ten(
    limited: AuthState, signed_in: AsyncClient, new_user: NewUserFixture, password: str | None
) -> None:
    """Per hour, successful or not; other changes are not counted."""
    await new_user("bob")
    limited.limits._limits["PASSWORD"] = []
    body = {"username": "bob"} | ({"current_password": password} if password else {})
    answers = [await signed_in.patch("/users/info", json=body) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [409 if password == PASSWORD else 422] * 10 + [429]
    assert (await signed_in.patch("/users/info", json={"username": "ann"})).status_code == 200


class Clock:
    """The time as the limits see it."""

    def __init__(self) -> None:
        self.passed = 0.0

    def time(self) -> float:
        return time.time() + self.passed


@pytest.fixture
def clock(limited: AuthState, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Limits but of addresses, which count for themselves; and a clock to turn."""
    limited.limits._limits["LOGIN_ADDRESS"] = []
    clock = Clock()
    monkeypatch.setattr("limits.aio.storage.redis.redispy.time", clock)
    return clock


@pytest.fixture
def new_peer(app: FastAPI, new_client: NewClient) -> Callable[[str], Awaitable[AsyncClient]]:
    async def make(address: str) -> AsyncClient:
        return await new_client(transport=ASGITransport(app, raise_app_exceptions=False, client=(address, 1)))

    return make


NewPeer = Callable[[str], Awaitable[AsyncClient]]


async def besiege(clock: Clock, strangers: list[AsyncClient], *, minutes: int) -> None:
    """Try wrong passwords for two hours, all of them every few minutes, by both ways in."""
    for attempt in range(120 // minutes):
        clock.passed += 60 * minutes
        for stranger in strangers:
            await login(stranger, ["ANN", "ann@example.com"][attempt % 2], "wrong")


async def test_one_stranger_keeps_no_owner_out(ann: UserData, clock: Clock, new_peer: NewPeer) -> None:
    """From any other address block; the stranger gets no answer even to the right password."""
    stranger = await new_peer("2001:db8::1")
    await besiege(clock, [stranger], minutes=1)
    assert (await login(stranger, ann.username)).status_code == 429
    assert (await login(await new_peer("2001:db8::2"), ann.username)).status_code == 429  # the same block
    for address in ("10.0.0.2", "2001:db8:0:2::1"):
        assert (await login(await new_peer(address), ann.username)).status_code == 200


async def test_eight_strangers_keep_no_owner_out_of_where_they_are_signed_in(
    ann: UserData, clock: Clock, new_peer: NewPeer, auth: AuthState
) -> None:
    """A block with a living session may try within its own limit, and no other one."""
    home, office = await new_peer("2001:db8:0:1::1"), await new_peer("10.0.2.1")
    assert [(await login(place, ann.username)).status_code for place in (home, office)] == [200] * 2
    await besiege(clock, [await new_peer(f"10.0.0.{number}") for number in range(8)], minutes=4)
    assert (await login(await new_peer("10.0.1.1"), ann.username)).status_code == 429
    neighbour = await new_peer("2001:db8:0:1::2")
    assert (await login(neighbour, ann.email)).status_code == 200
    assert [(await login(neighbour, ann.email, "wrong")).status_code for _ in range(11)] == [401] * 10 + [429]
    await auth.sessions.end_all(str(ann.id))
    assert (await login(await new_peer("10.0.2.1"), ann.username)).status_code == 429


async def test_a_name_and_an_address_are_one_budget(ann: UserData, clock: Clock, new_peer: NewPeer) -> None:
    """However they are written."""
    client = await new_peer("10.0.0.1")
    assert (await login(client, "Ann@Example.com")).status_code == 200
    names = ["ann", ann.email, "ANN", ann.email.upper(), "Ann"] * 2
    assert [(await login(client, name, "wrong")).status_code for name in names] == [401] * 10
    assert [(await login(client, name)).status_code for name in ("ann", ann.email)] == [429] * 2
    clock.passed += 301
    assert (await login(client, ann.email)).status_code == 200


async def test_a_block_has_thirty_failures_an_hour(ann: UserData, clock: Clock, new_peer: NewPeer) -> None:
    """The second window of the same limit."""
    client, answers = await new_peer("10.0.0.1"), []
    for _ in range(7):
        clock.passed += 301
        answers += [(await login(client, ann.username, "wrong")).status_code for _ in range(5)]
    assert answers == [401] * 30 + [429] * 5


async def test_nobody_is_told_from_somebody_by_a_limit(
    ann: UserData, clock: Clock, new_peer: NewPeer, asked: Asked, auth: AuthState
) -> None:
    """When the total limit refuses it, an unknown name costs Redis as much as an account."""
    auth.limits._limits["LOGIN_ACCOUNT_TOTAL"] = parse_many("10/hour")
    seen = []
    for number, name in enumerate((ann.username, "nobody")):
        peer = await new_peer(f"10.{number}.0.1")
        assert [(await login(peer, name, "wrong")).status_code for _ in range(10)] == [401] * 10
        await asked()
        assert (await login(await new_peer(f"10.{number}.1.1"), name)).status_code == 429
        seen.append(await asked())
    assert seen[0] == seen[1]
    assert clock.passed == 0


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_a_customer_is_one_address(address: str, key: str) -> None:
    """Of IPv6 each one has 2^64."""
    assert address_key(address) == key


async def test_limits_do_not_show_what_was_typed(limited: AuthState, anonymous: AsyncClient) -> None:
    """A password typed into the wrong field is not part of any key."""
    await login(anonymous, "my-secret-password")
    assert not [key async for key in limited.sessions._redis.scan_iter() if "secret" in key]
