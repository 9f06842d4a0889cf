"""Endpoints of users: the signed-in one's profile, and all of them for superusers."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from src.auth.dependencies import CHANGING, GUARDED, UNAVAILABLE, WITH_BODY, ClientDepends, CurrentUser, Superuser
from src.auth.exceptions import (
    LastSuperuserException,
    NotSuperuserException,
    OwnAccountException,
    TooManyPasswordsException,
    TooManyRequestsException,
    UserNotFoundException,
    WrongPasswordException,
)
from src.auth.schemes import ConfirmScheme, UserData
from src.auth.visitor import sign_out
from src.exceptions import HttpAlreadyExistException
from src.users.schemes import OwnChanges, UserChangesBySuperuser, UserPage, UserPageQuery
from src.users.services import UserServiceDepends
from src.utils import error_response_docs, ok_response_docs

CONFIRMED = error_response_docs(WrongPasswordException, TooManyRequestsException, TooManyPasswordsException)
router = APIRouter(prefix="/users", tags=["users"], responses={**UNAVAILABLE, **GUARDED})


@router.get("/info", responses={**ok_response_docs("", model=UserData)})
async def get_own(user: CurrentUser) -> UserData:
    """Return the signed-in user's profile."""
    return user


@router.patch(
    "/info",
    responses={
        **ok_response_docs("", model=UserData),
        **CHANGING,
        **WITH_BODY,
        **CONFIRMED,
        **error_response_docs(HttpAlreadyExistException),
    },
)
async def change_own(
    changes: OwnChanges, user: CurrentUser, service: UserServiceDepends, client: ClientDepends
) -> UserData:
    """Change the signed-in user; another name or e-mail address asks for the current password."""
    return await service.change_own(user, changes, client)


@router.delete(
    "/info",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={**CHANGING, **WITH_BODY, **CONFIRMED, **error_response_docs(LastSuperuserException)},
)
async def delete_own(
    data: ConfirmScheme, user: CurrentUser, service: UserServiceDepends, client: ClientDepends
) -> Response:
    """Delete the signed-in user's account, for good."""
    await service.delete_own(user, data, client)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    sign_out(response)
    return response


@router.get("", responses={**ok_response_docs("", model=UserPage), **error_response_docs(NotSuperuserException)})
async def find_users(query: Annotated[UserPageQuery, Query()], _: Superuser, service: UserServiceDepends) -> UserPage:
    """List users, page by page."""
    return await service.find_page(query)


@router.get(
    "/{user_id}",
    responses={
        **ok_response_docs("", model=UserData),
        **error_response_docs(NotSuperuserException, UserNotFoundException),
    },
)
async def get_user(user_id: UUID, _: Superuser, service: UserServiceDepends) -> UserData:
    """Return a user."""
    return await service.get(user_id)


@router.patch(
    "/{user_id}",
    responses={
        **ok_response_docs("", model=UserData),
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(
            NotSuperuserException,
            OwnAccountException,
            UserNotFoundException,
            HttpAlreadyExistException,
            LastSuperuserException,
        ),
    },
)
async def change_user(
    user_id: UUID,
    changes: UserChangesBySuperuser,
    superuser: Superuser,
    service: UserServiceDepends,
    client: ClientDepends,
) -> UserData:
    """Activate, deactivate, promote, demote or rename a user; it takes effect on the user's next request."""
    return await service.change(superuser, user_id, changes, client)


@router.delete(
    "/{user_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={
        **CHANGING,
        **error_response_docs(NotSuperuserException, OwnAccountException, UserNotFoundException),
    },
)
async def delete_user(
    user_id: UUID,
    superuser: Superuser,
    service: UserServiceDepends,
    client: ClientDepends,
) -> None:
    """Delete another user; their sessions end."""
    await service.delete(superuser, user_id, client)
