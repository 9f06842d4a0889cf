"""The third-party modules that Python files import, by their top-level names."""

import ast
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def imports(paths: Iterable[Path], *, ours: set[str]) -> set[str]:
    """Return the modules that are neither ours nor in the standard library."""
    return {name for path in paths for name in _imported(path)} - ours - sys.stdlib_module_names
