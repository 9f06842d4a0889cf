"""The tiers of the tests match CONTRIBUTING.md and the workflows."""

import re
from pathlib import Path

import yaml

from tests.support.rendering import ROOT
from tests.support.variants import EXTRAS

TESTS = ROOT / "tests"
TIERS = ("every_change", "nightly")


def folders(tier: str) -> set[str]:
    return {path.parent.name for path in (TESTS / tier).glob("*/test_*.py")}


def test_every_test_is_in_a_tier() -> None:
    """A test anywhere else would never run."""
    found = {path.relative_to(TESTS).parts[0] for path in TESTS.rglob("test_*.py")}
    assert found == {*TIERS, "project"}  # those of a project run in test_devtools.py


def test_the_table_says_what_each_folder_proves() -> None:
    """Each folder has an entry in the column of every tier it is in."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| `(\w+)` \| (.*?) ?\| (.*?) ?\|$", text.partition("| `every_change` proves |")[2], re.MULTILINE
    )
    for column, tier in enumerate(TIERS, start=1):
        assert {row[0] for row in rows if row[column]} == folders(tier), tier


def test_each_night_runs_every_part() -> None:
    """The workflow lists the folders."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "nightly.yml").read_text(encoding="utf-8"))
    parts = workflow["jobs"]["test-all"]["strategy"]["matrix"]["part"]
    assert set(parts) == folders("every_change") | folders("nightly")


def test_each_week_new_services_meet_the_newest_packages() -> None:
    """Linters and suites, of the default, the largest and the barest project."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "weekly.yml").read_text(encoding="utf-8"))
    job = workflow["jobs"]["upgrade"]
    assert job["steps"][-1]["run"].splitlines() == ["uv lock --upgrade", "make check", "make test"]
    assert job["strategy"]["matrix"]["answers"] == [
        "",
        f"-d celery=true -d extras=[{','.join(EXTRAS)}]",
        "-d auth=false -d lang=ru",
    ]


def test_every_patience_is_one_number() -> None:
    """No other number of seconds decides how long a test waits."""
    literal = re.compile(r"timeout(=|\()\d|\.wait\(\d|monotonic\(\) \+ \d")
    for path in TESTS.rglob("*.py"):
        found = [line for line in path.read_text(encoding="utf-8").splitlines() if literal.search(line)]
        assert path == Path(__file__) or found == [], path
