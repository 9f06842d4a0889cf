"""The pages that begin a project, README.md, docs/README.md and AGENTS.md, against its files, Makefile and routes."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.documentation import BLOCK
from tests.support.rendering import ROOT
from tests.support.variants import EVERYTHING, PLAIN, Variant

PRINT_ADDRESSES = """
import json
from fastapi.routing import iter_route_contexts
from src.main import create_app

routes = iter_route_contexts(create_app().routes)
print(json.dumps([route.path for route in routes if "GET" in (route.methods or ["GET"])]))
"""
CODE = re.compile(r"`([^`]+)`")


def tour(project: Path) -> str:
    return (project / "docs" / "README.md").read_text(encoding="utf-8")


def tables(text: str) -> list[list[str]]:
    """Return the cells of all rows, headings aside."""
    rows = re.findall(r"^\|(?!---)(.*)\|$(?!\n\|---)", text, re.MULTILINE)
    return [[cell.strip() for cell in row.split(" | ")] for row in rows]


def anchors(page: Path) -> set[str]:
    """Return the names of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_links_lead_somewhere(project: Path) -> None:
    """In every page, to a file and to a heading in it."""
    for page in project.rglob("*.md"):
        for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def test_the_tour_shows_every_command(project: Path) -> None:
    """In the order of the Makefile, with what to type without make."""
    makefile = (project / "Makefile").read_text(encoding="utf-8")
    found = re.findall(r"^([a-z-]+):.*##.*\n\t@(.+)$", makefile, re.MULTILINE)
    codes = [CODE.findall(" ".join(row[:2])) for row in tables(tour(project))]
    shown = [(code[0], code[1]) for code in codes if len(code) == 2 and code[0].startswith("make ")]
    names = [name for name, _ in found if name != "help"]
    assert [name.split()[1] for name, _ in shown] == names
    for (_, full), (name, recipe) in zip(shown, found[1:], strict=True):
        assert name == "migration" or full.removesuffix(" ada") == recipe.partition(" $(")[0], name


def test_the_tour_shows_every_file(project: Path) -> None:
    """Each at the top and in src/ is in the tree, and the reverse."""
    tree = next(text for language, _, text in BLOCK.findall(tour(project)) if language == "text")
    shown, folder = set(), ""
    for indent, name in re.findall(r"^(\s*)([\w./-]+)", tree, re.MULTILINE):
        folder = folder if indent else name
        shown.add((folder if indent else "") + name.rstrip("/"))
    there = {path.relative_to(project).as_posix() for path in [*project.iterdir(), *(project / "src").iterdir()]}
    assert {name.removesuffix("/") for name in shown} == {
        name for name in there if not name.endswith(("__init__.py", "__pycache__"))
    }


def test_the_tour_links_to_every_page(project: Path) -> None:
    """No page can be found only by listing the folder."""
    docs = project / "docs"
    pages = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")} - {"README.md"}
    assert set(re.findall(r"^- \[[^]]+\]\(([^)#]+)\)", tour(project), re.MULTILINE)) == pages


@pytest.mark.parametrize("variant", [each for each in PLAIN if each.lang == "en"], ids=str)
def test_the_tour_shows_every_address(project: Path, run: Run) -> None:
    """Each that a browser can open has a row, and each row has a route."""
    printed = run("python", "-c", PRINT_ADDRESSES, cwd=project, ENVIRONMENT="dev").stdout.splitlines()[-1]
    addresses = set(json.loads(printed)) - {"/docs/oauth2-redirect"}
    shown = [name for row in tables(tour(project)) for name in CODE.findall(row[0]) if name.startswith("/")]

    def covers(name: str, address: str) -> bool:
        return name == address or (name.endswith("…") and f"{address}/".startswith(name[:-1]))

    assert [address for address in addresses if not any(covers(name, address) for name in shown)] == []
    assert [name for name in shown if not any(covers(name, address) for address in addresses)] == []


@pytest.mark.parametrize("name", ["README.md", "AGENTS.md", "SECURITY.md", "docs/README.md"])
def test_what_they_name_is_there(project: Path, name: str) -> None:
    """Each command has a target, each path a file; the files of a feature are those of docs/feature.md."""
    targets = re.findall(r"^([a-z-]+):", (project / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    feature = (project / "docs" / "feature.md").read_text(encoding="utf-8")
    text = (project / name).read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|&& |^)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, target
    for path in re.findall(r"`((?:[\w-]+/)+[\w.-]*|[\w-]*\.[\w.-]+)`", text):
        folders = (project, project / "src", project / "migrations" / "versions")
        assert path == "uv.lock" or any((folder / path).exists() for folder in folders) or f"| `{path}` |" in feature, (
            path
        )


def test_agents_read_little(project: Path) -> None:
    """AGENTS.md has at most 70 lines, with room for the owner's at the end."""
    lines = (project / "AGENTS.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 70
    assert lines[-1] == "<!-- Yours below this line. -->"


def test_the_tour_is_the_same_in_both_languages(rendered: Callable[[Variant], Path], variant: Variant) -> None:
    """The same rows with the same code in them."""
    other = rendered(variant.in_language("en" if variant.lang == "ru" else "ru"))
    here = tour(rendered(variant))
    assert [CODE.findall(" ".join(row)) for row in tables(here)] == [
        CODE.findall(" ".join(row)) for row in tables(tour(other))
    ]


def test_the_index_of_the_template_has_every_page(rendered: Callable[[Variant], Path]) -> None:
    """Those of the largest project."""
    project = rendered(EVERYTHING)
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    listed = [code for row in tables(index) for code in CODE.findall(row[0])]
    assert sorted(listed) == sorted(path.relative_to(project).as_posix() for path in project.rglob("*.md"))
