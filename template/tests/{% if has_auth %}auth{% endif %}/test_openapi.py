"""The OpenAPI document says who may call what."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from src.auth.app import AuthState
from src.auth.config import PUBLIC_ROUTES
from src.auth.dependencies import rate_limited
from src.auth.openapi import SIGNED_IN
from src.auth.public_routes import PublicRoutes
from src.main import create_app
from tests.auth.guard import remove_guard, restore_guard

Document = dict[str, Any]


async def answer(number: int = 0) -> int:
    return number


async def count(_: Annotated[None, Depends(rate_limited("1/hour"))]) -> None: ...


@pytest.fixture
def document(app: FastAPI, auth: AuthState) -> Document:
    """With routes of an owner."""
    restore_guard(app)
    router = APIRouter(prefix="/shop")
    router.add_api_route("/private", answer, name="one")
    router.add_api_route("/private", answer, methods=["POST"], name="two")
    router.add_api_route("/public/{number:int}", answer, name="three")
    router.add_api_route("/own", answer, responses={401: {"description": "mine"}}, name="four")
    router.add_api_route("/limited", answer, dependencies=[Depends(rate_limited("1/hour"))], name="five")
    router.add_api_route("/deeply", answer, dependencies=[Depends(count)], name="six")
    app.include_router(router)
    auth.public_routes = PublicRoutes([*PUBLIC_ROUTES, "/shop/public/{number:int}"], app.routes)
    return app.openapi()


def operations(document: Document) -> dict[tuple[str, str], Document]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_there_are_two_ways_to_be_signed_in(document: Document) -> None:
    """The cookie under its name; a bearer, which Authorize takes."""
    schemes = document["components"]["securitySchemes"]
    assert {
        name: (each["type"], each.get("in"), each.get("name"), each.get("scheme")) for name, each in schemes.items()
    } == {
        "cookie": ("apiKey", "cookie", "__Host-access_token", None),
        "bearer": ("http", None, None, "bearer"),
    }


async def test_closed_routes_name_them_and_public_ones_do_not(document: Document) -> None:
    """The owner's too, with a converter in the path; 401 is documented where either is needed."""
    public = {*PUBLIC_ROUTES, "/shop/public/{number}"}
    for (method, path), operation in operations(document).items():
        assert operation.get("security") == (None if path in public else SIGNED_IN), (method, path)
        if path not in public:
            assert "401" in operation["responses"], (method, path)


async def test_the_401_has_the_one_shape_of_errors(document: Document) -> None:
    """With an example of each reason; what a route says itself stays."""
    found = operations(document)["GET", "/shop/private"]["responses"]["401"]
    content = found["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
    assert len(content["examples"]) == 3
    assert "WWW-Authenticate" in found["headers"]
    assert operations(document)["GET", "/shop/own"]["responses"]["401"] == {"description": "mine"}


@pytest.mark.parametrize("path", ["/shop/limited", "/shop/deeply"])
async def test_a_limit_documents_its_429(document: Document, path: str) -> None:
    """However deep the dependency is; other routes have none."""
    responses = operations(document)["GET", path]["responses"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "429" not in operations(document)["GET", "/shop/private"]["responses"]


async def test_it_can_be_asked_for_again(document: Document, app: FastAPI) -> None:
    """Nothing is added twice."""
    assert str(app.openapi()) == str(document)


async def test_without_the_guard_nothing_is_said() -> None:
    """Nobody demands it any more."""
    app = create_app()
    remove_guard(app)
    document = app.openapi()
    assert "securitySchemes" not in document["components"]
    assert not [each for each in operations(document).values() if "security" in each]
