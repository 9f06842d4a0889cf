"""The merge of `make update`: what the user wrote, moved, deleted or reformatted is there afterwards."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support.engine import (
    ANSWERS,
    BODY,
    FUNCTIONS,
    copy,
    edit,
    make_template,
    release,
    run_update,
    state,
)
from tests.support.history import commit_all, git

ADDED = b"caf\xe9 = 'caf\xe9'\n"
UTF16 = "hello = 1\n".encode("utf-16")


def conflicts(project: Path) -> list[str]:
    return git(project, "diff", "--name-only", "--diff-filter=U").split()


def test_edits_and_changes_come_together(small: Path) -> None:
    """Both are in the file, and the last line says so."""
    edit(small, "settings.py", "LINE_1 = 1", "LINE_1 = 100")
    (small / "mine.py").write_text("a = 1\nb = 2\n")
    commit_all(small)
    said = run_update(small)
    assert said.code == 0, said.text
    assert {"LINE_1 = 100", "LINE_6 = 60"} <= set((small / "settings.py").read_text().splitlines())
    assert "1.1.0, when you update: set `REGION`." in said.text
    assert "New settings, at their defaults until they are in .env: REGION" in said.text
    assert "A model changed: make migration" in said.text
    assert said.text.splitlines()[-1] == "5 lines of yours, 5 found."  # README.md and the migration are the user's, too


def test_the_same_line_changed_by_both_is_a_conflict_of_git(small: Path) -> None:
    """With both texts, which `git merge --abort` takes back and `git commit` ends."""
    edit(small, "main.py", "LINE_6 = 6", "LINE_6 = 61")
    commit_all(small)
    before = state(small)[:-1]
    said = run_update(small)
    assert said.code == 1
    assert "docs/updating.md says how to finish:\nmain.py" in said.text
    assert "<<<<<<< yours\nLINE_6 = 61\n=======\nLINE_6 = 60\n>>>>>>> template\n" in (small / "main.py").read_text()
    assert conflicts(small) == ["main.py"]
    git(small, "merge", "--abort")
    assert state(small)[:-1] == before
    run_update(small)
    git(small, "checkout", "--ours", "main.py")
    git(small, "add", "--all")
    git(small, "commit", "--no-edit")
    assert git(small, "log", "-1", "--format=%s").strip() == "chore: update from the template 1.1.0"
    assert "LINE_6 = 61" in (small / "main.py").read_text()
    assert "nothing newer" in run_update(small).text


def test_undo_leaves_untracked_files(small: Path) -> None:
    """Those that came after the update, too."""
    said = run_update(small)
    (small / "notes.txt").write_text("mine\n")
    undo = re.search(r"^To undo all of it: git (.*)$", said.text, re.MULTILINE)
    assert undo
    git(small, *undo[1].split())
    assert git(small, "status", "--porcelain") == "?? notes.txt\n"
    assert "_commit: v1.0.0" in (small / ANSWERS).read_text()


def test_a_file_that_the_user_moved_gets_the_changes(small: Path) -> None:
    """In its new place."""
    (small / "lib").mkdir()
    git(small, "mv", "settings.py", "lib/options.py")
    edit(small, "lib/options.py", "LINE_1 = 1", "LINE_1 = 100")
    commit_all(small)
    assert run_update(small).code == 0
    assert {"LINE_1 = 100", "LINE_6 = 60"} <= set((small / "lib" / "options.py").read_text().splitlines())
    assert not (small / "settings.py").exists()


@pytest.fixture(scope="module")
def major(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template whose release 2.0.0 has moved a file, and rewritten another on the way."""
    folder = make_template(tmp_path_factory.mktemp("major") / "template")
    git(folder, "mv", "template/settings.py", "template/options.py")
    git(folder, "mv", "template/health.py", "template/signs.py")
    (folder / "template" / "signs.py").write_text("CHECK_1 = 1\nNOTHING = 'of what was there'\n")
    script = folder / "hooks" / "migrations" / "v2.py"
    script.parent.mkdir(parents=True)
    script.write_text('MOVES = {"health.py": "signs.py"}\n\nraise SystemExit("it never runs")\n')
    release(folder, "2.0.0")
    return folder


def test_what_the_template_moved_carries_the_edits(major: Path, tmp_path: Path) -> None:
    """By likeness, or as the table of its migration says; no --trust, no code of the template runs."""
    project = copy(major, tmp_path / "project")
    edit(project, "settings.py", "LINE_1 = 1", "LINE_1 = 100")
    edit(project, "health.py", "CHECK_9 = 9", "CHECK_9 = 90")
    commit_all(project)
    assert run_update(project).code == 1
    assert "LINE_1 = 100" in (project / "options.py").read_text()
    assert "CHECK_9 = 90" in (project / "signs.py").read_text()
    assert conflicts(project) == ["signs.py"]
    assert not (project / "settings.py").exists()
    assert not (project / "health.py").exists()


def test_a_moved_file_that_the_user_deleted_stays_away(major: Path, tmp_path: Path) -> None:
    """Under its new name as well, and it is named if the template changed it."""
    project = copy(major, tmp_path / "project")
    (project / "settings.py").unlink()
    (project / "health.py").unlink()
    commit_all(project)
    said = run_update(project)
    assert said.code == 0
    assert not (project / "options.py").exists()
    assert not (project / "signs.py").exists()
    assert "stay deleted:\noptions.py\nsigns.py" in said.text


def test_what_was_deleted_stays_deleted(small: Path) -> None:
    """A file of the template, and a first migration that was squashed."""
    for name in ("settings.py", "docs/guide.md", "migrations/versions/0001_first.py"):
        (small / name).unlink()
    (small / "migrations" / "versions" / "squashed.py").parent.mkdir(exist_ok=True)
    (small / "migrations" / "versions" / "squashed.py").write_text("all = 1\n")
    commit_all(small)
    said = run_update(small)
    assert said.code == 0
    assert not (small / "settings.py").exists()
    assert not (small / "docs" / "guide.md").exists()
    assert [path.name for path in (small / "migrations" / "versions").iterdir()] == ["squashed.py"]
    assert "settings.py" in said.text


def test_an_edited_file_that_the_template_drops_is_a_conflict(tmp_path: Path) -> None:
    """Git lists it as deleted by them; an untouched one goes."""
    template = make_template(tmp_path / "template")
    git(template, "rm", "--quiet", "template/settings.py", "template/steps.py")
    release(template, "1.2.0")
    project = copy(template, tmp_path / "project")
    edit(project, "settings.py", "LINE_1 = 1", "LINE_1 = 100")
    commit_all(project)
    assert run_update(project).code == 1
    assert "UD settings.py" in git(project, "status", "--porcelain").splitlines()
    assert not (project / "steps.py").exists()


def test_a_new_file_whose_name_is_taken_is_a_conflict_with_both_texts(tmp_path: Path) -> None:
    """If git tracks it."""
    template = make_template(tmp_path / "template")
    (template / "template" / "AGENTS.md").write_text("the template's\n")
    release(template, "1.2.0")
    project = copy(template, tmp_path / "project")
    (project / "AGENTS.md").write_text("mine\n")
    commit_all(project)
    assert run_update(project).code == 1
    assert {"mine", "the template's"} <= set((project / "AGENTS.md").read_text().splitlines())
    assert conflicts(project) == ["AGENTS.md"]


def test_odd_bytes_stay_as_they_are(small: Path) -> None:
    """Latin-1, NUL, UTF-16, CRLF, and a binary in the place of a text, where the template changed nothing."""
    contents = {
        "health.py": BODY.replace("LINE", "CHECK").encode() + ADDED,
        "steps.py": b"\0\1\2binary",
        "docs/guide.md": UTF16,
        "auth/login.py": BODY.replace("LINE", "LOGIN").replace("\n", "\r\n").encode(),
        "mine.bin": b"\0\xff\r\n\n",
    }
    for name, content in contents.items():
        (small / name).write_bytes(content)
    commit_all(small)
    said = run_update(small)
    assert said.code == 0, said.text
    assert {name: (small / name).read_bytes() for name in contents} == contents


def test_latin_1_beside_a_change_of_the_template(small: Path) -> None:
    """Not one byte is another."""
    (small / "settings.py").write_bytes(ADDED + (small / "settings.py").read_bytes())
    commit_all(small)
    assert run_update(small).code == 0
    assert (small / "settings.py").read_bytes() == ADDED + BODY.replace("LINE_6 = 6", "LINE_6 = 60").encode()


@pytest.mark.parametrize("content", [b"\0binary", UTF16, BODY.replace("\n", "\r\n").encode()])
def test_odd_bytes_where_both_changed_are_a_conflict(small: Path, content: bytes) -> None:
    """What the user had is in the tree, whole."""
    (small / "settings.py").write_bytes(content)
    commit_all(small)
    assert run_update(small).code == 1
    assert conflicts(small) == ["settings.py"]
    assert content.strip() in (small / "settings.py").read_bytes()


def test_switching_off_what_holds_edits_waits_for_a_yes(small: Path) -> None:
    """They are listed; agreed to, they go; files that the user put there stay."""
    edit(small, "auth/login.py", "LOGIN_1 = 1", "LOGIN_1 = 100")
    (small / "auth" / "mine.py").write_text("a = 1\n")
    commit_all(small)
    before = state(small)
    said = run_update(small, "--data", "auth=false")
    assert said.code == 1
    assert "auth/login.py" in said.text
    assert "--yes" in said.text
    assert state(small) == before
    said = run_update(small, "--data", "auth=false", "--yes")
    assert said.code == 0, said.text
    assert sorted(path.name for path in (small / "auth").iterdir()) == ["mine.py"]
    assert "(1 files went as agreed)" in said.text.splitlines()[-1]


def test_a_feature_comes_and_goes(small: Path) -> None:
    """Without edits there is nothing to ask."""
    assert run_update(small, "--data", "celery=true").code == 0
    assert (small / "tasks" / "work.py").exists()
    git(small, "commit", "--no-edit")
    assert run_update(small, "-d", "celery=false").code == 0
    assert not (small / "tasks").exists()
    assert yaml.safe_load((small / ANSWERS).read_text())["celery"] is False


def test_a_project_of_other_columns_has_no_conflict_of_format(tmp_path: Path) -> None:
    """The template's renderings go through the project's own ruff first."""
    template = make_template(tmp_path / "template")
    wide = FUNCTIONS.replace("        value,\n        ", "value, ").replace("call(\n    value", "call(value")
    wide = re.sub(
        r"call\(\s*value, (\d),\s*\)", r"call(value, \1, 'some more words', 'and some more, so that it is long')", wide
    )
    (template / "template" / "steps.py").write_text(wide)
    release(template, "1.2.0")
    (template / "template" / "steps.py").write_text(wide.replace("Do step 3", "Take step 3"))
    release(template, "1.3.0")
    project = copy(template, tmp_path / "project", "v1.2.0")
    (project / "pyproject.toml").write_text("[tool.ruff]\nline-length = 60\n")
    text = re.sub(r"call\((.*), ('some.*'), ('and.*')\)", r"call(\n        \1,\n        \2,\n        \3,\n    )", wide)
    (project / "steps.py").write_text(
        text.replace("'", '"')
        .replace("return call(\n        value, ", "return call(\n        value,\n        ")
        .rstrip()
        + "\n"
    )
    edit(project, "steps.py", "Do step 1", "Make step 1")
    commit_all(project)
    said = run_update(project)
    assert said.code == 0, said.text + (project / "steps.py").read_text()
    assert {'    """Make step 1."""', '    """Take step 3."""'} <= set((project / "steps.py").read_text().splitlines())


def test_a_file_of_the_user_is_never_written_again(small: Path) -> None:
    """README.md stays what it was, and secrets stay."""
    secrets = (small / ".env").read_bytes()
    assert run_update(small, "--data", "name=Other").code == 0
    assert (small / "README.md").read_text() == "# Shop\n"
    assert (small / ".env").read_bytes() == secrets
    assert 'TITLE = "Other"' in (small / "main.py").read_text()


def test_a_file_of_the_user_that_is_new_is_written_once(tmp_path: Path) -> None:
    """If the old release had none of that name, and the project has none."""
    template = make_template(tmp_path / "template")
    edit(template, "copier.yml", "/README.md,", "/README.md, /routers.py,")
    (template / "template" / "routers.py").write_text("routers = []\n")
    release(template, "1.2.0")
    (template / "template" / "routers.py").write_text("routers = [1]\n")
    release(template, "1.3.0")
    project = copy(template, tmp_path / "project")
    assert run_update(project, "-r", "v1.2.0").code == 0
    assert (project / "routers.py").read_text() == "routers = []\n"
    git(project, "commit", "--no-edit")
    (project / "routers.py").unlink()
    commit_all(project)
    assert run_update(project).code == 0
    assert not (project / "routers.py").exists()


def test_a_preview_changes_nothing_and_tells_the_same(small: Path) -> None:
    """Line for line, but for what is left to do with the tree."""
    edit(small, "main.py", "LINE_6 = 6", "LINE_6 = 61")
    edit(small, "auth/login.py", "LOGIN_1 = 1", "LOGIN_1 = 100")
    commit_all(small)
    before = state(small)
    preview = run_update(small, "--preview", "--data", "auth=false")
    assert state(small) == before
    said = run_update(small, "--data", "auth=false", "--yes")
    assert preview.code == said.code == 1
    shown = [line for line in said.text.splitlines() if not line.startswith("To undo")]
    assert [line for line in preview.text.splitlines() if "preview" not in line and line] == [
        line for line in shown if line
    ]


def test_without_changes_it_says_what_it_looked_at(small: Path, small_template: Path) -> None:
    """The address and the release, and nothing happens."""
    run_update(small)
    git(small, "commit", "--no-edit")
    before = state(small)
    said = run_update(small)
    assert said.code == 0
    assert said.text == f"Template: {small_template} is at 1.1.0.\n{ANSWERS} names 1.1.0: there is nothing newer.\n"
    assert state(small) == before
