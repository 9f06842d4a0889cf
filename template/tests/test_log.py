"""What a line of the log looks like."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from loguru import logger

from src.config import InvalidSettingsError, get_settings
from src.log import request_id, setup_logging
from tests.settings import forget_settings


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a test set up would write the lines of the next ones."""
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
    """A rotated file stays as it is."""
    monkeypatch.setenv("COMPRESSION", "none")
    monkeypatch.setenv("ROTATION", "1 B")
    setup_logging(get_settings())
    for _ in range(2):
        logger.info("a line")
    assert all(path.suffix == ".log" for path in log_file.parent.iterdir())
    assert len(list(log_file.parent.iterdir())) > 1


def test_what_a_library_logs_never_fails_it(log_file: Path) -> None:
    """A level of its own, and arguments that do not fit the text."""
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
