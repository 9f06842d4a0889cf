"""Several hosts that migrate one database."""

import os
import sys

import anyio
import pytest
from devtools.postgres import connect
from devtools.process import ROOT
from sqlalchemy import make_url
from src.database.config import MIGRATION_LOCK
from tests.migrations.test_migrations import fresh_database

__all__ = ["fresh_database"]
WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


@pytest.mark.usefixtures("fresh_database")
async def test_processes_may_migrate_at_the_same_moment() -> None:
    """Both wait while the lock is held; then one migrates, and the other finds nothing to do."""
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
