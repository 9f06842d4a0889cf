"""What `make update` refuses: one sentence with the name and the remedy, and nothing is written."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.engine import ANSWERS, edit, run_update, state
from tests.support.history import commit_all, git


def ignore(project: Path) -> None:
    """Let git forget a file of the template that is on the disk."""
    git(project, "rm", "--quiet", "--cached", "settings.py")
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "exclude").write_text("settings.py\n")


def ignore_everywhere(project: Path) -> None:
    git(project, "rm", "--quiet", "--cached", "settings.py")
    (project.parent / "excludes").write_text("settings.py\n")
    git(project, "config", "core.excludesFile", str(project.parent / "excludes"))


def skip(project: Path) -> None:
    git(project, "update-index", "--skip-worktree", "settings.py")
    (project / "settings.py").write_text("mine = 1\n")


def assume(project: Path) -> None:
    git(project, "update-index", "--assume-unchanged", "settings.py")
    (project / "settings.py").write_text("mine = 1\n")


def take_the_name_of_a_new_file(project: Path) -> None:
    """Release 1.1.0 has none that this one lacks, but for a feature that is switched on."""
    (project / "tasks").mkdir()
    (project / "tasks" / "work.log").write_text("ignored\n")
    (project / ".git" / "info").mkdir(exist_ok=True)
    (project / ".git" / "info" / "exclude").write_text("tasks/work.py\n")
    (project / "tasks" / "work.py").write_text("mine = 1\n")


def put_a_folder_in_the_place_of_a_file(project: Path) -> None:
    (project / "settings.py").unlink()
    (project / "settings.py").mkdir()
    (project / "settings.py" / "mine.py").write_text("mine = 1\n")


def put_a_file_in_the_place_of_a_folder(project: Path) -> None:
    (project / "docs" / "guide.md").unlink()
    (project / "docs").rmdir()
    (project / "docs").write_text("mine\n")


def put_a_link_in_the_place_of_a_folder(project: Path) -> None:
    (project / "docs").rename(project.parent / "docs")
    (project / "docs").symlink_to("../docs")


def put_a_folder_in_the_place_of_secrets(project: Path) -> None:
    (project / ".env").unlink()
    (project / ".env").mkdir()


def leave_a_rejected_patch(project: Path) -> None:
    (project / "settings.py.rej").write_text("--- a\n")


def lose_the_release(project: Path) -> None:
    edit(project, ANSWERS, "_commit: v1.0.0", "_commit: v0.0.9")


def lose_the_template(project: Path) -> None:
    edit(project, ANSWERS, "_src_path: ", "_src_path: /nowhere")


def break_the_answers(project: Path) -> None:
    edit(project, ANSWERS, "auth: true", "auth: [true")


def delete_the_answers(project: Path) -> None:
    (project / ANSWERS).rename(project / ".copier-answers.service.yml")


def nothing(_: Path) -> None:
    pass


Case = tuple[Callable[[Path], None], list[str], str, str]
CASES: list[Case] = [
    (ignore, [], "does not track here", "add --force"),
    (ignore_everywhere, [], "settings.py", "add --force"),
    (skip, [], "settings.py", "--no-skip-worktree"),
    (assume, [], "settings.py", "--no-assume-unchanged"),
    (take_the_name_of_a_new_file, ["-d", "celery=true"], "tasks/work.py", "move them away"),
    (put_a_folder_in_the_place_of_a_file, [], "settings.py is a folder", "rename it"),
    (put_a_file_in_the_place_of_a_folder, [], "docs is a file", "rename it"),
    (put_a_link_in_the_place_of_a_folder, [], "docs is a link", "rename it"),
    (put_a_folder_in_the_place_of_secrets, [], ".env is a folder", "rename it"),
    (leave_a_rejected_patch, [], "settings.py.rej", "delete them"),
    (lose_the_release, [], "has no v0.0.9", "write the release there"),
    (lose_the_template, [], "cannot be fetched", "see _src_path"),
    (break_the_answers, [], "is no YAML", "older commit"),
    (delete_the_answers, [], "not in the last commit", "--answers-file .copier-answers.service.yml"),
    (nothing, ["-d", "atuh=false"], "no question atuh", "did you mean auth?"),
    (nothing, ["-d", "auth=maybe"], "auth cannot be maybe", "false, true"),
    (nothing, ["-d", "extras=mail"], "extras is a list", "extras=[mail]"),
    (nothing, ["-d", "extras=[nail]"], "extras cannot be [nail]", "mail, metrics"),
    (nothing, ["-d", "hidden=false"], "no question hidden", "name, auth"),
    (nothing, ["-d", "auth"], "has no value", "--data auth="),
    (nothing, ["-r", "v9.9.9"], "has no v9.9.9", "Nothing was changed"),
]


@pytest.mark.parametrize(
    ("change", "arguments", "what", "remedy"), CASES, ids=lambda each: getattr(each, "__name__", None)
)
def test_it_refuses_before_anything_is_written(
    small: Path, change: Callable[[Path], None], arguments: list[str], what: str, remedy: str
) -> None:
    """By name, with the remedy."""
    change(small)
    commit_all(small)
    before = state(small)
    said = run_update(small, *arguments)
    assert said.code == 1
    assert what in said.text
    assert remedy in said.text
    assert state(small) == before


def test_a_merge_that_is_not_finished_comes_first(small: Path) -> None:
    """Even if it has no conflict."""
    git(small, "checkout", "--quiet", "-b", "other")
    git(small, "commit", "--quiet", "--allow-empty", "--message", "other")
    git(small, "checkout", "--quiet", "-")
    git(small, "merge", "--quiet", "--no-ff", "--no-commit", "other")
    assert "A merge is not finished" in run_update(small).text


def test_changes_that_are_not_committed_are_listed(small: Path) -> None:
    """Untracked ones, too, whatever the configuration hides."""
    git(small, "config", "status.showUntrackedFiles", "no")
    (small / "mine.py").write_text("a = 1\n")
    said = run_update(small)
    assert said.code == 1
    assert "?? mine.py" in said.text
    assert "git stash -u" in said.text


def test_an_answer_changed_by_hand_is_the_flip_that_was_meant(small: Path) -> None:
    """After a question, the files follow."""
    edit(small, ANSWERS, "celery: false", "celery: true")
    commit_all(small)
    before = state(small)
    said = run_update(small)
    assert said.code == 1
    assert "celery: true was written into .copier-answers.yml by hand" in said.text
    assert state(small) == before
    assert run_update(small, "--yes").code == 0
    assert (small / "tasks" / "work.py").exists()
    git(small, "commit", "--no-edit")
    assert "nothing newer" in run_update(small).text


def test_in_a_shallow_clone_the_files_tell_what_was_meant(small: Path, tmp_path: Path) -> None:
    """There the history cannot."""
    edit(small, ANSWERS, "celery: false", "celery: true")
    commit_all(small)
    git(tmp_path, "clone", "--quiet", "--depth", "1", small.as_uri(), "shallow")
    said = run_update(tmp_path / "shallow", "--yes")
    assert said.code == 0, said.text
    assert "celery: true was written" in said.text
    assert (tmp_path / "shallow" / "tasks" / "work.py").exists()


def test_an_answer_that_an_update_changed_is_believed(small: Path, tmp_path: Path) -> None:
    """With its history and without."""
    run_update(small, "-d", "celery=true", "-r", "v1.0.0")
    git(small, "commit", "--no-edit")
    edit(small, "tasks/work.py", "TASK_1 = 1", "TASK_1 = 100")
    (small / "tasks" / "beat.py").unlink()
    commit_all(small)
    git(tmp_path, "clone", "--quiet", "--depth", "1", small.as_uri(), "shallow")
    for project in (small, tmp_path / "shallow"):
        said = run_update(project)
        assert said.code == 0, said.text
        assert "by hand" not in said.text
        assert not (project / "tasks" / "beat.py").exists()
