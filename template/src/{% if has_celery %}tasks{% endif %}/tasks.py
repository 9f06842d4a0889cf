"""The tasks of this package; those of yours stand in the `tasks.py` of theirs."""

from collections.abc import Iterator
from typing import Any

from loguru import logger
from sqlalchemy import delete, func, select
from sqlalchemy.orm import DeclarativeBase

from src.tasks.app import app
from src.tasks.models import Expiring
from src.tasks.worker import get_worker_database, run

BATCH = 1000  # rows of one transaction: locks are held shortly, however many there are


@app.task(name="tasks.remove_expired")
def remove_expired() -> dict[str, int]:
    """Remove the rows of all models that are `Expiring`, and return how many of each table; run twice, it does no harm."""
    return run(_remove_expired())


async def _remove_expired() -> dict[str, int]:
    removed = {str(model.__tablename__): await _remove_from(model) for model in _expiring(Expiring)}
    logger.info("removed expired rows", **removed)
    return removed


def _expiring(parent: type[Any]) -> Iterator[type[Any]]:
    for model in parent.__subclasses__():
        if issubclass(model, DeclarativeBase):
            yield model
        yield from _expiring(model)


async def _remove_from(model: type[Any]) -> int:
    total = 0
    over = select(model.id).where(model.expires_at < func.now()).limit(BATCH).with_for_update(skip_locked=True)
    while True:
        async with get_worker_database().session(commit=True) as session:
            removed = await session.execute(delete(model).where(model.id.in_(over)).returning(model.id))
            number = len(removed.all())
        total += number
        if number < BATCH:
            return total
