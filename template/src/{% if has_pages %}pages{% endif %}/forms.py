"""Forms: what was typed, and what is wrong with it."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from src.exceptions import ApiError, HttpInvalidValueException
from src.handlers import sentence
from src.pages import messages
from src.schemes import FieldError

MOST_FIELDS = 20
Sent = dict[str, str]
SchemeT = TypeVar("SchemeT", bound=BaseModel)


class Form:
    """What a template shows of a form; a password is never shown again."""

    def __init__(self, sent: Mapping[str, str] | None = None, error: ApiError | None = None) -> None:
        self.values = {name: value for name, value in (sent or {}).items() if "password" not in name}
        self.errors = {each.field: each.message for each in error.errors} if error else {}
        self.first = next((name for name in sent or {} if name in self.errors), "")  # of the fields as they stand
        self.problem = (messages.CHECK_FIELDS if error.errors else error.detail) if error else ""
        self.status = error.status_code if error else HTTPStatus.OK
        self.headers = error.headers if error else {}


async def read(request: Request) -> Sent:
    """Return the text fields of a form; spaces around them are slips of the hand, but in a password."""
    async with request.form(max_files=0, max_fields=MOST_FIELDS) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
    return {name: value if "password" in name else value.strip() for name, value in texts.items()}


def validate(scheme: type[SchemeT], sent: Sent) -> SchemeT:
    """Make a scheme out of its fields; an empty one counts as not filled in.

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
