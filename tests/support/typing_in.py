"""Types in what the documentation of a project shows."""

import re
from pathlib import Path

from tests.conftest import Run
from tests.support.documentation import BLOCK, edit

PAGES = (
    "feature.md",
    "tasks.md",
    "pages.md",
    "sign-in.md",
    *(f"recipes/{name}.md" for name in ("users", "websocket", "testing", "setting", "upload", "cache", "client")),
)
TRACING = "recipes/tracing.md"  # it needs packages that no project has
CONTACT_TEST = """
async def test_the_page(anonymous):
    answer = await anonymous.get("/contact")
    assert answer.status_code == 200
    assert "hello@example.com" in answer.text
"""
YOURS = re.compile(r"^(\w+: .* = )([\[{])(.*)[\]}]$", re.MULTILINE)


def merge_routers(old: str, new: str) -> str:
    """Return routers.py with the imports and values that a page shows for its own feature."""
    imports = sorted(set(re.findall(r"^from src\..*\n", f"{old}\n{new}", re.MULTILINE)))
    text = re.sub(r"^from src\..*\n", "", old, flags=re.MULTILINE)
    text = re.sub(r"(from fastapi import APIRouter\n)\n+", rf"\1\n{''.join(imports)}\n", text)
    for start, bracket, values in YOURS.findall(new):
        known = re.compile(rf"^{re.escape(start)}.(.*).$", re.MULTILINE)
        before = known.search(text)
        assert before, start
        both = ", ".join(filter(None, [before[1], values]))
        end = "]" if bracket == "[" else "}"
        text = known.sub(lambda _, line=f"{start}{bracket}{both}{end}": line, text)
    return text


def type_in(project: Path, run: Run, page: str) -> None:
    """Do what a page of docs/ says, in its order."""
    for language, name, text in BLOCK.findall((project / "docs" / page).read_text(encoding="utf-8")):
        path = project / name
        if name and language == "diff":
            edit(path, text)
        elif name:
            path.parent.mkdir(parents=True, exist_ok=True)
            for package in {parent for parent in path.relative_to(project).parents if parent.parts}:
                (project / package / "__init__.py").touch()
            is_shared = name == "src/routers.py"
            path.write_text(merge_routers(path.read_text(), text) if is_shared else text, encoding="utf-8")
        elif language == "bash":
            for command in text.splitlines():
                run("bash", "-c", command, cwd=project)


def type_in_everything(project: Path, run: Run, *further: str) -> None:
    """Do what every page says that the project has, and let its linters look at it."""
    for page in (*PAGES, *further):
        if (project / "docs" / page).exists():
            type_in(project, run, page)
    run("ruff", "format", "src/routers.py", cwd=project)
    run("make", "check", cwd=project)
    if (project / "src" / "pages").exists():
        (project / "tests" / "test_contact.py").write_text(CONTACT_TEST, encoding="utf-8")
