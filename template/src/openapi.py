"""The OpenAPI document, where FastAPI's own would say what is not true."""

from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from src.schemes import ErrorResponse

REFERENCE = "#/components/schemas/{model}"


def describe_invalid_requests(app: FastAPI) -> None:
    """Describe 422 as it is answered, by `ErrorResponse`."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        document = build()
        schemas = document.get("components", {}).get("schemas", {})
        if schemas.pop("HTTPValidationError", None):
            schemas.pop("ValidationError", None)
            _, ours = models_json_schema([(ErrorResponse, "serialization")], ref_template=REFERENCE)
            schemas |= ours["$defs"]
            _point_to_ours(document["paths"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # the way FastAPI documents


def _point_to_ours(paths: dict[str, Any]) -> None:
    theirs, ours = ({"$ref": REFERENCE.format(model=model)} for model in ("HTTPValidationError", "ErrorResponse"))
    for operation in (operation for path in paths.values() for operation in path.values()):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                if content.get("schema") == theirs:
                    content["schema"] = ours
