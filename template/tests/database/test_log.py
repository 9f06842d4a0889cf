"""Statements in the log."""

import pytest
from fastapi import FastAPI

from src.config import get_settings
from src.database.config import get_database_settings
from src.database.session import Database
from tests.database.specimens import NewSpecimen, SpecimenManager
from tests.settings import forget_settings


async def test_debug_logs_each_statement_without_its_values(
    app: FastAPI, specimens: SpecimenManager, logs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Verb, table, rows and duration; a value never."""
    monkeypatch.setenv("LEVEL", "DEBUG")
    forget_settings()
    assert get_settings().LEVEL == "DEBUG"
    database = Database(get_database_settings())
    async with database.session(commit=True) as session:
        await specimens.add(session, NewSpecimen(slug="s3cret"))
    await database.close()
    line = next(line for line in logs if "verb=INSERT" in line)
    assert "table=specimens rows=1 ms=" in line
    assert "s3cret" not in "".join(logs)
