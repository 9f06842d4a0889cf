"""What can go wrong with the database, and which answer it is to a client."""

from collections.abc import Iterable

from sqlalchemy import FromClause, Index, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
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
INVALID_VALUES = ("22", "23502", "23514")  # of a wrong form, missing, or outside of what a check allows
TRY_AGAIN = ("08", "40", "53", "55P03", "57")


class DatabaseUnavailableError(HttpServiceUnavailableException):
    """PostgreSQL is unreachable, too busy or did not answer in time."""


class UncommittedWriteError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "Rows were written but never committed: ask for DbSessionDepends(commit=True) in this request."
        )


class IsolationLevelError(RuntimeError):
    def __init__(self) -> None:
        super().__init__(
            "The isolation level must be the same in all dependencies of a request, before the first query."
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
    """Say what a database error means to a client; None: nothing, it is a fault of the program."""
    if isinstance(error, PoolTimeoutError) or error.connection_invalidated:
        return DatabaseUnavailableError()
    state = getattr(error.orig, "sqlstate", None) or ""
    if state == UNIQUE_VIOLATION:
        return HttpAlreadyExistException(errors=_taken_fields(error))
    if state.startswith(INVALID_VALUES):
        return HttpInvalidValueException()
    if state.startswith(CONFLICTS):
        return HttpConflictException()
    return DatabaseUnavailableError() if state.startswith(TRY_AGAIN) else None


def _taken_fields(error: DBAPIError) -> list[FieldError]:
    name = getattr(getattr(error.orig, "__cause__", None), "constraint_name", None)
    columns = [column for mapper in Base.registry.mappers for column in _columns_of(mapper.local_table, name)]
    return [FieldError(field=column, message=messages.VALUE_TAKEN) for column in columns]


def _columns_of(table: FromClause, name: str | None) -> list[str]:
    if not isinstance(table, Table):
        return []
    named: list[ColumnCollectionConstraint | Index] = [*table.indexes]
    named += [each for each in table.constraints if isinstance(each, ColumnCollectionConstraint)]
    return [column.name for each in named if each.name == name for column in each.columns]
