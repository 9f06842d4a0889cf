"""The main job on real input: `copier copy` with the defaults, then the service with its servers."""

import argparse
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import yaml

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "demo"
DEFAULT_PORT = 8000


def fail(text: str) -> NoReturn:
    sys.exit(text)


def parse(arguments: list[str]) -> tuple[Path, dict[str, str], list[str]]:
    """Split the arguments into the folder, the answers and what else `copier copy` gets."""
    parser = argparse.ArgumentParser(prog="make demo ARGS=", description=__doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where to render it")
    parser.add_argument("-d", "--data", action="append", default=[], metavar="QUESTION=ANSWER", help="an answer")
    options, others = parser.parse_known_args(arguments)
    if wrong := [pair for pair in options.data if "=" not in pair]:
        fail(f"Write an answer as -d question=answer, not {wrong[0]!r}.")
    return options.folder.resolve(), dict(pair.split("=", 1) for pair in options.data), others


def render(folder: Path, answers: dict[str, str], others: list[str]) -> None:
    data = [argument for name, value in answers.items() for argument in ("--data", f"{name}={value}")]
    command = ["copier", "copy", "--defaults", "--vcs-ref", "HEAD", *data, *others, str(ROOT), str(folder)]
    print(f"$ {shlex.join(command)}", flush=True)
    if subprocess.run([sys.executable, "-m", *command], check=False).returncode:
        fail("Nothing was rendered: the message above says why.")


def reuse(folder: Path, answers: dict[str, str]) -> None:
    recorded = yaml.safe_load((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    asked = {name: value for name, value in answers.items() if name in recorded}  # others have no effect
    if any(yaml.safe_load(value) != recorded[name] for name, value in asked.items()):
        fail(f"{folder} was rendered with other answers: remove it, or choose another with --folder build/other.")
    print(f"Using {folder} as it is; remove it to render the template anew.", flush=True)


def choose_port() -> int:
    if "PORT" in os.environ:
        return int(os.environ["PORT"])
    for port in (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                print(f"Port {port} is taken, choosing another.", flush=True)
                continue
            return int(probe.getsockname()[1])
    fail("No port is free.")


def run(folder: Path) -> NoReturn:
    uv = shutil.which("uv") or fail("uv is missing: start this with `make demo`.")
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    os.chdir(folder)
    command = [uv, "run", "--quiet", "python", "-m", "devtools.dev"]
    print(f"$ cd {folder} && make dev", flush=True)
    os.execve(uv, command, environment | {"PORT": str(choose_port())})


def main() -> None:
    folder, answers, others = parse(sys.argv[1:])
    if (folder / ".copier-answers.yml").exists():
        reuse(folder, answers)
    else:
        render(folder, answers, others)
    run(folder)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
