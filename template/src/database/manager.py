"""Create, read, update and delete rows of one model; the session and its transaction are the caller's."""

import base64
import binascii
import json
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from sqlalchemy import (
    ARRAY,
    JSON,
    ColumnElement,
    CursorResult,
    Delete,
    Select,
    Table,
    Update,
    bindparam,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.interfaces import ORMOption

from src.database.exceptions import (
    EmptyFilterError,
    InvalidCursorException,
    UnknownColumnError,
    UnsortableColumnError,
)
from src.database.model import CHANGED, Base, new_key

ModelT = TypeVar("ModelT", bound=Base)


@dataclass(frozen=True)
class Page(Generic[ModelT]):
    """Rows, and the cursor that `find_page(after=...)` takes for the next ones; None: there are no more."""

    items: Sequence[ModelT]
    next_cursor: str | None


class BaseManager(Generic[ModelT]):
    """Subclass it: `class UserManager(BaseManager[User]): model = User`.

    Values and filters are Pydantic models. Of a change and of a filter only the fields that were set count. A filter
    compares for equality; a list matches any of its members, unless the column itself holds lists; None matches NULL.

    Beside a filter there may be any conditions and loader options of SQLAlchemy:
    `find_all(session, filters, Article.price > 10, options=[selectinload(Article.tags)])`.

    Raises:
        UnknownColumnError: a field is not a column of the model.
    """

    model: type[ModelT]

    async def add(self, session: AsyncSession, values: BaseModel) -> ModelT:
        row = self.model(**self._dump([values])[0])
        session.add(row)
        await session.flush()
        return row

    async def add_all(self, session: AsyncSession, rows: Sequence[BaseModel]) -> list[UUID]:
        """Insert many rows, a thousand by one statement; return their keys in the same order."""
        new = self._dump(rows)
        renamed = [(name, column.key) for name, column in self.model.__mapper__.columns.items() if name != column.key]
        for values in new:
            if "id" not in values:
                values["id"] = new_key()
            for name, key in renamed:
                if name in values:
                    values[key] = values.pop(name)
        if new:  # a Core statement, which wants the names of columns, is faster than the ORM's, and so is RETURNING
            table = cast("Table", self.model.__table__)
            await session.execute(insert(table).returning(table.c.id), new)
        return [values["id"] for values in new]

    async def find_by_id(self, session: AsyncSession, key: UUID, *, options: Sequence[ORMOption] = ()) -> ModelT | None:
        if options:  # they count for a row that the session holds already, too
            return await self.find_one_by(session, None, self.model.id == key, options=options)
        return await session.get(self.model, key)

    async def find_one_by(
        self,
        session: AsyncSession,
        filters: BaseModel | None = None,
        *conditions: ColumnElement[bool],
        options: Sequence[ORMOption] = (),
    ) -> ModelT | None:
        """Find the one row that matches; of several, the first by key."""
        query = self._select(filters, conditions, options).order_by(self.model.id).limit(1)
        return (await session.scalars(query)).unique().first()

    async def find_all(
        self,
        session: AsyncSession,
        filters: BaseModel | None = None,
        *conditions: ColumnElement[bool],
        options: Sequence[ORMOption] = (),
        order_by: str = "id",
        descending: bool = False,
        limit: int | None = None,
    ) -> Sequence[ModelT]:
        column = self._column(order_by)
        query = self._select(filters, conditions, options).order_by(column.desc() if descending else column.asc())
        return (await session.scalars(query.limit(limit))).unique().all()

    async def find_page(
        self,
        session: AsyncSession,
        filters: BaseModel | None = None,
        *conditions: ColumnElement[bool],
        options: Sequence[ORMOption] = (),
        after: str | None = None,
        limit: int = 50,
        order_by: str = "id",
        descending: bool = False,
    ) -> Page[ModelT]:
        """Find the rows after a cursor, as fast at the millionth row as at the first if the order has an index.

        Raises:
            InvalidCursorException: `after` does not come from a page of this order.
            UnsortableColumnError: the column to order by may be NULL.
            ValueError: `limit` is below 1.
        """
        if limit < 1:
            raise ValueError("A page has at least one row: limit must be 1 or more.")
        column, key = self._column(order_by), self.model.id
        if column.expression.nullable:
            raise UnsortableColumnError(order_by)
        query = self._select(filters, conditions, options)
        if after is not None:
            position = tuple_(column, key)
            value, last = self._decode_cursor(after, order_by)
            reached = tuple_(literal(value, column.type), literal(last, key.type))
            query = query.where(position < reached if descending else position > reached)
        order = (column.desc(), key.desc()) if descending else (column.asc(), key.asc())
        rows = (await session.scalars(query.order_by(*order).limit(limit + 1))).unique().all()
        more = len(rows) > limit
        return Page(rows[:limit], _encode_cursor(rows[limit - 1], order_by) if more else None)

    async def count(
        self, session: AsyncSession, filters: BaseModel | None = None, *conditions: ColumnElement[bool]
    ) -> int:
        query = select(func.count()).select_from(self.model).where(*self._conditions(filters), *conditions)
        return (await session.execute(query)).scalar_one()

    async def exists(
        self, session: AsyncSession, filters: BaseModel | None = None, *conditions: ColumnElement[bool]
    ) -> bool:
        query = select(select(self.model.id).where(*self._conditions(filters), *conditions).exists())
        return (await session.execute(query)).scalar_one()

    async def update_by_id(self, session: AsyncSession, key: UUID, values: BaseModel) -> ModelT | None:
        """Change one row and return it; None: there is no such row."""
        changes = self._values(values)
        if not changes:
            return await self.find_by_id(session, key)
        statement = update(self.model).where(self.model.id == key).values(changes).returning(self.model)
        row: ModelT | None = await session.scalar(statement, execution_options={"populate_existing": True})
        self._note(session, [key] if row else [])
        return row

    async def update_all(
        self,
        session: AsyncSession,
        values: BaseModel,
        filters: BaseModel | None = None,
        *conditions: ColumnElement[bool],
        every_row: bool = False,
    ) -> int:
        """Change the rows that match by one statement; return how many.

        Raises:
            EmptyFilterError: nothing is filtered and `every_row` was not asked for.
        """
        where, changes = self._conditions_for_write(filters, conditions, every_row), self._values(values)
        if not changes:
            return 0
        return await self._write(session, update(self.model).where(*where).values(changes))

    async def delete_by_id(self, session: AsyncSession, key: UUID) -> bool:
        """Delete one row; return False if there was none."""
        return bool(await self._write(session, delete(self.model).where(self.model.id == key)))

    async def delete_all(
        self,
        session: AsyncSession,
        filters: BaseModel | None = None,
        *conditions: ColumnElement[bool],
        every_row: bool = False,
    ) -> int:
        """Delete the rows that match by one statement; return how many.

        Raises:
            EmptyFilterError: nothing is filtered and `every_row` was not asked for.
        """
        where = self._conditions_for_write(filters, conditions, every_row)
        return await self._write(session, delete(self.model).where(*where))

    async def upsert(self, session: AsyncSession, values: BaseModel, *, conflict_on: Sequence[str]) -> ModelT:
        """Insert a row, or change the one that has the same values in the unique columns `conflict_on`.

        Its key and `created_at` stay; of the values only those that were set are changed.
        """
        if not conflict_on:
            raise ValueError("Name the unique columns by which a row is recognised in conflict_on.")
        (new,), kept = self._dump([values]), {*conflict_on, "id", "created_at"}
        given = {name: value for name, value in self._values(values).items() if name not in kept}
        changes = {self._column(name).expression: value for name, value in {"updated_at": func.now(), **given}.items()}
        targets = [self._column(name) for name in conflict_on]
        statement = (
            pg_insert(self.model)
            .values(new)
            .on_conflict_do_update(index_elements=targets, set_=changes)
            .returning(self.model)
        )
        row = (await session.scalars(statement, execution_options={"populate_existing": True})).one()
        self._note(session, [row.id])
        return row

    async def _write(self, session: AsyncSession, statement: Update | Delete) -> int:
        """Execute a statement on any number of rows; return how many it changed."""
        if not self.model.__noted__:
            return cast("CursorResult[Any]", await session.execute(statement)).rowcount
        keys = (await session.scalars(statement.returning(self.model.id))).all()
        self._note(session, keys)
        return len(keys)

    def _note(self, session: AsyncSession, keys: Iterable[UUID]) -> None:
        if self.model.__noted__:
            session.info.setdefault(CHANGED, {}).setdefault(self.model, set()).update(keys)

    def _select(
        self, filters: BaseModel | None, conditions: Sequence[ColumnElement[bool]], options: Sequence[ORMOption]
    ) -> Select[ModelT]:
        return select(self.model).where(*self._conditions(filters), *conditions).options(*options)

    def _conditions(self, filters: BaseModel | None) -> list[ColumnElement[bool]]:
        wanted = self._values(filters) if filters else {}
        return [_matches(self._column(name), value) for name, value in wanted.items()]

    def _conditions_for_write(
        self, filters: BaseModel | None, conditions: Sequence[ColumnElement[bool]], every_row: bool
    ) -> list[ColumnElement[bool]]:
        where = [*self._conditions(filters), *conditions]
        if not where and not every_row:
            raise EmptyFilterError
        return where

    def _dump(self, rows: Sequence[BaseModel]) -> list[dict[str, Any]]:
        """Return the values of new rows; of computed fields only those that are columns."""
        columns = self.model.__mapper__.column_attrs.keys()
        computed = {name for scheme in {type(row) for row in rows} for name in scheme.model_computed_fields}
        computed.difference_update(columns)
        dumped = [row.model_dump(by_alias=False, exclude=computed) for row in rows]
        self._check(set().union(*dumped))
        return dumped

    def _values(self, values: BaseModel) -> dict[str, Any]:
        """Return the fields that were set, each whole: a nested model keeps its defaults."""
        dumped = values.model_dump(by_alias=False, include=values.model_fields_set)
        self._check(dumped.keys())
        return dumped

    def _check(self, names: AbstractSet[str]) -> None:
        if unknown := names - set(self.model.__mapper__.column_attrs.keys()):
            raise UnknownColumnError(self.model, unknown)

    def _column(self, name: str) -> InstrumentedAttribute[Any]:
        if name not in self.model.__mapper__.column_attrs:
            raise UnknownColumnError(self.model, [name])
        column: InstrumentedAttribute[Any] = getattr(self.model, name)
        return column

    def _decode_cursor(self, cursor: str, order_by: str) -> tuple[Any, UUID]:
        python_type = self._column(order_by).type.python_type
        try:
            name, value, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
            if name != order_by:
                raise InvalidCursorException
            return TypeAdapter(python_type).validate_python(value), UUID(key)
        except (ValueError, TypeError, AttributeError, binascii.Error, ValidationError, RecursionError) as error:
            raise InvalidCursorException from error


def _encode_cursor(row: Base, order_by: str) -> str:
    position = to_jsonable_python([order_by, getattr(row, order_by), row.id])
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def _matches(column: InstrumentedAttribute[Any], value: Any) -> ColumnElement[bool]:
    if value is None:
        return column.is_(None)
    if isinstance(column.type, (ARRAY, JSON)) or not isinstance(value, (list, tuple, set, frozenset)):
        is_equal: ColumnElement[bool] = column == bindparam(column.key, value, column.type, unique=True)
        return is_equal
    given = [member for member in value if member is not None]
    members = column.in_(bindparam(column.key, given, column.type, expanding=True, unique=True))
    return or_(members, column.is_(None)) if None in value else members
