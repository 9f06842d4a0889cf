"""A PostgreSQL of our own."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import make_url
from src.database.config import get_database_settings

from devtools import postgres
from devtools.postgres import connect
from devtools.process import Failure, free_port
from devtools.services import LOOPBACK


async def run(address: str, statement: str) -> None:
    connection = await connect(make_url(address))
    await connection.execute(statement)
    await connection.close()


def data_in(folder: Path) -> Path:
    return folder / f"postgres-{postgres._major_version(postgres._binaries())}"


def test_it_keeps_its_data_and_insists_on_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second start finds what the first one wrote; another password gets a sentence with the remedy.

    The first one throws away what a killed initdb has left.
    """
    monkeypatch.setenv("DATABASE_URL", f"postgresql://owner:right@localhost:{free_port()}/kept")
    data = data_in(tmp_path)
    ruin = data.with_suffix(".new")
    ruin.mkdir()
    (ruin / "PG_VERSION").write_text("1")
    with postgres.serve(tmp_path) as address:
        assert {path.name for path in tmp_path.iterdir()} == {data.name, "postgresql.log"}
        asyncio.run(run(address, "CREATE TABLE kept (number int)"))
    with postgres.serve(tmp_path) as address:
        asyncio.run(run(address, "INSERT INTO kept VALUES (1)"))

    monkeypatch.setenv("DATABASE_URL", f"postgresql://owner:wrong@localhost:{free_port()}/kept")
    get_database_settings.cache_clear()
    with pytest.raises(Failure, match="another user or password"), postgres.serve(tmp_path):
        pass


@pytest.mark.parametrize("left", ["{mine}\n{data}\n\n{port}\n\n\n\nready   \n", "{mine}\n", ""])
def test_what_a_crash_left_is_not_taken_for_a_server(tmp_path: Path, left: str) -> None:
    """The file that says `ready` stays when a server is killed, and another process has its number since."""
    port = free_port()
    with postgres.serve(tmp_path, keep=False):
        pass
    data = data_in(tmp_path)
    (data / "postmaster.pid").write_text(left.format(mine=os.getpid(), data=data, port=port))
    with postgres.serve(tmp_path, wanted_port=port) as address:
        asyncio.run(run(address, "SELECT 1"))


def test_the_data_of_a_test_is_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """However many runs want it at the same time; each gets a copy of its own."""
    monkeypatch.setattr("devtools.process.FOLDER", tmp_path / ".dev")
    monkeypatch.setenv("DATABASE_URL", "postgresql://someone:else@localhost/new")
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor() as runs:
        list(runs.map(lambda folder: postgres._copy(data_in(folder)), folders))
    assert capsys.readouterr().out.count("PostgreSQL: creating") == 1
    for folder in folders:
        with postgres.serve(folder, keep=False) as address:
            asyncio.run(run(address, "CREATE TABLE own (number int)"))


def test_where_the_data_cannot_be_kept_it_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout may be read-only."""
    (tmp_path / "file").touch()
    monkeypatch.setattr("devtools.process.FOLDER", tmp_path / "file")
    with postgres.serve(tmp_path, keep=False) as address:
        asyncio.run(run(address, "SELECT 1"))


def test_the_configured_one_is_found() -> None:
    """If it answers, no other is started."""
    assert postgres.configured_answers()
    assert postgres.configured()[0] in LOOPBACK


@pytest.mark.parametrize("name", ["not_there_yet", 'a "quoted" name'])
def test_a_missing_database_of_a_running_server_is_created(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Only the database is missing; a quotation mark does not end its name."""
    url = get_database_settings().url.set(database=name)
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    get_database_settings.cache_clear()
    assert postgres.configured_answers()
    asyncio.run(run(url.render_as_string(hide_password=False), "SELECT 1"))


def test_a_user_who_may_not_create_it_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says who may create it, or to choose another name."""
    url = get_database_settings().url
    address = url.render_as_string(hide_password=False)
    asyncio.run(run(address, "CREATE USER guest PASSWORD 'guest'"))
    guest = url.set(username="guest", password="guest", database="guests_own")
    monkeypatch.setenv("DATABASE_URL", guest.render_as_string(hide_password=False))
    get_database_settings.cache_clear()
    with pytest.raises(Failure, match=r"guests_own is not there, and guest could not create it .*permission denied"):
        postgres.configured_answers()
    asyncio.run(run(address, "DROP USER guest"))
