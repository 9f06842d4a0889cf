"""Answers in the OpenAPI document."""

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from src.exceptions import HttpAlreadyExistException, HttpConflictException, HttpServiceUnavailableException
from src.utils import ResponseDocs, error_response_docs, ok_response_docs

teapot = HTTPException(418, "I brew tea.")


def documented(docs: ResponseDocs) -> dict[str, Any]:
    app = FastAPI()

    @app.get("/", responses=docs)
    async def endpoint() -> None: ...

    responses: dict[str, Any] = app.openapi()["paths"]["/"]["get"]["responses"]
    return responses


def test_a_success_is_described() -> None:
    """By status and sentence, as its example."""
    answer = documented({**ok_response_docs(status_code=201, description="Created.")})["201"]
    assert answer["description"] == "Created."
    assert answer["content"]["application/json"]["example"] == {"detail": "Created."}


def test_a_success_may_have_a_model_of_its_own() -> None:
    """Or no body at all."""

    class Thing(BaseModel):
        name: str

    answers = documented({**ok_response_docs("A thing.", model=Thing), **ok_response_docs("Gone.", 204, model=None)})
    assert answers["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Thing")
    assert "content" not in answers["204"]


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [(HttpAlreadyExistException, "409", HttpAlreadyExistException.detail), (teapot, "418", "I brew tea.")],
)
def test_an_error_is_described_by_its_class_or_instance(error: Any, status: str, detail: str) -> None:
    """The documented error is the one that is raised."""
    answer = documented({**error_response_docs(error=error)})[status]
    assert answer["content"]["application/json"]["examples"][detail]["value"]["detail"] == detail


def test_errors_of_one_status_stand_side_by_side() -> None:
    """Two calls merge, as one call with two errors does; none overwrites the other."""
    two_calls = {**error_response_docs(error=HttpAlreadyExistException), **error_response_docs(HttpConflictException)}
    one_call = {**error_response_docs(HttpAlreadyExistException, HttpConflictException)}
    for docs in (two_calls, one_call):
        assert len(documented(docs)["409"]["content"]["application/json"]["examples"]) == 2


def test_headers_of_an_error_are_described() -> None:
    """A client learns that it may retry."""
    assert "Retry-After" in documented({**error_response_docs(HttpServiceUnavailableException)})["503"]["headers"]


def test_a_description_can_be_given() -> None:
    """Instead of the name of the status."""
    answer = documented({**error_response_docs(teapot, description="Only tea.")})["418"]
    assert answer["description"] == "Only tea."
