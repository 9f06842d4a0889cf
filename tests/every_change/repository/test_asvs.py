"""The table of OWASP ASVS 5.0: no requirement without a row, no row without a proof or a reason."""

import re
from collections import Counter
from typing import NamedTuple

import pytest

from tests.support.rendering import ROOT, files_of_repository

# Requirements of levels 1 and 2 by chapter, counted in the standard's own list of version 5.0.0:
# 5.0/docs_en/OWASP_Application_Security_Verification_Standard_5.0.0_en.csv
COUNTS = {3: (8, 11), 6: (13, 22), 7: (6, 12), 9: (4, 3), 13: (1, 12), 16: (0, 16)}
ROW = re.compile(r"^\| (\d+)\.(\d+)\.(\d+) \| (\d) \| (.*?) \| ([^|]*) \| ([^|]*) \|$", re.MULTILINE)
TEST = re.compile(r"\btest_\w+")


class Row(NamedTuple):
    chapter: int
    section: int
    number: int
    level: int
    text: str
    status: str
    proof: str

    def __str__(self) -> str:
        return f"{self.chapter}.{self.section}.{self.number}"


TABLE = (ROOT / "docs" / "reference" / "asvs.md").read_text(encoding="utf-8")
ROWS = [Row(*map(int, found[:4]), *found[4:]) for found in ROW.findall(TABLE)]


@pytest.fixture(scope="module")
def tests() -> set[str]:
    """The names of all tests of the template and of what it renders."""
    files = [path for path in files_of_repository() if "tests" in path.parts and ".py" in path.suffixes]
    return {
        name
        for path in files
        for name in re.findall(r"^ *(?:async )?def (test_\w+)", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
    }


def test_every_requirement_has_a_row() -> None:
    """Those of levels 1 and 2 of these chapters, each once and in order."""
    counted = Counter((row.chapter, row.level) for row in ROWS)
    assert {chapter: (counted[chapter, 1], counted[chapter, 2]) for chapter in COUNTS} == COUNTS
    assert sum(counted.values()) == sum(map(sum, COUNTS.values())) == TABLE.count("| Verify that")
    assert [row[:3] for row in ROWS] == sorted({row[:3] for row in ROWS})


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_row_is_proven_or_explained(row: Row, tests: set[str]) -> None:
    """A requirement that is met names existing tests, any other a reason."""
    assert row.status in {"met", "not met", "not applicable"}
    assert row.text.startswith("Verify that")
    named = TEST.findall(row.proof)
    assert set(named) <= tests
    assert named if row.status == "met" else row.proof.strip()


def test_the_image_holds_no_repository_and_no_secret() -> None:
    """Docker is shown what the service consists of, and nothing else: neither .git nor .env."""
    shown = {"pyproject.toml", "uv.lock", "alembic.ini", "migrations", "src"}
    first, *rules = (ROOT / "template" / ".dockerignore").read_text().splitlines()
    assert first == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == shown
    copied = re.findall(
        r"^COPY (?!--from)(?:--\S+ )*(.*) \S+$", (ROOT / "template" / "Dockerfile.jinja").read_text(), re.M
    )
    assert {name.rstrip("*") for line in copied for name in line.split()} <= shown
