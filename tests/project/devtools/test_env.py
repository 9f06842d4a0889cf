"""`make env` writes a .env with new secrets, and only where git ignores it."""

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from src.config import EXAMPLE_SECRET

from devtools import env
from devtools.env_check import EXAMPLE
from devtools.process import ROOT, Failure


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A place that git would ignore."""
    (tmp_path / ".gitignore").write_text(".env\n")
    monkeypatch.setenv("ENV_FILE", str(tmp_path / ".env"))
    return tmp_path / ".env"


def start(path: Path) -> "subprocess.CompletedProcess[str]":
    """Make the application with the settings of a file, and nothing else in the environment that could be one."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-c", "from src.main import create_app; create_app()"]
    return subprocess.run(
        command, cwd=ROOT, env={**environment, "ENV_FILE": str(path)}, capture_output=True, text=True, check=False
    )


def test_each_secret_is_its_own(path: Path) -> None:
    """They are unique, only their owner can read the file, and the service starts with it."""
    env.main()
    text = path.read_text()
    found = re.findall(r"=([0-9a-f]{64})$", text, re.MULTILINE)
    assert len(set(found)) == len(found) >= 1
    assert EXAMPLE_SECRET not in text
    assert "ENVIRONMENT=dev" in text.splitlines()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    done = start(path)
    assert done.returncode == 0, done.stderr


def test_a_file_that_is_there_stays(path: Path) -> None:
    """Its secrets are in use."""
    path.write_text("mine")
    with pytest.raises(Failure, match="move it away"):
        env.main()
    assert path.read_text() == "mine"


@pytest.mark.parametrize("is_repository", [True, False])
def test_a_file_that_git_would_add_is_refused(path: Path, *, is_repository: bool) -> None:
    """The next `git add -A` would take the secrets."""
    path.with_name(".gitignore").write_text("*.log\n")
    if is_repository:
        subprocess.run(["git", "init", "--quiet"], cwd=path.parent, check=True)
    with pytest.raises(Failure, match=r"add the line \.env to \.gitignore"):
        env.main()
    assert not path.exists()


def test_a_copy_of_the_example_serves() -> None:
    """A colleague runs `cp .env.example .env` in a fresh clone."""
    done = start(EXAMPLE)
    assert done.returncode == 0, done.stderr
