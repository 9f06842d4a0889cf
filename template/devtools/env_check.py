"""Compares .env with the settings: `make env-check`."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from devtools.process import ROOT, fail, say
from devtools.settings import find_settings
from src.config import EXAMPLE_SECRET, EnvSettings, check_env_file, env_file

EXAMPLE = ROOT / ".env.example"
OTHERS = ("ENV_FILE",)  # read by what reads the settings, not a setting itself


def read(path: Path) -> dict[str, str]:
    """Read the variables of a file that are not empty, for an empty one counts as not set."""
    return {name: value for name, value in dotenv_values(path, interpolate=False).items() if value}


def missing(settings: type[EnvSettings], values: dict[str, str], examples: dict[str, str]) -> Iterator[str]:
    """Yield what has no default that is good for more than trying out: the required and the secret."""
    if any(name.endswith("_URL") and name in values for name in settings.model_fields):
        return  # one address instead of its parts
    for name, field in settings.model_fields.items():
        if name not in values and (field.is_required() or examples.get(name) == EXAMPLE_SECRET):
            yield name


def _with_suggestion(name: str, known: set[str]) -> str:
    return f"{name} (is it {close[0]}?)" if (close := get_close_matches(name, known, n=1)) else name


def findings(values: dict[str, str], examples: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each kind of thing that is wrong; it names variables and never shows a value."""
    classes = find_settings()
    known = {name for settings in classes for name in settings.model_fields}
    if absent := [name for settings in classes for name in missing(settings, values, examples)]:
        say_how = "a random value: python3 -c 'import secrets; print(secrets.token_hex(32))'"
        yield f"Missing: {', '.join(absent)}; {say_how}"
    if unknown := sorted(values.keys() - known - examples.keys() - set(OTHERS)):
        yield (
            f"Unknown, so without effect on the service: {', '.join(_with_suggestion(name, known) for name in unknown)};"
            " mend it, or add it to .env.example if something else reads it"
        )
    if left := [name for name, value in values.items() if EXAMPLE_SECRET in value]:
        yield f"Still the example: {', '.join(left)}; put a value of your own"


def is_exposed(path: Path) -> bool:
    """Say whether anyone but the owner of a file may read or change it."""
    return path.is_file() and bool(path.stat().st_mode & 0o077)


def main() -> int:
    path = env_file()
    if not path.exists():
        fail(f"There is no {path}: make env writes one.")
    check_env_file(path)
    values, examples = read(path), read(EXAMPLE)
    found = list(findings(values, examples))
    if is_exposed(path):
        found.append(f"Other users of this machine can read or change it: chmod 600 {path}")
    say("\n".join(found) or f"{path}: nothing is missing, unknown or left at an example.")
    known = {name for settings in find_settings() for name in settings.model_fields}
    say(f"At their defaults: {', '.join(sorted(known - values.keys())) or 'none'}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
