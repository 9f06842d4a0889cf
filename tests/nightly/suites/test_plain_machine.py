"""The largest service on a plain Debian: its own Python, an ordinary user, no terminal, a blank in the path."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rendering import render
from tests.support.suites import ALL_PASSED
from tests.support.variants import EVERYTHING

NOBODY = 65534
BECOME = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
SYSTEM_PYTHON = "/usr/bin/python3"  # with fixes that Pythons built before them do not have: CVE-2025-0938
KEPT = ("SSL_CERT_FILE", "LANG")


@pytest.fixture
def home() -> Iterator[Path]:
    """The home folder of a user who is not root."""
    with tempfile.TemporaryDirectory(prefix="home of a user ") as name:
        yield Path(name)


def hand_over(folder: Path) -> list[str]:
    """Give a folder away, and return what a command of its new owner begins with."""
    if os.geteuid() != 0:
        return []
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return BECOME


def test_its_own_suite_passes(template: Path, home: Path) -> None:
    """As `make test` runs it, from nothing; no test is skipped."""
    project = render(template, home / "my service", **EVERYTHING.answers)
    uv = Path(shutil.copy(shutil.which("uv") or "", home / "uv")).parent
    environment = {name: os.environ[name] for name in KEPT if name in os.environ}
    environment |= {"HOME": str(home), "PATH": f"{uv}:/usr/bin:/bin", "UV_PYTHON": SYSTEM_PYTHON}
    done = subprocess.run(
        [*hand_over(home), "make", "test"],
        cwd=project,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ALL_PASSED.fullmatch(done.stdout.splitlines()[-1]), done.stdout
