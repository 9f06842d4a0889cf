"""BaseManager on real rows."""

from uuid import uuid4

import pytest
from pydantic import BaseModel
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncSession

from src.database.exceptions import (
    EmptyFilterError,
    InvalidCursorException,
    UnknownColumnError,
    UnsortableColumnError,
)
from src.database.session import Database
from tests.database.articles import Article, ArticleFilter, ArticleManager, NewArticle


class Views(BaseModel):
    views: int


class Title(BaseModel):
    title: str


async def add_numbered(articles: ArticleManager, session: AsyncSession, count: int) -> None:
    await articles.add_all(session, [NewArticle(slug=f"s{number:03}", views=number // 3) for number in range(count)])


async def test_add_returns_the_row_with_its_defaults(articles: ArticleManager, session: AsyncSession) -> None:
    """Key, times and column defaults are there at once."""
    article = await articles.add(session, NewArticle(slug="one"))
    assert (article.id.version, article.views, article.subtitle) == (7, 0, None)
    assert article.created_at.tzinfo
    assert article.created_at == article.updated_at


async def test_add_all_writes_many_rows_by_one_statement(
    articles: ArticleManager, session: AsyncSession, database: Database
) -> None:
    """A thousand rows are one statement, and the keys come back in order."""
    statements: list[str] = []
    event.listen(database.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    keys = await articles.add_all(session, [NewArticle(slug=f"s{number}") for number in range(1000)])
    assert len(statements) == 1
    found = await articles.find_by_id(session, keys[7])
    assert found
    assert found.slug == "s7"


async def test_add_all_of_nothing_does_nothing(articles: ArticleManager, session: AsyncSession) -> None:
    """An empty list is not an error."""
    assert await articles.add_all(session, []) == []


async def test_keys_are_ordered_by_time(articles: ArticleManager, session: AsyncSession) -> None:
    """A later row has the greater key."""
    first = await articles.add(session, NewArticle(slug="first"))
    second = await articles.add(session, NewArticle(slug="second"))
    assert first.id < second.id


async def test_find_by_id_of_an_unknown_key_is_none(articles: ArticleManager, session: AsyncSession) -> None:
    """`find_` may return None."""
    assert await articles.find_by_id(session, uuid4()) is None


async def test_find_one_by_compares_the_fields_that_were_set(articles: ArticleManager, session: AsyncSession) -> None:
    """A field left at its default filters nothing."""
    await add_numbered(articles, session, 3)
    found = await articles.find_one_by(session, ArticleFilter(slug="s002"))
    assert found
    assert found.slug == "s002"


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        (ArticleFilter(slug=["s000", "s004", "none"]), 2),
        (ArticleFilter(subtitle=None), 5),
        (ArticleFilter(views=1), 2),
        (ArticleFilter(slug=[]), 0),
        (ArticleFilter(), 5),
        (None, 5),
    ],
)
async def test_filters_match(
    articles: ArticleManager, session: AsyncSession, filters: ArticleFilter | None, count: int
) -> None:
    """A list matches any member, None matches NULL, nothing matches everything."""
    await add_numbered(articles, session, 5)
    assert len(await articles.find_all(session, filters)) == count
    assert await articles.count(session, filters) == count
    assert await articles.exists(session, filters) is (count > 0)


async def test_find_all_orders_and_limits(articles: ArticleManager, session: AsyncSession) -> None:
    """The order is by any column, in either direction."""
    await add_numbered(articles, session, 5)
    found = await articles.find_all(session, order_by="slug", descending=True, limit=2)
    assert [article.slug for article in found] == ["s004", "s003"]


async def test_an_unknown_column_is_a_clear_error(articles: ArticleManager, session: AsyncSession) -> None:
    """The message names the model, the field and the columns there are."""

    class Wrong(BaseModel):
        colour: str = "red"

    with pytest.raises(UnknownColumnError, match=r"Article has no column colour; it has id, .*slug"):
        await articles.find_all(session, Wrong(colour="red"))
    with pytest.raises(UnknownColumnError, match="no column colour"):
        await articles.find_all(session, order_by="colour")


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order_by", ["id", "views", "slug", "created_at"])
async def test_pages_show_each_row_once(
    articles: ArticleManager, session: AsyncSession, order_by: str, descending: bool
) -> None:
    """Walking the cursors visits all rows in order, though many share a value."""
    await add_numbered(articles, session, 20)
    seen: list[Article] = []
    cursor: str | None = None
    while True:
        page = await articles.find_page(session, after=cursor, limit=7, order_by=order_by, descending=descending)
        seen.extend(page.items)
        if not (cursor := page.next_cursor):
            break
    keys = [(getattr(article, order_by), article.id) for article in seen]
    assert len(seen) == 20
    assert keys == sorted(set(keys), reverse=descending)


async def test_pages_respect_filters(articles: ArticleManager, session: AsyncSession) -> None:
    """A page of a filtered list holds only what matches."""
    await add_numbered(articles, session, 9)
    page = await articles.find_page(session, ArticleFilter(views=1), limit=2)
    rest = await articles.find_page(session, ArticleFilter(views=1), limit=2, after=page.next_cursor)
    assert [article.slug for article in (*page.items, *rest.items)] == ["s003", "s004", "s005"]
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
async def test_a_broken_cursor_is_refused(articles: ArticleManager, session: AsyncSession, cursor: str) -> None:
    """Whatever a client invents is a 422, never a failure inside."""
    with pytest.raises(InvalidCursorException):
        await articles.find_page(session, after=cursor)


async def test_a_cursor_of_another_order_is_refused(articles: ArticleManager, session: AsyncSession) -> None:
    """A cursor belongs to the order that made it."""
    await add_numbered(articles, session, 3)
    page = await articles.find_page(session, limit=1, order_by="slug")
    with pytest.raises(InvalidCursorException):
        await articles.find_page(session, limit=1, order_by="views", after=page.next_cursor)


async def test_pages_by_a_nullable_column_are_refused(articles: ArticleManager, session: AsyncSession) -> None:
    """NULL has no place in an order of keys."""
    with pytest.raises(UnsortableColumnError, match="subtitle"):
        await articles.find_page(session, order_by="subtitle")


async def test_update_by_id_changes_the_set_fields(articles: ArticleManager, session: AsyncSession) -> None:
    """The row comes back changed, also where the session held it before."""
    article = await articles.add(session, NewArticle(slug="one"))
    changed = await articles.update_by_id(session, article.id, Views(views=5))
    assert changed is article
    assert (article.views, article.slug) == (5, "one")


async def test_update_by_id_of_an_unknown_key_is_none(articles: ArticleManager, session: AsyncSession) -> None:
    """Nothing is made up for a key that is not there."""
    assert await articles.update_by_id(session, uuid4(), Views(views=1)) is None


async def test_update_by_id_without_changes_returns_the_row(articles: ArticleManager, session: AsyncSession) -> None:
    """An empty change is no statement that PostgreSQL would refuse."""
    article = await articles.add(session, NewArticle(slug="one"))
    assert await articles.update_by_id(session, article.id, ArticleFilter()) is article


async def test_update_all_changes_what_matches(articles: ArticleManager, session: AsyncSession) -> None:
    """Only matching rows change, and their number is returned."""
    await add_numbered(articles, session, 6)
    assert await articles.update_all(session, Title(title="new"), ArticleFilter(views=1)) == 3
    assert {article.slug for article in await articles.find_all(session) if article.title == "new"} == {
        "s003",
        "s004",
        "s005",
    }


async def test_updated_at_moves_with_bulk_changes(articles: ArticleManager, database: Database) -> None:
    """A change by statement counts as a change of the row."""
    async with database.session(commit=True) as session:
        before = await articles.add(session, NewArticle(slug="one"))
    async with database.session(commit=True) as session:
        await articles.update_all(session, Title(title="new"), ArticleFilter(slug="one"))
        after = await articles.find_one_by(session, ArticleFilter(slug="one"))
    assert after
    assert after.updated_at > before.updated_at
    assert after.created_at == before.created_at


@pytest.mark.parametrize("filters", [None, ArticleFilter()])
async def test_every_row_must_be_asked_for_by_name(
    articles: ArticleManager, session: AsyncSession, filters: ArticleFilter | None
) -> None:
    """A forgotten filter touches nothing."""
    await add_numbered(articles, session, 2)
    with pytest.raises(EmptyFilterError, match="every_row=True"):
        await articles.update_all(session, Title(title="new"), filters)
    with pytest.raises(EmptyFilterError, match="every_row=True"):
        await articles.delete_all(session, filters)
    assert await articles.delete_all(session, every_row=True) == 2


async def test_delete_by_id_says_whether_there_was_a_row(articles: ArticleManager, session: AsyncSession) -> None:
    """The second deletion finds nothing."""
    article = await articles.add(session, NewArticle(slug="one"))
    assert await articles.delete_by_id(session, article.id)
    assert not await articles.delete_by_id(session, article.id)


async def test_upsert_inserts_then_changes(articles: ArticleManager, database: Database) -> None:
    """The key stays, the values and updated_at move."""
    async with database.session(commit=True) as session:
        await session.execute(text("ALTER TABLE articles DROP CONSTRAINT uq_articles_slug"))
        await session.execute(text("CREATE UNIQUE INDEX one_slug ON articles (slug)"))
        first = await articles.upsert(session, NewArticle(slug="one", views=1), conflict_on=["slug"])
        made, key = first.updated_at, first.id
    async with database.session(commit=True) as session:
        second = await articles.upsert(session, NewArticle(slug="one", views=2), conflict_on=["slug"])
    assert (second.id, second.views) == (key, 2)
    assert second.updated_at > made
