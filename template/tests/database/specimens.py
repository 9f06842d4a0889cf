"""Models that only tests know; their tables come and go with the test."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel
from sqlalchemy import ARRAY, ForeignKey, MetaData, Numeric, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from src.database.manager import BaseManager
from src.database.model import NAMING_CONVENTION, Base
from src.database.session import Database


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class TestBase(Base):
    __abstract__ = True
    __test__ = False
    metadata = MetaData(naming_convention=NAMING_CONVENTION)


class Specimen(TestBase):
    __table_args__ = (UniqueConstraint("slug", deferrable=True, initially="IMMEDIATE"),)

    slug: Mapped[str]
    title: Mapped[str] = mapped_column(String(50))
    views: Mapped[int] = mapped_column(default=0)
    subtitle: Mapped[str | None]
    remark: Mapped[str | None] = mapped_column("note")
    colour: Mapped[Colour] = mapped_column(default=Colour.RED)
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2), default=Decimal("1.50"))
    day: Mapped[date] = mapped_column(default=date(2026, 1, 2))
    parts: Mapped[list["Part"]] = relationship()


class Part(TestBase):
    specimen_id: Mapped[UUID] = mapped_column(ForeignKey("specimens.id"))
    labels: Mapped[list[str]] = mapped_column(ARRAY(String), default=list)
    facts: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict)


class NewSpecimen(BaseModel):
    slug: str
    title: str = "A title"
    views: int = 0


class SpecimenFilter(BaseModel):
    slug: str | list[str] | None = None
    views: int | None = None
    subtitle: str | list[str | None] | None = None


class SpecimenManager(BaseManager[Specimen]):
    model = Specimen


class PartManager(BaseManager[Part]):
    model = Part


@pytest.fixture
async def specimens(database: Database) -> AsyncIterator[SpecimenManager]:
    async with database.engine.begin() as connection:
        await connection.run_sync(TestBase.metadata.create_all, checkfirst=False)
    yield SpecimenManager()
    async with database.engine.begin() as connection:
        await connection.run_sync(TestBase.metadata.drop_all, checkfirst=False)
