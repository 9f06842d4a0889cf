"""BaseManager on real rows."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, computed_field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ORMOption

from src.database.exceptions import (
    EmptyFilterError,
    InvalidCursorException,
    UnknownColumnError,
    UnsortableColumnError,
)
from src.database.session import Database
from tests.database.specimens import NewSpecimen, PartManager, Specimen, SpecimenFilter, SpecimenManager


class Views(BaseModel):
    views: int


class Title(BaseModel):
    title: str


class RenamedSpecimen(BaseModel):
    slug: str
    title: str = "A title"
    remark: str


class Size(BaseModel):
    wide: int = 1
    high: int = 1


class NewPart(BaseModel):
    specimen_id: UUID
    labels: list[str] = []
    facts: Size = Size()


class PartFilter(BaseModel):
    labels: list[str] = []
    facts: dict[str, int] = {}


async def add_numbered(specimens: SpecimenManager, session: AsyncSession, count: int) -> None:
    await specimens.add_all(session, [NewSpecimen(slug=f"s{number:03}", views=number // 3) for number in range(count)])


async def test_add_returns_the_row_with_its_defaults(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Key, times and column defaults are there at once."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    assert (specimen.id.version, specimen.views, specimen.subtitle) == (7, 0, None)
    assert specimen.created_at.tzinfo
    assert specimen.created_at == specimen.updated_at


async def test_add_all_writes_many_rows_by_one_statement(
    specimens: SpecimenManager, session: AsyncSession, statements: list[str]
) -> None:
    """A thousand rows are one statement, and the keys come back in order."""
    keys = await specimens.add_all(session, [NewSpecimen(slug=f"s{number}") for number in range(1000)])
    assert len(statements) == 1
    found = await specimens.find_by_id(session, keys[7])
    assert found
    assert found.slug == "s7"


async def test_add_all_knows_columns_by_the_names_of_the_model(
    specimens: SpecimenManager, session: AsyncSession
) -> None:
    """Also where the table calls them otherwise, and gives each row the defaults that Python computes."""
    (key,) = await specimens.add_all(session, [RenamedSpecimen(slug="one", remark="kept")])
    found = await specimens.find_by_id(session, key)
    assert found
    assert (found.remark, found.views) == ("kept", 0)


async def test_add_all_of_nothing_does_nothing(specimens: SpecimenManager, session: AsyncSession) -> None:
    """An empty list is not an error."""
    assert await specimens.add_all(session, []) == []


async def test_keys_are_ordered_by_time(specimens: SpecimenManager, session: AsyncSession) -> None:
    """A later row has the greater key."""
    first = await specimens.add(session, NewSpecimen(slug="first"))
    second = await specimens.add(session, NewSpecimen(slug="second"))
    assert first.id < second.id


async def test_find_by_id_of_an_unknown_key_is_none(specimens: SpecimenManager, session: AsyncSession) -> None:
    """`find_` may return None."""
    assert await specimens.find_by_id(session, uuid4()) is None


async def test_find_one_by_compares_the_fields_that_were_set(specimens: SpecimenManager, session: AsyncSession) -> None:
    """A field left at its default filters nothing."""
    await add_numbered(specimens, session, 3)
    found = await specimens.find_one_by(session, SpecimenFilter(slug="s002"))
    assert found
    assert found.slug == "s002"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (SpecimenFilter(slug=["s000", "s004", "none"]), 2),
        (SpecimenFilter(subtitle=None), 5),
        (SpecimenFilter(views=1), 2),
        (SpecimenFilter(slug=[]), 0),
        (SpecimenFilter(subtitle=[None, "x"]), 5),
        (SpecimenFilter(), 5),
        (None, 5),
    ],
)
async def test_filters_match(
    specimens: SpecimenManager, session: AsyncSession, filters: SpecimenFilter | None, count: int
) -> None:
    """A list matches any member, None matches NULL, nothing matches everything."""
    await add_numbered(specimens, session, 5)
    assert len(await specimens.find_all(session, filters)) == count
    assert await specimens.count(session, filters) == count
    assert await specimens.exists(session, filters) is (count > 0)


async def test_conditions_of_any_kind_narrow_a_filter(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Reading, counting, changing and deleting take them beside a filter or alone."""
    await add_numbered(specimens, session, 9)
    some, many = SpecimenFilter(slug=["s001", "s005", "s008"]), Specimen.views > 0
    found = await specimens.find_all(session, some, many, Specimen.slug < "s008")
    assert [specimen.slug for specimen in found] == ["s005"]
    assert (await specimens.find_one_by(session, None, many)).slug == "s003"  # type: ignore[union-attr]
    page = await specimens.find_page(session, some, many, limit=1)
    rest = await specimens.find_page(session, some, many, limit=5, after=page.next_cursor)
    assert [specimen.slug for specimen in (*page.items, *rest.items)] == ["s005", "s008"]
    assert await specimens.count(session, some, many) == 2
    assert not await specimens.exists(session, None, Specimen.views > 99)
    assert await specimens.update_all(session, Title(title="new"), some, many) == 2
    assert await specimens.delete_all(session, None, Specimen.views == 2) == 3


@pytest.mark.parametrize("option", [selectinload(Specimen.parts), joinedload(Specimen.parts)])
async def test_relations_are_loaded_on_request(
    specimens: SpecimenManager, session: AsyncSession, option: ORMOption
) -> None:
    """Each way to read takes loader options, also for a row that the session holds already."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    await PartManager().add_all(session, [NewPart(specimen_id=specimen.id) for _ in range(2)])
    session.expire(specimen, ["parts"])
    assert len((await specimens.find_by_id(session, specimen.id, options=[option])).parts) == 2  # type: ignore[union-attr]
    session.expunge_all()
    assert len((await specimens.find_one_by(session, options=[option])).parts) == 2  # type: ignore[union-attr]
    session.expunge_all()
    assert len((await specimens.find_all(session, options=[option], limit=5))[0].parts) == 2
    session.expunge_all()
    assert len((await specimens.find_page(session, options=[option])).items[0].parts) == 2


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (PartFilter(labels=["a", "b"]), 1),
        (PartFilter(labels=["b"]), 0),
        (PartFilter(labels=[]), 1),
        (PartFilter(facts={"high": 2, "wide": 1}), 1),
    ],
)
async def test_columns_of_lists_and_objects_are_compared_whole(
    specimens: SpecimenManager, session: AsyncSession, filters: PartFilter, count: int
) -> None:
    """A list is a value of an array, not a choice of several."""
    key, parts = (await specimens.add(session, NewSpecimen(slug="one"))).id, PartManager()
    await parts.add_all(
        session, [NewPart(specimen_id=key, labels=["a", "b"]), NewPart(specimen_id=key, facts=Size(high=2))]
    )
    assert await parts.count(session, filters) == count


async def test_a_nested_model_is_stored_with_its_defaults(specimens: SpecimenManager, session: AsyncSession) -> None:
    """The column holds all fields of the model, set or not."""

    class Facts(BaseModel):
        facts: Size

    key = (await specimens.add(session, NewSpecimen(slug="one"))).id
    part = await PartManager().add(session, NewPart(specimen_id=key))
    changed = await PartManager().update_by_id(session, part.id, Facts(facts=Size(high=3)))
    assert changed
    assert changed.facts == {"wide": 1, "high": 3}


class SluggedSpecimen(BaseModel):
    model_config = ConfigDict(serialize_by_alias=True)

    title: str = Field("A title", serialization_alias="heading")

    @computed_field
    def slug(self) -> str:
        return self.title.lower()

    @computed_field
    def length(self) -> int:
        return len(self.title)


async def test_computed_fields_are_stored_if_they_are_columns(
    specimens: SpecimenManager, session: AsyncSession
) -> None:
    """Others stay in the schema; and a change or a filter has only what was set."""
    specimen = await specimens.add(session, SluggedSpecimen(title="One"))
    assert (specimen.slug, specimen.title) == ("one", "One")
    changed: Any = await specimens.update_by_id(session, specimen.id, SluggedSpecimen(title="Two"))
    assert (changed.slug, changed.title) == ("one", "Two")
    assert await specimens.count(session, SluggedSpecimen(title="Two")) == 1


async def test_find_all_orders_and_limits(specimens: SpecimenManager, session: AsyncSession) -> None:
    """The order is by any column, in either direction."""
    await add_numbered(specimens, session, 5)
    found = await specimens.find_all(session, order_by="slug", descending=True, limit=2)
    assert [specimen.slug for specimen in found] == ["s004", "s003"]


async def test_an_unknown_column_is_a_clear_error(specimens: SpecimenManager, session: AsyncSession) -> None:
    """The message names the model, the field and the columns there are."""

    class Wrong(BaseModel):
        flavour: str = "sweet"

    with pytest.raises(UnknownColumnError, match=r"Specimen has no column flavour; it has id, .*slug"):
        await specimens.find_all(session, Wrong(flavour="sweet"))
    with pytest.raises(UnknownColumnError, match="no column flavour"):
        await specimens.find_all(session, order_by="flavour")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order_by", ["id", "views", "slug", "created_at", "colour", "price", "day"])
async def test_pages_show_each_row_once(
    specimens: SpecimenManager, session: AsyncSession, order_by: str, descending: bool
) -> None:
    """Walking the cursors visits all rows in order, though many share a value."""
    await add_numbered(specimens, session, 20)
    seen: list[Specimen] = []
    cursor: str | None = None
    while True:
        page = await specimens.find_page(session, after=cursor, limit=7, order_by=order_by, descending=descending)
        seen.extend(page.items)
        if not (cursor := page.next_cursor):
            break
    keys = [(getattr(specimen, order_by), specimen.id) for specimen in seen]
    assert len(seen) == 20
    assert keys == sorted(set(keys), reverse=descending)


@pytest.mark.parametrize("limit", [0, -1])
async def test_a_page_has_at_least_one_row(specimens: SpecimenManager, session: AsyncSession, limit: int) -> None:
    """A limit that makes no sense is an error of the caller's."""
    with pytest.raises(ValueError, match="1 or more"):
        await specimens.find_page(session, limit=limit)


async def test_pages_respect_filters(specimens: SpecimenManager, session: AsyncSession) -> None:
    """A page of a filtered list holds only what matches."""
    await add_numbered(specimens, session, 9)
    page = await specimens.find_page(session, SpecimenFilter(views=1), limit=2)
    rest = await specimens.find_page(session, SpecimenFilter(views=1), limit=2, after=page.next_cursor)
    assert [specimen.slug for specimen in (*page.items, *rest.items)] == ["s003", "s004", "s005"]
    assert rest.next_cursor is None


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "%%%",
        "W10=",
        "WyJpZCIsMSwyXQ==",
        "eyJpZCI6IDF9",
        "ÿ",
        "\ud800",
        "WyJpZCIsICJcdWQ4MDAiLCAiMSJd",
        "W" * 5000,
    ],
)
async def test_a_broken_cursor_is_refused(specimens: SpecimenManager, session: AsyncSession, cursor: str) -> None:
    """Whatever a client invents is a 422, never a failure inside."""
    with pytest.raises(InvalidCursorException):
        await specimens.find_page(session, after=cursor)


async def test_a_cursor_of_another_order_is_refused(specimens: SpecimenManager, session: AsyncSession) -> None:
    """A cursor belongs to the order that made it."""
    await add_numbered(specimens, session, 3)
    page = await specimens.find_page(session, limit=1, order_by="slug")
    with pytest.raises(InvalidCursorException):
        await specimens.find_page(session, limit=1, order_by="views", after=page.next_cursor)


async def test_pages_by_a_nullable_column_are_refused(specimens: SpecimenManager, session: AsyncSession) -> None:
    """NULL has no place in an order of keys."""
    with pytest.raises(UnsortableColumnError, match="subtitle"):
        await specimens.find_page(session, order_by="subtitle")


async def test_update_by_id_changes_the_set_fields(specimens: SpecimenManager, session: AsyncSession) -> None:
    """The row comes back changed, also where the session held it before."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    changed = await specimens.update_by_id(session, specimen.id, Views(views=5))
    assert changed is specimen
    assert (specimen.views, specimen.slug) == (5, "one")


async def test_update_by_id_of_an_unknown_key_is_none(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Nothing is made up for a key that is not there."""
    assert await specimens.update_by_id(session, uuid4(), Views(views=1)) is None


async def test_update_by_id_without_changes_returns_the_row(specimens: SpecimenManager, session: AsyncSession) -> None:
    """An empty change is no statement that PostgreSQL would refuse."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    assert await specimens.update_by_id(session, specimen.id, SpecimenFilter()) is specimen


async def test_update_all_changes_what_matches(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Only matching rows change, and their number is returned."""
    await add_numbered(specimens, session, 6)
    assert await specimens.update_all(session, Title(title="new"), SpecimenFilter(views=1)) == 3
    assert {specimen.slug for specimen in await specimens.find_all(session) if specimen.title == "new"} == {
        "s003",
        "s004",
        "s005",
    }


async def test_updated_at_moves_with_bulk_changes(specimens: SpecimenManager, database: Database) -> None:
    """A change by statement counts as a change of the row."""
    async with database.session(commit=True) as session:
        before = await specimens.add(session, NewSpecimen(slug="one"))
    async with database.session(commit=True) as session:
        await specimens.update_all(session, Title(title="new"), SpecimenFilter(slug="one"))
        after = await specimens.find_one_by(session, SpecimenFilter(slug="one"))
    assert after
    assert after.updated_at > before.updated_at
    assert after.created_at == before.created_at


@pytest.mark.parametrize("filters", [None, SpecimenFilter()])
async def test_every_row_must_be_asked_for_by_name(
    specimens: SpecimenManager, session: AsyncSession, filters: SpecimenFilter | None
) -> None:
    """A forgotten filter touches nothing."""
    await add_numbered(specimens, session, 2)
    with pytest.raises(EmptyFilterError, match="every_row=True"):
        await specimens.update_all(session, Title(title="new"), filters)
    with pytest.raises(EmptyFilterError, match="every_row=True"):
        await specimens.delete_all(session, filters)
    assert await specimens.delete_all(session, every_row=True) == 2


async def test_delete_by_id_says_whether_there_was_a_row(specimens: SpecimenManager, session: AsyncSession) -> None:
    """The second deletion finds nothing."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    assert await specimens.delete_by_id(session, specimen.id)
    assert not await specimens.delete_by_id(session, specimen.id)


async def test_nothing_to_change_changes_nothing(specimens: SpecimenManager, database: Database) -> None:
    """An empty change does not even move updated_at."""
    async with database.session(commit=True) as session:
        before = await specimens.add(session, NewSpecimen(slug="one"))
    async with database.session(commit=True) as session:
        assert await specimens.update_all(session, SpecimenFilter(), every_row=True) == 0
        after = await specimens.find_by_id(session, before.id)
    assert after
    assert after.updated_at == before.updated_at


async def test_a_changed_row_knows_its_time_after_the_flush(specimens: SpecimenManager, session: AsyncSession) -> None:
    """An attribute set by hand can be answered with at once."""
    specimen = await specimens.add(session, NewSpecimen(slug="one"))
    specimen.title = "new"
    await session.flush()
    assert specimen.updated_at >= specimen.created_at


async def test_upsert_keeps_what_was_not_set(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Defaults of the scheme belong to a new row only."""
    await session.execute(text("ALTER TABLE specimens DROP CONSTRAINT uq_specimens_slug"))
    await session.execute(text("CREATE UNIQUE INDEX one_slug ON specimens (slug)"))
    await specimens.upsert(session, NewSpecimen(slug="one", views=9), conflict_on=["slug"])
    again = await specimens.upsert(session, NewSpecimen(slug="one", title="new"), conflict_on=["slug"])
    assert (again.views, again.title) == (9, "new")


async def test_upsert_must_know_the_row(specimens: SpecimenManager, session: AsyncSession) -> None:
    """Without a unique column there is nothing to recognise it by."""
    with pytest.raises(ValueError, match="conflict_on"):
        await specimens.upsert(session, NewSpecimen(slug="one"), conflict_on=[])


async def test_upsert_inserts_then_changes(specimens: SpecimenManager, database: Database) -> None:
    """The key stays, the values and updated_at move."""
    async with database.session(commit=True) as session:
        await session.execute(text("ALTER TABLE specimens DROP CONSTRAINT uq_specimens_slug"))
        await session.execute(text("CREATE UNIQUE INDEX one_slug ON specimens (slug)"))
        first = await specimens.upsert(session, NewSpecimen(slug="one", views=1), conflict_on=["slug"])
        made, key = first.updated_at, first.id
    async with database.session(commit=True) as session:
        second = await specimens.upsert(session, NewSpecimen(slug="one", views=2), conflict_on=["slug"])
    assert (second.id, second.views) == (key, 2)
    assert second.updated_at > made
