"""Types in what the documentation of a project shows."""

import re
import shlex
from pathlib import Path

from tests.conftest import Run
from tests.support.documentation import BLOCK

PAGES = ("feature.md", "tasks.md", "pages.md", "sign-in.md")
CONTACT_TEST = """
async def test_the_page(anonymous):
    answer = await anonymous.get("/contact")
    assert answer.status_code == 200
    assert "hello@example.com" in answer.text
"""


def add_what_is_there(old: str, new: str) -> str:
    """Return the routers.py of a page, which names its own feature only, with what the pages before it named."""
    text = re.sub(
        r"(from src\..*\n)+",
        "".join(sorted(f"{line}\n" for line in re.findall(r"^from src\..*", f"{old}\n{new}", re.MULTILINE))),
        new,
    )
    for name in ("routers", "public_routes"):
        values = [each for each in re.findall(rf"^{name}: .* = \[(.*)\]", f"{old}\n{text}", re.MULTILINE) if each]
        text = re.sub(rf"(?m)^({name}: .* = )\[.*\]", rf"\1[{', '.join(values)}]", text)
    return text


def type_in(project: Path, run: Run, page: str) -> None:
    """Do what a page of docs/ says, in its order."""
    for language, name, text in BLOCK.findall((project / "docs" / page).read_text(encoding="utf-8")):
        if name:
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            for package in {parent for parent in path.relative_to(project).parents if parent.parts}:
                (project / package / "__init__.py").touch()
            is_shared = name == "src/routers.py"
            path.write_text(add_what_is_there(path.read_text(), text) if is_shared else text, encoding="utf-8")
        elif language == "bash":
            for command in text.splitlines():
                run(*shlex.split(command), cwd=project)


def type_in_everything(project: Path, run: Run) -> None:
    """Do what every page says that the project has, and let its linters look at it."""
    for page in PAGES:
        if (project / "docs" / page).exists():
            type_in(project, run, page)
    run("make", "check", cwd=project)
    if (project / "src" / "pages").exists():
        (project / "tests" / "test_contact.py").write_text(CONTACT_TEST, encoding="utf-8")
