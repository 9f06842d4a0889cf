"""The tasks of the package, done by a real worker; what its schedule asks for exists."""

from datetime import timedelta

import pytest
from celery.schedules import crontab
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from src.database.session import Database
from src.tasks.app import app
from src.tasks.queue import TaskQueue
from src.tasks.schedule import SCHEDULE
from src.tasks.tasks import BATCH, remove_expired
from tests.database.specimens import SpecimenManager
from tests.tasks.conftest import Program, result_of
from tests.tasks.specimens import Invitation


@pytest.fixture
async def invitations(specimens: SpecimenManager, database: Database) -> None:
    """One valid row, and more expired ones than one transaction removes."""
    async with database.session(commit=True) as session:
        now = (await session.scalars(select(func.now()))).one()
        session.add(Invitation(expires_at=now + timedelta(hours=1)))
        session.add_all(Invitation(expires_at=now - timedelta(seconds=number)) for number in range(1, BATCH + 3))


async def test_what_has_expired_is_removed(
    worker: Program, queue: TaskQueue, invitations: None, session: AsyncSession
) -> None:
    """And nothing else, however often it is done."""
    for expected in (BATCH + 2, 0):
        assert await result_of(queue, await queue.enqueue(remove_expired)) == {"invitations": expected}
    assert len((await session.scalars(select(Invitation))).all()) == 1


def test_the_schedule_names_tasks_that_exist() -> None:
    """A wrong name would only be seen when its time has come."""
    app.loader.import_default_modules()
    assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)
    assert all(isinstance(entry["schedule"], crontab) for entry in SCHEDULE.values())
