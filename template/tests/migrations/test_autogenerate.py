"""Migrations made from models: created, compared, undone and done again."""

import asyncio
import enum
import os
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command, op
from alembic.autogenerate import compare_metadata, produce_migrations, render_python_code
from alembic.config import Config
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import create_async_engine

from devtools.postgres import create_database
from devtools.process import ROOT
from migrations.autogenerate import NOTHING, complete, options
from src.database.model import NAMING_CONVENTION, Base
from tests.settings import forget_settings


class Status(enum.Enum):
    DRAFT = "draft"


class Trimmed(sa.TypeDecorator[str]):
    impl = sa.String(20)
    cache_ok = True


class Facts(sa.TypeDecorator[dict[str, Any]]):
    impl = pg.JSONB
    cache_ok = True


COLUMNS = {
    "numbers": [
        (sa.SmallInteger(), "1"),
        (sa.Integer(), "-1"),
        (sa.Integer(), sa.text("(1 + 2)")),
        (sa.BigInteger(), "9000000000"),
        (sa.Numeric(8, 2), "1.50"),
        (sa.Float(), "1.5"),
        (sa.Double(), sa.text("'Infinity'")),
        (sa.Boolean(), sa.true()),
        (pg.MONEY(), "1"),
        (pg.OID(), None),
        (sa.Integer(), sa.Identity(start=5)),
    ],
    "texts": [
        (sa.String(50), ""),
        (sa.String(50), "it's 100 % :fine"),
        (sa.String(), sa.func.lower("A")),
        (sa.Text(), "a\nb"),
        (sa.CHAR(3), "abc"),
        (sa.LargeBinary(), sa.text("'\\x00'::bytea")),
        (sa.Uuid(), sa.func.gen_random_uuid()),
        (Trimmed(), "a"),
        (sa.Enum(Status, native_enum=False, length=50), "DRAFT"),
    ],
    "times": [
        (sa.Date(), sa.func.current_date()),
        (sa.Date(), "2026-01-02"),
        (sa.Time(), "12:00"),
        (sa.Time(timezone=True), None),
        (sa.DateTime(timezone=True), sa.func.now()),
        (sa.DateTime(timezone=True), sa.text("clock_timestamp()")),
        (sa.DateTime(), sa.text("timezone('utc', now())")),
        (sa.DateTime(timezone=True), sa.text("now() + interval '1 day'")),
        (sa.Interval(), sa.text("interval '1 day'")),
        (pg.INTERVAL(fields="DAY"), None),
    ],
    "objects": [
        (sa.JSON(), "{}"),
        (sa.JSON(), sa.text("'[]'::json")),
        (pg.JSONB(), "{}"),
        (pg.JSONB(), sa.text("""'{"a": 1}'::jsonb""")),
        (Facts(), "{}"),
    ],
    "lists": [
        (sa.ARRAY(sa.String), "{}"),
        (pg.ARRAY(sa.Integer), sa.text("ARRAY[1, 2]")),
        (pg.ARRAY(sa.Text, dimensions=2), None),
        (pg.ARRAY(pg.JSONB), None),
    ],
    "networks and bits": [
        (pg.INET(), "10.0.0.1"),
        (pg.CIDR(), "10.0.0.0/8"),
        (pg.MACADDR(), None),
        (pg.BIT(8), sa.text("B'10101010'")),
        (pg.BIT(varying=True), None),
    ],
    "searches and ranges": [
        (pg.TSVECTOR(), sa.text("to_tsvector('simple', 'a')")),
        (pg.TSVECTOR(), sa.Computed("to_tsvector('simple', 'a')", persisted=True)),
        (pg.INT4RANGE(), "[1,5)"),
        (pg.TSTZRANGE(), sa.text("'empty'")),
        (pg.DATEMULTIRANGE(), None),
    ],
}


@pytest.fixture(scope="module")
def empty_url() -> str:
    url = sa.make_url(os.environ["DATABASE_URL"]).set(database=f"empty_{uuid4().hex}")
    asyncio.run(create_database(url))
    return url.render_as_string(hide_password=False)


def table_of(*columns: tuple[Any, Any], schema: str | None = None) -> sa.Table:
    metadata = sa.MetaData(naming_convention=NAMING_CONVENTION)
    table = sa.Table("samples", metadata, sa.Column("id", sa.Uuid(), primary_key=True), schema=schema)
    for number, (kind, default) in enumerate(columns):
        if isinstance(default, (sa.Computed, sa.Identity)):
            table.append_column(sa.Column(f"value_{number}", kind, default))
        else:
            table.append_column(sa.Column(f"value_{number}", kind, server_default=default))
    return table


def walk(connection: sa.Connection, *tables: sa.Table, steps: int = 3) -> None:
    """Go from one model to the next, back, and forth again."""
    context = MigrationContext.configure(connection)
    for table in tables:
        context.opts.update(options(table.metadata))
        script: Any = produce_migrations(context, table.metadata)
        complete(context, (), [script])
        for step in (script.upgrade_ops, script.downgrade_ops, script.upgrade_ops)[:steps]:
            code = render_python_code(step, migration_context=context, render_item=context.opts["render_item"])
            names: dict[str, Any] = {"op": op, "sa": sa, "postgresql": pg}
            with Operations.context(context):
                exec("def run():\n    " + code, names)
                names["run"]()
        assert compare_metadata(context, table.metadata) == []


async def run(url: str, *tables: sa.Table) -> None:
    engine = create_async_engine(url)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(walk, *tables)
            await connection.rollback()
    finally:
        await engine.dispose()


@pytest.mark.parametrize("way", ["created", "added"])
@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
async def test_columns_are_migrated_and_found_again(empty_url: str, columns: list[tuple[Any, Any]], way: str) -> None:
    """With their table or later, dropped and created again; no difference is left for `alembic check`."""
    if way == "created":
        await run(empty_url, table_of(*columns))
    else:
        await run(empty_url, table_of(), table_of(*columns))


async def test_a_changed_default_is_a_difference(empty_url: str) -> None:
    """The comparison is exact: each walk ends in the model that it was given."""
    await run(empty_url, table_of((pg.JSONB(), "{}")), table_of((pg.JSONB(), "[]")), table_of((pg.JSONB(), None)))


async def test_a_schema_is_created_with_its_first_table(empty_url: str) -> None:
    """And its tables are not found new again."""
    await run(empty_url, table_of(schema="audit"), table_of((sa.String(), "a"), schema="audit"))


async def test_an_enum_type_of_postgresql_is_refused(empty_url: str) -> None:
    """Alembic would neither create it for an added column nor drop it."""
    with pytest.raises(CommandError, match=r"samples\.value_0 is an enum type of PostgreSQL, .* Mapped\[YourEnum\]"):
        await run(empty_url, table_of((sa.Enum(Status), None)))


async def test_an_enum_type_of_before_becomes_text(empty_url: str) -> None:
    """A type that a migration created by hand, or before enums were text, is in nobody's way."""
    engine = create_async_engine(empty_url)
    async with engine.connect() as connection:
        await connection.execute(sa.text("CREATE TYPE status AS ENUM ('DRAFT')"))
        await connection.execute(sa.text("CREATE TABLE samples (id uuid NOT NULL, value_0 status)"))
        await connection.execute(sa.text("ALTER TABLE samples ADD CONSTRAINT pk_samples PRIMARY KEY (id)"))
        await connection.execute(sa.text("INSERT INTO samples VALUES (gen_random_uuid(), 'DRAFT')"))
        await connection.run_sync(walk, table_of((sa.Enum(Status), None)), steps=0)
        await connection.run_sync(walk, table_of((sa.Enum(Status, native_enum=False, length=50), None)), steps=1)
        assert await connection.scalar(sa.text("SELECT value_0 FROM samples")) == "DRAFT"
        await connection.rollback()
    await engine.dispose()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Config]:
    """A copy of the migrations, and a database that has run them."""
    url = sa.make_url(os.environ["DATABASE_URL"]).set(database=f"scripts_{uuid4().hex}")
    asyncio.run(create_database(url))
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    forget_settings()
    copytree(ROOT / "migrations", tmp_path / "migrations")
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(tmp_path / "migrations"))
    command.upgrade(config, "head")
    before = set(Base.metadata.tables.values())
    yield config
    for table in set(Base.metadata.tables.values()) - before:
        Base.metadata.remove(table)


def revise(config: Config, message: str) -> None:
    config.cmd_opts = Namespace(autogenerate=True)  # as on the command line
    command.revision(config, message, autogenerate=True)
    config.cmd_opts = None


def test_nothing_to_say_writes_no_file(scripts: Config, capsys: pytest.CaptureFixture[str]) -> None:
    """It says so instead."""
    folder = Path(scripts.get_main_option("script_location") or "") / "versions"
    before = set(folder.glob("*.py"))
    revise(scripts, "nothing")
    assert set(folder.glob("*.py")) == before
    assert NOTHING in capsys.readouterr().out


def test_a_model_is_migrated_with_a_message_as_typed(scripts: Config) -> None:
    """Quotes and backslashes do not break the file; an enum walks up and down."""
    text_enum: Any = Base.type_annotation_map[enum.Enum]  # what `Mapped[Status]` becomes
    sa.Table("samples", Base.metadata, sa.Column("status", text_enum), schema="audit")
    message = """say "hi" and '''bye''' for $5 in C:\\new"""
    revise(scripts, message)
    command.upgrade(scripts, "head")
    command.downgrade(scripts, "base")
    command.upgrade(scripts, "head")
    command.check(scripts)
    (path,) = (Path(scripts.get_main_option("script_location") or "") / "versions").glob("*say*.py")
    names: dict[str, Any] = {}
    exec(path.read_text(), names)
    assert names["__doc__"].strip() == message
