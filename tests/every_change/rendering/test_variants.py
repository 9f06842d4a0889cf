"""Every variant, as rendered to disk."""

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.conftest import Run
from tests.support.rendering import render, text_files
from tests.support.suites import put
from tests.support.variants import EVERYTHING, EXTRAS, PLAIN, RESIDUE, VARIANTS, Variant

JINJA = re.compile(r"(?<!\$)\{\{|\{%|\{#|\}\}|%\}|#\}")
OWN_TEMPLATES = re.compile(r"src/templates/|docs/pages\.md")
USES_BRACES = re.compile(
    r"^(migrations/script\.py\.mako|\.github/workflows/.*|src/templates/.*|docs/pages\.md|.*\.py|.*\.css)$"
)
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)
Files = dict[tuple[str, str], Path]
WINDOWS_FORBIDS = re.compile(r'[<>:"|?*\\\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE)


@pytest.fixture(scope="session")
def files(rendered: Callable[[Variant], Path]) -> Files:
    """Every file of any variant, once per distinct content: its name and text, and its path."""
    found: Files = {}
    for each in VARIANTS:
        for name, text in text_files(rendered(each)):
            found.setdefault((name, text), rendered(each) / name)
    return found


def test_no_jinja_is_left(files: Files) -> None:
    """No Jinja tag is left in any file or name."""
    for name, text in files:
        assert not JINJA.search(name), name
        assert OWN_TEMPLATES.match(name) or "{%" not in text, name
        assert USES_BRACES.match(name) or not JINJA.search(text), name
        assert not name.endswith((".jinja", ".pyc", ".rej", ".orig")), name


def test_data_files_can_be_read(files: Files) -> None:
    """All YAML and TOML is valid."""
    read = {".toml": tomllib.loads, ".yml": yaml.safe_load, ".yaml": yaml.safe_load, ".json": json.loads}
    found = [(name, text, read[Path(name).suffix]) for name, text in files if Path(name).suffix in read]
    assert len(found) >= 4
    for name, text, parse in found:
        assert parse(text), name


def test_names_are_legal_on_windows(files: Files) -> None:
    """The project can be checked out on Windows."""
    for name, _ in files:
        for part in name.split("/"):
            assert not WINDOWS_FORBIDS.search(part), name


def test_texts_end_with_one_newline(files: Files) -> None:
    """No blank-line scars, no trailing spaces, no tabs outside the Makefile."""
    for name, text in files:
        assert text == "" or (text.endswith("\n") and not text.endswith("\n\n")), name
        assert not re.search(r"[ \t]$", text, re.MULTILINE), name
        assert "\n\n\n\n" not in text, name
        assert name == "Makefile" or "\t" not in text, name


def test_every_variant_is_looked_at(files: Files) -> None:
    """A fault that occurs only in the barest Russian project is found too."""
    assert len({path.parent for (name, _), path in files.items() if name == ".env"}) == len(VARIANTS)


def test_nothing_of_a_switched_off_feature_is_left(variant: Variant, project: Path) -> None:
    """No file, dependency, variable, service, sentence or word of it."""
    for words in variant.residue.values():
        for name, text in text_files(project):
            assert not words.search(name), name
            if name != ".copier-answers.yml":
                assert not words.search(text), f"{name}: {words.search(text)}"


def test_a_switched_on_feature_is_there(variant: Variant, project: Path) -> None:
    """The patterns that search for traces match where the feature is on."""
    for switch, on in variant.switches:
        assert any(RESIDUE[switch].search(name) for name, _ in text_files(project)) is on
    for extra in variant.extras:
        assert any(EXTRAS[extra].residue.search(name) for name, _ in text_files(project))


@pytest.mark.parametrize("extra", [name for name, each in EXTRAS.items() if each.needs])
def test_an_extra_without_what_it_needs_has_no_effect(
    template: Path, tmp_path: Path, rendered: Callable[[Variant], Path], extra: str
) -> None:
    """It stays in the answers, and nowhere else."""
    plain = next(each for each in PLAIN if not each.with_extras(extra).is_valid)
    project = render(template, tmp_path / "project", **plain.with_extras(extra).answers)
    before, after = dict(text_files(rendered(plain))), dict(text_files(project))
    assert {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)} == {
        ".copier-answers.yml",
        ".env",  # new secrets
    }
    assert yaml.safe_load(after[".copier-answers.yml"])["extras"] == [extra]


def test_the_language_is_the_chosen_one(variant: Variant, project: Path) -> None:
    """English has no Cyrillic letters; Russian has them in texts for people."""
    cyrillic = {name for name, text in text_files(project) if CYRILLIC.search(text)}
    if variant.lang == "en":
        assert {
            name for name in cyrillic if not name.startswith(("tests/", "src/auth/words/common_passwords.txt"))
        } == set()
    else:
        assert {"README.md", "docs/settings.md", "src/messages.py"} <= cyrillic


def test_messages_are_the_same_in_both_languages(rendered: Callable[[Variant], Path]) -> None:
    """Every message has a translation with the same placeholders."""
    english = rendered(EVERYTHING)
    russian = rendered(EVERYTHING.in_language("ru"))
    paths = sorted(path.relative_to(english) for path in english.rglob("messages.py"))
    assert len(paths) > 3
    for path in paths:
        assert placeholders(english / path) == placeholders(russian / path), path


def placeholders(path: Path) -> dict[str, list[str]]:
    """Return the names of the messages in a module, each with its placeholders."""
    messages = {name: value for name, value in runpy.run_path(str(path)).items() if isinstance(value, str)}
    return {name: sorted(re.findall(r"{\w*}", value)) for name, value in messages.items() if name.isupper()}


def test_ruff_finds_nothing(rendered: Callable[[Variant], Path], tmp_path: Path, run: Run) -> None:
    """All variants are formatted and pass their own rules."""
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
    """The project's rules reject bad code."""
    project = new_project(lang=lang)
    (project / "src" / "bad.py").write_text(bad)
    run("ruff", "check", "--no-cache", ".", cwd=project, fails=True)


@pytest.mark.usefixtures("known_types")
def test_types_are_right(project: Path, one_place: Path, run: Run) -> None:
    """mypy, strict, finds nothing."""
    run("mypy", cwd=put(project, one_place))


@pytest.mark.usefixtures("known_types")
def test_a_project_checks_itself(rendered: Callable[[Variant], Path], one_place: Path, run: Run) -> None:
    """All of this is `make check`."""
    run("make", "check", cwd=put(rendered(EVERYTHING), one_place))


@pytest.mark.usefixtures("known_types")
def test_types_would_be_found_wrong(rendered: Callable[[Variant], Path], one_place: Path, run: Run) -> None:
    """The type checker does look at the code."""
    put(rendered(EVERYTHING), one_place)
    (one_place / "src" / "bad.py").write_text('def number() -> int:\n    return "text"\n')
    done = run("mypy", cwd=one_place, fails=True)
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


def imported(text: str) -> set[tuple[str, str]]:
    """Return each name that a module imports: from where, and what."""
    nodes = list(ast.walk(ast.parse(text)))
    plain = {(alias.name, "") for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {
        (node.module or "", alias.name) for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def test_private_names_of_packages_are_imported_in_one_place(files: Files) -> None:
    """`src/compat.py` checks each of them; ours are no one else's business either."""
    private = {
        (name, module, each)
        for name, text in files
        if name.endswith(".py") and name.startswith(("src/", "migrations/", "devtools/"))
        for module, each in imported(text)
        if module != "__future__" and any(part.startswith("_") for part in (*module.split("."), each))
    }
    assert {name for name, _, _ in private} == {"src/compat.py"}


def test_every_message_is_used(project: Path) -> None:
    """By code or by a page, as `messages.NAME` or `t.NAME`; a notice by the name of its reason."""
    modules = sorted((project / "src").rglob("messages.py"))
    others = [path for kind in ("*.py", "*.html") for path in (project / "src").rglob(kind) if path not in modules]
    uses = "\n".join(path.read_text(encoding="utf-8") for path in others)
    for module in modules:
        names = re.findall(r"^([A-Z_]+)(?:: .+)? = ", text := module.read_text(encoding="utf-8"), re.MULTILINE)
        assert names, module
        for name in names:
            is_part_of_another = re.search(rf"^ .*: {name},$", text, re.MULTILINE)
            assert is_part_of_another or re.search(rf"\b(messages|t)\.{name}\b", uses), f"{module}: {name}"
        for reason in runpy.run_path(str(module)).get("NOTICES", {}):
            assert re.search(rf"""["'=]{reason}["'&]""", uses), f"{module}: {reason}"


def contents(files: Files, folder: Path, pattern: str) -> list[Path]:
    """Write each distinct content of a file into a separate folder."""
    found = [(name, text) for name, text in files if re.fullmatch(pattern, name)]
    assert found
    paths = [folder / str(number) / name for number, (name, _) in enumerate(found)]
    for path, (_, text) in zip(paths, found, strict=True):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return paths


@pytest.mark.parametrize(
    ("command", "pattern"),
    [
        (["actionlint"], r"\.github/workflows/.*"),
        (["zizmor", "--offline", "--quiet", "--no-config"], r"\.github/workflows/.*"),
        (["check-jsonschema", "--builtin-schema", "vendor.compose-spec"], "docker-compose.yaml"),
        (["hadolint"], "Dockerfile"),
    ],
    ids=["actionlint", "zizmor", "compose", "hadolint"],
)
def test_a_linter_of_its_format_finds_nothing(files: Files, tmp_path: Path, command: list[str], pattern: str) -> None:
    """Workflows have least permissions and pinned actions; the Compose file matches its schema."""
    tool = Path(sys.executable).parent / command[0]
    paths = contents(files, tmp_path, pattern)
    done = subprocess.run([tool, *command[1:], *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
