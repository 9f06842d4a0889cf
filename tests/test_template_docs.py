"""What docs/ and the READMEs tell to type is typed, page by page, by somebody who sits at a terminal."""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.documentation import BLOCK, Reader
from tests.history import History, commit_all, git
from tests.rendering import ROOT, files_of_repository
from tests.service import free_port, wait_until_gone
from tests.test_update_command import release_much
from tests.test_updates import point_to, rename_application
from tests.updating import MARKS, copy

ADDRESS = "https://github.com/OWNER/REPO.git"  # what gh:OWNER/REPO stands for
# Commands that take minutes, and where else they are proven.
ELSEWHERE = {
    "make check": "tests/test_variants.py, for each variant",
    "make test": "tests/test_suites.py, for each variant",
    'make test ARGS="tests/test_moves.py"': "it is a part of this suite",
}
PAGES = sorted(
    path.as_posix()
    for path in files_of_repository()
    if path.suffix == ".md"
    and (path.parts[0] == "docs" or path.name.startswith("README"))
    and "template" not in path.parts
)
Read = Callable[..., Reader]


@pytest.fixture
def read(history: History, tmp_path: Path, shared_environment: dict[str, str]) -> Iterator[Read]:
    """Read a page and do what it says, where gh:OWNER/REPO is this template with its releases."""
    environment = {
        **shared_environment,
        **{name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")},
        **{
            f"GIT_{role}_{part}": "tester@example.com" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
        },
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{history.folder}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
    }
    readers: list[Reader] = []

    def do(page: str, folder: Path, *but: str, fails: str = "", **variables: str) -> Reader:
        elsewhere = {command: why for command, why in ELSEWHERE.items() if command not in but}
        readers.append(Reader(folder, {**environment, **variables}, elsewhere=elsewhere, fails={fails}))
        readers[-1].follow(ROOT / page)
        return readers[-1]

    yield do
    for reader in readers:
        reader.close()
    assert wait_until_gone(tmp_path) == []


@pytest.fixture
def project(history: History, tmp_path: Path) -> Path:
    """A project under git, of the last release."""
    return copy(history, tmp_path / "project")


@pytest.fixture
def clone(history: History, tmp_path: Path) -> Path:
    """The template itself, to work on."""
    git(history.folder, "clone", "--quiet", str(history.folder), str(tmp_path / "clone"))
    return tmp_path / "clone"


def test_no_page_with_commands_is_forgotten() -> None:
    """Each has a test here."""
    tests = Path(__file__).read_text(encoding="utf-8")
    for page in PAGES:
        if page != "README.ru.md" and any(
            block[1] == "bash" for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8"))
        ):
            assert f'"{page}"' in tests, page


@pytest.mark.usefixtures("known_types")
def test_the_tutorial(read: Read, tmp_path: Path) -> None:
    """From the prompts to a tested, committed route."""
    reader = read("docs/tutorial.md", tmp_path, "make check")
    assert "1 passed" in reader.said
    assert git(tmp_path / "my-service", "status", "--porcelain") == ""


def test_the_two_commands_of_the_readmes(read: Read, tmp_path: Path) -> None:
    """They end at a service that runs, and are the same in both languages."""
    read("README.md", tmp_path)
    assert (tmp_path / "my-service" / "src" / "pages").is_dir()
    english, russian = (
        BLOCK.findall((ROOT / name).read_text(encoding="utf-8")) for name in ("README.md", "README.ru.md")
    )
    assert english == russian


def test_updating(read: Read, history: History, project: Path, tmp_path: Path) -> None:
    """The tree is clean and at the new version afterwards."""
    point_to(project, history.branch(tmp_path / "template", release_much, "v999.1.0").folder)
    reader = read("docs/how-to/update.md", project)
    assert "999.1.0, when you update: set `REGION`." in reader.said
    assert "999.1.0" in (project / ".copier-answers.yml").read_text(encoding="utf-8")


def test_finishing_a_conflict(read: Read, history: History, project: Path, tmp_path: Path) -> None:
    """The marks are those of the page, and the side that was chosen stays."""
    path = project / "src" / "health.py"
    path.write_text(path.read_text().replace("PATIENCE = 2 ", "PATIENCE = 5 "))
    commit_all(project, "fix: patience")
    point_to(project, history.branch(tmp_path / "template", rename_application, "v999.1.0").folder)
    page = "docs/how-to/finish-a-conflict.md"
    reader = read(page, project, fails="make update")
    shown = next(block[3] for block in BLOCK.finditer((ROOT / page).read_text(encoding="utf-8")) if block[1] == "text")
    assert "src/health.py" in reader.said
    assert "PATIENCE = 5 " in path.read_text()
    assert not MARKS.search(path.read_text())
    for line in (
        "PATIENCE = 5  # seconds",
        "PATIENCE = 3  # seconds",
        "<<<<<<< before updating",
        ">>>>>>> after updating",
    ):
        assert line in shown
    assert git(project, "status", "--porcelain") == ""


def test_adding_a_feature(read: Read, project: Path) -> None:
    """A table, its migration, and routes that answer."""
    read("docs/how-to/add-a-feature.md", project)
    assert len(list((project / "migrations" / "versions").glob("*.py"))) == 2


def test_taking_a_feature_out(read: Read, project: Path) -> None:
    """By hand, and by its answer."""
    read("docs/how-to/take-a-feature-out.md", project)
    assert "auth_router" not in (project / "src" / "main.py").read_text(encoding="utf-8")
    assert not (project / "src" / "pages").exists()
    assert (project / "src" / "auth").exists()


def test_adding_a_question(read: Read, clone: Path, clean_environment: dict[str, str]) -> None:
    """The example question passes the checks of this repository."""
    tools = {"UV_PROJECT_ENVIRONMENT": sys.prefix, "VIRTUAL_ENV": sys.prefix, "PATH": clean_environment["PATH"]}
    reader = read("docs/how-to/add-a-question.md", clone, "make check", **tools)
    assert re.search(r"\d passed", reader.said)


def test_writing_a_migration(read: Read, clone: Path) -> None:
    """Its script and its line are where an update looks for them."""
    read("docs/how-to/write-a-migration.md", clone)
    assert "move_files" in (clone / "hooks" / "migrations" / "v2.py").read_text(encoding="utf-8")
