"""A copy may go into a new folder or a freshly created repository; nothing is lost and nothing leaks."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import copier
import pexpect
import pytest

from tests.conftest import Run
from tests.support.patience import PATIENCE
from tests.support.rendering import ROOT
from tests.support.variants import VARIANTS, Variant

ANSWERS = ".copier-answers.yml"
STAY = {"README.md", ".gitignore", ANSWERS}
# Files that code hosts create in a new repository, if a service has files of the same names.
IGNORED = {
    "python": "__pycache__/\n*.py[codz]\nbuild/\nlib/\n*.manifest\n*.log\n.env\n.envrc\n.venv\nenv/\n.mypy_cache/\n",
    "node": "logs\n*.log\nnode_modules/\n.cache\ndist\n.env\n.env.*\n!.env.example\n",
    "without .env": "*.log\n",
}
QUESTION = "🎤"  # Copier starts each question with it


@pytest.fixture
def forge(tmp_path: Path) -> Path:
    """A repository as a code host creates it, with a space in its path."""
    folder = tmp_path / "my service"
    folder.mkdir()
    (folder / "README.md").write_text("# mine\n")
    (folder / "LICENSE").write_text("mine\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    return folder


def copy(template: Path, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "copier", "copy", "--defaults", *arguments, str(template), str(folder)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def copy_in_a_terminal(template: Path, folder: Path) -> None:
    command = ["-m", "copier", "copy", str(template), str(folder)]
    variables = {**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
    terminal = pexpect.spawn(
        sys.executable, command, env=variables, encoding="utf-8", timeout=PATIENCE, dimensions=(50, 80)
    )
    while terminal.expect([pexpect.EOF, QUESTION]):
        terminal.send("\r")
    terminal.close()
    assert terminal.exitstatus == 0


def added(folder: Path) -> set[str]:
    """Stage everything and return the list."""
    subprocess.run(["git", "add", "--all"], cwd=folder, check=True)
    command = ["git", "diff", "--cached", "--name-only", "--no-renames"]
    return set(subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("ignored", "in_terminal"),
    [("python", False), ("python", True), ("node", True), ("without .env", False), (None, True)],
)
def test_a_fresh_repository_keeps_its_files_and_its_secrets(
    template: Path, forge: Path, run: Run, ignored: str | None, *, in_terminal: bool
) -> None:
    """README, licence and .gitignore stay; .env is written only where git ignores it; no secret is staged."""
    if ignored:
        (forge / ".gitignore").write_text(IGNORED[ignored])
    if in_terminal:
        copy_in_a_terminal(template, forge)
    else:
        done = copy(template, forge)
        assert done.returncode == 0, done.stderr
        assert f"cd '{forge}'\n" in done.stderr
        assert ("make env\n" in done.stderr) is bool(ignored)
    assert (forge / "README.md").read_text() == "# mine\n"
    assert (forge / ".env").exists() is (ignored is None)
    if ignored:
        assert (forge / ".gitignore").read_text() == IGNORED[ignored]
        done = run("python", "-m", "devtools.env", cwd=forge, fails=ignored == "without .env")
        assert (forge / ".env").exists() is (ignored != "without .env")
        assert ("add the line .env to .gitignore" in done.stdout) is (ignored == "without .env")
    run("python", "-c", "from devtools.process import private_folder; private_folder()", cwd=forge)
    assert (forge / ".dev" / ".gitignore").exists()
    files = added(forge)
    assert {".env.example", "LICENSE", "src/main.py", "docs/README.md"} <= files
    assert [name for name in files if name == ".env" or name.startswith(".dev")] == []


def test_the_names_of_ours_are_complete(rendered: Callable[[Variant], Path]) -> None:
    """The list in hooks/prompts/target.jinja has every variant's top-level names except those that a copy keeps."""
    text = (ROOT / "hooks" / "prompts" / "target.jinja").read_text(encoding="utf-8")
    listed = re.findall(r"'([^']+)'", re.search(r"set ours = \[(.*?)\]", text)[1])  # type: ignore[index]
    assert set(listed) == {path.name for variant in VARIANTS for path in rendered(variant).iterdir()} - STAY


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("plain", "Makefile"),
        ("plain", ".env"),
        ("x[1]", "src/app/main.py"),
        ("a*b?", ".github/workflows/deploy/all.yml"),
    ],
)
def test_a_name_of_ours_is_refused(template: Path, tmp_path: Path, folder: str, name: str) -> None:
    """The message names the folder, and everything in it is unchanged."""
    path = tmp_path / folder / name
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    done = copy(template, tmp_path / folder)
    assert done.returncode != 0
    assert f"{name.partition('/')[0]}: already there; choose another folder. | Уже есть" in done.stderr
    assert [found for found in (tmp_path / folder).rglob("*") if found.is_file()] == [path]


def test_a_name_of_ours_is_refused_in_a_terminal(
    template: Path, tmp_path: Path, clean_environment: dict[str, str]
) -> None:
    """Before the first question, in both languages, because none is chosen yet."""
    (tmp_path / "Makefile").write_text("mine")
    command = ["-m", "copier", "copy", str(template), str(tmp_path)]
    options = {"env": clean_environment, "encoding": "utf-8", "timeout": PATIENCE, "dimensions": (60, 200)}
    terminal = pexpect.spawn(sys.executable, command, **options)
    terminal.expect_exact("Makefile: already there; choose another folder. | Уже есть, выберите другую папку.")
    terminal.expect(pexpect.EOF)
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


def test_other_files_are_no_obstacle(template: Path, tmp_path: Path) -> None:
    """The template has none of those names."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "design").mkdir()
    assert copy(template, tmp_path).returncode == 0
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_copy_may_be_repeated_whatever_its_answers_are_called(template: Path, tmp_path: Path) -> None:
    """A folder with an answers file of this template is its project."""
    for _ in range(2):
        copier.run_copy(
            str(template),
            tmp_path,
            answers_file=".copier-answers.service.yml",
            defaults=True,
            overwrite=True,
            quiet=True,
        )
    assert (tmp_path / ".copier-answers.service.yml").exists()


def test_a_rehearsal_promises_nothing(template: Path, tmp_path: Path) -> None:
    """With --pretend there is no folder to change into."""
    done = copy(template, tmp_path / "service", "--pretend")
    assert done.returncode == 0
    assert "make dev" not in done.stderr
