"""The examples in the docs of a project are typed in and run."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.documentation import BLOCK
from tests.support.typing_in import PAGES, TRACING, type_in_everything
from tests.support.variants import EVERYTHING, Variant

# The tests that call every route, including the typed-in ones.
EVERY_ROUTE = (
    "tests/auth/test_documented_errors.py",
    "tests/auth/test_without.py",
    "tests/test_docs.py",
    "tests/test_openapi.py",
)


# Prints the events that Sentry gets from a service with its recipe, for a request full of secrets.
REPORT = """
import asyncio
import sentry_sdk
from httpx import ASGITransport, AsyncClient
from src import routers
from src.main import create_app

class Printer(sentry_sdk.Transport):
    def capture_envelope(self, envelope):
        print(envelope.serialize())

real = sentry_sdk.init
sentry_sdk.init = lambda **options: real(dsn="http://key@localhost/1", transport=Printer, **options)
routers.public_routes.append("/failing/{name}")
app = create_app()

@app.get("/failing/{name}")
async def fail(name: str, token: str):
    raise RuntimeError("it failed")

async def ask():
    transport = ASGITransport(app, raise_app_exceptions=False)
    async with AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.get("/failing/secret-path?token=secret-query", headers={"X-Key": "secret-header"})

asyncio.run(ask())
sentry_sdk.flush()
"""


@pytest.mark.usefixtures("known_types")
def test_the_examples_work_as_written(new_project: Callable[..., Path], run: Run) -> None:
    """All examples in one project: it is clean, typed, layered and migrated, and its tests pass."""
    project = new_project(**EVERYTHING.answers)
    before = set(project.glob("tests/**/test_*.py"))
    type_in_everything(project, run, TRACING)
    typed_in = [str(path.relative_to(project)) for path in set(project.glob("tests/**/test_*.py")) - before]
    done = run("pytest", "-q", *typed_in, *EVERY_ROUTE, cwd=project)
    assert re.search(r"\d{3,} passed", done.stdout)
    assert len(list((project / "migrations" / "versions").glob("*.py"))) == 3
    run("python", "-m", "compileall", "-q", str(project.parent / "client"), cwd=project)
    reported = run("python", "-c", REPORT, cwd=project, ENVIRONMENT="prod", OTEL_SDK_DISABLED="true").stdout
    assert "RuntimeError" in reported
    assert "secret-" not in reported


def without_texts(code: str) -> str:
    """Return the structure of Python code without comments and without the content of strings."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def test_the_examples_are_the_same_in_both_languages(rendered: Callable[[Variant], Path]) -> None:
    """The words in them aside, so that typing in those of one language proves both."""
    for page in (*PAGES, TRACING):
        blocks = []
        for lang in ("en", "ru"):
            text = (rendered(EVERYTHING.in_language(lang)) / "docs" / page).read_text(encoding="utf-8")
            blocks.append([block for block in BLOCK.findall(text) if block[0] not in {"text", "diff"}])
        assert [block[:2] for block in blocks[0]] == [block[:2] for block in blocks[1]], page
        for (kind, _, english), (_, _, russian) in zip(*blocks, strict=True):
            if kind == "python":
                assert without_texts(english) == without_texts(russian), page
            elif kind == "bash":
                assert [line.partition('"')[0] for line in english.splitlines()] == [
                    line.partition('"')[0] for line in russian.splitlines()
                ], page
