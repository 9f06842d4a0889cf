"""Runs the suite of a rendered project."""

import os
import re
import shutil
from pathlib import Path
from zlib import crc32

from tests.conftest import Run

IGNORED = {"__pycache__", ".dev", ".ruff_cache"}
ALL_PASSED = re.compile(r"=* ?\d{2,} passed in [^,]*")  # and none was skipped
# The tests that meet the assembled application, or a feature that others do without.
ASSEMBLED = (
    "tests/auth/test_documented_errors.py",
    "tests/auth/test_readme.py",
    "tests/auth/test_router.py",
    "tests/auth/test_without.py",
    "tests/migrations",
    "tests/pages",
    "tests/redis_database",
    "tests/tasks/test_router.py",
    "tests/test_docs.py",
    "tests/test_handlers.py",
    "tests/test_health.py",
    "tests/test_openapi.py",
    "tests/users",
)


def assembled(project: Path) -> list[str]:
    return [part for part in ASSEMBLED if (project / part).exists()]


def files(project: Path) -> set[str]:
    """Return what a project holds that git would see."""
    names = {path.relative_to(project) for path in project.rglob("*")}
    return {name.as_posix() for name in names if not IGNORED & set(name.parts)}


def put(project: Path, folder: Path) -> Path:
    """Copy a project to where another one was; equal files get equal times, so that caches recognise them."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project, folder)
    for path in folder.rglob("*"):
        if path.is_file():
            seconds = crc32(path.read_bytes())
            os.utime(path, (seconds, seconds))
    return folder


def assert_tests_pass(project: Path, run: Run, *parts: str) -> None:
    """Fail unless each test passes, none is skipped, and none leaves a file behind; without parts, the whole suite."""
    before = files(project)
    done = run("pytest", "-q", "-p", "no:cacheprovider", *parts, cwd=project)
    assert ALL_PASSED.fullmatch(done.stdout.splitlines()[-1]), done.stdout
    assert sorted(files(project) - before) == []


def assert_suite_passes(project: Path, folder: Path, run: Run, *, whole: bool) -> None:
    """Run the tests of a project in a copy of it."""
    copy = put(project, folder)
    assert_tests_pass(copy, run, *([] if whole else assembled(copy)))
