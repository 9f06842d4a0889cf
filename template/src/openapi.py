"""The OpenAPI document, and the pages that show it."""

import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_redoc_html, get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.routing import iter_route_contexts
from pydantic.json_schema import models_json_schema

from src import messages
from src.schemes import ErrorResponse

REFERENCE = "#/components/schemas/{model}"
CLAUSE = re.compile(r"[.;:](?:\s|$)")
# Where Swagger UI and ReDoc draw themselves; until they do, the message is shown.
EMPTY = re.compile(r'(<div id="swagger-ui">)\s*(</div>)|(<redoc [^>]*>)(</redoc>)')


def describe_operations(app: FastAPI) -> None:
    """Name each operation by the first clause of its docstring, and describe 422 as it is answered."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        _name_operations(app, document["paths"])
        schemas = document.get("components", {}).get("schemas", {})
        if schemas.pop("HTTPValidationError", None):
            schemas.pop("ValidationError", None)
            _, ours = models_json_schema([(ErrorResponse, "serialization")], ref_template=REFERENCE)
            schemas |= ours["$defs"]
            _point_to_ours(document["paths"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _name_operations(app: FastAPI, paths: dict[str, Any]) -> None:
    for route in iter_route_contexts(app.routes):
        operations = paths.get(route.path_format or "", {})
        for operation in [operations[method.lower()] for method in route.methods or () if method.lower() in operations]:
            if "description" in operation and not route.summary:
                operation["summary"] = CLAUSE.split(operation["description"])[0]


def _point_to_ours(paths: dict[str, Any]) -> None:
    theirs, ours = ({"$ref": REFERENCE.format(model=model)} for model in ("HTTPValidationError", "ErrorResponse"))
    for operation in (operation for path in paths.values() for operation in path.values()):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                if content.get("schema") == theirs:
                    content["schema"] = ours


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
