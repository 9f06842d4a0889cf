"""The proof of `make update` notices a merge that does not treat each line as the user did."""

from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
from devtools.update_git import Entry, Workshop
from devtools.update_merge import Merged, Sides, merge

from tests.support.engine import edit, engine, run_update, state
from tests.support.history import commit_all


class Saboteur:
    """Merges as git does, then changes a file of the result."""

    def __init__(self, name: str, change: Callable[[str], str]) -> None:
        self._name, self._change = name, change

    def __call__(self, workshop: Workshop, sides: Sides) -> Merged:
        merged = merge(workshop, sides)
        text = workshop.blobs([merged.tree[self._name]])[merged.tree[self._name].id].decode()
        assert self._change(text) != text
        identity = workshop.bytes("hash-object", "-w", "--stdin", stdin=self._change(text).encode()).decode().strip()
        merged.tree[self._name] = Entry("100644", identity)
        return merged


def add_a_call(project: Path) -> None:
    edit(project, "settings.py", "LINE_1 = 1\n", "LINE_1 = 1\n)\n\n\n")


def remove_a_line(project: Path) -> None:
    edit(project, "settings.py", "LINE_2 = 2\n", "")


def repeat_a_line(project: Path) -> None:
    """What it adds stands elsewhere in the file already."""
    edit(project, "settings.py", "LINE_1 = 1\n", "LINE_1 = 1\nLINE_9 = 9\n")


def repeat_a_line_of_the_template(project: Path) -> None:
    """What it adds, the template adds elsewhere in the file."""
    edit(project, "settings.py", "LINE_1 = 1\n", "LINE_1 = 1\nLINE_6 = 60\n")


def move_a_line(project: Path) -> None:
    edit(project, "settings.py", "LINE_2 = 2\n", "")
    edit(project, "settings.py", "LINE_10 = 10\n", "LINE_10 = 10\nLINE_2 = 2\n")


def edit_what_the_template_does_not_touch(project: Path) -> None:
    edit(project, "health.py", "CHECK_1 = 1\n", "CHECK_1 = 1\n\n")


Case = tuple[Callable[[Path], None], str, Callable[[str], str], str]
CASES: list[Case] = [
    (add_a_call, "settings.py", lambda text: text.replace(")\n\n\n", ""), "settings.py:5"),
    (
        remove_a_line,
        "settings.py",
        lambda text: text.replace("LINE_1 = 1\n", "LINE_1 = 1\nLINE_2 = 2\n"),
        "settings.py:7",
    ),
    (
        repeat_a_line,
        "settings.py",
        lambda text: text.replace("LINE_1 = 1\nLINE_9 = 9\n", "LINE_1 = 1\n"),
        "settings.py:5",
    ),
    (
        repeat_a_line_of_the_template,
        "settings.py",
        lambda text: text.replace("LINE_1 = 1\nLINE_6 = 60\n", "LINE_1 = 1\n"),
        "settings.py:5",
    ),
    (
        move_a_line,
        "settings.py",
        lambda text: text.replace("LINE_10 = 10\nLINE_2 = 2\n", "LINE_10 = 10\n"),
        "settings.py:",
    ),
    (edit_what_the_template_does_not_touch, "health.py", lambda text: text.replace("1\n\n\n", "1\n\n"), "health.py:5"),
]


@pytest.mark.parametrize(("work", "name", "sabotage", "place"), CASES, ids=lambda each: getattr(each, "__name__", None))
def test_a_sabotaged_merge_changes_nothing_and_names_the_line(
    small: Path, work: Callable[[Path], None], name: str, sabotage: Callable[[str], str], place: str
) -> None:
    """It ends with 1 before anything is written; without the sabotage the same merge is fine."""
    work(small)
    commit_all(small)
    before = state(small)
    with mock.patch.object(engine, "merge", Saboteur(name, sabotage)):
        said = run_update(small)
    assert said.code == 1
    assert "would not keep these lines" in said.text
    assert place in said.text
    assert state(small) == before
    said = run_update(small)
    assert said.code == 0, said.text


def lose_a_file(_: Workshop, sides: Sides) -> Merged:
    return Merged({path: entry for path, entry in sides.ours.items() if path != "mine.py"}, [])


def test_a_lost_file_is_noticed(small: Path) -> None:
    """Each of its lines is named."""
    (small / "mine.py").write_text("a = 1\nb = 2\n")
    commit_all(small)
    with mock.patch.object(engine, "merge", lose_a_file):
        said = run_update(small)
    assert said.code == 1
    assert "mine.py:1\n  mine.py:2" in said.text
