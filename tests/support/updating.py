"""Copies a release and updates it, in this process and as fast as the other renderings."""

import re
from pathlib import Path
from typing import Any

import copier
import yaml
from packaging.version import Version

from tests.conftest import Run
from tests.support.edits import DELETED, User
from tests.support.history import NEXT, History, all_releases, commit_all, git
from tests.support.rendering import fast

# Rendered once, then the user's: an update leaves them as they are.
USERS = re.compile(r"\.env|README\.md|src/routers\.py|migrations/versions/.*|docker-compose\.override\.yml|uv\.lock")
ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "ru-celery": {"lang": "ru", "auth": False, "celery": True, "project_name": 'Хлеб & "Соль" ${x} 🍞'},
    "no-pages": {"demo_pages": False, "celery": True, "author_name": "O'Neil", "db_name": "other"},
    "no-auth": {"auth": False, "lang": "ru"},
    "redis": {"auth": False, "redis": True, "project_slug": "class"},
}
RELEASES = [release for release in all_releases() if release.version >= Version("0.2.0")]  # 0.1.0 had no `make update`
OLDEST, NEWEST = (RELEASES[0].tag, RELEASES[-1].tag) if RELEASES else (NEXT, NEXT)
MARKS = re.compile(r"^(<{7}|={7}|>{7})( |$)", re.MULTILINE)


def copy(history: History, project: Path, tag: str = NEXT, **answers: Any) -> Path:
    with fast():
        copier.run_copy(str(history.folder), project, data=answers, vcs_ref=tag, defaults=True, quiet=True)
    commit_all(project, "chore: begin")
    return project


def update(project: Path, **answers: Any) -> None:
    """Update as `copier update --defaults --data ...` does; only from 0.… with `--trust`."""
    trust = "_commit: v0." in (project / ".copier-answers.yml").read_text(encoding="utf-8")
    with fast():
        copier.run_update(str(project), data=answers, defaults=True, overwrite=True, quiet=True, unsafe=trust)


def files(project: Path) -> dict[str, str]:
    """Return what a commit would hold, and .env."""
    names = git(project, "ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    existing = [name for name in [*names, ".env"] if name and (project / name).is_file()]
    return {name: (project / name).read_text(encoding="utf-8") for name in existing}


def without_commit(text: str) -> str:
    return re.sub(r"^_commit: .*$", "_commit: any", text, flags=re.MULTILINE)


def assert_no_conflict(project: Path) -> None:
    for name, text in files(project).items():
        assert not name.endswith(".rej"), name
        assert not MARKS.search(text), f"{name} has a conflict:\n{text}"


def _users(*copies: dict[str, str]) -> set[str]:
    return {name for each in copies for name in each if USERS.fullmatch(name)}


def _assert_same(ours: dict[str, str], expected: dict[str, str], *, but: set[str]) -> None:
    assert (ours.keys() ^ expected.keys()) - but == set()
    for name in expected.keys() - but:
        assert without_commit(ours[name]) == without_commit(expected[name]), name


def assert_is_fresh(project: Path, before: dict[str, str], fresh: Path) -> None:
    """Fail if an updated project is not what a new copy is, the user's files aside, which are as they were."""
    updated, expected = files(project), files(fresh)
    users = _users(updated, expected)
    _assert_same(updated, expected, but=users)
    for name in users & updated.keys():
        assert updated[name] == before[name], name


def assert_added_to(project: Path, fresh: Path, edited: set[str]) -> None:
    """Fail if a project is not what a new copy is, the files aside that its user edited: those have each line of it."""
    ours, expected = files(project), files(fresh)
    users = _users(ours, expected)
    _assert_same(ours, expected, but=users | edited | {DELETED})
    for name in (edited & expected.keys()) - users:
        lost = set(expected[name].splitlines()) - set(ours[name].splitlines())
        assert lost == set(), name


def point_to(project: Path, template: Path) -> None:
    """Let a project follow another clone of the template, as after a move of the repository."""
    path = project / ".copier-answers.yml"
    answers = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(answers | {"_src_path": str(template)}, allow_unicode=True), encoding="utf-8")
    commit_all(project, "chore: the template has moved")


def edited(history: History, folder: Path, run: Run, tag: str, **answers: Any) -> User:
    """Make a project of a release that its user has worked in."""
    project = copy(history, folder, tag, **answers)
    user = User(project)
    user.edit(has_auth=answers.get("auth", True))
    run("make", "format", cwd=project)
    commit_all(project, "feat: notes")
    return user


def seed(run: Run, project: Path, *statements: str) -> list[str]:
    """Run statements on the project's own database; return the first value of each that has one."""
    command = ["python", "-m", "devtools.run", "src.notes.seed", *statements]
    said = run(*command, cwd=project).stdout
    return [line for line in said.splitlines() if not line.startswith(("PostgreSQL:", "Redis:"))]


NOTE = "INSERT INTO notes (id, text) VALUES (gen_random_uuid(), 'kept')"
USER = (
    "INSERT INTO users (id, username, email, hashed_password, nickname)"
    " VALUES (gen_random_uuid(), 'ann', 'ann@example.com', '', 'Ann')"
)
COUNT = "SELECT count(*) FROM notes"


def migrate(run: Run, project: Path, message: str) -> None:
    run("make", "migration", f"m={message}", cwd=project)
    run("make", "migrate", cwd=project)


def assert_no_drift(run: Run, project: Path) -> None:
    """Fail if the database is not what the models say; it is at the last revision."""
    said = run("python", "-m", "devtools.run", "alembic", "check", cwd=project).stdout
    assert "No new upgrade operations detected" in said


def run_suite(run: Run, project: Path, *what: str) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", *what, cwd=project)
    assert " passed" in done.stdout.splitlines()[-1], done.stdout


def assert_an_untouched_project_becomes_a_fresh_one(history: History, folder: Path, tag: str, name: str) -> None:
    """Compare file by file, apart from those that are the user's once they are rendered."""
    project = copy(history, folder / "project", tag, **ANSWERS[name])
    before = files(project)
    update(project)
    assert_no_conflict(project)
    assert_is_fresh(project, before, copy(history, folder / "fresh", **ANSWERS[name]))


def assert_the_work_of_the_user_stays(history: History, folder: Path, run: Run, tag: str, name: str) -> None:
    """Look for a conflict, a lost line, a changed byte of .env, and something deleted that came back."""
    user = edited(history, folder / "project", run, tag, **ANSWERS[name])
    secrets = (user.project / ".env").read_bytes()
    update(user.project)
    assert_no_conflict(user.project)
    user.assert_all_is_there()
    assert (user.project / ".env").read_bytes() == secrets
    run("ruff", "check", "--no-cache", ".", cwd=user.project)
    run("ruff", "format", "--no-cache", "--check", ".", cwd=user.project)


def update_with_a_database(history: History, folder: Path, run: Run, tag: str, name: str) -> Path:
    """Update a project whose database holds rows, look for each, and return the project."""
    answers = ANSWERS[name]
    user = edited(history, folder / "project", run, tag, **answers)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE, *([USER] if answers.get("auth", True) else []))
    commit_all(user.project, "feat: the table of notes")
    update(user.project)
    run("make", "migrate", cwd=user.project)
    assert_no_drift(run, user.project)
    assert seed(run, user.project, COUNT) == ["1"]
    if answers.get("auth", True):
        assert seed(run, user.project, "SELECT nickname FROM users") == ["Ann"]
    return user.project


def rename_application(folder: Path) -> None:
    """Let a release change a line that the user has changed."""
    path = folder / "template" / "src" / "health.py.jinja"
    path.write_text(path.read_text(encoding="utf-8").replace("PATIENCE = 2 ", "PATIENCE = 3 "))


def add_column(folder: Path) -> None:
    """Let a release change a model, and say so."""
    models = folder / "template" / "src" / "{% if has_auth %}auth{% endif %}" / "models.py"
    line = "    is_verified: Mapped[bool]"
    text = models.read_text(encoding="utf-8")
    models.write_text(text.replace(line, f"    locale: Mapped[str | None] = mapped_column(String(8))\n{line}"))


def release_much(folder: Path) -> None:
    """Make a release with a new question, a new setting, a changed model and something to do."""
    with (folder / "copier.yml").open("a") as file:
        file.write('\nregion:\n  type: str\n  help: "Where it runs"\n  default: north\n')
    example = folder / "template" / ".env.example.jinja"
    example.write_text(example.read_text().replace("MAX_BODY_SIZE=", "REGION={{ region }}\nMAX_BODY_SIZE="))
    models = folder / "template" / "src" / "{% if has_auth %}auth{% endif %}" / "models.py"
    models.write_text(models.read_text() + "\n# Something new.\n")
    changelog = folder / "CHANGELOG.md"
    changelog.write_text(
        "## [999.1.0] - 2030-01-02\n\n**When you update:** set `REGION`.\n\n" + changelog.read_text(encoding="utf-8")
    )
