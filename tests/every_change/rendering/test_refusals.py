"""Error messages for wrong answers, on the screen of a real terminal with 80 columns."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from shlex import join

import pytest
import yaml

from tests.support.rendering import ROOT
from tools.terminal import CLEAR, ENTER, Terminal

COLUMNS = 80
# In the order of the questions: wrong answers with their messages, and a right one.
ANSWERS = {
    "project_name": ([("x" * 61, "invalid")], "Desk"),
    "project_slug": ([("Order Desk", "invalid"), ("redis", "taken")], "desk"),
    "project_description": ([("x" * 201, "invalid")], "Tea"),
    "author_name": ([("x" * 101, "invalid")], "Ann"),
    "author_email": ([("ann", "invalid")], "ann@example.com"),
    "db_name": ([("postgres", "invalid")], "desk"),
}


@pytest.fixture
def terminal(template: Path, tmp_path: Path, clean_environment: dict[str, str], lang: str) -> Iterator[Terminal]:
    language = {"en": "C.UTF-8", "ru": "ru_RU.UTF-8"}[lang]
    opened = Terminal(tmp_path, {**clean_environment, "LANG": language}, columns=COLUMNS, lines=40)
    opened.send(join([sys.executable, "-m", "copier", "copy", str(template), "service"]), ENTER)
    opened.wait_for("Язык вопросов")
    opened.send(ENTER)
    yield opened
    opened.close()


def words(lang: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = yaml.safe_load((ROOT / f"hooks/prompts/{lang}.yml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_every_refusal_can_be_read_whole(terminal: Terminal, lang: str) -> None:
    """Each message fits on one line, down to its last letter."""
    for question, (wrong, right) in ANSWERS.items():
        said = words(lang)[question]
        terminal.wait_for(re.escape(said["help"].splitlines()[0]))
        for answer, kind in wrong:
            terminal.send(CLEAR, answer, ENTER)
            terminal.wait_for(re.escape(said[kind]))
        terminal.send(CLEAR, right, ENTER)


@pytest.mark.parametrize("lang", ["en", "ru"])
def test_the_help_of_a_menu_names_its_keys(lang: str) -> None:
    """The terminal's own hint is only in English, and a menu does not accept letters."""
    keys = {"en": "arrow keys and Enter", "ru": "стрелки и Enter"}[lang]
    for question in ("auth", "demo_pages", "celery", "redis", "extras"):
        assert keys in words(lang)[question]["help"]
