"""The engine of `make update` in this process, on a template of a few files with releases of its own."""

import io
import os
import shutil
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import copier
import pytest

from tests.support.history import commit_all, git
from tests.support.rendering import ROOT, fast

sys.path.append(str(ROOT / "template"))

from devtools import update as engine
from devtools import update_copier, update_template

ANSWERS = ".copier-answers.yml"
BODY = "".join(f"LINE_{number} = {number}\n\n\n" for number in range(12))
FUNCTIONS = "".join(
    f'def step_{number}(value: int) -> int:\n    """Do step {number}."""\n    return call(\n        value,\n        {number},\n    )\n\n\n'
    for number in range(6)
)
QUESTIONS = """
_subdirectory: template
_templates_suffix: .jinja
_skip_if_exists: [/.env, /README.md, /migrations/versions/]
name: {type: str, default: Shop}
auth: {type: yaml, default: true, choices: {"no": false, "yes": true}}
celery: {type: yaml, default: false, choices: {"no": false, "yes": true}}
lang: {type: str, default: en, choices: {English: en, Russian: ru}}
extras: {type: yaml, multiselect: true, default: [], choices: {"mail": mail, "metrics": metrics}}
hidden: {type: bool, when: false, default: "{{ auth }}"}
"""
FILES = {
    "main.py.jinja": f'"""{{{{ name }}}}."""\n\nTITLE = "{{{{ name }}}}"\n{BODY}',
    "settings.py": BODY,
    "steps.py": FUNCTIONS,
    "health.py": BODY.replace("LINE", "CHECK"),
    "docs/guide.md": "# Guide\n\nRead it.\n\nThen begin.\n",
    "{% if auth %}auth{% endif %}/login.py": BODY.replace("LINE", "LOGIN"),
    "{% if auth %}auth{% endif %}/models.py": BODY.replace("LINE", "COLUMN"),
    "{% if celery %}tasks{% endif %}/work.py": BODY.replace("LINE", "TASK"),
    "{% if celery %}tasks{% endif %}/beat.py": BODY.replace("LINE", "BEAT"),
    ".env.jinja": "SECRET={{ 999999|ans_random }}\n",
    ".env.example": "SECRET=\nSIZE=1\n",
    "README.md.jinja": "# {{ name }}\n",
    "migrations/versions/0001_first.py": "first = 1\n",
    "{{_copier_conf.answers_file}}.jinja": "# Written by Copier.\n{{ _copier_answers|to_nice_yaml }}",
}
CHANGELOG = "# Changelog\n\n## [1.1.0] - 2030-01-02\n\n**When you update:** set `REGION`.\n\n## [1.0.0] - 2030-01-01\n\n**When you update:** nothing.\n"
CHANGES = {
    "settings.py": ("LINE_6 = 6", "LINE_6 = 60"),
    "main.py.jinja": ("LINE_6 = 6", "LINE_6 = 60"),
    "{% if auth %}auth{% endif %}/models.py": ("COLUMN_6 = 6", "COLUMN_6 = 60"),
    ".env.example": ("SIZE=1", "SIZE=1\nREGION=north"),
}


@dataclass
class Said:
    """What an update said, and its exit code."""

    code: int
    text: str


def change(template: Path, name: str, old: str, new: str) -> None:
    path = template / "template" / name
    text = path.read_text()
    assert old in text, name
    path.write_text(text.replace(old, new, 1))


def release(template: Path, version: str) -> None:
    commit_all(template, f"chore: release {version}")
    git(template, "tag", f"v{version}")


def make_template(folder: Path) -> Path:
    """Make a template with the releases 1.0.0 and 1.1.0."""
    folder.mkdir(parents=True)
    (folder / "copier.yml").write_text(QUESTIONS)
    (folder / "CHANGELOG.md").write_text(CHANGELOG)
    for name, text in FILES.items():
        path = folder / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "template" / ".gitignore").write_text(".env\n*.log\n")
    release(folder, "1.0.0")
    for name, (old, new) in CHANGES.items():
        change(folder, name, old, new)
    release(folder, "1.1.0")
    return folder


def copy(template: Path, project: Path, tag: str = "v1.0.0", **answers: Any) -> Path:
    with fast():
        copier.run_copy(str(template), project, data=answers, vcs_ref=tag, defaults=True, quiet=True)
    commit_all(project, "chore: begin")
    for key in ("user.name", "user.email"):
        git(project, "config", key, "ann@example.com")
    return project


def ask_in_process(folder: Path, **request: Any) -> list[Any]:
    """Do what `ask_copier` does without starting another Python."""
    variables = update_template.without_configuration()
    with mock.patch.dict(os.environ, variables, clear=True), fast():
        return _ask(folder, **request)


def _ask(folder: Path, **request: Any) -> list[Any]:
    files = [str(folder / name) for name in ("request.json", "answer.json")]
    Path(files[0]).write_text(update_template.json.dumps(request))
    if update_copier.main(*files):
        raise SystemExit("Nothing was changed.")
    found: list[Any] = update_template.json.loads(Path(files[1]).read_text())
    return found


def run_update(project: Path, *arguments: str) -> Said:
    """Run `make update` on a project."""
    output = io.StringIO()
    with mock.patch.object(update_template, "ask_copier", ask_in_process), redirect_stdout(output):
        try:
            code: Any = engine.update(engine.parse(["--project", str(project), *arguments]))
        except SystemExit as stop:
            code = stop.code
    if isinstance(code, str):
        return Said(1, f"{output.getvalue()}{code}\n")
    return Said(int(code or 0), output.getvalue())


def edit(project: Path, name: str, old: str, new: str) -> None:
    path = project / name
    text = path.read_text(encoding="utf-8")
    assert old in text, name
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def state(project: Path) -> tuple[str, ...]:
    """Return all that an update must not change when it refuses: the tree, the index, HEAD, what git ignores."""
    files = sorted(path for path in project.rglob("*") if ".git" not in path.parts and not path.is_dir())
    contents = [f"{path}{path.is_symlink() or path.read_bytes()!r}" for path in files]
    return (
        *contents,
        git(project, "ls-files", "--stage"),
        git(project, "rev-parse", "HEAD"),
        git(project, "for-each-ref"),
    )


@pytest.fixture(scope="session")
def small_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_template(tmp_path_factory.mktemp("small") / "template")


@pytest.fixture(scope="session")
def small_copy(small_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy(small_template, tmp_path_factory.mktemp("small-copy") / "project")


@pytest.fixture
def small(small_copy: Path, tmp_path: Path) -> Path:
    """A project of release 1.0.0 of one's own."""
    return Path(shutil.copytree(small_copy, tmp_path / "project", symlinks=True))
