"""Writes a .env with secrets of its own: `make env`."""

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from dotenv import dotenv_values

from devtools.env_check import EXAMPLE
from devtools.process import fail, run_quietly, say
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
    """Raise `Failure` unless git ignores the file, or would once its folder is a repository."""
    if not (git := shutil.which("git")):
        return
    code = run_quietly(git, "-C", path.parent, "check-ignore", "--quiet", path.name).returncode
    ignored = path.with_name(".gitignore")
    is_listed = ignored.exists() and path.name in ignored.read_text(encoding="utf-8", errors="replace").split()
    if code == 1 or (code > 1 and not is_listed):
        fail(f"Git does not ignore {path.name}, which holds secrets: add the line {path.name} to .gitignore first.")


def main() -> None:
    path = env_file().absolute()
    refuse_to_share_secrets(path)
    text = "\n".join([*lines(EXAMPLE), ""])
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        fail(f"{path} is there, and its secrets are in use: move it away to have another written.")
    path.write_text(text, encoding="utf-8")
    say(f"{path} is written. Next: make dev")


if __name__ == "__main__":
    main()
