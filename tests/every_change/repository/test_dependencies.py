"""Every imported package is declared, none comes with another by chance."""

import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from packaging.requirements import Requirement

from tests.support.imports import imports
from tests.support.rendering import ROOT, files_of_repository

RENDER = ("tools/__init__.py", "tools/demo.py", "tools/new.py")  # what `make demo` and `make new` run
# A migration finds `moves` beside itself; devtools is that of template/.
OURS = {"tests", "tools", "benchmarks", "hooks", "moves", "devtools"}


def needed(paths: list[Path]) -> set[str]:
    """Return the distributions that bring what the files import, and the modules that nothing brings."""
    modules = imports((ROOT / path for path in paths), ours=OURS)
    brought = packages_distributions()
    return {brought.get(module, [module])[0].lower() for module in modules}


def declared(group: str) -> set[str]:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    entries = metadata["dependency-groups"][group]
    names = {Requirement(entry).name for entry in entries if isinstance(entry, str)}
    return names.union(*(declared(entry["include-group"]) for entry in entries if isinstance(entry, dict)))


def test_each_import_has_its_requirement() -> None:
    """In the group `dev`, which covers everything outside template/."""
    files = (path for path in files_of_repository() if path.suffix == ".py" and path.parts[0] in OURS)
    paths = [path for path in files if not {"inside", "project"} & set(path.parts)]  # those run inside a service
    assert needed(paths) - declared("dev") == set()


def test_rendering_needs_its_own_group_only() -> None:
    """And that group has nothing else: Copier, what it renders and asks with, and what reads its answers."""
    assert needed([Path(name) for name in RENDER]) | {"copier", "jinja2", "questionary"} == declared("render")
