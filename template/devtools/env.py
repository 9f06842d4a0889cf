"""Writes a .env with secrets of its own: `make env`."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values

from devtools.env_check import EXAMPLE
from devtools.process import fail, say
from src.config import EXAMPLE_SECRET, env_file

COPIED = ("ENVIRONMENT", "DB_NAME", "DB_USER")  # the others have good defaults, which an update may change


def lines(example: Path) -> Iterator[str]:
    """Yield what differs from the defaults, and a secret for each password and key of the example."""
    yield "# Yours, git-ignored: the secrets were made for this copy. .env.example lists every setting."
    for name, value in dotenv_values(example, interpolate=False).items():
        if value == EXAMPLE_SECRET or name.endswith("_KEY"):
            yield f"{name}={secrets.token_hex(32)}"
        elif name in COPIED:
            yield f"{name}={value}"


def refuse_to_share_secrets(path: Path) -> None:
    """Raise `Failure` unless git ignores the file."""
    git = shutil.which("git")
    if not git:
        return
    command = [git, "-C", str(path.parent), "check-ignore", "--quiet", path.name]
    code = subprocess.run(command, capture_output=True, check=False).returncode
    if code == 1 or (code > 1 and not _is_listed(path)):
        fail(f"Git does not ignore {path.name}, which holds secrets: add the line {path.name} to .gitignore first.")


def _is_listed(path: Path) -> bool:
    """Say whether a folder that is no repository yet ignores the file once it is one."""
    ignored = path.with_name(".gitignore")
    return ignored.exists() and path.name in ignored.read_text(encoding="utf-8", errors="replace").split()


def main() -> None:
    path = env_file().absolute()
    refuse_to_share_secrets(path)
    text = "\n".join([*lines(EXAMPLE), ""])
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{path} is there, and its secrets are in use: move it away to have another written.")
    with os.fdopen(file, "w", encoding="utf-8") as new:
        new.write(text)
    say(f"{path} is written. Next: make dev")


if __name__ == "__main__":
    main()
