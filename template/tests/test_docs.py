"""docs/settings.md and .env.example say what the settings really are."""

import re
from enum import StrEnum

import pytest
from pydantic import SecretStr

from devtools.process import ROOT
from tests.settings import SETTINGS

FIELDS = {name: field for settings in SETTINGS for name, field in settings.model_fields.items()}
YOURS = "# Yours below this line."


def written(value: object) -> str:
    """Write a default as one writes it into .env."""
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, list):
        return ",".join(value)
    if isinstance(value, bool | StrEnum):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def documented() -> dict[str, str]:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `([A-Z_]+)` \| (?:`(.*?)`)? *\|", text, re.MULTILINE))


def exemplified() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text(encoding="utf-8").partition(YOURS)[0]
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_the_table_has_every_setting() -> None:
    """A setting of yours needs a row in the table, too."""
    assert FIELDS.keys() - documented().keys() == set()


def test_the_example_has_every_setting() -> None:
    """Your own settings may be below the line that is yours."""
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert {name for name in FIELDS if not re.search(rf"^#? ?{name}=", text, re.MULTILINE)} == set()


def test_neither_names_a_setting_that_does_not_exist() -> None:
    """A renamed setting is renamed everywhere."""
    assert (documented().keys() | exemplified().keys()) - FIELDS.keys() == set()


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_the_default_in_the_table_is_the_real_one(name: str) -> None:
    """The documented default is the one in the code."""
    assert documented()[name] == written(FIELDS[name].get_default(call_default_factory=True))
