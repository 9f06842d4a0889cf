"""What `make update` refuses before it writes anything: one sentence each, with the remedy."""

import os
import shutil
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from devtools.process import fail
from devtools.update_git import BOTH_HAVE_IT, Git, Tree, names, version
from devtools.update_template import SECRETS

CHANGED = ["status", "--porcelain", "--ignore-submodules=dirty"]


def refuse_what_cannot_be_undone(git: Git) -> None:
    """Fail unless git has all there is: only then can an update be read, and undone."""
    for program in ("git", "uv"):
        if not shutil.which(program):
            fail(f"{program} is missing: install it, an update needs it.")
    if version() < BOTH_HAVE_IT:
        fail(f"git is {'.'.join(map(str, version()))}, an update needs {'.'.join(map(str, BOTH_HAVE_IT))} or newer.")
    if git.find("rev-parse", "--verify", "--quiet", "HEAD") is None:
        fail(
            "An update is merged by git, which knows nothing of this project yet: git init && git add -A && git commit"
        )
    if git.path("MERGE_HEAD").exists():
        fail("A merge is not finished: commit it, or undo it with git merge --abort.")
    if changed := git.text(*CHANGED, "--untracked-files=all", ".") or git.text(*CHANGED, "--untracked-files=no"):
        fail(f"Commit these or put them aside (git stash -u) first, then an update can be read and undone:\n{changed}")


def refuse_unknown_answers(data: Mapping[str, str], questions: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Fail if a question does not exist, or a choice; `values` are what the words of `data` mean."""
    asked = [key for key, each in questions.items() if not key.startswith("_") and is_asked(each)]
    for key in data:
        if key not in asked:
            near = get_close_matches(key, asked, n=1)
            fail(f"There is no question {key}: {f'did you mean {near[0]}?' if near else ', '.join(asked)}")
        allowed, value = choices(questions[key]), values[key]
        is_list = isinstance(questions[key], dict) and questions[key].get("multiselect")
        if is_list and not isinstance(value, list):
            fail(f"{key} is a list, in brackets: --data '{key}=[{data[key]}]'")
        if allowed and not all(
            any(is_same(each, other) for other in allowed) for each in (value if is_list else [value])
        ):
            fail(f"{key} cannot be {data[key]}: choose from {', '.join(word(each) for each in allowed)}")


def is_asked(question: object) -> bool:
    return not (isinstance(question, dict) and question.get("when") is False)


def is_same(one: object, other: object) -> bool:
    """Compare two answers, where 1 is not true."""
    return type(one) is type(other) and one == other


def choices(question: object) -> list[Any]:
    if not isinstance(question, dict):
        return []
    found = question.get("choices") or ([True, False] if question.get("type") == "bool" else [])
    return list(found.values()) if isinstance(found, dict) else list(found)


def word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def refuse_what_would_be_overwritten(git: Git, head: Tree, base: Tree, new: Tree, users: Iterable[str]) -> None:
    """Fail if the tree has something in the place of a template's file that git does not know, or of another kind."""
    ours = [*dict.fromkeys([*base, *new])]
    for path in [*ours, SECRETS]:
        _refuse_other_kinds(git.folder, path)
    kept = {*users, SECRETS}
    hidden = [path for path in ours if path not in head and path not in kept and os.path.lexists(git.folder / path)]
    if hidden:
        fail(
            f"Files of the template that git does not track here, so that nothing could bring them back: add them "
            f"(git add --force) or move them away:\n{_list(hidden)}"
        )
    skipped = {line[2:] for line in names(git.bytes("ls-files", "-v", "-z")) if line[0] == "S" or line[0].islower()}
    if blind := [path for path in ours if path in skipped]:
        fail(
            "git is told to overlook changes in these: git update-index --no-skip-worktree --no-assume-unchanged FILE, "
            f"or git sparse-checkout disable:\n{_list(blind)}"
        )
    if rejected := [f"{path}.rej" for path in ours if (git.folder / f"{path}.rej").exists()]:
        fail(f"Left over from an update before: put in what they hold, then delete them:\n{_list(rejected)}")


def _refuse_other_kinds(folder: Path, path: str) -> None:
    for parent in list(Path(path).parents)[-2::-1]:
        place = folder / parent
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            kind = "link" if place.is_symlink() else "file"
            fail(f"{parent} is a {kind}, where the template has a folder: rename it, and commit that.")
    place = folder / path
    if place.is_dir() and not place.is_symlink():
        fail(f"{path} is a folder, where the template has a file: rename it, and commit that.")


def _list(paths: Iterable[str]) -> str:
    return "\n".join(f"  {path}" for path in paths)


def drivers(git: Git, paths: Iterable[str]) -> list[str]:
    """Name the files for which .gitattributes wants a merge of its own."""
    said = names(
        git.bytes(
            "check-attr", "--stdin", "-z", "merge", stdin="\0".join([*paths, ""]).encode(errors="surrogateescape")
        )
    )
    values = zip(said[::3], said[2::3], strict=True)
    return [f"{path} (merge={value})" for path, value in values if value not in {"unspecified", "set", "unset"}]
