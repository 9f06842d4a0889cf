"""Rendering: the median of pairs, each side in a process of its own"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support.rendering import render, take_snapshot
from tests.support.variants import VARIANTS

ROUNDS = 5


def _seconds(template: Path, folder: Path) -> float:
    """Time one `copier copy` in a new process, in seconds."""
    command = [sys.executable, "-m", "copier", "copy", "--quiet", "--defaults", str(template), str(folder)]
    started = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - started


def measure() -> Iterator[tuple[str, str, str]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = take_snapshot(folder / "template")
        one_file = folder / "one-file"
        one_file.mkdir()
        (one_file / "copier.yml").write_text("name: {type: str, default: x}\n")
        (one_file / "hello.txt.jinja").write_text("hello {{ name }}\n")

        started = time.perf_counter()
        for variant in VARIANTS:
            render(template, folder / "variants" / str(variant), **variant.answers)
        yield f"all {len(VARIANTS)} variants in one process, seconds", f"{time.perf_counter() - started:.2f}", ""

        pairs = [(_seconds(template, folder / f"a{n}"), _seconds(one_file, folder / f"b{n}")) for n in range(ROUNDS)]
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
        yield "copier copy of the defaults ÷ of a one-file template", f"{ratio:.2f}", "goal ≤ 2.5"
