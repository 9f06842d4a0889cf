"""Every variant, as it lies on the disk after a copy."""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Run
from tests.rendering import text_files
from tests.variants import RESIDUE, VARIANTS, Variant

JINJA = re.compile(r"(?<!\$)\{\{|\{%|\{#|\}\}|%\}|#\}")
OWN_TEMPLATES = re.compile(r"src/templates/|docs/pages\.md")
USES_BRACES = re.compile(
    r"^(migrations/script\.py\.mako|\.github/workflows/.*|src/templates/.*|docs/pages\.md|.*\.py|.*\.css)$"
)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
WINDOWS_FORBIDS = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


def test_no_jinja_is_left(project: Path) -> None:
    """No tag of ours in any file or name."""
    for name, text in text_files(project):
        assert not JINJA.search(name), name
        assert OWN_TEMPLATES.match(name) or "{%" not in text, name
        assert USES_BRACES.match(name) or not JINJA.search(text), name
        assert not name.endswith((".jinja", ".pyc", ".rej", ".orig")), name


def test_data_files_can_be_read(project: Path) -> None:
    """All YAML and TOML is valid."""
    read = {".toml": tomllib.loads, ".yml": yaml.safe_load, ".yaml": yaml.safe_load, ".json": json.loads}
    found = [(name, text, read[Path(name).suffix]) for name, text in text_files(project) if Path(name).suffix in read]
    assert len(found) >= 4
    for name, text, parse in found:
        assert parse(text), name


def test_names_are_legal_on_windows(project: Path) -> None:
    """Somebody will check it out there."""
    for path in project.rglob("*"):
        assert not WINDOWS_FORBIDS.search(path.name), path


def test_texts_end_with_one_newline(project: Path) -> None:
    """No blank-line scars, no trailing spaces, no tabs but in the Makefile."""
    for name, text in text_files(project):
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), name
        assert not re.search(r"[ \t]$", text, re.MULTILINE), name
        assert "\n\n\n\n" not in text, name
        assert name == "Makefile" or "\t" not in text, name


def test_nothing_of_a_switched_off_feature_is_left(variant: Variant, project: Path) -> None:
    """No file, dependency, variable, service, sentence or word of it."""
    for switch in variant.off:
        for name, text in text_files(project):
            assert not RESIDUE[switch].search(name), name
            if name != ".copier-answers.yml":
                assert not RESIDUE[switch].search(text), f"{name}: {RESIDUE[switch].search(text)}"


def test_a_switched_on_feature_is_there(variant: Variant, project: Path) -> None:
    """The words that are looked for are the right ones."""
    for switch, on in variant.switches:
        assert any(RESIDUE[switch].search(name) for name, _ in text_files(project)) is on


def test_the_language_is_the_chosen_one(variant: Variant, project: Path) -> None:
    """English has no Cyrillic letter; Russian has it where people read."""
    cyrillic = {name for name, text in text_files(project) if CYRILLIC.search(text)}
    if variant.lang == "en":
        assert {name for name in cyrillic if not name.startswith(("tests/", "src/auth/common_passwords.txt"))} == set()
    else:
        assert {"README.md", "docs/settings.md", "src/messages.py"} <= cyrillic


def test_messages_are_the_same_in_both_languages(rendered: Callable[[Variant], Path]) -> None:
    """Every sentence has its translation, with the same placeholders."""
    english, russian = (next(each for each in reversed(VARIANTS) if each.lang == lang) for lang in ("en", "ru"))
    for path in rendered(english).rglob("messages.py"):
        twin = rendered(russian) / path.relative_to(rendered(english))
        names = [set(re.findall(r"^([A-Z_]+)\b", text.read_text(), re.MULTILINE)) for text in (path, twin)]
        assert names[0] == names[1]


def test_ruff_finds_nothing(rendered: Callable[[Variant], Path], tmp_path: Path, run: Run) -> None:
    """All variants are formatted and clean under their own rules."""
    for each in VARIANTS:
        (tmp_path / str(each)).symlink_to(rendered(each))
    folders = [str(rendered(each)) for each in VARIANTS]
    run("ruff", "check", "--no-cache", *folders, cwd=tmp_path)
    run("ruff", "format", "--no-cache", "--check", *folders, cwd=tmp_path)


@pytest.mark.parametrize("lang", ["en"])
@pytest.mark.parametrize(
    "bad", ["import os\n", "def f(x):\n    return x\n", "try:\n    pass\nexcept Exception:\n    pass\n"]
)
def test_ruff_would_find_something(new_project: Callable[..., Path], run: Run, bad: str, lang: str) -> None:
    """The rules of the project reject bad code."""
    project = new_project(lang=lang)
    (project / "src" / "bad.py").write_text(bad)
    run("ruff", "check", "--no-cache", ".", cwd=project, fails=True)


@pytest.mark.usefixtures("known_types")
def test_types_are_right(project: Path, run: Run) -> None:
    """mypy, strict, finds nothing."""
    run("mypy", cwd=project)


@pytest.mark.usefixtures("known_types")
def test_types_would_be_found_wrong(new_project: Callable[..., Path], run: Run) -> None:
    """The type checker does look at the code."""
    project = new_project()
    (project / "src" / "bad.py").write_text('def number() -> int:\n    return "text"\n')
    done = run("mypy", cwd=project, fails=True)
    assert "src/bad.py:2" in done.stdout


def test_layers_hold(project: Path, run: Run) -> None:
    """The import contract is kept."""
    run("lint-imports", "--no-cache", "--no-logo", cwd=project)


def test_a_broken_layer_is_found(new_project: Callable[..., Path], run: Run) -> None:
    """A manager that imports FastAPI breaks the contract."""
    project = new_project()
    manager = project / "src" / "database" / "manager.py"
    manager.write_text(f"import fastapi\n{manager.read_text()}")
    done = run("lint-imports", "--no-cache", "--no-logo", cwd=project, fails=True)
    assert "Managers know no web framework BROKEN" in done.stdout


def test_the_readme_shows_the_real_files(project: Path) -> None:
    """Every file of the tree in README.md is there."""
    readme = (project / "README.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\n(.*?)```", readme, re.DOTALL)
    assert tree
    names = re.findall(r"^(\s*)([\w./-]+)", tree[1], re.MULTILINE)
    parents: list[str] = []
    for indent, name in names:
        parents = [*parents[: len(indent) // 2], name]
        assert (project / "/".join(part.rstrip("/") for part in parents)).exists(), parents


def test_workflows_are_valid_and_safe(project: Path) -> None:
    """Least permissions, pinned actions, nothing a linter would flag."""
    workflows = sorted(project.glob(".github/workflows/*.yml"))
    assert workflows
    for command in (["actionlint"], ["zizmor", "--offline", "--quiet", "--no-config"]):
        tool = Path(sys.executable).parent / command[0]
        done = subprocess.run([tool, *command[1:], *workflows], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_docker_files_are_valid(project: Path) -> None:
    """The compose file fits its schema, the Dockerfile has no finding."""
    tools = Path(sys.executable).parent
    schema = [tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", project / "docker-compose.yaml"]
    for command in (schema, [tools / "hadolint", project / "Dockerfile"]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
