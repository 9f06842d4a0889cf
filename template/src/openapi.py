"""The OpenAPI document, and the pages that show it."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.routing import RouteContext, iter_route_contexts
from pydantic.json_schema import models_json_schema

from src import messages
from src.schemes import ErrorResponse

REFERENCE = "#/components/schemas/{model}"
ERROR, THEIRS = ({"$ref": REFERENCE.format(model=model)} for model in ("ErrorResponse", "HTTPValidationError"))
CLAUSE = re.compile(r"[.;:](?:\s|$)")
# Where Swagger UI and ReDoc draw themselves; until they do, the message is shown.
EMPTY = re.compile(r'(<div id="swagger-ui">)\s*(</div>)|(<redoc [^>]*>)(</redoc>)')


def describe_operations(app: FastAPI) -> None:
    """Name each operation by the first clause of its docstring, and describe what is answered to it.

    422 is an `ErrorResponse`; a middleware says what it answers in a method `describe`.
    """
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        for route, operation in find_operations(app, document):
            if "description" in operation and not route.summary:
                operation["summary"] = CLAUSE.split(operation["description"])[0]
        schemas = document.get("components", {}).get("schemas", {})
        if schemas.pop("HTTPValidationError", None):
            schemas.pop("ValidationError", None)
            add_error_schema(document)
            _point_to_ours(document["paths"])
        for layer in app.user_middleware:
            if describe := getattr(layer.cls, "describe", None):
                describe(app, document)
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def find_operations(app: FastAPI, document: dict[str, Any]) -> Iterator[tuple[RouteContext, dict[str, Any]]]:
    """Yield each operation of the document with its route."""
    for route in iter_route_contexts(app.routes):
        path = document.get("paths", {}).get(route.path_format, {})
        yield from ((route, path[method.lower()]) for method in route.methods or () if method.lower() in path)


def add_error_schema(document: dict[str, Any]) -> None:
    """Put what `ERROR` refers to into the document."""
    _, ours = models_json_schema([(ErrorResponse, "serialization")], ref_template=REFERENCE)
    document.setdefault("components", {}).setdefault("schemas", {}).update(ours["$defs"])


def _point_to_ours(paths: dict[str, Any]) -> None:
    for operation in (operation for path in paths.values() for operation in path.values()):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                if content.get("schema") == THEIRS:
                    content["schema"] = ERROR


def add_docs(app: FastAPI, docs_url: str | None, redoc_url: str | None) -> None:
    """Serve Swagger UI and ReDoc, which come from a CDN; where it cannot be reached, the pages say so."""
    app.docs_url, app.redoc_url = docs_url, redoc_url
    for path, build in ((docs_url, get_swagger_ui_html), (redoc_url, get_redoc_html)):
        if path:
            app.add_route(path, _show(app, build), include_in_schema=False)


def _show(app: FastAPI, build: Callable[..., HTMLResponse]) -> Callable[[Request], Any]:
    async def show(request: Request) -> HTMLResponse:
        address = f"{request.scope.get('root_path', '').rstrip('/')}{app.openapi_url}"
        page = bytes(build(openapi_url=address, title=app.title).body).decode()
        text = messages.DOCS_LOADING.format(link=f'<a href="{address}">{address}</a>')
        return HTMLResponse(EMPTY.sub(rf"\1\3<p>{text}</p>\2\4", page))

    return show
