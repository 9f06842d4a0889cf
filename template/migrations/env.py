"""Runs migrations: one process at a time, over all models in src/*/models.py."""

import asyncio
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

import src
from migrations.autogenerate import NOTHING, complete, options
from src.config import get_settings
from src.database.config import MIGRATION_LOCK, get_database_settings
from src.database.model import Base
from src.log import setup_logging


def import_models() -> None:
    for path in sorted(Path(src.__path__[0]).glob("*/models.py")):
        import_module(f"src.{path.parent.name}.models")


def complete_revision(migrations: Any, revision: Any, scripts: list[Any]) -> None:
    complete(migrations, revision, scripts)
    if getattr(context.config.cmd_opts, "autogenerate", False) and scripts[0].upgrade_ops.is_empty():
        scripts.clear()
        sys.stdout.write(NOTHING)


def migrate(connection: Connection) -> None:
    context.configure(connection=connection, process_revision_directives=complete_revision, **options(Base.metadata))
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context.run_migrations()


async def migrate_online() -> None:
    settings = get_database_settings()
    engine = create_async_engine(settings.url, connect_args=settings.connect_args)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    except OSError as error:
        raise CommandError(f"PostgreSQL does not answer on {_address()}: start it or correct .env.") from error
    except DBAPIError as error:
        if error.statement is None:  # it happened while connecting
            raise CommandError(f"PostgreSQL on {_address()} refuses: {error.orig}. Correct .env.") from error
        raise
    finally:
        await engine.dispose()


def _address() -> str:
    url = get_database_settings().url
    return f"{url.host}:{url.port or 5432}"


def migrate_offline() -> None:
    context.configure(url=get_database_settings().url, target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


setup_logging(get_settings())
import_models()
if context.is_offline_mode():
    migrate_offline()
else:
    asyncio.run(migrate_online())
