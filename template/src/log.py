"""Logging: loguru writes every line, the standard library's loggers included."""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from loguru import logger

from src.config import InvalidSettingsError, Settings

if TYPE_CHECKING:
    from loguru import Record

request_id: ContextVar[str] = ContextVar("request_id", default="")

TEXT = "{time:YYYY-MM-DD HH:mm:ss.SSSZ} | {level: <8} | {extra[_request_id]} | {extra[_line]}\n"
WEBSOCKET_LINE = '"WebSocket '  # how uvicorn begins a line that shows a query, where tokens are
JSON = "{extra[_line]}\n"
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_INTERNAL = frozenset({"_request_id", "_line"})


class InterceptHandler(logging.Handler):
    """Hand the standard library's records to loguru, under the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        message = _message(record)
        if record.name == "uvicorn.error" and WEBSOCKET_LINE in message:
            return
        named = logger.patch(lambda line: line.__setitem__("name", record.name))
        named.opt(exception=record.exc_info).log(_level(record), "{}", message)


def _message(record: logging.LogRecord) -> str:
    """Return the text of a record; arguments that do not fit it must not fail whoever logs."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return str(record.msg)


def _level(record: logging.LogRecord) -> str | int:
    """Return the level by its name, or by its number where a library made up a name that loguru does not know."""
    try:
        return logger.level(record.levelname).name
    except ValueError:
        return record.levelno


def escape(text: str) -> str:
    """Show control characters as escapes: what a client sent can neither start a line nor colour a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _escape_json(line: str) -> str:
    """Do the same inside JSON, where some characters end a line that need no escape."""
    if line.isprintable():
        return line
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in line)


def _fields(record: "Record") -> dict[str, Any]:
    return {name: value for name, value in record["extra"].items() if name not in _INTERNAL}


def format_text(record: "Record") -> str:
    """Write one line, and below it, each behind a bar, those of an exception."""
    record["extra"]["_line"] = _line(record) + "".join(
        f"\n  | {escape(line)}" for line in _traceback(record).splitlines()
    )
    return TEXT


def format_dev(record: "Record") -> str:
    """Leave the exception to loguru, which shows the values of variables."""
    record["extra"]["_line"] = _line(record)
    return TEXT + "{exception}"


def _line(record: "Record") -> str:
    fields = "".join(f" {name}={escape(str(value))}" for name, value in _fields(record).items())
    return f"{record['name']} | {escape(record['message'])}{fields}"


def _traceback(record: "Record") -> str:
    exception = record["exception"]
    return "".join(traceback.format_exception(exception.value)) if exception else ""


def format_json(record: "Record") -> str:
    line = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
        "request_id": record["extra"]["_request_id"],
    }
    if record["exception"]:
        line["exception"] = _traceback(record)
    record["extra"]["_line"] = _escape_json(_encode(line | _fields(record)))
    return JSON


def _add_request_id(record: "Record") -> None:
    record["extra"]["_request_id"] = escape(request_id.get() or "-")


def _add_file(settings: Settings, options: dict[str, Any]) -> None:
    compression = None if settings.COMPRESSION == "none" else settings.COMPRESSION
    try:
        logger.add(settings.LOG_FILE, rotation=settings.ROTATION, compression=compression, **options)
    except OSError as error:
        raise InvalidSettingsError(f"LOG_FILE: the file cannot be written: {error.strerror}.") from None
    except ValueError:
        raise InvalidSettingsError("ROTATION: write a size or a time, like 10 MB, 1 day or 00:00.") from None


def setup_logging(settings: Settings) -> None:
    """Send all logs to standard error and, where LOG_FILE is set, to that file too."""
    options: dict[str, Any] = {
        "level": settings.LEVEL,
        "format": format_json if settings.SERIALIZE else format_dev if settings.is_dev else format_text,
        "diagnose": settings.is_dev,
    }
    logger.remove()
    logger.configure(patcher=_add_request_id)
    logger.add(sys.stderr, **options)
    if settings.LOG_FILE:
        _add_file(settings, options)
    logging.basicConfig(handlers=[InterceptHandler()], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn").setLevel(logging.INFO)
