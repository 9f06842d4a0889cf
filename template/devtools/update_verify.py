"""The proof of `make update`: each line that the user wrote is looked for in the merge, by other means than git's."""

import re
from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher

from devtools.update_git import Entry, Tree
from devtools.update_merge import Sides

BEGIN, MIDDLE, END = (re.compile(mark + rb"\r?\Z") for mark in (rb"<{7} yours", rb"={7}", rb">{7} template"))
NEAR = 3  # lines between two changes that git may call one
BINARY = b"\0"

Hunk = tuple[int, int, int, int]
Lines = list[bytes]


@dataclass
class Proof:
    """How many lines the user wrote, and those that the merge does not treat as they did."""

    count: int = 0
    wrong: list[str] = field(default_factory=list)


def prove(head: Tree, sides: Sides, result: Tree, blobs: Mapping[str, bytes], agreed: Container[str]) -> Proof:
    """Compare a project with what it is to become, but for files that the user agreed to lose."""
    proof, new = Proof(), sides.new
    for name, mine in head.items():
        path = sides.names[name]
        before, there = sides.base.get(path), result.get(path)
        if mine == before or path in agreed:
            continue
        texts = [blobs.get(entry.id, b"") if entry else b"" for entry in (before, mine, new.get(path), there)]
        lines = [text.split(b"\n") if text else [] for text in texts]
        written = _written(lines[0], lines[1])
        proof.count += len(written)
        if there == mine:
            continue
        if there is None or new.get(path) == before or any(BINARY in text for text in texts):
            proof.wrong += [f"{path}:{number}" for number in written or [0]]
        else:
            proof.wrong += [f"{path}:{number}" for number in _compare(*lines)]
    return proof


def _hunks(old: Lines, new: Lines) -> list[Hunk]:
    found = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return [(i, j, k, m) for tag, i, j, k, m in found if tag != "equal"]


def _written(base: Lines, ours: Lines) -> list[int]:
    """Number the lines that the user added or changed; the empty one after the last line is none."""
    found = [line for _, _, start, end in _hunks(base, ours) for line in range(start, end)]
    return [line + 1 for line in found if line < len(ours) - 1 or ours[line]]


def _compare(base: Lines, ours: Lines, new: Lines, result: Lines) -> list[int]:
    """Return the numbers of the user's lines whose count in the result is not what both changes add up to."""
    mine, theirs = _hunks(base, ours), _hunks(base, new)
    text, both = _without_markers(result)
    counts = [Counter(each) for each in (base, ours, new, text)]
    added = Counter(_added_by_both(mine, theirs, ours, new))
    removed = Counter(base[line] for line in _removed(mine) & _removed(theirs))
    wrong = {}
    for start, end, first, last in mine:
        for line in {*base[start:end], *ours[first:last]}:
            before, now, template, there = (count[line] for count in counts)
            off = (there - template) - (now - before)
            if off < -added[line] or off > removed[line] + both[line]:
                wrong[line] = _place(line, ours, first, last)
    return sorted(wrong.values())


def _place(line: bytes, ours: Lines, first: int, last: int) -> int:
    inside = [number for number in range(first, last) if ours[number] == line]
    return (inside[0] if inside else min(first, max(len(ours) - 1, 0))) + 1


def _without_markers(result: Lines) -> tuple[Lines, Counter[bytes]]:
    """Return the lines without git's markers, and those between them, which may stand there twice."""
    text, inside, both = [], False, Counter[bytes]()
    for line in result:
        if (END if inside else BEGIN).match(line):
            inside = not inside
            continue
        if inside and MIDDLE.match(line):
            continue
        text.append(line)
        both[line] += inside
    return text, both


def _removed(hunks: list[Hunk]) -> set[int]:
    return {line for start, end, _, _ in hunks for line in range(start, end)}


def _added_by_both(mine: list[Hunk], theirs: list[Hunk], ours: Lines, new: Lines) -> Counter[bytes]:
    """Count the lines that both added at the same place, which a merge has once."""
    common = Counter[bytes]()
    for start, end, first, last in mine:
        near = Counter(
            line for begin, stop, i, j in theirs if begin <= end + NEAR and start <= stop + NEAR for line in new[i:j]
        )
        common += Counter(ours[first:last]) & near
    return common


def entries(*trees: Tree) -> set[Entry]:
    return {entry for tree in trees for entry in tree.values()}
