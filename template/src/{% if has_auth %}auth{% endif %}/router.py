"""Endpoints of authentication."""

from http import HTTPStatus

from fastapi import APIRouter, Depends, Request, Response

from src.auth import messages
from src.auth.config import get_auth_settings
from src.auth.dependencies import (
    CHANGING,
    GUARDED,
    UNAVAILABLE,
    WITH_BODY,
    ClientDepends,
    CurrentUser,
    SessionId,
    VisitorDepends,
    refuse_signed_in,
)
from src.auth.exceptions import (
    AlreadySignedInException,
    NotNavigationException,
    SessionEndedException,
    SessionNotFoundException,
    TooManyPasswordsException,
    TooManyRequestsException,
    WrongCredentialsException,
    WrongPasswordException,
)
from src.auth.redirects import below_root, is_navigation, redirect, safe_redirect, to_login
from src.auth.schemes import (
    ChangePasswordScheme,
    LoginScheme,
    RefreshScheme,
    RegisterScheme,
    SessionData,
    TokenData,
    UserData,
)
from src.auth.services import AuthServiceDepends
from src.auth.visitor import hand_over, sign_in, sign_out
from src.exceptions import HttpAlreadyExistException
from src.handlers import error_response
from src.schemes import DetailResponse
from src.utils import error_response_docs, ok_response_docs

router = APIRouter(prefix="/auth", tags=["auth"], responses=UNAVAILABLE)


@router.post(
    "/register",
    status_code=HTTPStatus.CREATED,
    dependencies=[Depends(refuse_signed_in)],
    responses={
        **ok_response_docs(messages.REGISTERED, HTTPStatus.CREATED, UserData),
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(
            HttpAlreadyExistException, AlreadySignedInException, TooManyRequestsException, TooManyPasswordsException
        ),
    },
)
async def register(data: RegisterScheme, service: AuthServiceDepends, client: ClientDepends) -> UserData:
    """Create an account; it is not signed in yet."""
    return await service.register(data, client)


@router.post(
    "/login",
    responses={
        **ok_response_docs(messages.SIGNED_IN, model=UserData),
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(WrongCredentialsException, TooManyRequestsException, TooManyPasswordsException),
    },
)
async def login(
    data: LoginScheme, service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends, response: Response
) -> UserData:
    """Begin a session, in two cookies that scripts cannot read."""
    user, tokens = await service.login(data, client, visitor.presented())
    sign_in(response, tokens)
    return user


@router.post(
    "/token",
    responses={
        **ok_response_docs(messages.TOKENS_ISSUED, model=TokenData),
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(WrongCredentialsException, TooManyRequestsException, TooManyPasswordsException),
    },
)
async def issue_tokens(
    data: LoginScheme, service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends, response: Response
) -> TokenData:
    """Begin a session of a client that is no browser: its access token belongs in the Authorization header."""
    presented = visitor.presented() if visitor.is_bearer else ()
    _, tokens = await service.login(data, client, presented, "bearer")
    return hand_over(response, tokens)


@router.post(
    "/token/refresh",
    responses={
        **ok_response_docs(messages.TOKENS_ISSUED, model=TokenData),
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(SessionEndedException, TooManyRequestsException),
    },
)
async def refresh_tokens(
    data: RefreshScheme, service: AuthServiceDepends, client: ClientDepends, response: Response
) -> TokenData:
    """Give a client that is no browser new tokens for its refresh token."""
    return hand_over(response, await service.refresh(data.refresh_token.get_secret_value(), client, "bearer"))


@router.head("/refresh", include_in_schema=False)  # a navigation may be one
@router.get(
    "/refresh",
    status_code=HTTPStatus.SEE_OTHER,
    response_class=Response,
    responses={
        **ok_response_docs("", HTTPStatus.SEE_OTHER, None),
        **error_response_docs(SessionEndedException, NotNavigationException, TooManyRequestsException),
    },
    # Read from the request itself: nothing that stands there is an error, what is no path of ours becomes `/`.
    openapi_extra={"parameters": [{"name": "redirect_url", "in": "query", "schema": {"type": "string"}}]},
)
async def refresh_and_return(
    request: Request, service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends
) -> Response:
    """Give a browser new cookies and send it back to where it was, or to sign in; only where it navigates."""
    if not is_navigation(request.scope):
        raise NotNavigationException
    settings = get_auth_settings()
    redirect_url = request.query_params.get("redirect_url")
    back = safe_redirect(redirect_url) if redirect_url else below_root(request.scope, settings.HOME_PAGE)
    response: Response
    try:
        tokens = await service.refresh(visitor.refresh, client)
    except SessionEndedException as error:
        login_page = settings.LOGIN_PAGE
        response = to_login(request.scope, settings, back, "expired") if login_page else error_response(error)
        sign_out(response)
    else:
        response = redirect(back)
        sign_in(response, tokens)
    return response


@router.post(
    "/refresh",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    responses={**CHANGING, **error_response_docs(SessionEndedException, TooManyRequestsException)},
)
async def refresh(service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends) -> Response:
    """Give a client new cookies for its refresh token."""
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    try:
        sign_in(response, await service.refresh(visitor.refresh, client))
    except SessionEndedException as error:
        response = error_response(error)
        sign_out(response)
    return response


@router.post("/logout", status_code=HTTPStatus.NO_CONTENT, response_class=Response, responses=CHANGING)
async def logout(request: Request, service: AuthServiceDepends, visitor: VisitorDepends) -> Response:
    """End the session and remove the cookies; a page's form is sent to sign in."""
    await service.logout(*visitor.presented())
    login_page = get_auth_settings().LOGIN_PAGE
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    if login_page and is_navigation(request.scope):
        response = redirect(below_root(request.scope, login_page))
    sign_out(response)
    return response


@router.post(
    "/logout-all", status_code=HTTPStatus.NO_CONTENT, response_class=Response, responses={**GUARDED, **CHANGING}
)
async def logout_all(user: CurrentUser, service: AuthServiceDepends) -> Response:
    """End all sessions of the signed-in user, this one too."""
    await service.logout_all(user)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    sign_out(response)
    return response


@router.get("/sessions", responses={**ok_response_docs("", model=list[SessionData]), **GUARDED})
async def find_sessions(user: CurrentUser, service: AuthServiceDepends, visitor: VisitorDepends) -> list[SessionData]:
    """List the devices that are signed in."""
    return await service.find_sessions(user, visitor.session_id)


@router.delete(
    "/sessions/{session_id}",
    status_code=HTTPStatus.NO_CONTENT,
    responses={**GUARDED, **CHANGING, **error_response_docs(SessionNotFoundException)},
)
async def end_session(session_id: SessionId, user: CurrentUser, service: AuthServiceDepends) -> None:
    """Sign one device out."""
    await service.end_session(user, session_id)


@router.post(
    "/change-password",
    responses={
        **ok_response_docs(messages.PASSWORD_CHANGED, model=None),
        **GUARDED,
        **CHANGING,
        **WITH_BODY,
        **error_response_docs(WrongPasswordException, TooManyRequestsException, TooManyPasswordsException),
    },
)
async def change_password(
    data: ChangePasswordScheme,
    user: CurrentUser,
    service: AuthServiceDepends,
    client: ClientDepends,
    visitor: VisitorDepends,
    response: Response,
) -> DetailResponse | TokenData:
    """Set a new password: every other session ends, this one goes on under a new id, with new tokens."""
    tokens = await service.change_password(user, data, client, visitor.via)
    if visitor.is_bearer:
        return hand_over(response, tokens)
    sign_in(response, tokens)
    return DetailResponse(detail=messages.PASSWORD_CHANGED)
