"""A PostgreSQL of our own."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from sqlalchemy import make_url
from src.database.config import get_database_settings

from devtools.postgres import PostgreSQL, connect
from devtools.process import Failure, free_port


async def run(address: str, statement: str) -> None:
    connection = await connect(make_url(address))
    await connection.execute(statement)
    await connection.close()


def test_it_keeps_its_data_and_insists_on_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start finds what the first one wrote; another password gets a sentence with the remedy.

    The first one throws away what a killed initdb has left.
    """
    monkeypatch.setenv("DATABASE_URL", f"postgresql://owner:right@localhost:{free_port()}/kept")
    server = PostgreSQL(tmp_path)
    ruin = server.data.with_suffix(".new")
    ruin.mkdir()
    (ruin / "PG_VERSION").write_text("1")
    server.start()
    assert {path.name for path in tmp_path.iterdir()} == {server.data.name, server.log.name}
    asyncio.run(run(server.address, "CREATE TABLE kept (number int)"))
    server.stop()

    again = PostgreSQL(tmp_path)
    again.start()
    asyncio.run(run(again.address, "INSERT INTO kept VALUES (1)"))
    again.stop()

    monkeypatch.setenv("DATABASE_URL", f"postgresql://owner:wrong@localhost:{free_port()}/kept")
    get_database_settings.cache_clear()
    with pytest.raises(Failure, match="another user or password"):
        PostgreSQL(tmp_path).start()


def test_what_a_crash_left_is_not_taken_for_a_server(tmp_path: Path) -> None:
    """The file that says `ready` stays when a server is killed."""
    server = PostgreSQL(tmp_path)
    server.data.mkdir()
    nobody = subprocess.Popen("true")
    nobody.wait()
    (server.data / "postmaster.pid").write_text(f"{nobody.pid}\n\n\n{server.port}\n\n\n\nready   \n")
    assert not server.is_ready()


def test_a_stale_pid_file_harms_nobody(tmp_path: Path) -> None:
    """It may name a process that got the number since, or nothing."""
    server = PostgreSQL(tmp_path)
    server.data.mkdir()
    for content in (f"{os.getpid()}\n", ""):
        (server.data / "postmaster.pid").write_text(content)
        server._stop_orphan()


def test_the_configured_one_is_found() -> None:
    """If it answers, no other is started."""
    assert PostgreSQL.configured_answers()
    assert PostgreSQL.is_local()


@pytest.mark.parametrize("name", ["not_there_yet", 'a "quoted" name'])
def test_a_missing_database_of_a_running_server_is_created(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only the database is missing; a quotation mark does not end its name."""
    url = get_database_settings().url.set(database=name)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    get_database_settings.cache_clear()
    assert PostgreSQL.configured_answers()
    asyncio.run(run(url.render_as_string(hide_password=False), "SELECT 1"))


def test_a_user_who_may_not_create_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may, or another name: one sentence."""
    url = get_database_settings().url
    address = url.render_as_string(hide_password=False)
    asyncio.run(run(address, "CREATE USER guest PASSWORD 'guest'"))
    guest = url.set(username="guest", password="guest", database="guests_own")
    monkeypatch.setenv("DATABASE_URL", guest.render_as_string(hide_password=False))
    get_database_settings.cache_clear()
    with pytest.raises(Failure, match=r"guests_own is not there, and guest could not create it .*permission denied"):
        PostgreSQL.configured_answers()
    asyncio.run(run(address, "DROP USER guest"))
