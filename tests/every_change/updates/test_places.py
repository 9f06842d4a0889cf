"""`make update` works in every kind of repository, with every history, and with every configuration of git."""

import os
import signal
import subprocess
from collections.abc import Callable
from itertools import count
from pathlib import Path
from unittest import mock

import pytest

from tests.support.engine import (
    ANSWERS,
    Said,
    copy,
    edit,
    engine,
    make_template,
    run_update,
    state,
)
from tests.support.history import commit_all, git

CONFIGURATIONS = {
    "apply.whitespace": ["apply.whitespace=error"],
    "status.showUntrackedFiles": ["status.showUntrackedFiles=no"],
    "core.autocrlf": ["core.autocrlf=true"],
    "diff.noprefix": ["diff.noprefix=true", "diff.renames=false", "diff.external=false"],
    "merge.conflictStyle": ["merge.conflictStyle=zdiff3", "merge.renames=false", "merge.ff=only"],
    "core.hooksPath": ["core.hooksPath=hooks"],
    "commit.gpgsign": ["commit.gpgsign=true", "gpg.program=false", "user.signingKey=none"],
}


def work(project: Path) -> None:
    """Add a line that ends in a blank, and edit two other files."""
    edit(project, "settings.py", "LINE_1 = 1\n", "LINE_1 = 1\nLINE = 'a' \n")
    edit(project, "main.py", "LINE_1 = 1\n", "LINE_1 = 100\n")
    edit(project, "auth/models.py", "COLUMN_1 = 1\n", "COLUMN_1 = 100\n")


def assert_updated(said: Said, project: Path) -> None:
    assert said.code == 0, said.text
    assert {"LINE = 'a' ", "LINE_6 = 60"} <= set((project / "settings.py").read_text().splitlines())
    assert {"LINE_1 = 100", "LINE_6 = 60"} <= set((project / "main.py").read_text().splitlines())
    assert {"COLUMN_1 = 100", "COLUMN_6 = 60"} <= set((project / "auth" / "models.py").read_text().splitlines())


def read_bytes(project: Path) -> dict[str, bytes]:
    return {name: (project / name).read_bytes() for name in git(project, "ls-files").split()}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_configuration_decides_nothing_about_the_merge(
    small: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All edits are there; what is committed is the same as without."""
    (tmp_path / "hooks").mkdir()
    for hook in ("post-checkout", "post-index-change", "pre-commit", "reference-transaction", "pre-merge-commit"):
        (tmp_path / "hooks" / hook).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / "hooks" / hook).chmod(0o755)
    work(small)
    commit_all(small)
    settings = [each.replace("hooksPath=hooks", f"hooksPath={tmp_path / 'hooks'}") for each in CONFIGURATIONS[name]]
    configuration = tmp_path / "gitconfig"
    configuration.touch()
    for each in settings:
        key, _, value = each.partition("=")
        subprocess.run(["git", "config", "--file", str(configuration), key, value], check=True)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    said = run_update(small)
    assert_updated(said, small)
    changed = git(small, "diff", "--cached", "--name-only").split()
    assert changed == [ANSWERS, ".env.example", "auth/models.py", "main.py", "settings.py"]
    assert git(small, "show", ":settings.py").count("\r") == 0


def test_a_checkout_with_crlf_stays_clean(small_copy: Path, tmp_path: Path) -> None:
    """Where nothing changed no byte changes, and what changed has the line ends of the checkout."""
    git(tmp_path, "clone", "--quiet", "--config", "core.autocrlf=true", str(small_copy), "project")
    project = tmp_path / "project"
    before = read_bytes(project)
    assert b"\r\n" in before["health.py"]
    said = run_update(project)
    assert said.code == 0, said.text
    after = read_bytes(project)
    assert {name for name in after if after[name] != before.get(name)} == {
        ANSWERS, ".env.example", "auth/models.py", "main.py", "settings.py",
    }  # fmt: skip
    assert after["settings.py"].count(b"\r\n") == after["settings.py"].count(b"\n")
    assert git(project, "diff", "--name-only") == ""


def test_a_merge_driver_is_named_and_not_used(small: Path) -> None:
    """It would decide in silence."""
    git(small, "config", "merge.ours.driver", "true")
    (small / ".gitattributes").write_text("settings.py merge=ours\n")
    work(small)
    commit_all(small)
    said = run_update(small)
    assert_updated(said, small)
    assert "settings.py (merge=ours)" in said.text


def test_commits_carry_the_identity_of_the_user(small: Path) -> None:
    """Those that hold the renderings, too."""
    run_update(small)
    git(small, "-c", "user.name=Ann", "commit", "--quiet", "--no-edit")
    found = set(git(small, "log", "--format=%ae %ce", "HEAD^2").split())
    assert found == {"ann@example.com"}


Place = Callable[[Path, Path], Path]


def in_a_folder_of_a_repository(project: Path, folder: Path) -> Path:
    (project / ".git").rename(folder / "git")
    (folder / "everything").mkdir()
    project.rename(folder / "everything" / "service")
    (folder / "everything" / "other.txt").write_text("other\n")
    commit_all(folder / "everything", "chore: one repository")
    return folder / "everything" / "service"


def in_a_worktree(project: Path, folder: Path) -> Path:
    git(project, "worktree", "add", "--quiet", str(folder / "worktree"))
    return folder / "worktree"


def in_a_fresh_clone(project: Path, folder: Path) -> Path:
    git(folder, "clone", "--quiet", project.as_uri(), "clone")
    return folder / "clone"


def in_a_clone_of_depth_1(project: Path, folder: Path) -> Path:
    git(folder, "clone", "--quiet", "--depth", "1", project.as_uri(), "clone")
    return folder / "clone"


def at_a_detached_head(project: Path, _: Path) -> Path:
    git(project, "checkout", "--quiet", "--detach")
    return project


def with_a_submodule(project: Path, folder: Path) -> Path:
    (folder / "module").mkdir()
    (folder / "module" / "file").write_text("module\n")
    commit_all(folder / "module")
    git(project, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(folder / "module"), "module")
    commit_all(project)
    (project / "module" / "file").write_text("changed\n")
    return project


def with_other_answers(project: Path, _: Path) -> Path:
    """As a second template in one project has them."""
    git(project, "mv", ANSWERS, ".copier-answers.service.yml")
    commit_all(project)
    return project


PLACES: list[Place] = [
    in_a_folder_of_a_repository,
    in_a_worktree,
    in_a_fresh_clone,
    in_a_clone_of_depth_1,
    at_a_detached_head,
    with_a_submodule,
    with_other_answers,
]


@pytest.mark.parametrize("place", PLACES, ids=lambda each: each.__name__)
def test_it_works_in_every_place(small: Path, tmp_path: Path, place: Place) -> None:
    """The edits are there, it can be undone, and the next update has the right base."""
    work(small)
    commit_all(small)
    project = place(small, tmp_path)
    arguments = ["-a", ".copier-answers.service.yml"] if place is with_other_answers else []
    before = git(project, "status", "--porcelain")
    assert_updated(run_update(project, *arguments), project)
    assert git(project, "diff", "--cached", "--name-only", ":/").count("settings.py") == 1
    git(project, "merge", "--abort")
    assert git(project, "status", "--porcelain") == before
    assert run_update(project, *arguments).code == 0
    git(project, "commit", "--quiet", "--no-edit")
    assert "nothing newer" in run_update(project, *arguments).text


@pytest.fixture(scope="module")
def three_releases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    template = make_template(tmp_path_factory.mktemp("three") / "template")
    edit(template, "template/settings.py", "LINE_9 = 9", "LINE_9 = 90")
    commit_all(template, "chore: release")
    git(template, "tag", "v1.2.0")
    return template


def squash(project: Path) -> None:
    """Merge the branch of the update as a forge does by "squash and merge"."""
    git(project, "checkout", "--quiet", "-b", "update")
    run_update(project, "-r", "v1.1.0")
    git(project, "commit", "--quiet", "--no-edit")
    git(project, "checkout", "--quiet", "main")
    git(project, "merge", "--quiet", "--squash", "update")
    git(project, "commit", "--quiet", "--message", "chore: squashed")


def rebase(project: Path) -> None:
    git(project, "checkout", "--quiet", "-b", "update")
    run_update(project, "-r", "v1.1.0")
    git(project, "commit", "--quiet", "--no-edit")
    git(project, "checkout", "--quiet", "main")
    (project / "mine.py").write_text("a = 1\n")
    commit_all(project, "feat: mine")
    git(project, "checkout", "--quiet", "update")
    git(project, "reset", "--quiet", "--soft", "HEAD^")
    git(project, "commit", "--quiet", "--message", "chore: linear")
    git(project, "rebase", "--quiet", "main")


def update_by_copier(project: Path) -> None:
    import copier  # noqa: PLC0415

    copier.run_update(str(project), vcs_ref="v1.1.0", defaults=True, overwrite=True, quiet=True)
    commit_all(project, "chore: copier update")


HISTORIES: list[Callable[[Path], None]] = [squash, rebase, update_by_copier]


@pytest.mark.parametrize("way", HISTORIES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("is_fresh", [False, True], ids=["here", "in a fresh clone"])
def test_the_base_is_the_release_that_the_answers_name(
    three_releases: Path, tmp_path: Path, way: Callable[[Path], None], is_fresh: bool
) -> None:
    """Whatever the history says; the second update conflicts nowhere."""
    project = copy(three_releases, tmp_path / "project")
    work(project)
    commit_all(project)
    way(project)
    project = in_a_fresh_clone(project, tmp_path) if is_fresh else project
    assert_updated(run_update(project), project)
    assert "LINE_9 = 90" in (project / "settings.py").read_text()
    assert "_commit: v1.2.0" in (project / ANSWERS).read_text()


def test_a_template_without_tags(tmp_path: Path) -> None:
    """Its last commit is the release."""
    template = make_template(tmp_path / "template")
    git(template, "tag", "--delete", "v1.0.0", "v1.1.0")
    project = copy(template, tmp_path / "project", "HEAD^")
    work(project)
    commit_all(project)
    assert_updated(run_update(project), project)
    git(project, "commit", "--quiet", "--no-edit")
    assert "nothing newer" in run_update(project).text


def test_a_template_that_has_moved(small: Path, small_template: Path, tmp_path: Path) -> None:
    """Its new address in the answers file is enough."""
    git(tmp_path, "clone", "--quiet", "--mirror", str(small_template), "moved.git")
    work(small)
    edit(small, ANSWERS, f"_src_path: {small_template}", f"_src_path: {tmp_path / 'moved.git'}")
    commit_all(small)
    assert_updated(run_update(small), small)
    assert f"_src_path: {tmp_path / 'moved.git'}\n" in (small / ANSWERS).read_text()


def test_a_private_template_is_fetched_as_the_user_fetches(
    small: Path, small_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over ssh, with the user's own command and their insteadOf."""
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nshift $(($# - 1))\nexec sh -c "$1"\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    configuration = tmp_path / "gitconfig"
    configuration.write_text(
        f'[url "git@example.com:{small_template}"]\n  insteadOf = https://example.com/owner/template\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(configuration))
    work(small)
    edit(small, ANSWERS, f"_src_path: {small_template}", "_src_path: https://example.com/owner/template")
    commit_all(small)
    assert_updated(run_update(small), small)
    assert "git@example.com" in (tmp_path / "told").read_text()
    assert "_src_path: https://example.com/owner/template\n" in (small / ANSWERS).read_text()


def test_a_release_that_is_gone_is_still_the_base_here(small: Path, small_template: Path, tmp_path: Path) -> None:
    """The repository keeps what the last update has rendered."""
    work(small)
    commit_all(small)
    run_update(small)
    git(small, "commit", "--quiet", "--no-edit")
    template = make_template(tmp_path / "template")
    edit(template, "template/settings.py", "LINE_9 = 9", "LINE_9 = 90")
    commit_all(template, "chore: release")
    git(template, "tag", "v1.2.0")
    git(template, "tag", "--delete", "v1.1.0")
    edit(small, ANSWERS, f"_src_path: {small_template}", f"_src_path: {template}")
    commit_all(small)
    assert_updated(run_update(small), small)
    assert "LINE_9 = 90" in (small / "settings.py").read_text()


def interrupt_before(number: int) -> Callable[..., object]:
    """Press Ctrl-C before the call of git with this number."""
    original, calls = engine.Git.run, count(1)

    def run(self: object, *arguments: str, **options: bytes) -> object:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *arguments, **options)

    return run


def test_an_interrupt_leaves_the_tree_or_a_merge(small: Path) -> None:
    """Before each call of git in turn, until there is none: what is there is undone by `git merge --abort`."""
    work(small)
    edit(small, "main.py", "LINE_6 = 6", "LINE_6 = 61")
    commit_all(small)
    before = state(small)[:-1]
    ends, number = set(), 0
    while "finished" not in ends:
        number += 7
        run = interrupt_before(number)
        with mock.patch.object(engine.Git, "run", run):
            try:
                run_update(small)
                ends.add("finished")
            except KeyboardInterrupt:
                ends.add("interrupted")
        if (small / ".git" / "MERGE_HEAD").exists():
            ends.add("merge")
            git(small, "merge", "--abort")
        assert state(small)[:-1] == before
    assert ends == {"finished", "interrupted", "merge"}
