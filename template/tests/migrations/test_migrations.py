"""The history of the database."""

import asyncio
import os
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import make_url

from devtools.postgres import connect, create_database
from devtools.process import ROOT
from src.database.config import get_database_settings
from tests.settings import forget_settings


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
