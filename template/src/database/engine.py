"""The engine: its connections, what columns take from Python, and what is made of a statement that failed."""

import json
import re
from typing import Any

from asyncpg.exceptions import InvalidCachedStatementError, OutdatedSchemaCacheError
from pydantic_core import to_jsonable_python
from sqlalchemy import BigInteger, DateTime, Integer, SmallInteger, String, TextClause, event
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect, ExceptionContext
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

from src import messages
from src.config import get_settings
from src.database.config import DatabaseSettings
from src.database.exceptions import DatabaseUnavailableError, NaiveDatetimeError, SchemaChangedError, sqlstate
from src.database.log import log_statements
from src.exceptions import ApiError, HttpInvalidValueException
from src.schemes import FieldError

READ_ONLY = "25006"
NOT_NULL_VIOLATION = "23502"
# A table, column, type, schema or operator that is not there, or of another type; a definition that has gone.
UNLIKE_THE_MODELS = ("42P01", "42703", "42704", "3F000", "42883", "42804", "42846", "XX000")


def create_engine(settings: DatabaseSettings) -> AsyncEngine:
    engine = create_async_engine(
        settings.url,
        pool_size=settings.DB_POOL_SIZE,
        max_overflow=settings.DB_MAX_OVERFLOW,
        pool_timeout=settings.DB_POOL_TIMEOUT,
        hide_parameters=True,
        json_serializer=lambda value: json.dumps(to_jsonable_python(value)),
        connect_args=settings.connect_args | settings.limits,
    )
    _extend_types(engine.dialect)
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "checkout", _replace_closed)
    event.listen(engine.sync_engine, "handle_error", _explain)
    if get_settings().LEVEL in ("TRACE", "DEBUG"):
        log_statements(engine.sync_engine)
    return engine


def _extend_types(dialect: Dialect) -> None:
    """Let text columns take whatever is text in JSON, and refuse a time without its zone."""
    text, time = (type(each.dialect_impl(dialect)) for each in (String(), DateTime()))
    extended: dict[type[Any], type[Any]] = {
        String: type("Text", (text,), {"bind_processor": lambda _, __: _as_text}),
        DateTime: type("Time", (time,), {"bind_processor": lambda self, _: _aware if self.timezone else None}),
    }
    dialect.colspecs = {**dialect.colspecs, **extended}


def _as_text(value: Any) -> Any:
    """Return a URL, a UUID, a decimal or a time as text; the driver refuses what is none, such as a secret."""
    if value is None or isinstance(value, (str, bytes)) or hasattr(value, "get_secret_value"):
        return value
    text = to_jsonable_python(value, fallback=lambda _: None)
    return text if isinstance(text, str) else value


def _aware(value: Any) -> Any:
    """Refuse what the driver would take for local time of this machine."""
    if value is not None and getattr(value, "tzinfo", None) is None:
        raise NaiveDatetimeError(value)
    return value


def _connect(
    dialect: Dialect, _: ConnectionPoolEntry, args: tuple[Any, ...], options: dict[str, Any]
) -> DBAPIConnection:
    """Connect; whatever prevents it, the driver's bare errors included, means that there is no database now."""
    try:
        return dialect.connect(*args, **options)
    except (OSError, dialect.loaded_dbapi.Error) as error:
        raise DatabaseUnavailableError from error


def _replace_closed(connection: DBAPIConnection, _: ConnectionPoolEntry, __: PoolProxiedConnection) -> None:
    """Notice a restarted server before the first statement fails; unlike `pool_pre_ping` without a round trip."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


def _explain(context: ExceptionContext) -> ApiError | None:
    """Answer what only the statement at hand can tell; src/database/exceptions.py does the rest."""
    error = context.original_exception
    if isinstance(error, OSError):  # no answer: drop the connection, it may never answer again
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = False
        return DatabaseUnavailableError()
    if sqlstate(error) == READ_ONLY:  # the primary became a replica: drop all connections, to find the new one
        context.is_disconnect = True
        return DatabaseUnavailableError()
    if isinstance(getattr(error.__cause__, "__cause__", None), OverflowError):
        return HttpInvalidValueException(errors=_out_of_range(context))
    return SchemaChangedError() if _is_unlike_models(context) else None


def _is_unlike_models(context: ExceptionContext) -> bool:
    """Whether a migration changed the tables under a statement that was made from the models."""
    error, execution = context.original_exception, context.execution_context
    if isinstance(error.__cause__ or error, (InvalidCachedStatementError, OutdatedSchemaCacheError)):
        return True
    statement = getattr(getattr(execution, "compiled", None), "statement", None)
    if statement is None or isinstance(statement, TextClause):
        return False
    if sqlstate(error) == NOT_NULL_VIOLATION:
        table = getattr(statement, "table", None)
        return table is not None and getattr(error.__cause__, "column_name", "") not in table.columns
    return sqlstate(error) in UNLIKE_THE_MODELS


def _out_of_range(context: ExceptionContext) -> list[FieldError]:
    execution: Any = context.execution_context
    binds = execution.compiled.binds if getattr(execution, "compiled", None) else {}
    fields = {}
    for name, value in ((name, value) for row in execution.compiled_parameters if binds for name, value in row.items()):
        bind = binds[name if name in binds else name.rpartition("_")[0]]  # members of a list have a number behind
        if not _fits(value, bind.type):
            columns = getattr(getattr(execution.compiled.statement, "table", None), "columns", ())
            fields[name if name in columns else re.sub(r"(_\d+)+$", "", name)] = messages.OUT_OF_RANGE
    return [FieldError(field=field, message=message) for field, message in fields.items()]


def _fits(value: Any, kind: Any) -> bool:
    if not isinstance(value, int) or not isinstance(kind, Integer):
        return True
    bits = 15 if isinstance(kind, SmallInteger) else 63 if isinstance(kind, BigInteger) else 31
    return -(1 << bits) <= value < 1 << bits
