"""Runs a command with the servers up: `uv run python -m devtools.run alembic upgrade head`."""

import os
import signal
import subprocess
import sys

from devtools.process import ROOT, stop_on_signals
from devtools.services import development_servers, variables_of_running_servers


def main(command: list[str]) -> int:
    stop_on_signals()
    with development_servers() as variables:
        found = variables_of_running_servers() if variables is None else variables
        return subprocess.run(
            [sys.executable, "-m", *command], cwd=ROOT, env={**os.environ, **found}, check=False
        ).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
