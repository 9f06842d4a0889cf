"""What a line of the log looks like."""

import json
import logging
from pathlib import Path

import pytest
from loguru import logger

from src.config import get_settings
from src.log import setup_logging


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
