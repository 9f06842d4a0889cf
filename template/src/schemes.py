"""Shapes of answers that all endpoints share."""

from pydantic import BaseModel


class FieldError(BaseModel):
    """What is wrong with one field of a request; the value sent is never repeated."""

    field: str
    message: str


class ErrorResponse(BaseModel):
    """The body of every 4xx and 5xx answer."""

    detail: str
    code: str | None = None
    errors: list[FieldError] | None = None


class DetailResponse(BaseModel):
    """An answer that only says what was done."""

    detail: str
