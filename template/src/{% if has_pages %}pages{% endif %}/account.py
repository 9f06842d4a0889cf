"""The page of the signed-in: who they are, where they are signed in, their password."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter, Request, Response

from src.auth.config import get_auth_settings
from src.auth.dependencies import ClientDepends, CurrentUser, SessionId, VisitorDepends
from src.auth.exceptions import SessionNotFoundException
from src.auth.redirects import below_root, redirect
from src.auth.schemes import ChangePasswordScheme, ConfirmScheme, UserData
from src.auth.services import AuthService, AuthServiceDepends
from src.auth.visitor import Visitor, sign_in, sign_out
from src.exceptions import ApiError
from src.pages import messages
from src.pages.views import READ, Form, read_form, render, validate
from src.users.services import UserServiceDepends

router = APIRouter(prefix="/account")

# What a User-Agent header names, in this order: many browsers call themselves Chrome and Safari as well.
BROWSERS = {
    "YaBrowser/": "Yandex Browser",
    "SamsungBrowser/": "Samsung Internet",
    "EdgA/": "Edge",
    "EdgiOS/": "Edge",
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Vivaldi/": "Vivaldi",
    "FxiOS/": "Firefox",
    "Firefox/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
    "curl/": "curl",
    "python-": "Python",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


def name_device(agent: str) -> str:
    """Name the browser and the system of a User-Agent header."""
    agent = agent.replace("HeadlessChrome/", "Chrome/")
    found = [next((name for mark, name in marks.items() if mark in agent), "") for marks in (BROWSERS, SYSTEMS)]
    return " · ".join(filter(None, found)) or messages.UNKNOWN_DEVICE


async def _show(
    request: Request, user: UserData, visitor: Visitor, service: AuthService, form: Form, notice: str = ""
) -> Response:
    sessions = await service.find_sessions(user, visitor.session_id)
    return render(
        request.scope,
        "account.html",
        form.status,
        form.headers,
        user=user,
        devices=[(name_device(each.user_agent), each) for each in sessions],
        form=form,
        notice=notice,
        shortest=get_auth_settings().PASSWORD_MIN_LENGTH,
    )


def _ask(request: Request, user: UserData, form: Form, **values: Any) -> Response:
    return render(request.scope, "confirm.html", form.status, form.headers, user=user, form=form, **values)


def _back(request: Request, done: str) -> Response:
    return redirect(below_root(request.scope, f"/account?done={done}"))


def _out(request: Request, reason: str) -> Response:
    response = redirect(below_root(request.scope, f"/login?reason={reason}"))
    sign_out(response)
    return response


@router.api_route("", methods=READ)
async def show_account(
    request: Request, user: CurrentUser, visitor: VisitorDepends, service: AuthServiceDepends
) -> Response:
    notice = messages.NOTICES.get(request.query_params.get("done", ""), "")
    return await _show(request, user, visitor, service, Form(), notice)


@router.post("/password")
async def change_password(
    request: Request, user: CurrentUser, visitor: VisitorDepends, service: AuthServiceDepends, client: ClientDepends
) -> Response:
    sent = await read_form(request)
    try:
        tokens = await service.change_password(user, validate(ChangePasswordScheme, sent), client)
    except ApiError as error:
        return await _show(request, user, visitor, service, Form(sent, error))
    response = _back(request, "password")
    sign_in(response, tokens)
    return response


@router.post("/sessions/{session_id}")
async def end_session(
    session_id: SessionId, request: Request, user: CurrentUser, visitor: VisitorDepends, service: AuthServiceDepends
) -> Response:
    """Sign a device out; one that is gone already is what was wanted."""
    with suppress(SessionNotFoundException):
        await service.end_session(user, session_id)
    return _out(request, "signed-out") if session_id == visitor.session_id else _back(request, "device")


@router.api_route("/logout-all", methods=READ)
async def confirm_logout_all(request: Request, user: CurrentUser) -> Response:
    title, lead = messages.SIGN_OUT_EVERYWHERE, messages.SIGN_OUT_EVERYWHERE_LEAD
    return _ask(request, user, Form(), title=title, lead=lead, action="/account/logout-all", asks_password=False)


@router.post("/logout-all")
async def logout_all(request: Request, user: CurrentUser, service: AuthServiceDepends) -> Response:
    await service.logout_all(user)
    return _out(request, "everywhere")


def _confirm_deletion(request: Request, user: UserData, form: Form) -> Response:
    title, lead = messages.DELETE_ACCOUNT, messages.DELETE_ACCOUNT_LEAD
    return _ask(request, user, form, title=title, lead=lead, action="/account/delete", asks_password=True)


@router.api_route("/delete", methods=READ)
async def confirm_deletion(request: Request, user: CurrentUser) -> Response:
    return _confirm_deletion(request, user, Form())


@router.post("/delete")
async def delete_account(
    request: Request, user: CurrentUser, service: UserServiceDepends, client: ClientDepends
) -> Response:
    sent = await read_form(request)
    try:
        await service.delete_own(user, validate(ConfirmScheme, sent), client)
    except ApiError as error:
        return _confirm_deletion(request, user, Form(sent, error))
    return _out(request, "deleted")
