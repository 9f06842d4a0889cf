"""Hostile answers give a project that works; wrong ones give an error and leave the folder unchanged."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Run
from tests.support.rendering import ROOT, render
from tests.support.variants import EVERYTHING

HOSTILE = {
    "quotes": "\"double\" 'single' `back` \"\"\"three\"\"\" '''three'''",
    "shell": "$HOME ${PATH} $(id) `id` %PATH% !! ; && | > <",
    "backslashes": "\\ \\n \\u0041 \\\" \\' C:\\new\\x",
    "emoji": "Сервис 🚀👩‍🚀 ёЁ — «кавычки» 日本語",
    "jinja": "{{ 7 * 7 }} {% if x %} {# c #} {{ '{{' }}",
    "markup": "<script>alert(1)</script> & &amp; # [x](y) | --- : - *b*",
    "keyword": "class",
}

# Prints what the service says about itself in its OpenAPI document: test_main.py of a project looks for it there.
DOCUMENT = "import json; from src import about; print(json.dumps([about.TITLE, about.DESCRIPTION, about.CONTACT]))"


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_only_text(new_project: Callable[..., Path], run: Run, kind: str) -> None:
    """With hostile text in every free-text question, the project is clean, starts, and shows the text unchanged."""
    text = HOSTILE[kind][:60]
    project = new_project(project_name=text, project_description=HOSTILE[kind], author_name=text)
    run("ruff", "check", "--no-cache", ".", cwd=project)
    run("ruff", "format", "--no-cache", "--check", ".", cwd=project)
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert metadata["description"] == HOSTILE[kind]
    assert metadata["authors"] == [{"name": text.strip()}]
    said = json.loads(run("python", "-c", DOCUMENT, cwd=project).stdout)
    assert said == [text, HOSTILE[kind], {"name": text.strip()}]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("class", "class"),
        ("Мой сервис", "moy-servis"),
        ("🚀", "my-service"),
        ("2048 Game", "service-2048-game"),
        ("FastAPI", "service-fastapi"),
        ("--- x ---", "x"),
        ("Ünïcödé", "n-c-d"),
        ("a" * 60, "a" * 40),
    ],
)
def test_the_derived_names_are_always_valid(new_project: Callable[..., Path], name: str, slug: str) -> None:
    """Whatever the name of the service is, the derived slug and database name are valid."""
    answers = yaml.safe_load((new_project(project_name=name) / ".copier-answers.yml").read_text(encoding="utf-8"))
    assert answers["project_slug"] == slug
    assert answers["db_name"] == slug.replace("-", "_")


@pytest.mark.parametrize(
    ("question", "value", "sentence"),
    [
        ("project_name", "", "e.g. Order Desk (1-60 characters)"),
        ("project_name", "   ", "e.g. Order Desk (1-60 characters)"),
        ("project_name", "x" * 61, "e.g. Order Desk (1-60 characters)"),
        ("project_name", "two\nlines", "e.g. Order Desk (1-60 characters)"),
        ("project_slug", "Upper", "e.g. my-service (a-z, 0-9, -)"),
        ("project_slug", "a--b", "e.g. my-service (a-z, 0-9, -)"),
        ("project_slug", "good\n", "e.g. my-service (a-z, 0-9, -)"),
        ("project_slug", "../evil", "e.g. my-service (a-z, 0-9, -)"),
        ("project_slug", "fastapi", "library name; try my-service"),
        ("project_slug", "starlette", "library name; try my-service"),
        ("project_description", "x\ny", "e.g. Sells tea (one line)"),
        ("author_name", "x" * 101, "e.g. Ann Lee (up to 100)"),
        ("author_email", "ann", "ann@example.com"),
        ("author_email", "ann@example.com\n", "ann@example.com"),
        ("db_name", "1st", "e.g. orders (see the rule above)"),
        ("db_name", "postgres", "e.g. orders (see the rule above)"),
        ("db_name", "pg_mine", "e.g. orders (see the rule above)"),
        ("db_name", "x; DROP", "e.g. orders (see the rule above)"),
        ("lang", "fr", "lang"),
        ("auth", "perhaps", "Invalid choice for 'auth'"),
        ("demo_pages", "perhaps", "Invalid choice for 'demo_pages'"),
        ("redis", "perhaps", "Invalid choice for 'redis'"),
        ("extras", "[nosuch]", "Invalid choice for 'extras': 'nosuch' is not in ['redis_ha'"),
    ],
)
def test_a_wrong_answer_is_refused_and_nothing_is_made(
    template: Path, tmp_path: Path, question: str, value: str, sentence: str
) -> None:
    """The message says what is allowed; no folder is created."""
    with pytest.raises(ValueError, match=re.escape(sentence)):
        render(template, tmp_path / "p", **{question: value})
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("wrong", ["project_slug=Upper", "lang=fr", "auth=perhaps", "extras=[nosuch]"])
def test_the_command_refuses_a_wrong_answer(template: Path, tmp_path: Path, wrong: str) -> None:
    """One of each kind: of a text, of a choice, of a yes or no, of several choices."""
    command = [sys.executable, "-m", "copier", "copy", "--defaults", "-d", wrong, template, tmp_path / "p"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert wrong.partition("=")[0] in done.stderr
    assert not (tmp_path / "p").exists()


def test_extras_without_brackets_are_refused(template: Path, tmp_path: Path) -> None:
    """A bare word is no list, and the docs say so."""
    with pytest.raises(TypeError, match="Not a YAML list: 'redis_ha'"):
        render(template, tmp_path / "p", extras="redis_ha")
    assert not (tmp_path / "p").exists()


def test_the_names_of_dependencies_are_refused(new_project: Callable[..., Path]) -> None:
    """The list in copier.yml is that of the project with everything switched on."""
    metadata = tomllib.loads((new_project(**EVERYTHING.answers) / "pyproject.toml").read_text())
    groups = metadata["dependency-groups"].values()
    wanted = [*metadata["project"]["dependencies"], *(name for group in groups for name in group)]
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
    question = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["taken_names"]
    assert names <= set(yaml.safe_load(question["default"]))
