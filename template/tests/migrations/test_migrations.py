"""The history of the database."""

import asyncio
import os
import sys
from uuid import uuid4

import anyio
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import make_url

from devtools.postgres import connect, create_database
from devtools.process import ROOT
from src.database.config import MIGRATION_LOCK, get_database_settings
from tests.settings import forget_settings

WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.fixture
def config() -> Config:
    return Config(ROOT / "alembic.ini")


@pytest.fixture
def fresh_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Point the settings at a database without any table."""
    url = make_url(os.environ["DATABASE_URL"]).set(database=f"fresh_{uuid4().hex}")
    asyncio.run(create_database(url))
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    forget_settings()


@pytest.mark.usefixtures("fresh_database")
def test_upgrade_downgrade_upgrade(config: Config) -> None:
    """Every revision can be undone and done again."""
    command.upgrade(config, "head")
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    assert _revision() == [ScriptDirectory.from_config(config).get_current_head()]


def _revision() -> list[str]:
    async def read() -> list[str]:
        connection = await connect(make_url(os.environ["DATABASE_URL"]))
        rows = await connection.fetch("SELECT version_num FROM alembic_version")
        await connection.close()
        return [row["version_num"] for row in rows]

    return asyncio.run(read())


def test_models_and_migrations_agree(config: Config) -> None:
    """If this fails, a model changed: make migration m="what changed"."""
    command.check(config)
    assert ScriptDirectory.from_config(config).get_current_head() in _revision()


def test_there_is_one_head(config: Config) -> None:
    """Two heads mean that two branches were merged: uv run alembic merge heads."""
    assert len(ScriptDirectory.from_config(config).get_heads()) == 1


@pytest.mark.usefixtures("fresh_database")
async def test_processes_may_migrate_at_the_same_moment(anyio_backend: str) -> None:
    """While somebody holds the lock they wait for it; then one of them works, and the other finds it done."""
    connection = await connect(make_url(os.environ["DATABASE_URL"]))
    await connection.execute("SELECT pg_advisory_lock($1::bigint)", MIGRATION_LOCK)
    upgrade = [sys.executable, "-m", "alembic", "upgrade", "head"]
    processes = [await anyio.open_process(upgrade, cwd=ROOT, stdout=None, stderr=None) for _ in range(2)]
    with anyio.fail_after(30):
        while await connection.fetchval(WAITING) < len(processes):
            assert [process.returncode for process in processes] == [None, None]
            await anyio.sleep(0.01)
    assert await connection.fetchval("SELECT to_regclass('alembic_version')") is None
    await connection.execute("SELECT pg_advisory_unlock($1::bigint)", MIGRATION_LOCK)
    assert [await process.wait() for process in processes] == [0, 0]
    assert await connection.fetchval("SELECT count(*) FROM alembic_version") == 1
    await connection.close()
    for process in processes:
        await process.aclose()


def test_an_unreachable_database_is_one_sentence(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where nothing answered, never the password."""
    monkeypatch.setenv("DATABASE_URL", "postgresql://user:s3cret@127.0.0.1:1/name")
    forget_settings()
    with pytest.raises(CommandError, match=r"PostgreSQL does not answer on 127\.0\.0\.1:1") as error:
        command.upgrade(config, "head")
    assert "s3cret" not in str(error.value)


def test_a_refused_user_is_one_sentence(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a copy whose predecessor left its volume behind."""
    url = get_database_settings().url.set(username="stranger", password="s3cret")
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    forget_settings()
    with pytest.raises(CommandError, match=r'refuses: .*"stranger"') as error:
        command.upgrade(config, "head")
    assert "s3cret" not in str(error.value)


def test_sql_can_be_written_instead_of_run(config: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """For databases that only an administrator may change."""
    command.upgrade(config, "head", sql=True)
    assert "CREATE TABLE alembic_version" in capsys.readouterr().out
