"""Readiness while migrations are pending."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from shutil import copytree, rmtree
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import AsyncClient, Response
from sqlalchemy import text

from devtools.postgres import create_database
from devtools.process import ROOT
from src.database import migrations
from src.database.config import get_database_settings
from tests.database.replace import replaced

REVISION = """
revision = "{revision}"
down_revision = "{before}"
"""

Ask = Callable[..., Awaitable[Response]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Migrations of the code, to which a test may add."""
    copy = tmp_path / "migrations"
    copytree(ROOT / "migrations", copy)
    monkeypatch.setattr(migrations, "FOLDER", copy)
    migrations._read_scripts.cache_clear()
    yield copy
    migrations._read_scripts.cache_clear()


@pytest.fixture
async def ask(app: FastAPI, client: AsyncClient, folder: Path) -> Ask:
    """Ask a service whose database has run these revisions."""
    url = get_database_settings().url.set(database=f"readiness_{uuid4().hex}")
    await create_database(url)
    address = {"DATABASE_URL": None, "DB_HOST": url.host, "DB_PORT": url.port, "DB_NAME": url.database}

    async def call(*revisions: str, **settings: bool) -> Response:
        async with replaced(app, **address, **settings):
            async with app.state.database.session(commit=True) as session:
                if revisions:
                    await session.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num text)"))
                    await session.execute(text("DELETE FROM alembic_version"))
                for revision in revisions:
                    await session.execute(text("INSERT INTO alembic_version VALUES (:one)"), {"one": revision})
            return await client.get("/health/ready")

    return call


@pytest.fixture
def head(folder: Path) -> str:
    (head,) = migrations._read_scripts()[1]
    migrations._read_scripts.cache_clear()
    return head


def add(folder: Path, revision: str, before: str) -> None:
    (folder / "versions" / f"{revision}.py").write_text(REVISION.format(revision=revision, before=before))


async def test_a_database_that_was_never_migrated_is_not_ready(ask: Ask, head: str) -> None:
    """Unless migrations are none of the service's business."""
    answer = await ask()
    assert answer.status_code == 503
    (error,) = answer.json()["errors"]
    assert error["field"] == "database"
    assert head in error["message"]
    assert (await ask(READINESS_MIGRATIONS=False)).status_code == 200


async def test_a_database_that_is_behind_is_not_ready(ask: Ask, folder: Path, head: str) -> None:
    """The message names where it is and every head that it lacks."""
    add(folder, "newer_1", head)
    add(folder, "newer_2", head)
    answer = await ask(head)
    assert answer.status_code == 503
    assert all(revision in answer.json()["errors"][0]["message"] for revision in (head, "newer_1, newer_2"))
    assert (await ask("newer_1", "newer_2")).status_code == 200


async def test_a_database_that_is_ahead_is_ready(ask: Ask) -> None:
    """Old processes go on during a rolling release."""
    assert (await ask("from_a_newer_release")).status_code == 200


async def test_the_scripts_are_read_once(ask: Ask, folder: Path, head: str) -> None:
    """Not at each probe."""
    assert (await ask(head)).status_code == 200
    rmtree(folder)
    assert (await ask(head)).status_code == 200


async def test_health_asks_nothing(client: AsyncClient, statements: list[str]) -> None:
    """The process is alive, whatever the database is."""
    assert (await client.get("/health")).status_code == 200
    assert statements == []
