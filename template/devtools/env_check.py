"""Compares .env with the settings: `make env-check`."""

import sys
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values

from devtools.process import ROOT, fail, say
from src.config import EXAMPLE_SECRET, EnvSettings, check_env_file, env_file, find_settings

EXAMPLE = ROOT / ".env.example"


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


def known_names() -> set[str]:
    return {name for settings in find_settings() for name in settings.model_fields}


def _with_suggestion(name: str) -> str:
    return f"{name} (is it {close[0]}?)" if (close := get_close_matches(name, known_names(), n=1)) else name


def findings(values: dict[str, str], examples: dict[str, str]) -> Iterator[str]:
    """Yield a sentence for each kind of thing that is wrong; it names variables and never shows a value."""
    if absent := [name for settings in find_settings() for name in missing(settings, values, examples)]:
        how = "a random value: python3 -c 'import secrets; print(secrets.token_hex(32))'"
        yield f"Missing: {', '.join(absent)}; {how}"
    # ENV_FILE is read by what reads the settings.
    if unknown := sorted(values.keys() - known_names() - examples.keys() - {"ENV_FILE"}):
        named = ", ".join(_with_suggestion(name) for name in unknown)
        remedy = "mend it, or add it to .env.example if something else reads it"
        yield f"Unknown, so without effect on the service: {named}; {remedy}"
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
    say(f"At their defaults: {', '.join(sorted(known_names() - values.keys())) or 'none'}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
