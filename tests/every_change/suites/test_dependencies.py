"""A service declares every package that it imports; the nightly tests start it with these alone."""

import json
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import Run
from tests.support.imports import imports

PARTS = {"pydantic_core": "pydantic", "kombu": "celery", "anyio": "starlette"}  # documented as parts of these packages
LIST = "import json; from importlib.metadata import packages_distributions as f; print(json.dumps(f()))"


@pytest.fixture(scope="session")
def packages(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The packages that provide each module, in an environment that has all of them."""
    found: dict[str, list[str]] = json.loads(run("python", "-c", LIST, cwd=tmp_path_factory.mktemp("list")).stdout)
    return found


def test_each_import_is_declared(project: Path, packages: dict[str, list[str]]) -> None:
    """For the service, not for development; no package comes with another by chance."""
    metadata = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {canonicalize_name(Requirement(text).name) for text in metadata["dependencies"]}
    files = [path for folder in ("src", "migrations") for path in (project / folder).rglob("*.py")]
    modules = {PARTS.get(name, name) for name in imports(files, ours={"src", "migrations"})}
    missing = {name for name in modules if not declared & set(map(canonicalize_name, packages.get(name, [name])))}
    assert missing == set()
