"""Size: lines of code without blank lines, comments and docstrings"""

import ast
import io
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

from tests.support.rendering import render, take_snapshot

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
# What each project may have in src/, and the answers that make it.
PROJECTS = (
    ("default", {}, 3450),
    ("API only", {"demo_pages": False}, 3100),
    ("without auth", {"auth": False}, 1200),
)


def _docstrings(text: str) -> set[int]:
    """Return the numbers of the lines that hold docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    nodes = [node.body[0] for node in ast.walk(ast.parse(text)) if isinstance(node, documented) and node.body]
    found = [node for node in nodes if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    return {line for node in found if node.end_lineno for line in range(node.lineno, node.end_lineno + 1)}


def code_lines(*paths: Path) -> int:
    count = 0
    for path in paths:
        text = path.read_text(encoding="utf-8")
        tokens = [each for each in tokenize.generate_tokens(io.StringIO(text).readline) if each.type not in NO_CODE]
        count += len({line for each in tokens for line in range(each.start[0], each.end[0] + 1)} - _docstrings(text))
    return count


def measure() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as name:
        template = take_snapshot(Path(name) / "template")
        for title, answers, most in PROJECTS:
            project = render(template, Path(name) / title, **answers)
            yield f"{title}: lines in src/", str(code_lines(*project.glob("src/**/*.py"))), f"goal ≤ {most}"
        project = Path(name) / "default"
        update = project / "devtools" / "update.py"
        tools = [path for path in project.glob("devtools/**/*.py") if path != update]
        yield "default: lines in devtools/, without the update engine", str(code_lines(*tools)), "goal ≤ 600"
        yield "default: lines of the update engine", str(code_lines(update)), "goal ≤ 500"
        yield "default: lines in tests/", str(code_lines(*project.glob("tests/**/*.py"))), ""
        yield "default: files", str(sum(path.is_file() for path in project.rglob("*"))), "goal ≤ 165"
        yield "default: files in src/", str(sum(path.is_file() for path in project.glob("src/**/*"))), "goal ≤ 55"
