"""Another database for the application."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from src.database.config import get_database_settings
from src.database.session import Database


@asynccontextmanager
async def replaced(app: FastAPI, **settings: object) -> AsyncIterator[None]:
    """Give the application another database for a while."""
    before = app.state.database
    app.state.database = Database(get_database_settings().model_copy(update=settings))
    yield
    await app.state.database.close()
    app.state.database = before
