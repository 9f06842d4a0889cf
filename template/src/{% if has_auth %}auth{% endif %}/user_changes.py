"""Makes a change of users count on the very next request: their snapshots are dropped around its commit.

Noted are changes by a manager, and those that SQLAlchemy flushes. A statement that you send past both counts within
USER_SNAPSHOT_SECONDS.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from loguru import logger
from redis.exceptions import RedisError
from sqlalchemy import event, inspect, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.orm.unitofwork import UOWTransaction

from src.auth.models import User
from src.auth.sessions import SessionManager
from src.database.model import CHANGED
from src.database.session import CommitWatcher, WatchedSession


@event.listens_for(WatchedSession, "after_flush")
def _note_flush(session: Session, _: UOWTransaction) -> None:
    changed = (inspect(row) for row in (*session.dirty, *session.deleted) if isinstance(row, User))
    keys = {state.identity[0] for state in changed if state.identity}
    session.info.setdefault(CHANGED, {}).setdefault(User, set()).update(keys)


def watch_commits(sessions: SessionManager) -> CommitWatcher:
    @asynccontextmanager
    async def watch(session: AsyncSession) -> AsyncIterator[None]:
        """Drop the snapshots before the commit, for a crash in between, and after it, for readers in between."""
        changed: set[UUID] = session.info.get(CHANGED, {}).pop(User, set())
        if not changed:
            yield
            return
        active = set(await session.scalars(select(User.id).where(User.id.in_(changed), User.is_active)))
        await _drop(sessions, changed, active)
        yield
        try:
            await _drop(sessions, changed, active)
        except RedisError as error:
            logger.error("users changed, sessions not told", users=len(changed), reason=type(error).__name__)

    return watch


async def _drop(sessions: SessionManager, changed: set[UUID], active: set[UUID]) -> None:
    await sessions.invalidate(map(str, changed & active))
    await sessions.end_all(*map(str, changed - active))
