"""Makes pages out of templates; all their words come from `messages`."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.types import Scope

from src import about
from src.config import get_settings
from src.pages import messages

SRC = Path(__file__).resolve().parent.parent
STATIC = SRC / "static"
READ = ["GET", "HEAD"]


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


def render(
    scope: Scope, template: str, status: int = 200, headers: Mapping[str, str] | None = None, **values: Any
) -> HTMLResponse:
    """Fill in a template; links in it begin with `root`, which is ROOT_PATH."""
    values = {"root": scope.get("root_path", ""), "user": None, "form": None, "notice": "", **values}
    text = _environment().get_template(template).render(values)
    return HTMLResponse(text, status, {"Cache-Control": "no-store", **(headers or {})})
