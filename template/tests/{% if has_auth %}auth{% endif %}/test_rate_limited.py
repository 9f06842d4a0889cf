"""`rate_limited`, for routes of an owner."""

import pytest
from fastapi import APIRouter, Depends, FastAPI
from httpx import ASGITransport, AsyncClient

from src.auth import messages
from src.auth.app import AuthState
from src.auth.dependencies import rate_limited
from src.auth.public_routes import PublicRoutes
from src.auth.schemes import UserData
from tests.auth.fixtures import Asked, NewClient, NewUserFixture


async def answer() -> str:
    return "ok"


@pytest.fixture(autouse=True)
def shop(app: FastAPI, auth: AuthState) -> None:
    """Public routes, each of which may be called twice."""
    limit = Depends(rate_limited("2/minute; 100/day"))
    for prefix in ("/shop", "/bank"):
        router = APIRouter(prefix=prefix, dependencies=[limit])
        router.add_api_route("/{number}", answer, methods=["GET", "HEAD"])
        router.add_api_route("/{number}", answer, methods=["POST"])
        app.include_router(router)
    auth.public_routes = PublicRoutes(["/auth/login", "/shop/{number}", "/bank/{number}"], app.routes)


async def call(client: AsyncClient, *paths: str, method: str = "GET") -> list[int]:
    return [(await client.request(method, path)).status_code for path in paths]


async def test_a_user_is_limited_whatever_the_address(
    app: FastAPI, signed_in: AsyncClient, new_client: NewClient, ann: UserData, new_user: NewUserFixture
) -> None:
    """In all sessions together; another user at the same address is not."""
    elsewhere = await new_client("ann", transport=ASGITransport(app, client=("10.0.0.1", 1)))
    assert await call(signed_in, "/shop/1") + await call(elsewhere, "/shop/1", "/shop/1") == [200, 200, 429]
    await new_user("bob")
    assert await call(await new_client("bob"), "/shop/1") == [200]


async def test_others_are_limited_by_address(app: FastAPI, anonymous: AsyncClient, new_client: NewClient) -> None:
    """Of IPv6 the whole network of a customer; in the one shape of errors."""
    assert await call(anonymous, "/shop/1", "/shop/1") == [200, 200]
    refused = await anonymous.get("/shop/1")
    assert (refused.status_code, refused.json()) == (429, {"detail": messages.TOO_MANY_REQUESTS})
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    peers = [await new_client(transport=ASGITransport(app, client=(f"2001:db8::{number}", 1))) for number in range(3)]
    assert [await call(peer, "/shop/1") for peer in peers] == [[200], [200], [429]]


async def test_nothing_that_the_client_chooses_gives_another_budget(anonymous: AsyncClient) -> None:
    """Neither a parameter, a query, a header nor another method of the same route."""
    assert await call(anonymous, "/shop/1", "/shop/2?a=b", "/shop/3") == [200, 200, 429]
    assert await call(anonymous, "/shop/1", method="HEAD") == [429]
    for headers in ({"User-Agent": "x"}, {"X-Forwarded-For": "10.0.0.9"}, {"Authorization": "Bearer x"}):
        assert (await anonymous.get("/shop/1", headers=headers)).status_code == 429


async def test_each_route_counts_on_its_own(anonymous: AsyncClient) -> None:
    """Another path, and another function for another method."""
    assert await call(anonymous, "/shop/1", "/shop/1", "/bank/1", "/bank/1", "/shop/1") == [200] * 4 + [429]
    assert await call(anonymous, "/shop/1", method="POST") == [200]


async def test_one_limit_is_one_round_trip_per_window(signed_in: AsyncClient, asked: Asked) -> None:
    """Beside the look at the session."""
    await call(signed_in, "/shop/1")
    await asked()
    await call(signed_in, "/shop/1")
    assert [each for each in await asked() if each.isupper()] == ["HMGET", "EVALSHA", "EVALSHA"]


@pytest.mark.parametrize("text", ["", "many", "30", "0/0"])
async def test_what_is_no_limit_is_refused_at_once(text: str) -> None:
    """When the route is declared."""
    with pytest.raises(ValueError, match=r"limit"):
        rate_limited(text)
