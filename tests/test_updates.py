"""A project of any release can be updated to the working tree, with the user's work in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import UndefinedError

from tests.conftest import Run
from tests.edits import MIGRATION, User
from tests.history import NEXT, History, all_releases, commit_all, git
from tests.updating import assert_added_to, assert_is_fresh, assert_no_conflict, copy, files, update

ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "ru-celery": {"lang": "ru", "auth": False, "celery": True, "project_name": 'Хлеб & "Соль" ${x} 🍞'},
    "no-pages": {"demo_pages": False, "celery": True, "author_name": "O'Neil", "db_name": "other"},
    "no-auth": {"auth": False, "lang": "ru"},
    "redis": {"auth": False, "redis": True, "project_slug": "class"},
}
RELEASES = all_releases()
OLDEST = RELEASES[0].tag if RELEASES else NEXT

each_release = pytest.mark.parametrize("tag", [release.tag for release in RELEASES])
each_answers = pytest.mark.parametrize("name", ANSWERS)


@each_release
@each_answers
def test_an_untouched_project_becomes_a_fresh_one(history: History, tmp_path: Path, tag: str, name: str) -> None:
    """File by file, apart from those that are the user's once they are rendered."""
    project = copy(history, tmp_path / "project", tag, **ANSWERS[name])
    before = files(project)
    update(project)
    assert_no_conflict(project)
    assert_is_fresh(project, before, copy(history, tmp_path / "fresh", **ANSWERS[name]))


def edited(history: History, folder: Path, run: Run, tag: str, **answers: Any) -> User:
    """Make a project of a release that its user has worked in."""
    project = copy(history, folder, tag, **answers)
    user = User(project)
    user.edit(has_auth=answers.get("auth", True))
    run("make", "format", cwd=project)
    commit_all(project, "feat: notes")
    return user


@each_release
@each_answers
def test_the_work_of_the_user_stays(history: History, tmp_path: Path, run: Run, tag: str, name: str) -> None:
    """No conflict, no lost line, not one byte of .env, and what was deleted stays deleted."""
    user = edited(history, tmp_path / "project", run, tag, **ANSWERS[name])
    secrets = (user.project / ".env").read_bytes()
    update(user.project)
    assert_no_conflict(user.project)
    user.assert_all_is_there()
    assert (user.project / ".env").read_bytes() == secrets
    run("ruff", "check", "--no-cache", ".", cwd=user.project)
    run("ruff", "format", "--no-cache", "--check", ".", cwd=user.project)


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


@pytest.mark.parametrize("name", sorted(ANSWERS.keys() - {"no-pages"}))
def test_an_updated_project_works_with_its_old_database(history: History, tmp_path: Path, run: Run, name: str) -> None:
    """From the oldest release: both suites, the template's and the user's, pass, and no row is lost."""
    answers = ANSWERS[name]
    user = edited(history, tmp_path / "project", run, OLDEST, **answers)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE, *([USER] if answers.get("auth", True) else []))
    commit_all(user.project, "feat: the table of notes")
    update(user.project)
    run("make", "migrate", cwd=user.project)
    assert_no_drift(run, user.project)
    assert seed(run, user.project, COUNT) == ["1"]
    if answers.get("auth", True):
        assert seed(run, user.project, "SELECT nickname FROM users") == ["Ann"]
    run_suite(run, user.project)


def add_column(folder: Path) -> None:
    """Let a release change a model, and say so."""
    models = folder / "template" / "src" / "{% if has_auth %}auth{% endif %}" / "models.py"
    line = "    is_verified: Mapped[bool]"
    text = models.read_text(encoding="utf-8")
    models.write_text(text.replace(line, f"    locale: Mapped[str | None] = mapped_column(String(8))\n{line}"))


def test_a_changed_model_reaches_the_database(history: History, tmp_path: Path, run: Run) -> None:
    """By `make migration` and `make migrate`, beside the column of the user, and each row stays."""
    user = edited(history, tmp_path / "project", run, NEXT)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE, USER)
    commit_all(user.project, "feat: the table of notes")
    history.branch(tmp_path / "template", add_column, "v999.1.0")
    point_to(user.project, tmp_path / "template")
    update(user.project)
    assert_no_conflict(user.project)
    migrate(run, user.project, "update")
    assert_no_drift(run, user.project)
    assert seed(run, user.project, COUNT, "SELECT nickname FROM users WHERE locale IS NULL") == ["1", "Ann"]


def point_to(project: Path, template: Path) -> None:
    """Let a project follow another clone of the template, as after a move of the repository."""
    path = project / ".copier-answers.yml"
    answers = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(answers | {"_src_path": str(template)}, allow_unicode=True), encoding="utf-8")
    commit_all(project, "chore: the template has moved")


FLIPS: dict[str, list[dict[str, bool]]] = {
    "auth": [{"auth": False}, {"auth": True}],
    "demo_pages": [{"demo_pages": False}, {"demo_pages": True}],
    "celery": [{"celery": True}, {"celery": False}, {"celery": True}],
    "redis": [{"auth": False, "redis": True}, {"redis": False}, {"redis": True}],
}


@pytest.mark.parametrize("switch", FLIPS)
def test_a_switch_can_be_flipped_and_flipped_back(history: History, tmp_path: Path, run: Run, switch: str) -> None:
    """What the user added stays; the other files are byte for byte a fresh copy's, whose suite test_suites.py runs.

    Here runs what could notice what the user added: the user's tests, and those of the settings.
    """
    user = edited(history, tmp_path / "project", run, NEXT)
    user.write("migrations/versions/0002_notes.py", MIGRATION)
    commit_all(user.project, "feat: the table of notes")
    answers: dict[str, Any] = {}
    for number, flip in enumerate(FLIPS[switch]):
        update(user.project, **flip)
        answers |= flip
        assert_no_conflict(user.project)
        assert_added_to(user.project, copy(history, tmp_path / f"fresh-{number}", **answers), user.edited)
        run_suite(run, user.project, "tests/notes", "tests/test_docs.py")
        commit_all(user.project, f"chore: flip {number}")


def test_a_feature_with_tables_can_be_flipped_and_flipped_back(history: History, tmp_path: Path, run: Run) -> None:
    """The database follows by `make migration` and `make migrate`, and the rows of the user stay."""
    user = edited(history, tmp_path / "project", run, NEXT)
    migrate(run, user.project, "add notes")
    seed(run, user.project, NOTE)
    commit_all(user.project, "feat: the table of notes")
    for auth in (False, True):
        update(user.project, auth=auth)
        migrate(run, user.project, f"users {auth}")
        assert_no_drift(run, user.project)
        assert seed(run, user.project, COUNT) == ["1"]
        commit_all(user.project, f"chore: users {auth}")


def rename_application(folder: Path) -> None:
    """Let a release change a line that the user has changed."""
    path = folder / "template" / "src" / "health.py.jinja"
    path.write_text(path.read_text(encoding="utf-8").replace("PATIENCE = 2 ", "PATIENCE = 3 "))


def test_the_same_line_changed_by_both_is_a_visible_conflict(history: History, tmp_path: Path) -> None:
    """Both versions stand in the file, git knows of it, and everything else is merged."""
    project = copy(history, tmp_path / "project")
    user = User(project)
    user.replace("src/health.py", "PATIENCE = 2 ", "PATIENCE = 5 ")
    history.branch(tmp_path / "template", rename_application, "v999.1.0")
    point_to(project, tmp_path / "template")
    update(project)
    text = (project / "src" / "health.py").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if line.startswith(("<<<<<<<", "PATIENCE", "=======", ">>>>>>>"))] == [
        "<<<<<<< before updating",
        "PATIENCE = 5  # seconds",
        "=======",
        "PATIENCE = 3  # seconds",
        ">>>>>>> after updating",
    ]
    assert git(project, "diff", "--name-only", "--diff-filter=U").split() == ["src/health.py"]


def exclude_by_answer(folder: Path) -> None:
    """Put an answer into `_exclude`: the old version does not know a new question."""
    settings = folder / "copier.yml"
    text = settings.read_text(encoding="utf-8").replace(
        "  - .DS_Store\n", '  - .DS_Store\n  - "{% if not extra %}Makefile{% endif %}"\n'
    )
    settings.write_text(f"{text}\nextra: {{type: bool, default: true}}\n")


def forget_skipping(folder: Path) -> None:
    """Drop `_skip_if_exists`: secrets are rolled anew and the user's README is rendered again."""
    settings = folder / "copier.yml"
    text = settings.read_text(encoding="utf-8")
    start, end = text.index("_skip_if_exists:"), text.index("_message_after_copy:")
    settings.write_text(text[:start] + text[end:])


def roll_dice(folder: Path) -> None:
    """Render a random value into a tracked file."""
    with (folder / "template" / ".env.example.jinja").open("a") as file:
        file.write("{% set bits = 2 ** 64 %}SALT={{ '%016x' % bits|ans_random }}\n")


def rename_file(folder: Path) -> None:
    """Move a file that the user has edited."""
    git(folder, "mv", "template/src/config.py", "template/src/settings.py")


def assert_updates_are_clean(user: User, *templates: Path) -> None:
    secrets = (user.project / ".env").read_bytes()
    for template in templates:
        point_to(user.project, template)
        update(user.project)
        assert_no_conflict(user.project)
        user.assert_all_is_there()
        assert (user.project / ".env").read_bytes() == secrets
        commit_all(user.project, "chore: update")


def test_one_update_after_the_other_is_clean(history: History, tmp_path: Path, run: Run) -> None:
    """What the tests below break is whole here."""
    first = history.branch(tmp_path / "template", lambda _: None, "v999.1.0")
    second = first.branch(tmp_path / "again", lambda _: None, "v999.2.0")
    assert_updates_are_clean(edited(history, tmp_path / "project", run, NEXT), first.folder, second.folder)


@pytest.mark.parametrize("sabotage", [exclude_by_answer, forget_skipping, roll_dice, rename_file])
def test_a_broken_design_would_be_noticed(
    history: History, tmp_path: Path, run: Run, sabotage: Callable[[Path], None]
) -> None:
    """Each way in which templates lose the work of their users fails a check of these tests."""
    broken = history.branch(tmp_path / "template", sabotage, "v999.1.0")
    again = broken.branch(tmp_path / "again", lambda _: None, "v999.2.0")
    user = edited(history, tmp_path / "project", run, NEXT)
    with pytest.raises((AssertionError, FileNotFoundError, UndefinedError)):
        assert_updates_are_clean(user, broken.folder, again.folder)
