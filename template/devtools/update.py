"""Brings what the template has learned since into this project: `make update`.

    uv run --no-project python -m devtools.update --data project_name="Another name"

It needs nothing but the standard library: an update must also run while the project's own environment is broken.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from tempfile import TemporaryDirectory
from typing import Any

from devtools.process import ROOT, fail, say, stop_on_signals

GIT = ["git"]
COPIER = ["uv", "tool", "run", "--quiet", "--from", "copier>=9.19.1,<10", "copier"]
ANSWERS = ROOT / ".copier-answers.yml"
EXAMPLE = ROOT / ".env.example"
UNDO = "git reset --hard && git clean -d --force"
# Short forms of addresses that Copier knows.
HOSTS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": ""}
SECTION = re.compile(
    r"^## \[(?P<version>[\d.]+)\].*?^\*\*When you update:\*\*\s*(?P<text>.*?)\s*(?=^##|\Z)", re.DOTALL | re.MULTILINE
)
VARIABLE = re.compile(r"^([A-Z][A-Z0-9_]*)=", re.MULTILINE)


def _git(*arguments: str) -> str:
    command = [*GIT, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def refuse_what_cannot_be_undone() -> None:
    """Raise `Failure` unless git has all there is: only then an update can be read, and taken back."""
    for program in ("git", "uv"):
        if not shutil.which(program):
            fail(f"{program} is missing: install it, an update needs it.")
    try:
        _git("rev-parse", "--verify", "--quiet", "HEAD")
    except subprocess.CalledProcessError:
        fail(
            "An update is merged by git, which knows nothing of this project yet: git init && git add -A && git commit"
        )
    if changed := _git("status", "--porcelain"):
        fail(f"Commit these or put them aside (git stash -u) first, then an update can be read and undone:\n{changed}")


def _check_for_update() -> dict[str, Any]:
    command = [*COPIER, "check-update", "--output-format", "json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{done.stderr.strip()}\nThe template cannot be asked for its versions: see _src_path in {ANSWERS.name}.")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def what_to_do(changelog: str, current: str, latest: str) -> Iterator[tuple[str, str]]:
    """Yield each release after `current` up to `latest`, oldest first, with its paragraph "When you update"."""
    for section in reversed(list(SECTION.finditer(changelog))):
        if _number(current) < _number(section["version"]) <= _number(latest):
            yield section["version"], section["text"]


def _address() -> str:
    """Return where the template is, in a form that git knows."""
    source = re.search(r"^_src_path: (.*)$", ANSWERS.read_text(encoding="utf-8"), re.MULTILINE)
    text = source[1].strip("'\"") if source else ""
    for short, host in HOSTS.items():
        if text.startswith(short):
            return host + text.removeprefix(short).removeprefix("/")
    return text


def _changelog(version: str) -> str:
    with TemporaryDirectory() as folder:
        clone = ["clone", "--quiet", "--bare", "--depth", "1", "--branch", f"v{version}", _address(), folder]
        try:
            _git(*clone)
            return _git("--git-dir", folder, "show", "HEAD:CHANGELOG.md")
        except subprocess.CalledProcessError:
            say(f"Its changelog cannot be read, so look there for what to do: {_address()}")
            return ""


def _variables() -> list[str]:
    return VARIABLE.findall(EXAMPLE.read_text(encoding="utf-8")) if EXAMPLE.exists() else []


def _values() -> str:
    path = ROOT / ".env"
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _announce(versions: dict[str, Any]) -> None:
    current, latest = versions["current_version"], versions["latest_version"]
    if not versions["update_available"]:
        say(f"Template: {current}, there is nothing newer.")
        return
    say(f"Template: from {current} to {latest}")
    for version, text in what_to_do(_changelog(latest), current, latest):
        say(f"\n{version}, when you update: {text}")


def _run_copier(arguments: list[str]) -> None:
    asking = "--skip-answered" if sys.stdin.isatty() else "--defaults"
    say(f"\n$ copier update {' '.join([asking, *arguments])}")
    if subprocess.run([*COPIER, "update", asking, *arguments], cwd=ROOT, check=False).returncode:
        _stop()


def _stop() -> None:
    fail(f"The update did not end; this takes back what it began: {UNDO}" if _is_changed() else "Nothing was changed.")


def _is_changed() -> bool:
    return bool(_git("status", "--porcelain"))


def _report(known: list[str]) -> int:
    changed = _git("status", "--porcelain", "--untracked-files=all")
    if new := [name for name in _variables() if name not in known and name not in VARIABLE.findall(_values())]:
        say(f"\nNew settings, at their defaults until they stand in .env: {', '.join(new)} (docs/settings.md)")
    if "models.py" in changed:
        say('\nA model changed: make migration m="update from the template", read it, make migrate')
    if conflicts := _git("diff", "--name-only", "--diff-filter=U"):
        say(f"\nChanged here and in the template; docs/updating.md says how to finish:\n{conflicts}")
        return 1
    say(f"\nNext: git diff, then uv lock && make check && make test. To take it back: {UNDO}" if changed else "")
    return 0


def main(arguments: list[str]) -> int:
    stop_on_signals()
    refuse_what_cannot_be_undone()
    versions = _check_for_update()
    _announce(versions)
    if not (versions["update_available"] or arguments):
        return 0
    known = _variables()
    try:
        _run_copier(arguments)
    except KeyboardInterrupt:
        _stop()
    return _report(known)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
