"""Merges what is new in the template into this project: `make update`.

    uv run --no-project python -m devtools.update --data project_name="Another name"

It needs nothing but the standard library: an update must also run while the project's own environment is broken.
"""

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from devtools.process import ROOT, fail, say, stop_on_signals
from devtools.update_git import Git, Tree, Workshop, names
from devtools.update_merge import Merged, Sides, align, apply, formatted, merge
from devtools.update_preflight import (
    choices,
    drivers,
    is_asked,
    refuse_unknown_answers,
    refuse_what_cannot_be_undone,
    refuse_what_would_be_overwritten,
    word,
)
from devtools.update_report import UNDO, announce, report, say_list
from devtools.update_template import Answers, Rendering, Template, agree, fingerprint, is_at_a_terminal
from devtools.update_verify import entries, prove


class Update:
    """One update of one project."""

    def __init__(self, options: Namespace, folder: Path) -> None:
        self.options = options
        self.git = Git(options.project)
        refuse_what_cannot_be_undone(self.git)
        self.prefix = self.git.text("rev-parse", "--show-prefix")
        self.head = self.git.tree(f"HEAD:{self.prefix}")
        self.text = self._answers_at("HEAD")
        self.workshop = Workshop(folder, self.git)
        self.template = Template(self._value("_src_path"), self.git, self.workshop, options.answers_file)
        self.version = self._value("_commit")
        self.current, self.target = self._commits()

    def _answers_at(self, commit: str) -> str:
        file = self.options.answers_file
        text = self.git.find("show", f"{commit}:{self.prefix}{file}")
        if text is None:
            others = [path for path in self.head if "copier-answers" in path]
            known = f"there is {', '.join(others)}: --answers-file {others[0]}" if others else "it came with the copy"
            fail(f"{file} is not in the last commit, and says what to update from; {known}.")
        return text

    def _value(self, key: str) -> str:
        found = re.search(rf"^{key}: (.*)$", self.text, re.MULTILINE)
        if not found:
            fail(f"{self.options.answers_file} has no {key}: take it from an older commit of that file.")
        return found[1].strip("'\"")

    def _commits(self) -> tuple[str | None, str]:
        current = self.template.find(self.version)
        wanted = self.options.vcs_ref or self.template.latest()
        target = self.template.find(wanted)
        if target is None:
            fail(f"{self.template.address} has no {wanted}. Nothing was changed.")
        if current and not self.options.vcs_ref and self.template.is_older(target, current):
            target = current
        return current, target

    def run(self) -> int:
        recorded, suspects, questions = self._read()
        if self.current == self.target and not self.options.data and not suspects:
            self._say_nothing_is_new()
            return 0
        base, new = self._render(recorded, suspects)
        if base.answers == new.answers and self.current == self.target:
            self._say_nothing_is_new()
            return 0
        announce(self.template, self._number(self.version), self._number(new.answers["_commit"]), self.target)
        sides = self._sides(base, new, questions.get("_skip_if_exists", []))
        merged = merge(self.workshop, sides)
        gone = self._let_go(base, new, sides, merged)
        count = self._prove(sides, merged, gone)
        self._report(sides, merged)
        if not self.options.preview:
            self._apply(base, new, merged)
        self._end(merged, count, len(gone))
        return 1 if merged.conflicts else 0

    def _number(self, version: str) -> str:
        return version.removeprefix("v")

    def _say_nothing_is_new(self) -> None:
        say(f"Template: {self.template.address} is at {self._number(self.template.describe(self.target))}.")
        say(f"{self.options.answers_file} names {self._number(self.version)}: there is nothing newer.")

    def _read(self) -> tuple[Answers, list[Answers], dict[str, Any]]:
        """Return the recorded answers, others that may have been meant, and the new release's questions."""
        earlier, data = list(self._earlier()), self.options.data
        pages = [self.template.show(commit, "copier.yml") for commit in (self.target, self.current or self.target)]
        recorded, new, old, *rest = self.template.load([self.text, *pages, *earlier, *data.values()])
        if not isinstance(recorded, dict):
            fail(f"{self.options.answers_file} is no YAML: take it from an older commit.")
        values = dict(zip(data, rest[len(earlier) :], strict=True))
        refuse_unknown_answers(data, new, values)
        suspects = [each for each in rest[: len(earlier)] if isinstance(each, dict)]
        if self.git.text("rev-parse", "--is-shallow-repository") == "true":
            suspects += _flips(recorded, old)
        unlike = {fingerprint(each): each for each in suspects if fingerprint(each) != fingerprint(recorded)}
        return recorded, list(unlike.values()), new

    def _earlier(self) -> Iterator[str]:
        """Yield the answers of the commits since the last update."""
        path = self.options.answers_file
        for commit in self.git.text("log", "--format=%H", "--", path).splitlines()[1:]:
            text = self.git.find("show", f"{commit}:{self.prefix}{path}") or ""
            if not re.search(rf"^_commit: ['\"]?{re.escape(self.version)}['\"]?$", text, re.MULTILINE):
                return
            yield text

    def _ref(self, version: str, answers: Answers) -> str:
        return f"refs/template/{re.sub(r'[^A-Za-z0-9+-]', '-', version)}-{fingerprint(answers)}"

    def _render(self, recorded: Answers, suspects: list[Answers]) -> tuple[Rendering, Rendering]:
        """Return the release that the project has, for the answers that it shows, and the new one."""
        asks, data = is_at_a_terminal() and not self.options.defaults, self.options.data
        known = self._ref(self.version, recorded)
        if not suspects and self.git.find("rev-parse", "--verify", "--quiet", known):
            [new] = self.template.render((self.target, recorded), data=data, asks=asks)
            return Rendering(recorded, self.git.tree(f"{known}:{self.prefix}")), new
        if self.current is None:
            fail(
                f"{self.template.address} has no {self.version}, which {self.options.answers_file} names as _commit: "
                "write the release there that the project was last updated to, and commit that. Nothing was changed."
            )
        wanted = [(self.current, answers) for answers in (recorded, *suspects)]
        *found, new = self.template.render(*wanted, (self.target, recorded), data=data, asks=asks)
        base = found[0] if len(found) == 1 else max(found, key=lambda each: _likeness(each, found, self.head))
        if base is not found[0]:
            meant = [f"{key}: {word(recorded[key])}" for key in recorded if recorded[key] != base.answers.get(key)]
            agree(
                f"{', '.join(meant)} was written into {self.options.answers_file} by hand, the files are those of the "
                "answer before: this update makes them follow.",
                yes=self.options.yes or self.options.preview,
            )
        return base, new

    def _sides(self, base: Rendering, new: Rendering, patterns: list[str]) -> Sides:
        """Return three trees to merge: without the files that are the user's, and formatted as they format."""
        users = self._users({**base.tree, **new.tree}, patterns)
        first = {path for path in users if path not in base.tree and path not in self.head}
        old_tree = {path: entry for path, entry in base.tree.items() if path not in users}
        new_tree = {path: entry for path, entry in new.tree.items() if path not in users - first}
        refuse_what_would_be_overwritten(self.git, self.head, old_tree, new_tree, users)
        answers_file = self.options.answers_file
        ours = {**self.head, answers_file: old_tree[answers_file]}
        old_tree, new_tree = formatted(self.workshop, self.options.project, ours, old_tree, new_tree)
        moves = self.template.moves(self._number(self.version), self.target)
        sides = align(self.workshop, old_tree, ours, new_tree, moves)
        changed = [path for path in sides.ours if path in sides.new and sides.new[path] != sides.base.get(path)]
        say_list(
            "The merge drivers of .gitattributes are not used, these are merged line by line:",
            drivers(self.git, changed),
        )
        return sides

    def _users(self, tree: Tree, patterns: list[str]) -> set[str]:
        listed = self.workshop.folder / "patterns"
        listed.write_text("".join(f"{pattern}\n" for pattern in patterns), encoding="utf-8")
        self.workshop.write(tree)
        where = f"--work-tree={self.workshop.folder}"
        return set(
            names(self.workshop.bytes(where, "ls-files", "-z", "--cached", "--ignored", f"--exclude-from={listed}"))
        )

    def _let_go(self, base: Rendering, new: Rendering, sides: Sides, merged: Merged) -> list[str]:
        """Take out the edited files of a feature that an answer switches off, if the user agrees."""
        if fingerprint(base.answers) == fingerprint(
            {key: new.answers.get(key, each) for key, each in base.answers.items()}
        ):
            return []
        gone = [path for path in sides.base if path not in sides.new and sides.ours[path] != sides.base[path]]
        if gone:
            listed = "\n".join(f"  {path}" for path in gone)
            agree(
                f"\nThese files hold edits of yours, and go with the feature that is switched off:\n{listed}",
                yes=self.options.yes or self.options.preview,
            )
        for path in gone:
            merged.tree.pop(path, None)
        merged.stages[:] = [stage for stage in merged.stages if stage[2] not in gone]
        return gone

    def _prove(self, sides: Sides, merged: Merged, gone: list[str]) -> int:
        """Return how many lines the user wrote; fail if the merge has not all of them."""
        blobs = self.workshop.blobs(entries(sides.base, sides.ours, sides.new, merged.tree))
        proof = prove(self.head, sides, merged.tree, blobs, {*gone, self.options.answers_file})
        if proof.wrong:
            listed = "\n".join(f"  {place}" for place in proof.wrong)
            fail(f"\nThe merge would not keep these lines as you have them, so nothing was changed:\n{listed}")
        return proof.count

    def _report(self, sides: Sides, merged: Merged) -> None:
        report(self.workshop, self.options.project, self.head, merged.tree)
        say_list("You deleted these, and the template changed them since; they stay deleted:", sides.removed)
        say_list("Changed here and in the template; docs/updating.md says how to finish:", merged.conflicts)

    def _apply(self, base: Rendering, new: Rendering, merged: Merged) -> None:
        versions = (self.version, new.answers["_commit"])
        refs, parents = {}, list[str]()
        for version, side in zip(versions, (base, new), strict=True):
            words = f"Template {self._number(version)}"
            parents = [self.workshop.commit(self._whole(side.tree, {}), words, *parents)]
            refs[self._ref(version, side.answers)] = parents[0]
        target = self.workshop.write(self._whole(merged.tree, self.git.tree("HEAD")))
        words = f"chore: update from the template {self._number(versions[1])}"
        apply(self.git, self.workshop, merged, self.prefix, target, refs, words)

    def _whole(self, tree: Tree, repository: Tree) -> Tree:
        """Return a tree of the project as one of the repository that the project is a part of."""
        around = {path: entry for path, entry in repository.items() if not path.startswith(self.prefix)}
        return {**around, **{f"{self.prefix}{path}": entry for path, entry in tree.items()}}

    def _end(self, merged: Merged, count: int, gone: int) -> None:
        if self.options.preview:
            say("\nThis was a preview: nothing was changed.")
        elif not merged.conflicts:
            say("\nNext: git diff HEAD, then uv lock && make check && make test, then git add --all && git commit")
        if not self.options.preview:
            say(f"To undo all of it: {UNDO}")
        agreed = f" ({gone} files went as agreed)" if gone else ""
        say(f"{count:,} lines of yours, {count:,} found{agreed}.")


def _flips(recorded: Answers, questions: dict[str, Any]) -> list[Answers]:
    """Return the answers with each switch the other way round."""
    found = []
    for key, question in questions.items():
        if key in recorded and not key.startswith("_") and is_asked(question):
            value = recorded[key]
            for other in choices(question):
                if not isinstance(value, list):
                    found.append(recorded | {key: other})
                elif other in value:
                    found.append(recorded | {key: [each for each in value if each != other]})
                else:
                    found.append(recorded | {key: [*value, other]})
    return found


def _likeness(one: Rendering, all_of_them: list[Rendering], head: Tree) -> int:
    """Say how well a rendering explains the files of a project, where renderings differ."""
    paths = {path for each in all_of_them for path in each.tree}
    unlike = [path for path in paths if len({each.tree.get(path) for each in all_of_them}) > 1]
    return sum(((path in one.tree) == (path in head)) + (one.tree.get(path) == head.get(path)) for path in unlike)


def parse(arguments: list[str]) -> Namespace:
    parser = ArgumentParser("make update", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", "-d", action="append", default=[], metavar="KEY=VALUE", help="change an answer")
    parser.add_argument("--preview", action="store_true", help="show what an update would do, change nothing")
    parser.add_argument("--yes", action="store_true", help="agree to what would be asked")
    parser.add_argument("--defaults", "-l", action="store_true", help="answer new questions with their defaults")
    parser.add_argument("--vcs-ref", "-r", metavar="RELEASE", help="update to this release, not to the latest")
    parser.add_argument("--answers-file", "-a", metavar="FILE", default=".copier-answers.yml")
    parser.add_argument("--project", type=Path, metavar="FOLDER", default=ROOT)
    parser.add_argument("--trust", action="store_true", help="not needed: no code of the template runs")
    options = parser.parse_args(arguments)
    options.project = options.project.resolve()
    pairs = [each.partition("=") for each in options.data]
    if unclear := [key for key, equals, _ in pairs if not equals]:
        fail(f"--data {unclear[0]} has no value: --data {unclear[0]}=...")
    options.data = {key: value for key, _, value in pairs}
    return options


def update(options: Namespace) -> int:
    with TemporaryDirectory(prefix="update-") as folder:
        return Update(options, Path(folder).resolve()).run()


def main(arguments: list[str]) -> int:
    stop_on_signals()
    options = parse(arguments)
    try:
        return update(options)
    except KeyboardInterrupt:
        is_there = Git(options.project).path("MERGE_HEAD").exists()
        fail(f"The update is in the tree. To undo all of it: {UNDO}" if is_there else "Nothing was changed.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
