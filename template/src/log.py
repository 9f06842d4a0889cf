"""Logging: loguru writes every line, the standard library's loggers included."""

import json
import logging
import sys
import traceback
from typing import TYPE_CHECKING, Any

from asgi_correlation_id import correlation_id
from loguru import logger

from src.config import Settings

if TYPE_CHECKING:
    from loguru import Record

TEXT = "{time:YYYY-MM-DD HH:mm:ss.SSS} | {level: <8} | {extra[request_id]} | {extra[line]}\n"
WEBSOCKET_LINE = '"WebSocket '  # how uvicorn begins a line that shows a query, where tokens are
JSON = "{extra[line]}\n"
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_INTERNAL = frozenset({"request_id", "line"})


class InterceptHandler(logging.Handler):
    """Hand the standard library's records to loguru, under the name of their logger."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "uvicorn.error" and WEBSOCKET_LINE in record.getMessage():
            return
        known = logging.getLevelNamesMapping().get(record.levelname) is not None
        level = record.levelname if known else record.levelno
        named = logger.patch(lambda line: line.__setitem__("name", record.name))
        named.opt(exception=record.exc_info).log(level, "{}", record.getMessage())


def escape(text: str) -> str:
    """Show control characters as escapes: what a client sent can neither start a line nor colour a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _fields(record: "Record") -> dict[str, Any]:
    return {name: value for name, value in record["extra"].items() if name not in _INTERNAL}


def format_text(record: "Record") -> str:
    """Write one line, and below it, each behind a bar, those of an exception."""
    record["extra"]["line"] = _line(record) + "".join(
        f"\n  | {escape(line)}" for line in _traceback(record).splitlines()
    )
    return TEXT


def format_dev(record: "Record") -> str:
    """Leave the exception to loguru, which shows the values of variables."""
    record["extra"]["line"] = _line(record)
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
        "request_id": record["extra"]["request_id"],
    }
    if record["exception"]:
        line["exception"] = _traceback(record)
    record["extra"]["line"] = _encode(line | _fields(record))
    return JSON


def _add_request_id(record: "Record") -> None:
    record["extra"]["request_id"] = correlation_id.get() or "-"


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
        logger.add(settings.LOG_FILE, rotation=settings.ROTATION, compression=settings.COMPRESSION or None, **options)
    logging.basicConfig(handlers=[InterceptHandler()], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn").setLevel(logging.INFO)
