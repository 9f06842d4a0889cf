"""What can go wrong with the database, and which answer it is to a client."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from sqlalchemy import Index, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Mapper
from sqlalchemy.sql.elements import conv
from sqlalchemy.sql.schema import ColumnCollectionConstraint

from src import messages
from src.database.model import Base
from src.exceptions import (
    ApiError,
    HttpAlreadyExistException,
    HttpConflictException,
    HttpInvalidValueException,
    HttpServiceUnavailableException,
)
from src.schemes import FieldError

# https://www.postgresql.org/docs/current/errcodes-appendix.html
UNIQUE_VIOLATION = "23505"
CONFLICTS = ("23",)
# Of a wrong form, missing, outside of what a check or a view allows, too long for an index.
INVALID_VALUES = ("22", "23502", "23514", "44", "54000")
GAVE_WAY = {
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock timeout",
    "57014": "statement timeout",
}
TRY_AGAIN = ("08", "25P03", "25P04", "40", "53", "57", "58", "72")
identifiers = postgresql.dialect().identifier_preparer  # type: ignore[no-untyped-call]


class DatabaseUnavailableError(HttpServiceUnavailableException):
    """PostgreSQL is unreachable, too busy or did not answer in time."""

    event, level = "database unavailable", "ERROR"


class StatementGaveWayError(DatabaseUnavailableError):
    """PostgreSQL ended a statement that was in the way of others, or waited for too long."""

    level = "WARNING"

    def __init__(self, event: str) -> None:
        super().__init__()
        self.event = event


class SchemaChangedError(DatabaseUnavailableError):
    """A table is not as its model says: a migration has just changed it, or is missing."""

    event = "tables and models differ: make migrate, or make migration if a model has changed"


class MigrationsPendingError(DatabaseUnavailableError):
    """The database has not run all migrations of this code."""


class UncommittedWriteError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "Rows were written but never committed: ask for DbSessionDepends(commit=True) in this request."
        )


class SessionEndedError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "This session ended with its request. A stream, a background task and a websocket open their own:"
            " ask for DatabaseDepends, then `async with database.session(commit=True) as session`."
        )


class IsolationLevelError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "The isolation level must be the same in all dependencies of a request, before the first query."
        )


class NaiveDatetimeError(ValueError):
    def __init__(self, value: date) -> None:
        super().__init__(
            f"{value} has no time zone: use AwareDatetime of Pydantic in schemes, datetime.now(UTC) in code,"
            " or Mapped[date] for a day."
        )


class UnknownColumnError(ValueError):
    def __init__(self, model: type[Base], names: Iterable[str]) -> None:
        columns = ", ".join(model.__table__.columns.keys())
        super().__init__(f"{model.__name__} has no column {', '.join(sorted(names))}; it has {columns}.")


class EmptyFilterError(ValueError):
    def __init__(self) -> None:
        super().__init__("This would touch every row: give filters, or every_row=True if that is meant.")


class UnsortableColumnError(ValueError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"Pages cannot be ordered by {name}, it may be NULL: make the column NOT NULL or order by another."
        )


class InvalidCursorException(HttpInvalidValueException):
    """The cursor is not one that `find_page` gave out for this order."""


def as_api_error(error: DBAPIError | PoolTimeoutError) -> ApiError | None:
    """Say what a database error means to a client; None if nothing, because it is a fault of the program."""
    if isinstance(error, PoolTimeoutError) or error.connection_invalidated:
        return DatabaseUnavailableError()
    state = sqlstate(error.orig)
    if state in GAVE_WAY:
        return StatementGaveWayError(GAVE_WAY[state])
    if state == UNIQUE_VIOLATION:
        return HttpAlreadyExistException(errors=_taken_fields(error))
    if state.startswith(INVALID_VALUES):
        return HttpInvalidValueException()
    if state.startswith(CONFLICTS):
        return HttpConflictException()
    return DatabaseUnavailableError() if state.startswith(TRY_AGAIN) else None


def sqlstate(error: BaseException | None) -> str:
    """Return the state that PostgreSQL gave an error; empty if the driver itself refused a value."""
    answer = getattr(error, "__cause__", None)
    return getattr(answer, "sqlstate", "") if getattr(answer, "severity", None) else ""


def _taken_fields(error: DBAPIError) -> list[FieldError]:
    name = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None) or ""
    fields = [field for mapper in Base.registry.mappers for field in _fields_of(mapper, name)]
    return [FieldError(field=field, message=messages.VALUE_TAKEN) for field in fields]


def _fields_of(mapper: Mapper[Any], name: str) -> list[str]:
    table = mapper.local_table
    if not isinstance(table, Table):
        return []
    named: list[ColumnCollectionConstraint | Index] = [*table.indexes]
    named += [each for each in table.constraints if isinstance(each, ColumnCollectionConstraint)]
    columns = [column for each in named if _is_named(each, name) for column in each.columns]
    return [mapper.get_property_by_column(column).key for column in columns]


def _is_named(each: ColumnCollectionConstraint | Index, name: str) -> bool:
    """Compare with the name in the database, where 63 characters of it have room."""
    return isinstance(each.name, str) and name == identifiers.truncate_and_render_constraint_name(
        conv(each.name)
    ).strip('"')
