"""Print two ratios of the manager: a page deep in a million rows ÷ the first, and add_all ÷ COPY."""

import asyncio
import gc
import statistics
import time
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import MetaData, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped
from src.database.config import get_database_settings
from src.database.manager import BaseManager, _encode_cursor
from src.database.model import Base, new_key
from src.database.session import Database

MILLION = """
INSERT INTO bench_rows (id, name, number)
SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'name ' || n, n FROM generate_series(1, 1000000) n
"""
DEEP = UUID(f"00000000-0000-7000-8000-{950_000:012x}")
MANY, ROUNDS = 10_000, 9


class BenchRow(Base):
    metadata = MetaData()

    name: Mapped[str]
    number: Mapped[int]


class NewRow(BaseModel):
    name: str
    number: int


class Manager(BaseManager[BenchRow]):
    model = BenchRow


async def page(session: AsyncSession, after: str | None) -> float:
    session.expunge_all()
    started = time.perf_counter()
    found = await Manager().find_page(session, after=after)
    assert len(found.items) == 50
    return time.perf_counter() - started


async def pages(database: Database) -> float:
    async with database.session(commit=True) as session:
        await session.execute(text("SET LOCAL statement_timeout = 0"))
        await session.execute(text(MILLION))
        await session.execute(text("ANALYZE bench_rows"))
    async with database.session() as session:
        row = await session.get_one(BenchRow, DEEP)
        pairs = [(await page(session, _encode_cursor(row, "id")), await page(session, None)) for _ in range(50)]
    return statistics.median(deep for deep, _ in pairs) / statistics.median(first for _, first in pairs)


async def add_all(database: Database) -> float:
    rows = [NewRow(name=f"name {n}", number=n) for n in range(MANY)]
    async with database.session(commit=True) as session:
        await session.execute(text("TRUNCATE bench_rows"))
        started = time.perf_counter()
        await Manager().add_all(session, rows)
        return time.perf_counter() - started


async def copy(database: Database) -> float:
    async with database.session(commit=True) as session:
        await session.execute(text("TRUNCATE bench_rows"))
        raw = (await (await session.connection()).get_raw_connection()).driver_connection
        started = time.perf_counter()
        records = [(new_key(), f"name {n}", n) for n in range(MANY)]
        await raw.copy_records_to_table("bench_rows", records=records, columns=["id", "name", "number"])
        return time.perf_counter() - started


async def main() -> None:
    settings = get_database_settings().model_copy(update={"DB_COMMAND_TIMEOUT": 120, "DB_STATEMENT_TIMEOUT": 0})
    database = Database(settings)
    async with database.engine.begin() as connection:
        await connection.run_sync(BenchRow.metadata.create_all)
    gc.freeze()  # as the service does when it starts
    print(await pages(database), flush=True)
    pairs = [(await add_all(database), await copy(database)) for _ in range(ROUNDS)]
    print(min(ours for ours, _ in pairs) / min(theirs for _, theirs in pairs), flush=True)
    await database.close()


asyncio.run(main())
