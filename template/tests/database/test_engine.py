"""What columns take from Python."""

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, HttpUrl
from sqlalchemy.exc import StatementError
from sqlalchemy.ext.asyncio import AsyncSession

from tests.database.specimens import NewSpecimen, PartManager, SpecimenManager

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = UUID("00000000-0000-7000-8000-000000000001")


class Level(Enum):
    HIGH = "high"


class AnySpecimen(BaseModel):
    slug: Any
    title: str = "A title"


class AnyMoment(BaseModel):
    created_at: Any


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (HttpUrl("https://example.com/a"), "https://example.com/a"),
        (Decimal("1.50"), "1.50"),
        (KEY, str(KEY)),
        (MOMENT, "2026-01-02T03:04:05Z"),
        (Path("/a/b"), "/a/b"),
        (IPv4Address("10.0.0.1"), "10.0.0.1"),
        (Level.HIGH, "high"),
    ],
)
async def test_text_takes_what_is_text_in_json(
    specimens: SpecimenManager, session: AsyncSession, value: Any, stored: str
) -> None:
    """Stored, and found again by a filter of the same type."""
    specimen = await specimens.add(session, AnySpecimen(slug=value))
    await session.refresh(specimen)
    assert specimen.slug == stored
    assert await specimens.count(session, AnySpecimen(slug=[value])) == 1


@pytest.mark.parametrize("value", [datetime(2026, 1, 2), date(2026, 1, 2)])  # noqa: DTZ001 - what is refused
async def test_a_time_without_zone_is_refused(specimens: SpecimenManager, session: AsyncSession, value: date) -> None:
    """The driver would take it for local time of the machine; the sentence says what to use instead."""
    with pytest.raises(StatementError, match=r"has no time zone: use AwareDatetime"):
        await specimens.count(session, AnyMoment(created_at=value))


async def test_a_time_with_zone_is_the_same_moment(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Whatever the zone."""
    key = (await specimens.add(session, NewSpecimen(slug="one"))).id
    await specimens.update_by_id(
        session, key, AnyMoment(created_at=datetime.fromisoformat("2026-01-02T05:04:05+02:00"))
    )
    assert await specimens.count(session, AnyMoment(created_at=MOMENT)) == 1


class Fact(BaseModel):
    at: datetime = MOMENT
    key: UUID = KEY
    price: Decimal = Decimal("1.50")
    link: HttpUrl = HttpUrl("https://example.com")
    words: set[str] = {"a"}
    broken: str = ""


class PartWithFacts(BaseModel):
    specimen_id: UUID
    facts: dict[UUID, Fact]
    labels: list[HttpUrl] = [HttpUrl("https://example.com/a")]


async def test_json_takes_whatever_a_scheme_holds(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Times, keys, decimals, sets and keys of a mapping, and the same scheme reads it back; arrays do, too."""
    key = (await specimens.add(session, NewSpecimen(slug="one"))).id
    part = await PartManager().add(session, PartWithFacts(specimen_id=key, facts={KEY: Fact()}))
    await session.refresh(part)
    assert Fact.model_validate(part.facts[str(KEY)]) == Fact()
    assert part.labels == ["https://example.com/a"]
