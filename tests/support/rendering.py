"""Renders the template many times a second, byte for byte as Copier's command does (test_rendering.py)."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import Any
from unittest import mock

import copier
import copier._main
from jinja2 import Environment

ROOT = Path(__file__).resolve().parent.parent.parent


def files_of_repository() -> list[Path]:
    """List what a commit of the working tree would hold."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    return [Path(name) for name in names if name and (ROOT / name).is_file()]


def take_snapshot(folder: Path) -> Path:
    """Copy the working tree without its git history, so that no test can touch the real one."""
    for name in files_of_repository():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
        target.chmod((ROOT / name).stat().st_mode)
    return folder


@contextmanager
def fast() -> Iterator[None]:
    """Compile each text once in all clones of a template, and skip the question to git that Copier asks for each file."""
    original = copier._main.Worker.jinja_env.func

    def shared(worker: Any) -> Environment:
        key = worker.template.local_abspath
        if key not in _environments:
            environment = _environments[key] = original(worker)
            environment.compile = partial(_compile_once, environment.compile, environment.lexer)
            environment.from_string = cache(environment.from_string)
        return _environments[key]

    with (
        mock.patch.object(copier._main.Worker, "jinja_env", property(shared)),
        mock.patch.object(copier._main, "is_git_available", return_value=False),
    ):
        yield


def _compile_once(
    compile_text: Callable[..., CodeType],
    lexer: object,
    source: str,
    name: str | None = None,
    filename: str | None = None,
) -> CodeType:
    """Compile a text, of which its name becomes a part; the lexer stands for the options of the template."""
    key = (lexer, source, name)
    if key not in _codes:
        _codes[key] = compile_text(source, name, filename)
    return _codes[key]


_environments: dict[Path, Environment] = {}
_codes: dict[tuple[object, ...], CodeType] = {}


def render(template: Path, folder: Path, **answers: Any) -> Path:
    with fast():
        copier.run_copy(str(template), folder, data=answers, defaults=True, quiet=True)
    return folder


def text_files(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_text(encoding="utf-8")
