"""The merge of `make update`: two renderings of the template and the project, by git, on objects alone."""

import re
import subprocess
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devtools.process import fail, interrupts_wait, say
from devtools.update_git import NO_HOOKS, Entry, Git, Tree, Workshop, names

RUFF = ("ruff.toml", ".ruff.toml")
ALIKE = ["diff-tree", "-r", "-z", "--name-status", "--find-renames", "--no-rename-empty", "--diff-filter=R", "-l32767"]


@dataclass
class Sides:
    """Three trees whose files have the same names, those of the project."""

    base: Tree
    ours: Tree
    new: Tree
    names: dict[str, str]  # of each of the project's files, after what the template has moved
    removed: list[str] = field(default_factory=list)  # by the user, and changed by the template since


@dataclass
class Merged:
    """What is to become of the project."""

    tree: Tree
    stages: list[tuple[Entry, str, str]]  # of files in conflict: the file, 1 to 3, its name

    @property
    def conflicts(self) -> list[str]:
        return sorted({path for _, _, path in self.stages})


def _renames(workshop: Workshop, old: Tree, new: Tree) -> dict[str, str]:
    """Find files that have moved: what they hold stayed much the same."""
    left = {path: entry for path, entry in old.items() if path not in new}
    came = {path: entry for path, entry in new.items() if path not in old}
    said = names(workshop.bytes(*ALIKE, workshop.write(left), workshop.write(came))) if left and came else []
    return dict(zip(said[1::3], said[2::3], strict=True))


def _rename(tree: Tree, moves: Mapping[str, str]) -> Tree:
    return {moves.get(path, path): entry for path, entry in tree.items()}


def align(workshop: Workshop, base: Tree, ours: Tree, new: Tree, moves: Iterable[tuple[str, str]]) -> Sides:
    """Follow each file that the template or the user has moved, and leave out what the user deleted."""
    named = {path: path for path in ours}
    table = dict(moves)
    for step in ([(old, table[old]) for old in table], _renames(workshop, base, new).items()):
        known = {old: after for old, after in step if old in base and after in new and after not in {*base, *ours}}
        base, ours = _rename(base, known), _rename(ours, known)
        named = {path: known.get(now, now) for path, now in named.items()}
    users = {old: after for old, after in _renames(workshop, base, ours).items() if after not in new}
    base, new = _rename(base, users), _rename(new, users)
    gone = base.keys() - ours.keys()
    removed = sorted(path for path in gone if path in new and new[path] != base[path])
    base, new = ({path: entry for path, entry in tree.items() if path not in gone} for tree in (base, new))
    return Sides(base, ours, new, named, removed)


def merge(workshop: Workshop, sides: Sides) -> Merged:
    root = workshop.commit(sides.base, "base")
    for name, tree in (("yours", sides.ours), ("template", sides.new)):
        workshop.bytes("update-ref", f"refs/heads/{name}", workshop.commit(tree, name, root))
    command = ["-c", "merge.renames=false", "merge-tree", "--write-tree", "-z", "--no-messages", "yours", "template"]
    done = workshop.run(*command)
    if done.returncode > 1:
        workshop.bytes(*command)
    result, *conflicts = names(done.stdout)
    stages = []
    for line in conflicts:
        entry, path = line.split("\t", 1)
        mode, identity, stage = entry.split(" ")
        stages.append((Entry(mode, identity), stage, path))
    return Merged(workshop.tree(result), stages)


def apply(
    git: Git, workshop: Workshop, merged: Merged, prefix: str, target: str, refs: Mapping[str, str], words: str
) -> None:
    """Bring the merge into the user's tree, as `git merge` does before the commit; Ctrl-C waits."""
    stages = [(Entry("0", "0" * len(target)), "0", path) for path in merged.conflicts] + merged.stages
    index = "".join(f"{entry.mode} {entry.id} {stage}\t{prefix}{path}\0" for entry, stage, path in stages)
    git.is_apart = True
    with interrupts_wait():
        workshop.publish()
        for name, commit in refs.items():
            git.bytes(*NO_HOOKS, "update-ref", name, commit)
        listed = "".join(f"#\t{prefix}{path}\n" for path in merged.conflicts)
        git.path("MERGE_MSG").write_text(
            f"{words}\n" + (f"\n# Conflicts:\n{listed}" if listed else ""), encoding="utf-8"
        )
        git.path("MERGE_MODE").write_text("no-ff", encoding="utf-8")
        git.path("MERGE_HEAD").write_text(f"{list(refs.values())[-1]}\n", encoding="utf-8")
        git.run("update-index", "-q", "--refresh")
        done = git.run("read-tree", "-m", "-u", "--no-recurse-submodules", "HEAD", target)
        if done.returncode:
            git.run("merge", "--abort")
            fail(f"{done.stderr.decode(errors='replace').strip()}\nNothing was changed.")
        git.bytes("update-index", "-z", "--index-info", stdin=index.encode(errors="surrogateescape"))
    git.is_apart = False


def formatted(workshop: Workshop, project: Path, ours: Tree, *trees: Tree) -> list[Tree]:
    """Return renderings as the project's own formatter would have them, where its settings are not the template's."""
    settings = _settings(workshop, ours)
    if not settings or settings == _settings(workshop, trees[0]):
        return list(trees)
    return [_format(workshop, project, number, tree) for number, tree in enumerate(trees)]


def _settings(workshop: Workshop, tree: Tree) -> dict[str, Any]:
    """Return what decides how a project is formatted."""
    found = workshop.blobs(tree[name] for name in ("pyproject.toml", *RUFF) if name in tree)
    for name in (*RUFF, "pyproject.toml"):
        if name in tree:
            try:
                read = tomllib.loads(found[tree[name].id].decode())
            except (tomllib.TOMLDecodeError, UnicodeDecodeError):
                return {}
            ruff: dict[str, Any] = read if name in RUFF else read.get("tool", {}).get("ruff", {})
            if ruff or name in RUFF:
                return {key: value for key, value in ruff.items() if key != "lint"}
    return {}


def _format(workshop: Workshop, project: Path, number: int, tree: Tree) -> Tree:
    folder = workshop.folder / f"formatted-{number}"
    python = {path: entry for path, entry in tree.items() if path.endswith(".py") and entry.mode.startswith("100")}
    workshop.check_out(python, folder)
    config = next(path for name in (*RUFF, "pyproject.toml") if (path := project / name).exists())
    command = [*_ruff(project), "format", "--quiet", "--no-cache", "--config", str(config), str(folder)]
    if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode:
        say("ruff cannot format the template's files as yours: expect conflicts that only formatting caused.")
        return tree
    return {**tree, **workshop.add(folder)}


def _ruff(project: Path) -> list[str]:
    found = re.search(r"[\"'](ruff\s*[<>=~!][^\"']*)[\"']", (project / "pyproject.toml").read_text(encoding="utf-8"))
    return ["uv", "tool", "run", "--quiet", "--from", found[1] if found else "ruff", "ruff"]
