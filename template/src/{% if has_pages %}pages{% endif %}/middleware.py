"""Pages in place of errors in JSON, for those who look at them in a browser."""

from http import HTTPStatus

from pydantic import ValidationError
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from src import messages as base_messages
from src.auth.redirects import is_navigation
from src.body import BodyRules
from src.pages import messages
from src.pages.views import render
from src.schemes import ErrorResponse

KEPT = ("allow", "connection", "retry-after", "set-cookie", "www-authenticate")


class ErrorPageMiddleware:
    """Show a page to whoever navigates, and to whoever sends a form of the pages; everybody else gets the JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self.app(scope, receive, send)
            return
        refusal: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal refusal, body
            if message["type"] == "http.response.start" and _is_error(message):
                refusal = message
            elif refusal is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    await _answer(refusal, body, scope, receive, send)

        await self.app(scope, receive, send_page)


async def _answer(refusal: Message, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    detail = _read_detail(body)
    if detail is None:
        await send(refusal)
        await send({"type": "http.response.body", "body": body})
        return
    status = refusal["status"]
    title = messages.ERROR_TITLES.get(status, messages.ERROR_TITLE)
    page = render(scope, "error.html", status, title=title, detail=detail, is_sign_in=status == HTTPStatus.UNAUTHORIZED)
    page.raw_headers.extend(header for header in refusal["headers"] if header[0].decode() in KEPT)
    await page(scope, receive, send)


def _read_detail(body: bytes) -> str | None:
    """Return the sentence of an error; None: this is not the shape of ours."""
    try:
        error = ErrorResponse.model_validate_json(body)
    except ValidationError:
        return None
    return messages.NO_PAGE if error.detail == base_messages.NOT_FOUND else error.detail


def _wants_page(scope: Scope) -> bool:
    return is_navigation(scope) and (scope["method"] in ("GET", "HEAD") or _is_form(scope))


def _is_form(scope: Scope) -> bool:
    rules: BodyRules = scope["app"].state.body_rules
    return rules.find_form_page(get_route_path(scope)) is not None


def _is_error(start: Message) -> bool:
    kind = Headers(raw=start["headers"]).get("content-type", "")
    return start["status"] >= HTTPStatus.BAD_REQUEST and kind.startswith("application/json")
