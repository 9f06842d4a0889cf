"""The format of log lines."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from devtools.process import ROOT
from src.config import InvalidSettingsError, get_settings
from src.log import request_id, setup_logging
from tests.settings import forget_settings

START = """
import os, sys
from loguru import logger
from src import log
from src.config import get_settings
log.setup_logging(get_settings())
"""


@contextmanager
def logging_process(script: str, stderr: Any = subprocess.PIPE, **settings: str) -> Iterator["subprocess.Popen[str]"]:
    """Run a script that logs as the service does outside tests; `input()` waits for this process."""
    process = subprocess.Popen(
        [sys.executable, "-c", START + script],
        cwd=ROOT,
        env={**os.environ, **settings},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Speechless:
    def __str__(self) -> str:
        raise LookupError


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)
DEEP: list[Any] = []
for _ in range(5_000):
    DEEP = [DEEP]
ODD_VALUES: list[Any] = [
    float("nan"), {"in": [float("-inf")]}, {(1, 2): 3}, CIRCLE, DEEP, 10**5000, Speechless(), {"in": Speechless()},
    b"\xff", "\ud800\r\n", Decimal("NaN"), {1, 2}, object, Ellipsis,
]  # fmt: skip


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Otherwise a sink of one test would receive the lines of the next."""
    yield
    forget_settings()
    setup_logging(get_settings())


@pytest.fixture
def log_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "service.log"
    monkeypatch.setenv("LOG_FILE", str(path))
    return path


def test_a_line_cannot_be_forged(log_file: Path) -> None:
    """Line breaks and terminal codes in a message or a field are shown as escapes."""
    setup_logging(get_settings())
    logger.info("name: {}", "x\r\n2026 | INFO | forged", field="y\n\x1b[31m\u2028\x85z")
    text = log_file.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert "x\\r\\n2026" in text
    assert "\x1b" not in text


def test_a_line_says_its_offset_from_utc(log_file: Path) -> None:
    """Lines of hosts in different time zones can be put in order."""
    setup_logging(get_settings())
    logger.info("hello")
    written = datetime.fromisoformat(log_file.read_text(encoding="utf-8").partition(" | ")[0])
    assert written.utcoffset() == datetime.now(UTC).astimezone().utcoffset()


def test_an_exception_cannot_forge_a_line(log_file: Path) -> None:
    """Its text may come from a client: each of its lines stands behind a bar, escaped."""
    setup_logging(get_settings())
    try:
        int("x\n2030-01-01 | INFO | forged \x1b[31m")
    except ValueError as error:
        logger.opt(exception=RuntimeError(f"{error}\n2030-01-01 | INFO | forged")).error("failed")
    first, *others = log_file.read_text(encoding="utf-8").splitlines()
    assert first.endswith("failed")
    assert others
    assert all(line.startswith("  | ") for line in others)
    assert "\x1b" not in "".join(others)


def test_the_query_of_a_websocket_is_not_logged(log_file: Path) -> None:
    """A browser can only authenticate one by its address."""
    setup_logging(get_settings())
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" [accepted]', "127.0.0.1:1", "/ws?token=s3cret")
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    text = log_file.read_text(encoding="utf-8")
    assert "s3cret" not in text
    assert "startup complete" in text


def test_json_lines_can_be_parsed(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One object a line, with the bound fields and the exception in it."""
    monkeypatch.setenv("SERIALIZE", "true")
    setup_logging(get_settings())
    try:
        int("multi\nline")
    except ValueError:
        logger.bind(user="Анна").exception("failed")
    line = json.loads(log_file.read_text(encoding="utf-8"))
    assert (line["level"], line["message"], line["user"], line["request_id"]) == ("ERROR", "failed", "Анна", "-")
    assert "ValueError: invalid literal" in line["exception"]


def test_braces_in_a_message_are_text(log_file: Path) -> None:
    """A message from outside is never a format."""
    setup_logging(get_settings())
    logging.getLogger("library").warning("{0} {missing} %s", "{x}")
    logger.info("plain {braces}")
    assert "{0} {missing} {x}" in log_file.read_text(encoding="utf-8")
    assert "plain {braces}" in log_file.read_text(encoding="utf-8")


def test_the_standard_library_logs_here_too(log_file: Path) -> None:
    """Under the name of its logger, at its level, with its traceback."""
    setup_logging(get_settings())
    try:
        int("reason")
    except ValueError:
        logging.getLogger("some.library").exception("it broke")
    text = log_file.read_text(encoding="utf-8")
    assert "ERROR" in text
    assert "some.library | it broke" in text
    assert "ValueError: invalid literal" in text


def test_the_level_is_a_setting(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LEVEL=WARNING hides what is below."""
    monkeypatch.setenv("LEVEL", "WARNING")
    setup_logging(get_settings())
    logger.info("hidden")
    logger.warning("shown")
    assert "hidden" not in log_file.read_text(encoding="utf-8")
    assert "shown" in log_file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("environment", "shown"), [("dev", True), ("test", False), ("prod", False)])
def test_variables_are_shown_in_dev_only(
    log_file: Path, monkeypatch: pytest.MonkeyPatch, environment: str, shown: bool
) -> None:
    """A traceback with values is a help at home and a leak elsewhere."""
    monkeypatch.setenv("ENVIRONMENT", environment)
    setup_logging(get_settings())
    password = "s3cret"
    try:
        int(password + "x")
    except ValueError as error:
        logger.opt(exception=error).error("failed")
    assert ("└ 's3cret'" in log_file.read_text(encoding="utf-8")) is shown


@pytest.mark.parametrize(("name", "value"), [("LOG_FILE", "/dev/null/service.log"), ("ROTATION", "now and then")])
def test_a_file_that_cannot_be_written_is_one_line(
    log_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """It names the variable, as any other broken setting does."""
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettingsError, match=f"^{name}: "):
        setup_logging(get_settings())


def test_compression_can_be_switched_off(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rotated file is not compressed."""
    monkeypatch.setenv("COMPRESSION", "none")
    monkeypatch.setenv("ROTATION", "1 B")
    setup_logging(get_settings())
    for _ in range(2):
        logger.info("a line")
    files = list(log_file.parent.glob("service*"))
    assert all(path.suffix == ".log" for path in files)
    assert len(files) > 1


def test_what_a_library_logs_never_fails_it(log_file: Path) -> None:
    """A custom level, and arguments that do not match the format."""
    setup_logging(get_settings())
    unfit = "%d of %d"
    logging.addLevelName(35, "NOTICE")
    logging.getLogger("library").log(35, "noticed")
    logging.getLogger("library").warning(unfit, "three")
    text = log_file.read_text(encoding="utf-8")
    assert "Level 35" in text
    assert "library | noticed" in text
    assert "%d of %d" in text


def test_fields_of_any_name_are_shown(log_file: Path) -> None:
    """Those that the format itself uses have other names."""
    setup_logging(get_settings())
    logger.info("message", line=7, request_id="of another service")
    assert "message line=7 request_id=of another service" in log_file.read_text(encoding="utf-8")


def test_a_json_line_is_one_line_for_every_reader(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some split at characters that JSON leaves as they are; what can be printed stays readable."""
    monkeypatch.setenv("SERIALIZE", "true")
    setup_logging(get_settings())
    logger.info("имя", field="y\u2028\x85\xa0\x7f\U000e0001z")
    text = log_file.read_text(encoding="utf-8")
    assert len(text.splitlines()) == 1
    assert "имя" in text
    assert text.strip().isprintable()
    assert json.loads(text)["field"] == "y\u2028\x85\xa0\x7f\U000e0001z"


def test_the_request_id_is_escaped_too(log_file: Path) -> None:
    """Whoever set it."""
    setup_logging(get_settings())
    token = request_id.set("a\x85b\nc")
    logger.info("message")
    request_id.reset(token)
    assert "| a\\x85b\\nc |" in log_file.read_text(encoding="utf-8")


def read_json(line: str) -> dict[str, Any]:
    """Parse what RFC 8259 allows and no more."""
    found: dict[str, Any] = json.loads(line, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    return found


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: type(value).__name__)
def test_any_value_makes_a_json_line(log_file: Path, monkeypatch: pytest.MonkeyPatch, value: Any) -> None:
    """One line, and the other fields as they are; what JSON has no form for becomes text."""
    monkeypatch.setenv("SERIALIZE", "true")
    setup_logging(get_settings())
    logger.info("message", value=value, number=7)
    (line,) = log_file.read_text(encoding="utf-8").splitlines()
    assert read_json(line).items() >= {"message": "message", "number": 7}.items()
    assert "value" in read_json(line)


@pytest.mark.parametrize("value", ODD_VALUES, ids=lambda value: type(value).__name__)
def test_any_value_makes_a_text_line(log_file: Path, value: Any) -> None:
    """As a field, and as the argument of a library's message."""
    setup_logging(get_settings())
    logger.info("message", value=value)
    logging.getLogger("library").warning("message of a library: %s", value)
    assert len(log_file.read_text(encoding="utf-8").splitlines()) == 2


def test_a_line_keeps_its_own_fields(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields of the same names are left out of JSON."""
    monkeypatch.setenv("SERIALIZE", "true")
    setup_logging(get_settings())
    names = ("time", "level", "logger", "message", "request_id", "exception")
    try:
        int("reason")
    except ValueError:
        logger.bind(**dict.fromkeys(names, "forged"), other="kept").exception("real")
    line = read_json(log_file.read_text(encoding="utf-8"))
    assert "forged" not in line.values()
    assert (line["level"], line["message"], line["other"]) == ("ERROR", "real", "kept")


def test_names_of_fields_cannot_forge_a_line(log_file: Path) -> None:
    """They may be the keys of a client's JSON."""
    setup_logging(get_settings())
    logger.info("message", **{"x\n2030-01-01 | INFO | forged": 1})
    assert len(log_file.read_text(encoding="utf-8").splitlines()) == 1


def test_a_reader_that_is_stuck_stops_nothing_but_the_log() -> None:
    """What the pipe and the buffer cannot hold is dropped, and the log says how much."""
    script = "for n in range(40_000): logger.info('a line')\nprint('done', flush=True)\ninput()"
    with logging_process(script) as process:
        assert process.stdout
        assert process.stdout.readline() == "done\n"  # nobody has read a line
        _, log = process.communicate("\n")
    (report,) = [line for line in log.splitlines() if "log lines dropped" in line]
    assert log.count("| a line\n") + int(report.rpartition("count=")[2]) == 40_000
    assert "output=stderr" in report


def test_a_stuck_reader_does_not_delay_the_end() -> None:
    """The process ends although its last lines cannot be written."""
    with logging_process("for n in range(40_000): logger.info('a line')") as process:
        assert process.wait() == 0


@pytest.mark.parametrize("output", ["stderr", "LOG_FILE"])
def test_a_full_disk_stops_nothing_but_the_log(tmp_path: Path, output: str) -> None:
    """When there is space again, the log goes on with a whole line and says what is missing."""
    path = tmp_path / "service.log"
    script = """
from resource import RLIMIT_FSIZE, RLIM_INFINITY, setrlimit
setrlimit(RLIMIT_FSIZE, (1_000, RLIM_INFINITY))
for n in range(100): logger.info("a line")
log.close_logging()
setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
logger.info("the end")
"""
    settings = {"LOG_FILE": str(path), "SERIALIZE": "true"} if output == "LOG_FILE" else {"SERIALIZE": "true"}
    with (tmp_path / "stderr.log").open("w") as stderr, logging_process(script, stderr, **settings) as process:
        assert process.wait() == 0
    lines = (path if output == "LOG_FILE" else tmp_path / "stderr.log").read_text(encoding="utf-8").splitlines()
    messages = [read_json(line) for line in lines if line.endswith("}")]
    assert "the end" in [line["message"] for line in messages]
    assert (output, 100) in [(line.get("output"), line.get("count")) for line in messages]


def test_an_error_is_written_at_once() -> None:
    """With what waits before it; other lines wait for the next batch."""
    script = "log.INTERVAL = 3600\nlogger.info('first')\nlogger.error('second')\ninput()"
    with logging_process(script) as process:
        assert process.stderr
        assert "first" in process.stderr.readline()
        assert "second" in process.stderr.readline()


def test_a_line_is_written_without_more() -> None:
    """The process may be killed at any time: it does not keep a line back."""
    with logging_process("logger.info('a line')\ninput()") as process:
        assert process.stderr
        assert "a line" in process.stderr.readline()


@pytest.mark.parametrize(
    "end",
    ["", "sys.exit(3)", "raise KeyboardInterrupt", "log.close_logging(); os.execv(sys.executable, ['python', '-V'])"],
)
def test_the_end_of_the_process_loses_no_line(end: str) -> None:
    """However it ends in order; what is logged after the log was closed comes out, too."""
    script = f"import atexit\natexit.register(logger.info, 'last')\nlog.INTERVAL = 3600\nlogger.info('a line')\n{end}"
    with logging_process(script) as process:
        _, log = process.communicate()
    assert "a line" in log
    assert ("last" in log) or "execv" in end


def test_each_line_is_written_by_one_process_after_a_fork() -> None:
    """The child begins with none of those that wait in the parent, and can log itself."""
    script = """
log.INTERVAL = 3600
logger.info("parent")
if os.fork() == 0:
    logger.info("child")
    log.close_logging()
    os._exit(0)
os.wait()
"""
    with logging_process(script) as process:
        _, log = process.communicate()
    assert sorted(line.rpartition(" | ")[2] for line in log.splitlines()) == ["child", "parent"]


def test_processes_that_log_to_one_file_lose_no_line(tmp_path: Path) -> None:
    """Each has a file of its own, which rotates; a forked one too."""
    settings = {"LOG_FILE": str(tmp_path / "service.log"), "ROTATION": "10 KB", "COMPRESSION": "none"}
    script = """
input()
os.fork()
for n in range(1_000):
    logger.info("a line")
    if n % 50 == 0: log.close_logging()
log.close_logging()
"""
    with (
        logging_process(script, subprocess.DEVNULL, **settings) as one,
        logging_process(script, subprocess.DEVNULL, **settings) as two,
    ):
        for process in (one, two):
            assert process.stdin
            process.stdin.write("\n")
            process.stdin.flush()
        for process in (one, two):
            assert process.stdout
            process.stdout.read()  # ends with the last of both
    files = list(tmp_path.glob("service*.log"))
    assert sum(path.read_text().count("a line\n") for path in files) == 4_000
    assert len(files) > 4
    assert {"service.log", "service-2.log"} <= {path.name for path in files}  # a fork takes what has become free


def test_old_files_are_deleted(log_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RETENTION=2 keeps two, and the one that is written to."""
    monkeypatch.setenv("RETENTION", "2")
    monkeypatch.setenv("ROTATION", "1 B")
    setup_logging(get_settings())
    for _ in range(6):
        logger.info("a line")
    assert len(list(log_file.parent.glob("service*"))) == 3


@pytest.mark.parametrize("value", ["many", "1 moon", "-1"])
def test_retention_is_a_number_or_a_time(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Anything else is refused at the start."""
    monkeypatch.setenv("RETENTION", value)
    with pytest.raises(InvalidSettingsError, match="RETENTION"):
        get_settings()
