"""The base of all models."""

import enum
import re
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import DateTime, Enum, MetaData, func
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column
from uuid_utils.compat import uuid7 as new_key

__all__ = ["Base", "new_key", "plural_snake_case"]

CHANGED = "changed"  # in `session.info`: the keys of changed rows, by model
NAMING_CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def plural_snake_case(name: str) -> str:
    """Name the table of a model: `BlogPost` is `blog_posts`, `Category` is `categories`, `Address` is `addresses`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
    if re.search(r"[^aeiou]y$", snake):
        return snake[:-1] + "ies"
    return snake + ("es" if re.search(r"(s|x|z|ch|sh)$", snake) else "s")


class Base(DeclarativeBase):
    """A time-ordered UUID as key, the times of the first and the last write; set `__tablename__` to override the name."""

    # True: managers note in `session.info[CHANGED]` whose rows they change, for what keeps copies of them.
    __noted__: ClassVar[bool] = False

    metadata = MetaData(naming_convention=NAMING_CONVENTION)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as declared
        datetime: DateTime(timezone=True),
        # Stored as text, by the names of its members: a type of PostgreSQL's own is hard to change.
        enum.Enum: Enum(enum.Enum, native_enum=False, length=50),
    }

    __mapper_args__ = {"eager_defaults": True}  # noqa: RUF012 - a changed row knows its `updated_at` after the flush

    id: Mapped[UUID] = mapped_column(primary_key=True, default=new_key, sort_order=-1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), sort_order=998)
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now(), sort_order=999)

    @declared_attr.directive
    def __tablename__(cls) -> Any:  # noqa: N805 - a directive gets the class
        return plural_snake_case(cls.__name__)
