"""Notices every change of users that a session of this service makes, and makes it count on the very next request."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast
from uuid import UUID

from loguru import logger
from redis.exceptions import RedisError
from sqlalchemy import Delete, Insert, Result, Update, event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.orm.unitofwork import UOWTransaction

from src.auth.models import User
from src.auth.sessions import SessionManager
from src.database.session import CommitWatcher, WatchedSession

CHANGED = "changed_users"  # in session.info: a dict of user ids, True where the user may not stay signed in


def _note(session: Session, user_id: UUID, *, is_gone: bool) -> None:
    changed: dict[str, bool] = session.info.setdefault(CHANGED, {})
    changed[str(user_id)] = is_gone


@event.listens_for(WatchedSession, "after_flush")
def _note_flush(session: Session, _: UOWTransaction) -> None:
    for row in (*session.dirty, *session.deleted):
        if isinstance(row, User):
            is_gone = row in session.deleted or not inspect(row).dict.get("is_active", True)
            _note(session, row.id, is_gone=is_gone)


@event.listens_for(WatchedSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> Result[Any] | None:
    """Add RETURNING to a statement that changes users, and hand its caller what it would have got without."""
    statement = state.statement
    if not isinstance(statement, (Update, Delete, Insert)) or statement.table != User.__table__:
        return None
    if isinstance(statement, Insert) and statement._post_values_clause is None:  # noqa: SLF001 - upsert or not
        return None
    if isinstance(statement, Update) and state.is_orm_statement and isinstance(state.parameters, Sequence):
        return _note_many(state)
    returned = len(statement.exported_columns) and bool(statement._returning)  # noqa: SLF001 - no public way to ask
    result = state.invoke_statement(statement.returning(User.id, User.is_active))
    frozen = result.freeze()
    for *_, user_id, is_active in frozen():
        _note(state.session, user_id, is_gone=isinstance(statement, Delete) or not is_active)
    if not returned:
        return getattr(result, "raw", result)  # the cursor's own result: it has no rows, but it knows how many
    width = len(frozen().keys()) - 2
    return frozen().columns(*range(width))


def _note_many(state: ORMExecuteState) -> Result[Any]:
    """An UPDATE by a list of keys and values returns no rows: it is the list that names them."""
    result = state.invoke_statement()
    for row in cast("Sequence[Mapping[str, Any]]", state.parameters):
        _note(state.session, row["id"], is_gone=not row.get("is_active", True))
    return result


def watch_commits(sessions: SessionManager) -> CommitWatcher:
    def watch(session: AsyncSession) -> AbstractAsyncContextManager[None]:
        return _around_commit(session.info.pop(CHANGED, {}), sessions)

    return watch


@asynccontextmanager
async def _around_commit(changed: dict[str, bool], sessions: SessionManager) -> AsyncIterator[None]:
    """Raise the versions before the commit, for a crash in between, and after it, for readers in between."""
    if not changed:
        yield
        return
    gone = [user_id for user_id, is_gone in changed.items() if is_gone]
    await _tell(sessions, changed, gone)
    yield
    try:
        await _tell(sessions, changed, gone)
    except RedisError as error:
        logger.error("users changed, sessions not told", users=len(changed), reason=type(error).__name__)


async def _tell(sessions: SessionManager, changed: Iterable[str], gone: list[str]) -> None:
    await sessions.invalidate(changed)
    if gone:
        await sessions.end_all(*gone)
