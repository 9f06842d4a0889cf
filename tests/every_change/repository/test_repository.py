"""The rules of this repository."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.support.rendering import ROOT, files_of_repository

TEMPLATE = [path for path in files_of_repository() if path.parts[0] == "template"]
TAG = re.compile(r"{%-?\s*(\w+)")
# The only files with conditions inside; everything else is conditional by path.
WIRING = {
    "template/.env.example.jinja",
    "template/.env.jinja",
    "template/AGENTS.md.jinja",
    "template/Makefile.jinja",
    "template/SECURITY.md.jinja",
    "template/devtools/dev.py.jinja",
    "template/docker-compose.yaml.jinja",
    "template/migrations/versions/0001_first.py.jinja",
    "template/pyproject.toml.jinja",
    "template/src/about.py.jinja",
    "template/src/auth/config.py.jinja",
    "template/src/health.py.jinja",
    "template/src/main.py.jinja",
    "template/src/redis_database/client.py.jinja",
    "template/src/redis_database/config.py.jinja",
    "template/src/routers.py.jinja",
    "template/src/tasks/backend.py.jinja",
    "template/src/tasks/celeryconfig.py.jinja",
    "template/src/tasks/config.py.jinja",
    "template/src/tasks/router.py.jinja",
    "template/tests/conftest.py.jinja",
    "template/tests/tasks/test_router.py.jinja",
}
MOST_CONDITIONS = 12  # five features, each imported in one place and used in another


def plain(path: Path) -> str:
    """Return a path without the conditions in it."""
    return re.sub(r"{%.*?%}", "", path.as_posix())


def is_of_the_service(path: Path) -> bool:
    """Return whether the service itself renders this Jinja template, or docs show one: Copier copies it unchanged."""
    return "/src/templates/" in plain(path) or path.name.endswith("pages.md{% endif %}")


def read(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def conditions(path: Path) -> list[str]:
    return [line for line in read(path).splitlines() if "{% if" in line]


def test_conditions_stand_in_wiring_files_only() -> None:
    """A new switch takes a folder and a line here, not an `if` in the code."""
    found = {plain(path) for path in TEMPLATE if path.suffix == ".jinja" and conditions(path)}
    assert {name for name in found if "/docs/" not in name} == WIRING


def test_wiring_files_stay_readable() -> None:
    """Few conditions, each on its own line, none nested, each testing one hidden boolean."""
    for path in TEMPLATE:
        if plain(path) not in WIRING or path.suffix != ".jinja":
            continue
        assert len(conditions(path)) <= MOST_CONDITIONS, path
        depth = 0
        for line in read(path).splitlines():
            for tag in TAG.findall(line):
                depth += {"if": 1, "endif": -1}.get(tag, 0)
                assert depth <= 1, (path, line)
            if "{% if" in line:
                assert re.fullmatch(r"\s*{% if has_\w+ %}", line), (path, line)


def test_paths_test_one_hidden_boolean() -> None:
    """`{% if has_x %}name{% endif %}`, and nothing more complex."""
    for path in TEMPLATE:
        for part in path.parts:
            if "{%" in part:
                assert re.fullmatch(r"{% if (is|has)_\w+ %}[\w.-]+{% endif %}(\.jinja)?", part), path


def test_only_files_with_jinja_end_in_jinja() -> None:
    """So that linters and editors can read the others in place."""
    for path in TEMPLATE:
        has_tags = bool(re.search(r"(?<!\$){{ |{% |{# ", read(path)))  # ${{ belongs to GitHub
        assert has_tags is (path.suffix == ".jinja") or path.name == "script.py.mako" or is_of_the_service(path), path


def test_a_copy_needs_no_trust() -> None:
    """No tasks, no extensions, no answers in the names of what is excluded or kept; each migration has its script."""
    settings = yaml.safe_load(read(Path("copier.yml")))
    assert not {"_tasks", "_jinja_extensions"} & settings.keys()
    for migration in settings["_migrations"]:
        assert f"migrations/{migration['version'].partition('.')[0]}.py" in migration["command"][1]
    for name in ("_exclude", "_skip_if_exists"):
        assert not any("{" in pattern for pattern in settings[name])


def test_every_question_is_in_both_languages() -> None:
    """The same keys, and no empty text."""
    english, russian = (yaml.safe_load(read(Path(f"hooks/prompts/{lang}.yml"))) for lang in ("en", "ru"))
    assert _keys(english) == _keys(russian)


def _keys(tree: object) -> object:
    assert tree
    return {key: _keys(value) for key, value in tree.items()} if isinstance(tree, dict) else None


@pytest.mark.parametrize("readme", ["README.md", "README.ru.md"])
def test_the_readmes_name_every_question(readme: str) -> None:
    """The table is complete."""
    questions = yaml.safe_load(read(Path("copier.yml")))
    for name, question in questions.items():
        asked = not name.startswith("_") and question.get("when") is not False
        assert (f"`{name}`" in read(Path(readme))) is asked or name.startswith("_"), name


def test_the_version_has_a_section_in_the_changelog() -> None:
    """Every section says what to do when updating, including the unreleased one."""
    version = tomllib.loads(read(Path("pyproject.toml")))["project"]["version"]
    title = "Unreleased" if ".dev" in version else version
    sections = re.split(r"^## ", read(Path("CHANGELOG.md")), flags=re.MULTILINE)[1:]
    assert any(section.startswith(f"[{title}]") for section in sections)
    assert all("When you update" in section for section in sections)


def test_ci_runs_what_the_readme_says() -> None:
    """CI runs the one command that the README shows."""
    command = read(Path(".ci/run")).strip()
    assert command == "make test"
    assert command in read(Path("README.md"))


def test_no_lock_file_is_committed() -> None:
    """Lock files contain the host name of a package registry and would conflict at every update."""
    assert not [path for path in files_of_repository() if path.name in {"uv.lock", "poetry.lock", "package-lock.json"}]


def test_relative_links_lead_somewhere() -> None:
    """In every Markdown file of the repository."""
    for path in files_of_repository():
        if path.suffix == ".md" and path.parts[0] != "template":
            for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", read(path)):
                assert (ROOT / path.parent / link).exists(), f"{path}: {link}"
