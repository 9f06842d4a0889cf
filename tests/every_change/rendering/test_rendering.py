"""The fast rendering used by these tests equals the real one."""

import importlib.metadata
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.rendering import text_files
from tests.support.variants import VARIANTS, Variant

SECRET = re.compile(r"(?<==)[0-9a-f]{32,}")


def test_it_is_byte_for_byte_what_the_command_makes(
    template: Path, rendered: Callable[[Variant], Path], tmp_path: Path
) -> None:
    """Names, contents and modes are the same; only secrets differ, and they must."""
    variant = VARIANTS[-1]
    answers = {**variant.answers, "extras": f"[{','.join(variant.extras)}]"}
    data = [argument for name, value in answers.items() for argument in ("-d", f"{name}={value}")]
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", *data, template, tmp_path / "real"]
    subprocess.run(command, check=True)
    fast, real = dict(text_files(rendered(variant))), dict(text_files(tmp_path / "real"))
    assert fast.keys() == real.keys()
    for name, text in fast.items():
        assert SECRET.sub("SECRET", text) == SECRET.sub("SECRET", real[name]), name
        assert (rendered(variant) / name).stat().st_mode == (tmp_path / "real" / name).stat().st_mode, name
    assert fast[".env"] != real[".env"]


def test_copier_is_the_version_whose_private_names_are_patched() -> None:
    """After a new minor version of Copier, review tests/support/rendering.py, then raise this number."""
    assert importlib.metadata.version("copier").startswith("9.19.")


@pytest.mark.parametrize("name", ["DB_PASSWORD", "REDIS_PASSWORD"])
def test_secrets_are_new_in_each_copy(rendered: Callable[[Variant], Path], name: str) -> None:
    """Each has 128 bits and differs between rendered variants."""
    secrets = []
    for variant in VARIANTS:
        text = (rendered(variant) / ".env").read_text()
        secrets += re.findall(rf"^{name}=([0-9a-f]+)$", text, re.MULTILINE)
    assert secrets
    assert all(len(secret) == 32 for secret in secrets)
    assert len(set(secrets)) == len(secrets)
