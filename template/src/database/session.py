"""One request, one session, one transaction: this module alone commits and rolls back."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection, Engine, TextClause, event, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import ORMExecuteState, Session
from sqlalchemy.orm.unitofwork import UOWTransaction
from starlette.requests import HTTPConnection

from src.database.config import DatabaseSettings
from src.database.engine import create_engine
from src.database.exceptions import (
    DatabaseUnavailableError,
    IsolationLevelError,
    SessionEndedError,
    UncommittedWriteError,
)
from src.database.migrations import check_migrations

WRITES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE)\b", re.IGNORECASE)


# What has to happen around a commit: entered when everything is flushed, left when it is committed.
CommitWatcher = Callable[[AsyncSession], AbstractAsyncContextManager[None]]


class Database:
    """The engine of this process and its sessions; connections are taken when a statement needs one."""

    def __init__(self, settings: DatabaseSettings) -> None:
        self.engine = create_engine(settings)
        self.checks_migrations = settings.READINESS_MIGRATIONS
        self.commit_watchers: list[CommitWatcher] = []
        self._sessions = async_sessionmaker(
            self.engine,
            class_=AnnouncedSession,
            expire_on_commit=False,
        )

    @asynccontextmanager
    async def session(self, *, commit: bool = False) -> AsyncIterator[AsyncSession]:
        """Open a session; it ends with a commit if that was asked for, here or by `session.info["commit"]`.

        Raises:
            UncommittedWriteError: something was written and nobody asked for a commit.
        """
        async with self._sessions(info={"commit": commit, "watchers": self.commit_watchers}) as session:
            try:
                yield session
                if session.info["commit"]:
                    await session.commit()
                elif _has_written(session):
                    raise UncommittedWriteError
            finally:
                session.info["ended"] = True  # whoever uses it later gets an error, not a lost write

    async def ping(self) -> None:
        """Ask whether the database takes writes and has run the migrations.

        Raises:
            DatabaseUnavailableError: it does not answer, or is a replica.
            MigrationsPendingError: its tables are those of an older release.
        """
        async with self.engine.connect() as connection:
            is_replica = await connection.scalar(text("SELECT current_setting('transaction_read_only')::bool"))
            if self.checks_migrations and not is_replica:
                await check_migrations(connection)
        if is_replica:  # it was the primary: drop its connections, to find the new one
            await self.engine.dispose()
            raise DatabaseUnavailableError

    async def close(self) -> None:
        await self.engine.dispose()


class WatchedSession(Session):
    """A session that remembers whether it wrote, and refuses to go on after its end."""

    def get_bind(self, *args: Any, **options: Any) -> Engine | Connection:
        _refuse_ended(self)
        return super().get_bind(*args, **options)


class AnnouncedSession(AsyncSession):
    """A session whose watchers know of each commit, of one by hand too."""

    sync_session_class = WatchedSession

    async def commit(self) -> None:
        await self.flush()
        async with AsyncExitStack() as stack:
            for watch in self.info["watchers"]:
                await stack.enter_async_context(watch(self))
            await super().commit()


@event.listens_for(WatchedSession, "before_attach")
def _refuse_ended(session: Session, _: object = None) -> None:
    if session.info.get("ended"):
        raise SessionEndedError


@event.listens_for(WatchedSession, "after_flush")
def _note_flush(session: Session, _: UOWTransaction) -> None:
    session.info["wrote"] = True


@event.listens_for(WatchedSession, "do_orm_execute")
def _note_statement(state: ORMExecuteState) -> None:
    statement = state.statement
    if statement.is_dml or (isinstance(statement, TextClause) and WRITES.search(statement.text)):
        state.session.info["wrote"] = True


@event.listens_for(WatchedSession, "after_commit")
@event.listens_for(WatchedSession, "after_rollback")
def _forget(session: Session) -> None:
    session.info["wrote"] = False


def _has_written(session: AsyncSession) -> bool:
    return bool(session.info.get("wrote") or session.new or session.dirty or session.deleted)


async def get_database(connection: HTTPConnection) -> Database:
    database: Database = connection.app.state.database
    return database


# For work that must not hold a connection while it waits: it opens short sessions of its own.
DatabaseDepends = Annotated[Database, Depends(get_database)]


async def open_session(connection: HTTPConnection) -> AsyncIterator[AsyncSession]:
    """Yield the session of this request; the commit happens before the response leaves."""
    database: Database = connection.app.state.database
    async with database.session() as session:
        yield session


OpenSession = Annotated[AsyncSession, Depends(open_session, scope="function")]


def _use_isolation_level(session: AsyncSession, level: str) -> None:
    chosen = session.info.get("isolation_level")
    if chosen == level:
        return
    if chosen or session.in_transaction():
        raise IsolationLevelError
    session.info["isolation_level"] = level
    session.sync_session.bind = session.get_bind().execution_options(isolation_level=level)


@cache
def _session_dependency(commit: bool, isolation_level: str | None) -> Callable[..., Any]:
    async def get_session(session: OpenSession) -> AsyncSession:
        if commit:
            session.info["commit"] = True
        if isolation_level:
            _use_isolation_level(session, isolation_level)
        return session

    return get_session


def DbSessionDepends(commit: bool = False, isolation_level: str | None = None) -> Any:  # noqa: N802 - the name users know
    """Annotate a parameter with this to get the request's session: `session: DbSessionDepends(commit=True)`.

    However many dependencies ask, there is one session and one transaction; it is committed if any asked for it.
    `isolation_level` is one of PostgreSQL's, or AUTOCOMMIT for a read that needs no transaction.
    """
    return Annotated[AsyncSession, Depends(_session_dependency(commit, isolation_level), scope="function")]


DbSession = Annotated[AsyncSession, Depends(_session_dependency(False, None), scope="function")]
CommittedDbSession = Annotated[AsyncSession, Depends(_session_dependency(True, None), scope="function")]
