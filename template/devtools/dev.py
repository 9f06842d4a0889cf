"""Runs the service for development: its servers, its migrations, then itself with reload."""

import os
import subprocess
import sys

from devtools.postgres import PostgreSQL
from devtools.process import ROOT, Guarded, fail, is_free, say, stop_on_signals
from devtools.services import development_servers
from src.config import Settings, get_settings


def refuse_what_is_not_development(settings: Settings) -> None:
    """Raise `Failure` where development would do harm or could not work."""
    if not settings.is_dev:
        fail(
            f"ENVIRONMENT is {settings.ENVIRONMENT}: `make dev` runs with ENVIRONMENT=dev in .env only, for it migrates."
        )
    if not PostgreSQL.is_local():
        address = ":".join(map(str, PostgreSQL.configured()))
        fail(
            f"The database on {address} is not on this machine: `make dev` migrates, so set DB_HOST=localhost in .env."
        )
    try:
        port_is_free = is_free(settings.PORT, settings.HOST)
    except OSError as error:
        fail(
            f"The service cannot listen on {settings.HOST}:{settings.PORT} ({error.strerror}):"
            " put HOST=127.0.0.1 and a PORT above 1023 in .env."
        )
    if not port_is_free:
        fail(f"Port {settings.PORT} is taken: stop what uses it, or choose another: PORT={settings.PORT + 1} make dev")


def _serve(settings: Settings, variables: dict[str, str]) -> int:
    environment = {**os.environ, **variables}
    say("Migrations: alembic upgrade head")
    if subprocess.run(
        [sys.executable, "-m", "alembic", "upgrade", "head"], cwd=ROOT, env=environment, check=False
    ).returncode:
        fail("The migrations did not succeed: the message above says why.")
    say(f"Service: http://{settings.HOST}:{settings.PORT}{settings.docs_url or ''} (Ctrl-C stops everything)")
    options = ["--factory", "--reload", "--reload-dir", "src", "--no-access-log", "--no-server-header"]
    address = ["--host", settings.HOST, "--port", str(settings.PORT)]
    service = Guarded([sys.executable, "-m", "uvicorn", "src.main:create_app", *options, *address], env=environment)
    try:
        return service.wait()
    finally:
        service.stop()


def main() -> int:
    stop_on_signals()
    settings = get_settings()
    refuse_what_is_not_development(settings)
    try:
        with development_servers() as variables:
            if variables is None:
                fail("`make dev` or another command of this project is running already: stop it first.")
            return _serve(settings, variables)
    except KeyboardInterrupt:
        say("\nEverything is stopped.")
        return 0


if __name__ == "__main__":
    sys.exit(main())
