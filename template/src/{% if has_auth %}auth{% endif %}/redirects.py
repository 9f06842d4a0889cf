"""Where a browser is sent: never to another origin."""

import re
from urllib.parse import parse_qs, quote

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import Scope

from src.auth.config import REFRESH_PATH, AuthSettings
from src.auth.handler import read_bearer

LONGEST = 2048
# One slash, then neither a slash nor a backslash; nowhere a control, a space or half a character: a browser drops
# tabs and newlines and reads a backslash as a slash (WHATWG URL, 4.4).
SAFE = re.compile(r"/(?![/\\])[^\s\x00-\x20\x7f-\xa0\u2028\u2029\ufeff\ud800-\udfff]*")


def is_navigation(scope: Scope) -> bool:
    """Tell a browser that goes to a page, or sends its form, from a script, an image or another client."""
    headers = Headers(scope=scope)
    if any(read_bearer(each) is not None for each in headers.getlist("authorization")):
        return False
    mode = headers.get("sec-fetch-mode")
    return mode == "navigate" if mode else "text/html" in headers.get("accept", "")


def safe_redirect(target: str | None) -> str:
    """Return the target if it is a path of this origin, else `/`."""
    return target if target and len(target) <= LONGEST and SAFE.fullmatch(target) else "/"


def redirect(target: str) -> RedirectResponse:
    return RedirectResponse(safe_redirect(target), 303, {"Cache-Control": "no-store"})


def requested(scope: Scope) -> str:
    """Return the path and query as the browser wrote them, ROOT_PATH included."""
    root = scope.get("root_path", "")
    path = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
    query = scope["query_string"].decode("latin-1")
    prefix = "" if path.startswith(f"{root}/") else root
    return f"{prefix}{path}{'?' if query else ''}{query}"


def below_root(scope: Scope, path: str) -> str:
    return f"{scope.get('root_path', '')}{path}"


def to_refresh(scope: Scope, back: str) -> RedirectResponse:
    return redirect(f"{below_root(scope, REFRESH_PATH)}?redirect_url={quote(safe_redirect(back), safe='')}")


def to_login(scope: Scope, settings: AuthSettings, back: str, reason: str = "") -> RedirectResponse:
    why = f"reason={reason}&" if reason else ""
    return redirect(f"{below_root(scope, settings.LOGIN_PAGE)}?{why}next={quote(safe_redirect(back), safe='')}")


def to_next(scope: Scope, settings: AuthSettings) -> RedirectResponse:
    """Send the signed-in to where the login page would have sent them."""
    wanted = parse_qs(scope["query_string"].decode("latin-1")).get("next", [""])[0]
    return redirect(wanted or below_root(scope, settings.HOME_PAGE))
