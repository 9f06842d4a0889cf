"""Pages for everybody: home, sign in, register; and the way out."""

from contextlib import suppress
from urllib.parse import quote, urlencode

from fastapi import APIRouter, FastAPI, Request, Response
from loguru import logger
from redis.exceptions import RedisError
from starlette.staticfiles import StaticFiles

from src.auth.config import get_auth_settings
from src.auth.dependencies import ClientDepends, VisitorDepends
from src.auth.redirects import below_root, redirect, requested, safe_redirect, to_refresh
from src.auth.schemes import LoginScheme, RegisterScheme, Tokens, UserData
from src.auth.services import AuthServiceDepends
from src.auth.visitor import Visitor, sign_in, sign_out
from src.exceptions import ApiError
from src.pages import account, messages
from src.pages.views import READ, STATIC, Form, make_error_page, read_form, render, validate

router = APIRouter(include_in_schema=False)
files = StaticFiles(directory=STATIC)


@router.api_route("/static/{path:path}", methods=READ)
async def read_file(path: str, request: Request) -> Response:
    """Answer a file that a browser may keep, but asks about each time: a new version is never half there."""
    response = await files.get_response(path, request.scope)
    response.headers["Cache-Control"] = "no-cache"
    return response


async def _find_user(visitor: Visitor) -> UserData | None:
    """Return the signed-in user, or None if there is no telling: the page is for everybody."""
    try:
        return await visitor.user()
    except (ApiError, RedisError) as error:
        logger.warning("visitor unknown", reason=type(error).__name__)
        return None


@router.api_route("/", methods=READ)
async def home(request: Request, visitor: VisitorDepends) -> Response:
    user = await _find_user(visitor)
    if user is None and visitor.can_refresh:
        return to_refresh(request.scope, requested(request.scope))
    return render(request.scope, "home.html", user=user, docs_url=request.app.docs_url)


def _next(target: str) -> str:
    """Return where to go afterwards, if it is a place to go to."""
    return target if target and safe_redirect(target) == target else ""


def _show(request: Request, template: str, target: str, form: Form, notice: str = "") -> Response:
    query = f"?next={quote(target, safe='')}" if target else ""
    shortest = get_auth_settings().PASSWORD_MIN_LENGTH
    values = {"form": form, "target": target, "query": query, "notice": notice, "shortest": shortest}
    return render(request.scope, template, form.status, form.headers, **values)


@router.api_route("/login", methods=READ)
async def show_login(request: Request) -> Response:
    query = request.query_params
    target = _next(query.get("next", ""))
    notice = messages.NOTICES.get(query.get("reason", "next" if target else ""), "")
    return _show(request, "login.html", target, Form({"username": query.get("username", "")}), notice)


def _enter(request: Request, target: str, tokens: Tokens) -> Response:
    response = redirect(target or below_root(request.scope, get_auth_settings().HOME_PAGE))
    sign_in(response, tokens)
    return response


@router.post("/login")
async def login(
    request: Request, service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends
) -> Response:
    sent = await read_form(request)
    target = _next(sent.get("next", ""))
    try:
        _, tokens = await service.login(validate(LoginScheme, sent), client, visitor.presented())
    except ApiError as error:
        return _show(request, "login.html", target, Form(sent, error))
    return _enter(request, target, tokens)


@router.api_route("/register", methods=READ)
async def show_register(request: Request) -> Response:
    return _show(request, "register.html", _next(request.query_params.get("next", "")), Form())


@router.post("/register")
async def register(
    request: Request, service: AuthServiceDepends, client: ClientDepends, visitor: VisitorDepends
) -> Response:
    """Create an account and sign in, or send to sign in where SIGN_IN_AFTER_REGISTER is off or that was refused."""
    sent = await read_form(request)
    target = _next(sent.get("next", ""))
    if await visitor.user():
        return redirect(target or below_root(request.scope, get_auth_settings().HOME_PAGE))
    try:
        data = validate(RegisterScheme, sent)
        await service.register(data, client)
    except ApiError as error:
        return _show(request, "register.html", target, Form(sent, error))
    if service.auth.settings.SIGN_IN_AFTER_REGISTER:
        with suppress(ApiError, RedisError):
            _, tokens = await service.login(LoginScheme(username=data.username, password=data.password), client)
            return _enter(request, target, tokens)
    query = {"reason": "registered", "username": data.username} | ({"next": target} if target else {})
    return redirect(below_root(request.scope, f"/login?{urlencode(query)}"))


@router.post("/logout")
async def logout(request: Request, service: AuthServiceDepends, visitor: VisitorDepends) -> Response:
    """End the session, whatever is left of it."""
    await service.logout(*visitor.presented())
    response = redirect(below_root(request.scope, "/login?reason=signed-out"))
    sign_out(response)
    return response


router.include_router(account.router)


def add_pages(app: FastAPI) -> None:
    """Put the pages into the application: their routes, and pages in place of errors in JSON."""
    app.state.error_page = make_error_page
    app.include_router(router)
