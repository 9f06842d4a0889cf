"""Tags the releases that have no tag yet: `make release`.

The version stands once, in pyproject.toml. A release is the commit that changes it to a final one.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
HOW = (
    'How to release: set the version in pyproject.toml, give its section in CHANGELOG.md the date and a "When you update",'
    ' commit both as "chore: release X.Y.Z", then make release.'
)
ONLY_IN_A_COPY = re.compile(r"{% if has_env %}(.*?){% endif %}")  # for an update it is as if it were not there


@dataclass(frozen=True)
class Release:
    version: Version
    commit: str

    @property
    def tag(self) -> str:
        return f"v{self.version}"


def fail(text: str) -> NoReturn:
    sys.exit(text)


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(repository), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def version_of(repository: Path, commit: str) -> Version | None:
    """Return the version that a commit states, or None if it states none."""
    if not git(repository, "ls-tree", commit, "pyproject.toml"):
        return None
    return Version(tomllib.loads(git(repository, "show", f"{commit}:pyproject.toml"))["project"]["version"])


def releases(repository: Path) -> list[Release]:
    """List the releases of the history, oldest first; a version set back and released anew counts by its last commit.

    Raises:
        SystemExit: the history is not all there.
    """
    if git(repository, "rev-parse", "--is-shallow-repository").strip() == "true":
        fail("The releases are in the history, and this clone has only a part of it: git fetch --unshallow")
    log = ["log", "--first-parent", "--diff-merges=first-parent", "--reverse", "--no-patch", "--format=%H %P"]
    found: dict[Version, str] = {}
    for line in git(repository, *log, "-G^version = ", "--", "pyproject.toml").splitlines():
        commit, *parents = line.split()
        version, before = version_of(repository, commit), version_of(repository, parents[0]) if parents else None
        if version and before and version != before and not version.is_prerelease:
            found[version] = commit
    return [Release(version, commit) for version, commit in found.items()]


def tags(repository: Path) -> dict[str, str]:
    """Return the tags with the commits that they stand for."""
    lines = git(repository, "tag", "--list", "--format=%(refname:short) %(*objectname) %(objectname)").splitlines()
    return {line.split()[0]: line.split()[1] for line in lines}


def export(repository: Path, commit: str, folder: Path) -> Path:
    """Write the files of a commit into a folder."""
    archive = subprocess.run(
        ["git", "-C", str(repository), "archive", "--format=tar", commit], capture_output=True, check=True
    )
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return folder


def _questions(folder: Path) -> dict[str, Any]:
    settings = yaml.safe_load((folder / "copier.yml").read_text(encoding="utf-8"))
    return {name: question for name, question in settings.items() if not name.startswith("_")}


def _files(folder: Path) -> set[str]:
    template = folder / "template"
    names = (path.relative_to(template).as_posix() for path in template.rglob("*") if path.is_file())
    return {ONLY_IN_A_COPY.sub(r"\1", name).removesuffix(".jinja") for name in names}


def breaking_changes(old: Path, new: Path) -> Iterator[str]:
    """Yield what only a major version may do, as CONTRIBUTING.md says."""
    for name, question in _questions(old).items():
        if question.get("when") is not False and name not in _questions(new):
            yield f"the question {name} was removed"
    for name in sorted(_files(old) - _files(new)):
        yield f"template/{name} was removed or moved"
    settings = yaml.safe_load((new / "copier.yml").read_text(encoding="utf-8"))
    for name in ("_tasks", "_jinja_extensions"):
        if name in settings:
            yield f"{name} asks for --trust at every update"


def migrations_of_minor_versions(folder: Path) -> Iterator[str]:
    """Yield the migrations that would ask for --trust within a major version."""
    settings = yaml.safe_load((folder / "copier.yml").read_text(encoding="utf-8"))
    for migration in settings.get("_migrations", []):
        version = migration.get("version", "none") if isinstance(migration, dict) else "none"
        if not re.fullmatch(r"v[1-9]\d*\.0\.0", version):
            yield f"the migration of version {version}"


def notes(folder: Path, version: Version) -> str:
    """Return the section of a version in the changelog.

    Raises:
        SystemExit: the section or its date is missing, or it does not say what to do when updating.
    """
    text = (folder / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(
        rf"^## \[{re.escape(str(version))}\] - (\d{{4}}-\d\d-\d\d)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE
    )
    if not section:
        fail(f"CHANGELOG.md has no section [{version}] with a date. {HOW}")
    if not re.search(r"^\*\*When you update:\*\* \S", section[2], re.MULTILINE):
        fail(f'The section [{version}] of CHANGELOG.md does not say "**When you update:** ...", or "nothing".')
    return section[2].strip()


def check(repository: Path, release: Release, previous: Release | None) -> str:
    """Return the notes of a release that may be tagged.

    Raises:
        SystemExit: it may not, and why.
    """
    with tempfile.TemporaryDirectory() as name:
        new = export(repository, release.commit, Path(name) / "new")
        problems = list(migrations_of_minor_versions(new))
        if previous:
            if release.version < previous.version:
                fail(f"{release.version} comes after {previous.version}, but is lower. {HOW}")
            if release.version.major == previous.version.major:
                problems += breaking_changes(export(repository, previous.commit, Path(name) / "old"), new)
        if problems:
            listed = "\n".join(f"- {problem}" for problem in problems)
            fail(f"{release.version} has to be a new major version, for\n{listed}")
        return notes(new, release.version)


def publish(repository: Path, release: Release, text: str) -> None:
    """Push the tag, and show its section of the changelog on GitHub."""
    git(repository, "-c", "credential.helper=!gh auth git-credential", "push", "--quiet", "origin", release.tag)
    command = ["gh", "release", "create", release.tag, "--verify-tag", "--title", release.tag, "--notes", text]
    subprocess.run(command, cwd=repository, check=True)


def main(repository: Path = ROOT, *options: str) -> None:
    """Tag the releases that have no tag; with `--publish`, as CI does, push and announce them too."""
    if changed := git(repository, "status", "--porcelain"):
        fail(f"A release is a commit: commit these first.\n{changed}")
    found = releases(repository)
    tagged = tags(repository)
    if moved := [each.tag for each in found if tagged.get(each.tag, each.commit) != each.commit]:
        fail(f"Another commit than its release has the tag {', '.join(moved)}: a release that users have never moves.")
    pairs = zip([None, *found], found, strict=False)
    waiting = [(release, previous) for previous, release in pairs if release.tag not in tagged]
    is_published = "--publish" in options
    if not waiting and not is_published:
        fail(f"Every release has its tag, the last is {found[-1].tag if found else 'none'}. {HOW}")
    for release, previous in waiting:
        text = check(repository, release, previous)
        git(repository, "tag", "--annotate", release.tag, release.commit, "--message", f"{release.tag}\n\n{text}")
        print(f"{release.tag} is the commit {release.commit[:9]}.")
        if is_published:
            publish(repository, release, text)
    if not is_published:
        print("When CI has passed: git push --follow-tags")


if __name__ == "__main__":
    main(ROOT, *sys.argv[1:])
