"""With LEVEL=DEBUG: one line per statement."""

# ruff: noqa: ARG001 - SQLAlchemy decides what a listener gets

from time import perf_counter
from typing import Any

from loguru import logger
from sqlalchemy import Engine, event


def log_statements(engine: Engine) -> None:
    """Log verb, table, rows and milliseconds of each statement; never its parameters."""
    event.listen(engine, "before_cursor_execute", _start)
    event.listen(engine, "after_cursor_execute", _log)


def _start(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    connection.info["statement_started"] = perf_counter()


def _log(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
    duration = round((perf_counter() - connection.info.pop("statement_started")) * 1000, 1)
    compiled = getattr(context, "compiled", None)
    table = getattr(getattr(compiled, "statement", None), "table", None)
    verb = statement.split(maxsplit=1)[0].upper()
    logger.debug("statement", verb=verb, table=getattr(table, "name", "-"), rows=cursor.rowcount, ms=duration)
