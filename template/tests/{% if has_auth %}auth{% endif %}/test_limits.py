"""How often somebody may try."""

import asyncio

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient

from src.auth.limits import RateLimits, address_key
from src.auth.passwords import PasswordHasher
from src.auth.state import AuthState
from tests.auth.fixtures import PASSWORD, NewClient, login


@pytest.fixture
def limited(auth: AuthState) -> AuthState:
    """Limits as they are by default."""
    settings = auth.settings.model_copy(
        update={
            name: field.default for name, field in type(auth.settings).model_fields.items() if name.startswith("RATE_")
        }
    )
    auth.limits = RateLimits(auth.sessions._redis, settings)
    return auth


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
    limited: AuthState, signed_in: AsyncClient, method: str, path: str
) -> None:
    """The last allowed failure happened while it was hashed."""

    class SlowHasher(PasswordHasher):
        async def verify(self, password: str, stored: str | None) -> bool:
            for _ in range(10):
                await limited.limits.count("LOGIN_ACCOUNT", "ann")
            return await super().verify(password, stored)

    limited.passwords = SlowHasher(cost=4, queue=2)
    sent = {"password": PASSWORD} | ({"username": "ann"} if method == "POST" else {})
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
    wrong = {"password": "wrong"}
    answers = [await signed_in.request("DELETE", "/users/info", json=wrong) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [422] * 10 + [429]


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
    """A password typed into the wrong field stands in no key."""
    await login(anonymous, "my-secret-password")
    assert not [key async for key in limited.sessions._redis.scan_iter() if "secret" in key]
