"""The pages of docs/ that rarely change and take long to type in, followed at a terminal."""

import re
import sys
from pathlib import Path

import pytest

from tests.support.documentation import Read
from tests.support.history import git


@pytest.mark.usefixtures("known_types")
def test_the_tutorial(read: Read, tmp_path: Path) -> None:
    """From the prompts to a tested, committed route."""
    reader = read("docs/tutorial.md", tmp_path, "make check")
    assert "1 passed" in reader.said
    assert git(tmp_path / "my-service", "status", "--porcelain") == ""


def test_taking_a_feature_out(read: Read, released_project: Path) -> None:
    """By hand, and by its answer."""
    read("docs/how-to/take-a-feature-out.md", released_project)
    assert "auth_router" not in (released_project / "src" / "main.py").read_text(encoding="utf-8")
    assert not (released_project / "src" / "pages").exists()
    assert (released_project / "src" / "auth").exists()


def test_adding_a_question(read: Read, template_clone: Path, clean_environment: dict[str, str]) -> None:
    """The example question passes the checks of this repository."""
    tools = {"UV_PROJECT_ENVIRONMENT": sys.prefix, "VIRTUAL_ENV": sys.prefix, "PATH": clean_environment["PATH"]}
    reader = read("docs/how-to/add-a-question.md", template_clone, "make check", **tools)
    assert re.search(r"\d passed", reader.said)


def test_writing_a_migration(read: Read, template_clone: Path) -> None:
    """Its script and its line are where an update looks for them."""
    read("docs/how-to/write-a-migration.md", template_clone)
    assert "move_files" in (template_clone / "hooks" / "migrations" / "v2.py").read_text(encoding="utf-8")
