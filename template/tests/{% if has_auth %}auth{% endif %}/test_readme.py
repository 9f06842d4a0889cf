"""The ways to use it that the original's README shows."""

from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from httpx import AsyncClient
from pydantic import BaseModel

from src.auth.app import AuthState
from src.auth.dependencies import get_current_user
from src.auth.models import User
from src.auth.schemes import UserData, UsernameUser
from src.database.manager import BaseManager
from src.database.session import DbSessionDepends
from src.exceptions import HttpAlreadyExistException
from src.redis_database.client import RedisDepends
from src.utils import error_response_docs, ok_response_docs

HttpTeapotException = HTTPException(status_code=418, detail="I am a teapot")
router = APIRouter(prefix="/readme")


class UserManager(BaseManager):  # type: ignore[type-arg]  # as the README writes it
    model = User


class Username(BaseModel):
    username: str


class UserService:
    def __init__(self, manager: Annotated[UserManager, Depends(UserManager)]) -> None:
        self.manager = manager

    async def find(self, db_session, username: str):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
        return await self.manager.find_one_by(db_session, UsernameUser(username=username))


@router.get("/info")
async def info(user_data: Annotated[UserData, Depends(get_current_user)]) -> UserData:
    return user_data


@router.get(
    "/find/{username}",
    responses={
        **ok_response_docs(status_code=200, description="found"),
        **error_response_docs(error=HttpAlreadyExistException),
        **error_response_docs(error=HttpTeapotException),
    },
)
async def find(
    username: str,
    service: Annotated[UserService, Depends(UserService)],
    session: DbSessionDepends(),  # type: ignore[valid-type]
) -> Username:
    user = await service.find(session, username)
    if user is None:
        raise HttpTeapotException
    return Username(username=user.username)


@router.post("/rename/{username}")
async def rename(username: str, session: DbSessionDepends(commit=True)) -> int:  # type: ignore[valid-type]
    return await UserManager().update_all(session, UsernameUser(username=username), every_row=True)


@router.get("/session")
async def read_session(
    user_data: Annotated[UserData, Depends(get_current_user)],
    redis_client: RedisDepends(),  # type: ignore[valid-type]
) -> bool:
    return bool(await redis_client.exists(f"session:{user_data.id}"))


@pytest.fixture
async def client(app: FastAPI, signed_in: AsyncClient) -> AsyncClient:
    app.include_router(router)
    return signed_in


async def test_the_current_user_is_injected(client: AsyncClient) -> None:
    """`Annotated[UserData, Depends(get_current_user)]`."""
    assert (await client.get("/readme/info")).json()["username"] == "ann"


async def test_a_service_with_an_injected_manager_finds_a_user(client: AsyncClient) -> None:
    """By a Pydantic model as filter."""
    assert (await client.get("/readme/find/ann")).json() == {"username": "ann"}


async def test_an_exception_may_be_an_instance(client: AsyncClient) -> None:
    """Raised, and documented."""
    answer = await client.get("/readme/find/nobody")
    assert (answer.status_code, answer.json()) == (418, {"detail": "I am a teapot"})
    responses = (await client.get("/openapi.json")).json()["paths"]["/readme/find/{username}"]["get"]["responses"]
    assert {"200", "409", "418"} <= set(responses)


async def test_a_session_can_be_asked_to_commit(client: AsyncClient) -> None:
    """`DbSessionDepends(commit=True)`; the next request sees the change."""
    assert (await client.post("/readme/rename/eve")).json() == 1
    assert (await client.get("/readme/info")).json()["username"] == "eve"


async def test_a_session_is_to_be_seen_in_redis(client: AsyncClient) -> None:
    """`session:{user_id}`, through `RedisDepends()`."""
    assert (await client.get("/readme/session")).json() is True


async def test_a_string_at_the_key_signs_nobody_in(client: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """The README sets one."""
    await auth.sessions._redis.set(f"session:{ann.id}", "active")
    assert (await client.get("/readme/info")).status_code == 401
