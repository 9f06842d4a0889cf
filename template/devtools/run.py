"""Runs a command with the servers up: `uv run python -m devtools.run alembic upgrade head`."""

import os
import signal
import sys

from devtools.process import finish, stop_on_signals
from devtools.services import development_servers


def main(command: list[str]) -> int:
    stop_on_signals()
    with development_servers(share=True) as variables:
        return finish([sys.executable, "-m", *command], {**os.environ, **variables})


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
