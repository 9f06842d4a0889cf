"""The generated documentation is true: what it shows is typed in and run."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.documentation import BLOCK
from tests.support.typing_in import PAGES, type_in_everything
from tests.support.variants import EVERYTHING, Variant

# The tests that ask every route, whoever wrote it.
EVERY_ROUTE = (
    "tests/auth/test_documented_errors.py",
    "tests/auth/test_without.py",
    "tests/test_docs.py",
    "tests/test_openapi.py",
)


@pytest.mark.usefixtures("known_types")
def test_the_examples_work_as_written(new_project: Callable[..., Path], run: Run) -> None:
    """All of them in one project: it is clean, typed, layered and migrated, and its tests pass."""
    project = new_project(**EVERYTHING.answers)
    type_in_everything(project, run)
    done = run("pytest", "-q", "tests/articles", "tests/test_contact.py", *EVERY_ROUTE, cwd=project)
    assert re.search(r"\d{3,} passed", done.stdout)
    assert len(list((project / "migrations" / "versions").glob("*.py"))) == 2


def without_texts(code: str) -> str:
    """Return what Python code is, its comments and the words of its texts aside."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def test_the_examples_are_the_same_in_both_languages(rendered: Callable[[Variant], Path]) -> None:
    """The words in them aside, so that typing in those of one language proves both."""
    for page in PAGES:
        blocks = []
        for lang in ("en", "ru"):
            text = (rendered(EVERYTHING.in_language(lang)) / "docs" / page).read_text(encoding="utf-8")
            blocks.append([block for block in BLOCK.findall(text) if block[0] != "text"])
        assert [block[:2] for block in blocks[0]] == [block[:2] for block in blocks[1]], page
        for (kind, _, english), (_, _, russian) in zip(*blocks, strict=True):
            if kind == "python":
                assert without_texts(english) == without_texts(russian), page
            elif kind == "bash":
                assert [line.partition('"')[0] for line in english.splitlines()] == [
                    line.partition('"')[0] for line in russian.splitlines()
                ], page


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
