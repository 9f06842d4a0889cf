"""What `make update` says: the releases in between, and what is left to do."""

import re
from collections.abc import Iterable
from pathlib import Path

from devtools.process import say
from devtools.update_git import Tree, Workshop
from devtools.update_template import Template, what_to_do

EXAMPLE = ".env.example"
VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]*)=", re.MULTILINE)
UNDO = "git merge --abort"


def announce(template: Template, current: str, latest: str, target: str) -> None:
    """Name the versions, and what each release in between asks for."""
    say(f"Template: {template.address}, from {current} to {latest}")
    changelog = template.show(target, "CHANGELOG.md")
    if not changelog:
        say("It has no CHANGELOG.md to say what is to be done.")
    for version, text in what_to_do(changelog, current, latest):
        say(f"\n{version}, when you update: {text}")


def report(workshop: Workshop, project: Path, head: Tree, result: Tree) -> None:
    """Say what the changed files leave to do."""
    known = _variables(workshop, head) | _values(project)
    if new := [name for name in _variables(workshop, result) if name not in known]:
        say(f"\nNew settings, at their defaults until they are in .env: {', '.join(new)} (docs/settings.md)")
    changed = [path for path in head.keys() | result.keys() if head.get(path) != result.get(path)]
    if any(path.endswith("models.py") for path in changed):
        say('\nA model changed: make migration m="update from the template", review it, make migrate')


def say_list(text: str, paths: Iterable[str]) -> None:
    if listed := list(paths):
        say("\n".join([f"\n{text}", *listed]))


def _variables(workshop: Workshop, tree: Tree) -> dict[str, None]:
    if EXAMPLE not in tree:
        return {}
    text = workshop.blobs([tree[EXAMPLE]])[tree[EXAMPLE].id].decode(errors="replace")
    return dict.fromkeys(VARIABLE.findall(text))


def _values(project: Path) -> dict[str, None]:
    path = project / ".env"
    return dict.fromkeys(VARIABLE.findall(path.read_text(errors="replace"))) if path.is_file() else {}
