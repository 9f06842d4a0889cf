"""Logging: loguru writes every line, the standard library's loggers included."""

import atexit
import json
import logging
import os
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from copy import deepcopy
from fcntl import LOCK_EX, LOCK_NB, lockf
from itertools import count
from pathlib import Path
from select import select
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING, Any

from loguru import logger

from src.config import InvalidSettingsError, Settings

if TYPE_CHECKING:
    from loguru import Logger, Message, Record

request_id: ContextVar[str] = ContextVar("request_id", default="")

INTERVAL = 0.1  # seconds between two batches: what a kill -9 loses
MAX_LINES = 10_000  # that wait for a reader
CLOSE_TIMEOUT = 1  # seconds
STDERR = 2
LINE = "{extra[_line]}\n"
WEBSOCKET_LINE = '"WebSocket '  # how uvicorn begins a line that shows a query, where tokens are
_writers: "list[BatchWriter]" = []
_locks: list[int] = []  # file descriptors, open until the process ends


class BatchWriter:
    """Write lines from a thread, every 100 ms: neither a reader that is stuck nor a full disk stops a request.

    Errors are written at once. Lines for which there is no room are dropped; the log says how many.
    """

    def __init__(self, name: str, open_output: Callable[[], Callable[[str], object]]) -> None:
        self._name = name
        self._open = open_output
        self.begin()
        self._output: Callable[[str], object] | None = open_output()
        _writers.append(self)

    def begin(self) -> None:
        """Start empty and without a thread, as after a fork, where the lines are those of the parent."""
        self._changed = Condition()
        self._output = None
        self._thread: Thread | None = None
        self._lines: list[str] = []
        self._dropped = 0
        self._urgent = self._busy = self._closed = self._stopped = False

    def write(self, message: "Message") -> None:
        with self._changed:
            if len(self._lines) >= MAX_LINES and current_thread() is not self._thread:
                self._dropped += 1
                return
            self._lines.append(str(message))
            if not self._thread:
                self._thread = Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
            self._urgent |= message.record["level"].no >= logging.ERROR
            if self._urgent or len(self._lines) == 1:
                self._changed.notify_all()
        if self._closed and current_thread() is not self._thread:
            self.close()

    def close(self) -> None:
        """Wait until all lines are written, and from now on for each further one; but not for a reader that is stuck."""
        with self._changed:
            self._urgent = True
            self._changed.notify_all()
            self._closed = self._changed.wait_for(lambda: not (self._lines or self._busy), CLOSE_TIMEOUT)

    def stop(self) -> None:
        self.close()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        _writers.remove(self)

    def _run(self) -> None:
        start = ""
        while not self._stopped:
            with self._changed:
                self._changed.wait_for(lambda: self._lines or self._stopped)
                self._changed.wait_for(lambda: self._urgent, INTERVAL)
                lines, self._lines, self._urgent, self._busy = self._lines, [], False, True
            try:
                if self._output is None:
                    self._output = self._open()
                self._output(start + "".join(lines))
            except (Exception, SystemExit):  # noqa: BLE001 - no space, no reader: the next batch may succeed
                self._dropped += len(lines)
                start = "\n"  # ends a line that was cut off
            else:
                start = ""
                self._report()
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _report(self) -> None:
        with self._changed:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            logger.error("log lines dropped", output=self._name, count=dropped)


def close_logging() -> None:
    """Write what is waiting, before the process ends or is replaced."""
    for writer in _writers:
        writer.close()


def _begin_anew() -> None:
    for writer in _writers:
        writer.begin()


atexit.register(close_logging)
os.register_at_fork(after_in_child=_begin_anew)


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
    except Exception:  # noqa: BLE001 - an argument may raise anything
        return _show(record.msg)


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


def _show(value: object) -> str:
    """Return the text of a value, or the name of its type if it has none."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - a line comes out whatever the caller passes
        return f"<{type(value).__name__}>"


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_show).encode


def _fields(record: "Record") -> dict[str, Any]:
    return {name: value for name, value in record["extra"].items() if name != "_line"}


def format_text(record: "Record") -> str:
    """Write one line, and below it, each behind a bar, those of an exception."""
    record["extra"]["_line"] = _line(record) + "".join(
        f"\n  | {escape(line)}" for line in _traceback(record).splitlines()
    )
    return LINE


def format_dev(record: "Record") -> str:
    """Leave the exception to loguru, which shows the values of variables."""
    record["extra"]["_line"] = _line(record)
    return LINE + "{exception}"


def _line(record: "Record") -> str:
    time = record["time"].isoformat(sep=" ", timespec="milliseconds")
    fields = "".join(f" {name}={_show(value)}" for name, value in _fields(record).items())
    number = request_id.get() or "-"
    return escape(f"{time} | {record['level'].name: <8} | {number} | {record['name']} | {record['message']}{fields}")


def _traceback(record: "Record") -> str:
    exception = record["exception"]
    return "".join(traceback.format_exception(exception.value)) if exception else ""


def format_json(record: "Record") -> str:
    own = {
        "time": record["time"].isoformat(timespec="milliseconds"),
        "level": record["level"].name,
        "logger": record["name"],
        "message": record["message"],
        "request_id": request_id.get() or "-",
    }
    if record["exception"]:
        own["exception"] = _traceback(record)
    record["extra"]["_line"] = _escape_json(_to_json(own | _fields(record) | own))
    return LINE


def _to_json(fields: dict[str, Any]) -> str:
    try:
        return _encode(fields)
    except Exception:  # noqa: BLE001 - JSON has no NaN, no circles, only some keys: such a value becomes text
        return f"{{{', '.join(f'{_encode(name)}: {_value_to_json(value)}' for name, value in fields.items())}}}"


def _value_to_json(value: object) -> str:
    try:
        return _encode(value)
    except Exception:  # noqa: BLE001 - as above
        return _encode(_show(value))


def _write_to_stderr(text: str) -> None:
    data = text.encode(errors="backslashreplace")
    while data:
        select([], [STDERR], [])
        data = data[os.write(STDERR, data) :]


def _own_path(path: Path) -> Path:
    """Return the path, with a number if another process writes there: rotation would lose lines of both."""
    while _locks:
        os.close(_locks.pop())
    path.parent.mkdir(parents=True, exist_ok=True)
    _locks.append(os.open(path.parent / f".{path.name}.lock", os.O_RDWR | os.O_CREAT, 0o666))
    number = next(number for number in count(1) if _lock(_locks[0], number))
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")


def _lock(file: int, number: int) -> bool:
    try:
        lockf(file, LOCK_EX | LOCK_NB, 1, number)
    except (BlockingIOError, PermissionError):  # another process has it
        return False
    return True


def _add_file(target: "Logger", settings: Settings, **options: Any) -> None:
    retention: str | int | None = (
        int(settings.RETENTION) if settings.RETENTION.isdecimal() else settings.RETENTION or None
    )
    try:
        target.add(
            _own_path(Path(settings.LOG_FILE)),
            rotation=settings.ROTATION,
            retention=retention,
            compression=None if settings.COMPRESSION == "none" else settings.COMPRESSION,
            **options,
        )
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
    is_captured = sys.stderr is not sys.__stderr__  # by a test, which wants each line at once
    logger.remove()
    files = deepcopy(logger)

    def open_file() -> Callable[[str], object]:
        files.remove()
        _add_file(files, settings, level=0, catch=False)
        return files.opt(raw=True).info

    if is_captured or settings.is_dev:
        logger.add(sys.stderr, **options)
    else:
        logger.add(BatchWriter("stderr", lambda: _write_to_stderr), **options)
    if settings.LOG_FILE and is_captured:
        _add_file(logger, settings, **options)
    elif settings.LOG_FILE:
        logger.add(BatchWriter("LOG_FILE", open_file), **options)
    logging.basicConfig(handlers=[InterceptHandler()], level=logging.WARNING, force=True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn").setLevel(logging.INFO)
