"""The generated documentation is true: what it shows is typed in and run."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run

BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```", re.MULTILINE | re.DOTALL)
CONTACT_TEST = """
async def test_the_page(anonymous):
    answer = await anonymous.get("/contact")
    assert answer.status_code == 200
    assert "hello@example.com" in answer.text
"""


def type_in(project: Path, run: Run, page: str) -> None:
    """Do what a page of docs/ says, in its order."""
    for language, name, text in BLOCK.findall((project / "docs" / page).read_text(encoding="utf-8")):
        if name:
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            for package in {parent for parent in path.relative_to(project).parents if parent.parts}:
                (project / package / "__init__.py").touch()
            path.write_text(text, encoding="utf-8")
        elif language == "bash":
            for command in text.splitlines():
                run(*shlex.split(command), cwd=project)


@pytest.mark.usefixtures("known_types")
@pytest.mark.parametrize(
    ("answers", "pages"),
    [
        ({"lang": "en"}, ["feature.md"]),
        ({"lang": "ru", "auth": False, "celery": True}, ["feature.md", "tasks.md"]),  # the first ends with make check
    ],
    ids=["en", "ru-celery"],
)
def test_the_example_feature_works_as_written(
    new_project: Callable[..., Path], run: Run, answers: dict[str, Any], pages: list[str]
) -> None:
    """From the model to the test: it is clean, typed, layered, migrated and passes."""
    project = new_project(**answers)
    for page in pages:
        type_in(project, run, page)
    if "tasks.md" in pages:
        run("make", "check", cwd=project)
    done = run("pytest", "-q", cwd=project)
    assert re.search(r"\d{3,} passed", done.stdout)
    assert len(list((project / "migrations" / "versions").glob("*.py"))) == 2


@pytest.mark.usefixtures("known_types")
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_the_examples_of_pages_and_sign_in_work_as_written(
    new_project: Callable[..., Path], run: Run, lang: str
) -> None:
    """They are clean and typed; everybody may see the page, with the address that the route gave it."""
    project = new_project(lang=lang)
    for page in ("pages.md", "sign-in.md"):
        type_in(project, run, page)
    run("make", "check", cwd=project)
    (project / "tests" / "test_contact.py").write_text(CONTACT_TEST, encoding="utf-8")
    assert "1 passed" in run("pytest", "-q", "tests/test_contact.py", cwd=project).stdout


def test_links_lead_somewhere(project: Path) -> None:
    """In README.md and docs/."""
    for path in [project / "README.md", *project.glob("docs/*.md")]:
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_every_command_of_the_makefile_is_shown(project: Path) -> None:
    """In README.md, or in docs/ where it belongs to a feature: make is a convenience, the command works without."""
    pages = [project / "README.md", *project.glob("docs/*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    for target, recipe in re.findall(r"^([a-z]+):.*##.*\n\t@(.+)$", makefile, re.MULTILINE):
        if target not in {"help", "migration"}:
            assert f"make {target}" in text, target
            assert recipe.replace(" $(ARGS)", "") in text, recipe
