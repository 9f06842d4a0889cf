"""The commands in docs/ and the READMEs work: the tests type them in, page by page, at a terminal."""

from pathlib import Path

from tests.support.documentation import BLOCK, TEMPLATE, Read
from tests.support.history import History, commit_all, git
from tests.support.rendering import ROOT, files_of_repository
from tests.support.updating import MARKS, point_to, release_much, rename_application

PAGES = sorted(
    path.as_posix()
    for path in files_of_repository()
    if path.suffix == ".md"
    and (path.parts[0] == "docs" or path.name.startswith("README"))
    and "template" not in path.parts
)


def test_no_page_with_commands_is_forgotten() -> None:
    """Each page has a test, here or in tests/nightly/docs."""
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").glob("*/docs/test_*.py"))
    for page in PAGES:
        if page != "README.ru.md" and any(
            block[1] == "bash" for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))
        ):
            assert f'"{page}"' in tests, page


def test_updating(read: Read, history: History, released_project: Path, tmp_path: Path) -> None:
    """It says what the page shows; the tree is at the new version afterwards."""
    template = history.branch(tmp_path / "template", release_much, "v999.1.0").folder
    point_to(released_project, template)
    page = "docs/how-to/update.md"
    said = read(page, released_project).said.replace(str(template), TEMPLATE).replace("999.", "1.").replace("\r", "")
    [shown] = [block[3] for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")) if block[1] == "text"]
    assert [line for line in shown.splitlines() if line not in said] == []
    assert "999.1.0" in (released_project / ".copier-answers.yml").read_text(encoding="utf-8")


def test_finishing_a_conflict(read: Read, history: History, released_project: Path, tmp_path: Path) -> None:
    """The markers are those on the page, and the chosen version stays."""
    path = released_project / "src" / "health.py"
    path.write_text(path.read_text().replace("PATIENCE = 2 ", "PATIENCE = 5 "))
    commit_all(released_project, "fix: patience")
    point_to(released_project, history.branch(tmp_path / "template", rename_application, "v999.1.0").folder)
    page = "docs/how-to/finish-a-conflict.md"
    reader = read(page, released_project, fails="make update")
    shown = next(block[3] for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")) if block[1] == "text")
    assert "src/health.py" in reader.said
    assert "PATIENCE = 5 " in path.read_text()
    assert not MARKS.search(path.read_text())
    for line in (
        "PATIENCE = 5  # seconds",
        "PATIENCE = 3  # seconds",
        "<<<<<<< yours",
        ">>>>>>> template",
    ):
        assert line in shown
    assert git(released_project, "status", "--porcelain") == ""


def test_adding_a_feature(read: Read, released_project: Path) -> None:
    """A table, its migration, and routes that respond."""
    read("docs/how-to/add-a-feature.md", released_project)
    assert len(list((released_project / "migrations" / "versions").glob("*.py"))) == 2
