"""The prompts, in a real terminal."""

import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest
import yaml

from tests.support.patience import PATIENCE
from tests.support.rendering import ROOT

ENTER, CTRL_C, CLEAR = "\r", "\x03", "\x15"
Terminal = Callable[..., "pexpect.spawn[str]"]


@pytest.fixture
def copy(template: Path, tmp_path: Path, clean_environment: dict[str, str]) -> Terminal:
    """Start `copier copy` in a terminal, with a given system language."""

    def start(lang: str = "C.UTF-8", *arguments: str) -> "pexpect.spawn[str]":
        environment = {**clean_environment, "LANG": lang, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        command = ["-m", "copier", "copy", *arguments, str(template), str(tmp_path / "service")]
        return pexpect.spawn(
            sys.executable, command, env=environment, encoding="utf-8", timeout=PATIENCE, dimensions=(60, 200)
        )

    return start


def answers(folder: Path) -> dict[str, object]:
    recorded: dict[str, object] = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    return recorded


def answer(terminal: "pexpect.spawn[str]", prompt: str, *keys: str) -> None:
    terminal.expect_exact(prompt)
    for key in keys:
        terminal.send(key)


def test_a_copy_asks_in_english(copy: Terminal, tmp_path: Path) -> None:
    """Every prompt has a default; a rejected answer is explained and can be corrected; the end lists the next steps."""
    terminal = copy()
    answer(terminal, "Language of the prompts", ENTER)
    answer(terminal, "Name of the service", CLEAR, "Order Desk", ENTER)
    answer(terminal, "Short name", CLEAR, "Order Desk!", ENTER)
    answer(terminal, "e.g. my-service (a-z, 0-9, -)", CLEAR, "desk", ENTER)
    answer(terminal, "What it does", ENTER)
    answer(terminal, "Author's name", "Ann", ENTER)
    answer(terminal, "Author's e-mail", "not-an-address", ENTER)
    answer(terminal, "e.g. ann@example.com, or empty", CLEAR, "ann@example.com", ENTER)
    answer(terminal, "PostgreSQL database", ENTER)
    answer(terminal, "Authentication:", ENTER)
    answer(terminal, "Demo pages", ENTER)
    answer(terminal, "Background tasks", ENTER)
    answer(terminal, "Extras", ENTER)
    terminal.expect_exact("Order Desk is ready in")
    terminal.expect_exact("make dev")
    terminal.expect(pexpect.EOF)
    recorded = answers(tmp_path / "service")
    assert recorded["project_slug"] == recorded["db_name"] == "desk"
    assert (recorded["author_name"], recorded["author_email"]) == ("Ann", "ann@example.com")


def test_a_russian_system_is_asked_in_russian(copy: Terminal, tmp_path: Path) -> None:
    """The language comes from the environment, names are transliterated, the end is in Russian."""
    terminal = copy("ru_RU.UTF-8")
    answer(terminal, "Язык вопросов", ENTER)
    answer(terminal, "Название сервиса", CLEAR, "Щедрый Хлеб", ENTER)
    answer(terminal, "Короткое имя", ENTER)
    for prompt in ("Что он делает", "Имя автора", "Почта автора", "База данных PostgreSQL"):
        answer(terminal, prompt, ENTER)
    answer(terminal, "Аутентификация", ENTER)
    answer(terminal, "Демо-страницы", ENTER)
    answer(terminal, "Фоновые задачи", ENTER)
    answer(terminal, "Дополнительные опции", ENTER)
    terminal.expect_exact("Щедрый Хлеб готов")
    terminal.expect(pexpect.EOF)
    recorded = answers(tmp_path / "service")
    assert (recorded["lang"], recorded["project_slug"], recorded["auth"]) == ("ru", "shchedryy-khleb", True)


def test_a_menu_is_answered_with_arrow_keys(copy: Terminal, tmp_path: Path) -> None:
    """Yes and no are words to choose from, so the keyboard layout does not matter."""
    terminal = copy("ru_RU.UTF-8")
    for prompt in ("Язык", "Название", "Короткое", "Что он", "Имя автора", "Почта", "База"):
        answer(terminal, prompt, ENTER)
    answer(terminal, "Аутентификация", "\x1b[A", ENTER)
    answer(terminal, "Фоновые задачи", ENTER)
    answer(terminal, "Redis для", "\x1b[B", ENTER)
    answer(terminal, "Дополнительные опции", ENTER)
    terminal.expect(pexpect.EOF)
    assert answers(tmp_path / "service")["redis"] is True
    assert answers(tmp_path / "service")["extras"] == []


@pytest.mark.parametrize(
    ("lang", "prompt", "choice"),
    [
        ("C.UTF-8", "Extras", "redis_ha: Redis Cluster and Sentinel (needs Redis)"),
        ("ru_RU.UTF-8", "Дополнительные опции", "redis_ha: Redis Cluster и Sentinel (нужен Redis)"),
    ],
)
def test_an_extra_is_marked_with_space(copy: Terminal, tmp_path: Path, lang: str, prompt: str, choice: str) -> None:
    """Each choice says what it needs."""
    given = {"project_name": "Desk", "project_description": "Tea", "author_name": "", "author_email": ""}
    given |= {"auth": "true", "demo_pages": "false", "celery": "false", "project_slug": "desk", "db_name": "desk"}
    terminal = copy(lang, *[argument for name, value in given.items() for argument in ("-d", f"{name}={value}")])
    terminal.expect_exact("Язык вопросов")
    terminal.send(ENTER)
    terminal.expect_exact(prompt)
    terminal.expect_exact(choice)
    terminal.send(" ")
    terminal.send(ENTER)
    terminal.expect(pexpect.EOF)
    assert answers(tmp_path / "service")["extras"] == ["redis_ha"]
    assert (tmp_path / "service" / "src" / "redis_database" / "sentinel.py").exists()


def test_every_question_fits_into_a_narrow_terminal() -> None:
    """The terminal has 80 columns, and Copier's marker takes three of them: the rest is cut off."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    texts = [questions["lang"]["help"]]
    for lang in ("en", "ru"):
        prompts = yaml.safe_load((ROOT / "hooks" / "prompts" / f"{lang}.yml").read_text(encoding="utf-8"))
        texts += [each["help"] for each in prompts.values() if isinstance(each, dict) and "help" in each]
        texts += [text.replace("{path}", "") for text in prompts["after_copy"].values()]  # indented by two
    assert len(texts) > 20
    assert [line for text in texts for line in f"-- {text}".splitlines() if len(line) > 80] == []


@pytest.mark.parametrize("prompt", ["Language of the prompts", "Short name"])
def test_ctrl_c_leaves_nothing(copy: Terminal, tmp_path: Path, prompt: str) -> None:
    """An interrupted copy creates no folder and has a non-zero exit code."""
    terminal = copy()
    if prompt != "Language of the prompts":
        answer(terminal, "Language of the prompts", ENTER)
        answer(terminal, "Name of the service", ENTER)
    answer(terminal, prompt, CTRL_C)
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus != 0
    assert not (tmp_path / "service").exists()
