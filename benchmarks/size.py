"""Size of the default project"""

import io
import subprocess
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


def code_lines(path: Path) -> int:
    """Count the lines that hold code or docstrings; blank lines and comments do not count."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
    spans = [range(token.start[0], token.end[0] + 1) for token in tokens if token.type not in NO_CODE]
    return len({line for span in spans for line in span})


def measure() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as name:
        project = render(take_snapshot(Path(name) / "template"), Path(name) / "project")
        export = ["uv", "export", "--quiet", "--no-default-groups", "--no-hashes", "--no-header", "--no-annotate"]
        packages = subprocess.run(export, cwd=project, capture_output=True, text=True, check=True).stdout.splitlines()
        yield "resolved runtime packages", str(len(packages)), "goal ≤ 40"
        for folder, goal in (
            ("src", "goal ≤ 1500 without, ≤ 3000 with authentication"),
            ("devtools", ""),
            ("tests", ""),
        ):
            lines = sum(code_lines(path) for path in (project / folder).rglob("*.py"))
            yield f"source lines in {folder}/", str(lines), goal
