"""Move files of a project and keep the user's edits in them; called by a migration script.

Copier deletes a file that the template has moved, and the user's edits in it are lost. So after an update this merges
three texts into the new place: the user's own, what the old version of the template had rendered, and what the new one
has rendered there now. The user's text and the old version come from git and from the template's old release.

    from moves import move_files

    move_files({"src/utils.py": "src/openapi_docs.py"})
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import copier
import yaml

ANSWERS = ".copier-answers.yml"
LABELS = ["-L", "before updating", "-L", "last update", "-L", "after updating"]
MAX_CONFLICTS = 128  # `git merge-file` counts up to 127 conflicts; a higher status is an error


def move_files(moves: Mapping[str, str], project: Path = Path()) -> list[str]:
    """Merge each file of the project's HEAD into its new place, and return the places that have conflicts.

    Paths are relative to the project's folder, where Copier runs migrations (stage `after`). A file that the user
    deleted stays away under its new name; one that was not there before is left as the new version rendered it. A file
    that the user edited and that the new version no longer has is put back and left as a conflict, "deleted by them".

    Raises:
        subprocess.CalledProcessError: git cannot merge them, for they are not text.
    """
    with TemporaryDirectory() as folder:
        old = _render_old_version(project, Path(folder))
        conflicts = [new for before, new in moves.items() if _move(project, old, before, new)]
        names = (path.relative_to(old).as_posix() for path in sorted(old.rglob("*")) if path.is_file())
        return conflicts + [name for name in names if name not in moves and _put_back(project, old, name)]


def _show(project: Path, name: str) -> bytes | None:
    """Return the content of a file before the update, or None if it did not exist."""
    command = ["git", "show", f"HEAD:./{name}"]
    done = subprocess.run(command, cwd=project, capture_output=True, check=False)
    return None if done.returncode else done.stdout


def _render_old_version(project: Path, folder: Path) -> Path:
    answers: dict[str, Any] = yaml.safe_load(_show(project, ANSWERS) or b"")
    source, version = answers.pop("_src_path"), answers.pop("_commit")
    target = folder / "old"
    copier.run_copy(source, target, data=answers, vcs_ref=version, defaults=True, quiet=True, skip_tasks=True)
    return target


def _move(project: Path, old: Path, before: str, after: str) -> bool:
    """Move one file and return whether it has conflicts."""
    users, base, target = _show(project, before), old / before, project / after
    if not base.exists():
        return False  # the old version did not have this file with these answers
    (project / before).unlink(missing_ok=True)
    if users is None:
        target.unlink(missing_ok=True)
        return False
    if not target.exists():  # the new version does not have it with these answers; keep the user's edits
        if users != base.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(users)
        return False
    return _merge(users, base, target)


def _put_back(project: Path, old: Path, name: str) -> bool:
    """Put back what the user wrote into a file that the new version does not have, and say whether there was any."""
    target = project / name
    users, base = None if target.exists() else _show(project, name), (old / name).read_bytes()
    if users is None or users == base:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(users)
    _mark_unmerged(target, base, users)
    sys.stderr.write(
        f"{name} is no longer part of the template: move your edits to where they belong now, delete it.\n"
    )
    return True


def _merge(users: bytes, base: Path, target: Path) -> bool:
    new = target.read_bytes()
    with TemporaryDirectory() as folder:
        ours = Path(folder) / "users"
        ours.write_bytes(users)
        command = ["git", "merge-file", "--stdout", *LABELS, str(ours), str(base), str(target)]
        done = subprocess.run(command, capture_output=True, check=False)
    if not 0 <= done.returncode < MAX_CONFLICTS:
        done.check_returncode()
    target.write_bytes(done.stdout)
    if done.returncode:
        _mark_unmerged(target, base.read_bytes(), users, new)
        sys.stderr.write(f"Conflict in {target}: keep what is right, remove the marks.\n")
    return bool(done.returncode)


def _mark_unmerged(target: Path, *stages: bytes) -> None:
    """Make git list the file among its conflicts, as Copier does with its own."""
    git = ["git", "-C", str(target.parent)]
    prefix = subprocess.run([*git, "rev-parse", "--show-prefix"], capture_output=True, text=True, check=True)
    path = prefix.stdout.strip() + target.name
    lines = [f"0 {'0' * 40}\t{path}\n"]
    for number, text in enumerate(stages, 1):
        done = subprocess.run([*git, "hash-object", "-w", "--stdin"], input=text, capture_output=True, check=True)
        lines.append(f"100644 {done.stdout.decode().strip()} {number}\t{path}\n")
    index = "".join(lines)
    subprocess.run([*git, "update-index", "--index-info"], input=index, text=True, check=True)
