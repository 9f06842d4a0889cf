"""Makes pages out of templates, and reads their forms; all words come from `messages`."""

from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.types import Scope

from src import about
from src import messages as base_messages
from src.auth.redirects import is_navigation
from src.compat import get_route_path
from src.config import get_settings
from src.exceptions import ApiError, HttpInvalidValueException
from src.handlers import sentence
from src.pages import messages
from src.schemes import FieldError

SRC = Path(__file__).resolve().parent.parent
STATIC = SRC / "static"
READ = ["GET", "HEAD"]
MAX_FIELDS = 20
Sent = dict[str, str]
SchemeT = TypeVar("SchemeT", bound=BaseModel)


def capitalize(text: str) -> str:
    """Begin a sentence with a capital letter, and leave the rest as it is."""
    return text[:1].upper() + text[1:]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(SRC / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=get_settings().is_dev,
    )
    environment.filters["capital"] = capitalize
    environment.globals.update(t=messages, service=about.TITLE, description=about.DESCRIPTION)
    return environment


def _fill_in(scope: Scope, template: str, **values: Any) -> str:
    values = {"root": scope.get("root_path", ""), "user": None, "form": None, "notice": "", **values}
    return _environment().get_template(template).render(values)


def render(
    scope: Scope, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Fill in a template; links in it begin with `root`, which is ROOT_PATH."""
    return HTMLResponse(_fill_in(scope, template, **values), status, {"Cache-Control": "no-store", **(headers or {})})


def make_error_page(scope: Scope, status: int, detail: Any) -> str | None:
    """Return a page for who navigates and for who sends a form of the pages, or None if an error stays JSON."""
    if not isinstance(detail, str) or not _wants_page(scope):
        return None
    visitor = scope.get("state", {}).get("visitor")  # not yet known if a layer before the guard refused the request
    return _fill_in(
        scope,
        "error.html",
        is_known=visitor is not None,
        user=visitor and visitor.claims,
        title=messages.ERROR_TITLES.get(status, messages.ERROR_TITLE),
        detail=messages.NO_PAGE if detail == base_messages.NOT_FOUND else detail,
        is_sign_in=status == HTTPStatus.UNAUTHORIZED,
    )


def _wants_page(scope: Scope) -> bool:
    if not is_navigation(scope):
        return False
    find_form_page = scope["app"].state.body_rules.find_form_page
    return scope["method"] in READ or find_form_page(get_route_path(scope)) is not None


class Form:
    """What a template shows of a form; a password is never shown again."""

    def __init__(self, sent: Mapping[str, str] | None = None, error: ApiError | None = None) -> None:
        self.values = {name: value for name, value in (sent or {}).items() if "password" not in name}
        self.errors = {each.field: each.message for each in error.errors} if error else {}
        self.first = next((name for name in sent or {} if name in self.errors), "")  # of the fields as they stand
        self.problem = (messages.CHECK_FIELDS if error.errors else error.detail) if error else ""
        self.status = error.status_code if error else HTTPStatus.OK
        self.headers = error.headers if error else {}


async def read_form(request: Request) -> Sent:
    """Return the text fields of a form; spaces around them are slips of the hand, but in a password."""
    async with request.form(max_files=0, max_fields=MAX_FIELDS) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: value if "password" in name else value.strip() for name, value in texts.items()}


def validate(scheme: type[SchemeT], sent: Sent) -> SchemeT:
    """Make a scheme out of the fields of a form; an empty one counts as not filled in.

    Raises:
        HttpInvalidValueException: its `errors` name the fields and say why.
    """
    try:
        return scheme.model_validate({name: sent[name] for name in scheme.model_fields if sent.get(name)})
    except ValidationError as error:
        found = [
            FieldError(
                field=str(problem["loc"][0]),
                message=messages.REQUIRED if problem["type"] == "missing" else sentence(dict(problem)),
            )
            for problem in error.errors()
        ]
        raise HttpInvalidValueException(errors=found) from None
