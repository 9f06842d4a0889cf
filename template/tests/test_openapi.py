"""The OpenAPI document says what is answered."""

from fastapi import FastAPI
from pydantic import BaseModel


class Thing(BaseModel):
    name: str


async def test_invalid_requests_are_described_as_they_are_answered(app: FastAPI) -> None:
    """No trace of the shape that FastAPI would answer by itself, however often it is asked."""

    @app.post("/things")
    async def create(thing: Thing) -> Thing:
        return thing

    for _ in range(2):
        document = app.openapi()
        answer = document["paths"]["/things"]["post"]["responses"]["422"]
        assert answer["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
        assert "errors" in document["components"]["schemas"]["ErrorResponse"]["properties"]
        assert "FieldError" in document["components"]["schemas"]
        assert "HTTPValidationError" not in str(document)


async def test_routes_that_come_later_are_described_too(app: FastAPI) -> None:
    """The document follows the routes."""
    app.openapi()

    @app.get("/late/{number}")
    async def late(number: int) -> int:
        return number

    assert "HTTPValidationError" not in str(app.openapi())
    assert "/late/{number}" in app.openapi()["paths"]


async def test_operations_are_named_by_tag_and_function(app: FastAPI) -> None:
    """Unique, for they are the names of functions in generated clients; without a tag by the function alone."""

    @app.get("/untagged")
    async def untagged() -> None: ...

    operations = [operation for path in app.openapi()["paths"].values() for operation in path.values()]
    ids = [operation["operationId"] for operation in operations]
    assert {"health-health", "health-ready", "untagged"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert all(each["operationId"].startswith("-".join([*each.get("tags", []), ""])) for each in operations)


async def test_operations_are_named_by_the_first_clause_of_their_docstring(app: FastAPI) -> None:
    """Unless the route has a `summary`."""

    @app.get("/first")
    async def first() -> None:
        """List articles, newest first; the next page starts after a cursor."""

    @app.get("/second", summary="Second")
    async def second() -> None:
        """Say something."""

    @app.get("/third")
    async def third_of_them() -> None: ...

    paths = app.openapi()["paths"]
    names = [paths[path]["get"]["summary"] for path in ("/first", "/second", "/third")]
    assert names == ["List articles, newest first", "Second", "Third Of Them"]


async def test_tags_have_a_sentence(app: FastAPI) -> None:
    """Those of the template's own routes."""
    document = app.openapi()
    used = {tag for path in document["paths"].values() for operation in path.values() for tag in operation["tags"]}
    described = {tag["name"] for tag in document["tags"] if tag["description"].endswith(".")}
    assert used & {"auth", "health", "tasks", "users"} <= described
