"""The tables of docs/reference/ match the source."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import Run
from tests.support.rendering import ROOT
from tests.support.variants import BAREST, EVERYTHING, EXTRAS, Variant

# Prints what the service has: settings with their defaults, routes in the document, pages, public routes.
INSPECT = """
import json
from src.config import find_settings
from src.auth.config import PUBLIC_ROUTES
from src.auth.exceptions import NotSuperuserException
from src.main import create_app
from src.pages.router import account, router

paths = create_app().openapi()["paths"]
endpoints = [[m.upper(), path, route["description"]] for path, routes in paths.items() for m, route in routes.items()]
refusing = [[m.upper(), path] for path, routes in paths.items() for m, route in routes.items()
            if NotSuperuserException.detail in json.dumps(route["responses"].get("403", ""), ensure_ascii=False)]
own = [route for route in [*router.routes, *account.router.routes] if hasattr(route, "methods")]
pages = [[m, route.path] for route in own for m in route.methods if m != "HEAD"]
print(json.dumps({
    "settings": [name for each in find_settings() for name in each.model_fields],
    "endpoints": endpoints, "superuser": refusing, "pages": pages, "public": PUBLIC_ROUTES,
}))
"""


def rows(page: str, section: str = "") -> list[list[str]]:
    """Return the rows of a page's tables, or of those in one section."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    if section:
        text = text.partition(f"## {section}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"^\|.*\n\|---.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for table in tables for line in table.splitlines()]


def code(cell: str) -> str:
    return cell.strip("`")


@pytest.fixture(scope="module")
def everything(rendered: Callable[[Variant], Path]) -> Path:
    return rendered(EVERYTHING)


@pytest.fixture(scope="module")
def source(everything: Path, run: Run) -> dict[str, Any]:
    said = run("python", "-c", INSPECT, cwd=everything, ENVIRONMENT="dev", LEVEL="ERROR").stdout
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def test_questions_stand_as_they_are_asked() -> None:
    """In the right order, with their defaults and conditions."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    asked = {name: each for name, each in questions.items() if name[0] != "_" and each.get("when") is not False}
    table = {code(row[0]): row for row in rows("questions.md") if len(row) == 4}
    assert list(table) == list(asked)
    for name, (_, default, when, decides) in table.items():
        real = asked[name]["default"]
        assert decides
        assert (when == "always") is ("when" not in asked[name]), name
        assert all(
            f"`{each}`" in when for each in re.findall(r"[a-z_]{3,}", asked[name].get("when", "")) if each in asked
        )
        if isinstance(real, bool):
            assert default == f"`{str(real).lower()}`", name
        elif isinstance(real, list):
            assert default == f"`{real}`", name
        elif "{" not in real:
            assert default == (f"`{real}`" if real else "empty"), name


def test_the_choices_of_extras_stand_in_their_order() -> None:
    """Each says what it needs and what it adds."""
    choices = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["extras"]["choices"]
    table = {code(name): (needs, adds) for name, needs, adds in rows("questions.md", "Extras")}
    assert list(table) == list(choices.values()) == list(EXTRAS)
    for name, (needs, adds) in table.items():
        assert adds
        assert all(f"`{switch}`" in needs for switch in EXTRAS[name].needs)


def test_the_default_name_is_the_one_of_the_prompts() -> None:
    """In both languages."""
    default = next(row[1] for row in rows("questions.md") if row[0] == "`project_name`")
    for lang in ("en", "ru"):
        prompts = yaml.safe_load((ROOT / "hooks" / "prompts" / f"{lang}.yml").read_text(encoding="utf-8"))
        assert f"`{prompts['project_name']['default']}`" in default


def test_computed_values_are_complete_for_questions() -> None:
    """Every computed value has a row."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    hidden = {name for name, each in questions.items() if name[0] != "_" and each.get("when") is False}
    named = {name for row in rows("questions.md", "Computed") for name in re.findall(r"`(\w+)`", row[0])}
    assert named == hidden


def test_settings_are_those_of_the_service(everything: Path, source: dict[str, Any]) -> None:
    """All of them, with the rows of the project's own table, which its tests compare with the code."""
    own = (everything / "docs" / "settings.md").read_text(encoding="utf-8").replace("`my-service`", "the slug")
    lines = [line for line in own.splitlines() if re.match(r"\| `[A-Z_]+` \|", line)]
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text(encoding="utf-8")
    documented = [line for line in reference.splitlines() if re.match(r"\| `[A-Z_]+` \|", line)]
    assert documented == lines
    assert {re.findall(r"`([A-Z_]+)`", line)[0] for line in documented} == set(source["settings"])


def test_endpoints_are_those_of_the_openapi_document_and_the_pages(source: dict[str, Any]) -> None:
    """With the description from the document, and who may call them."""
    table = rows("endpoints.md")
    sentences = {(row[0], code(row[1])): row[3] for row in table}
    documented = {(method, path): sentence for method, path, sentence in source["endpoints"]}
    pages = {(method, path) for method, path in source["pages"]}
    assert sentences.keys() == documented.keys() | pages
    assert {key: sentences[key] for key in documented} == documented
    for method, path, who, _ in table:
        is_public = code(path) in source["public"] or code(path).startswith("/static/")
        is_superuser = [method, code(path)] in source["superuser"]
        assert who == ("everybody" if is_public else "superuser" if is_superuser else "signed in"), path


def targets(makefile: Path) -> list[tuple[str, str]]:
    found = re.findall(r"^([a-z-]+):.*?##\s*(.*)$", makefile.read_text(encoding="utf-8"), re.MULTILINE)
    return [(f"`make {name}`", sentence) for name, sentence in found if name != "help"]


def test_commands_are_those_of_the_makefiles(everything: Path) -> None:
    """For a service and for this repository, in the same order and words."""
    for section, folder in {"In a service": everything, "In this repository": ROOT}.items():
        assert [(row[0], row[-1]) for row in rows("commands.md", section)] == targets(folder / "Makefile")


def test_commands_are_there_with_their_feature(rendered: Callable[[Variant], Path]) -> None:
    """Without the feature they are in no Makefile."""
    always = [row[0] for row in rows("commands.md", "In a service") if row[1] == "always"]
    assert [name for name, _ in targets(rendered(BAREST) / "Makefile")] == always
