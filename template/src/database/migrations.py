"""Whether the database has run the migrations of this code."""

import asyncio
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from src import messages
from src.database.exceptions import MigrationsPendingError

FOLDER = Path(__file__).parents[2] / "migrations"


async def check_migrations(connection: AsyncConnection) -> None:
    """Compare the revisions of the database with those of the code.

    A revision that the code does not know is from a newer release: during a rolling one old processes go on.

    Raises:
        MigrationsPendingError: the database is behind, or was never migrated.
    """
    table = await connection.scalar(text("SELECT to_regclass('alembic_version')"))
    current = set(await connection.scalars(text("SELECT version_num FROM alembic_version"))) if table else set()
    known, heads = await asyncio.to_thread(_read_scripts)
    if current <= known and not heads <= current:
        at, needed = ", ".join(sorted(current)), ", ".join(sorted(heads - current))
        sentence = messages.MIGRATIONS_PENDING if current else messages.NEVER_MIGRATED
        raise MigrationsPendingError(sentence.format(current=at, needed=needed))


@cache
def _read_scripts() -> tuple[frozenset[str], frozenset[str]]:
    """Return all revisions and the heads among them."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - it takes long to import, and only readiness asks

    scripts = ScriptDirectory(str(FOLDER))
    return frozenset(script.revision for script in scripts.walk_revisions()), frozenset(scripts.get_heads())
