"""What `make migration` and `alembic check` know of PostgreSQL beyond Alembic."""

import re
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.util import CommandError

NOTHING = "The models and the database agree: there is nothing to migrate.\n"


def options(metadata: sa.MetaData) -> dict[str, Any]:
    """Return what to give to `context.configure`."""
    return {
        "target_metadata": metadata,
        "include_schemas": True,
        "include_name": _only_schemas_of(metadata),
        "compare_server_default": _differs,
        "render_item": _render,
    }


def _only_schemas_of(metadata: sa.MetaData) -> Callable[..., bool]:
    """Leave schemas alone that no model is in: what is in them belongs to others."""

    def include(name: str | None, kind: str, _: Any) -> bool:
        return kind != "schema" or name in {None, *(table.schema for table in metadata.tables.values())}

    return include


def _differs(
    context: MigrationContext, _: sa.Column[Any], column: sa.Column[Any], default: str | None, *__: Any
) -> bool | None:
    """Compare two defaults as PostgreSQL writes them; Alembic asks for an equality that some types do not have."""
    wanted = column.server_default
    if default is None or not isinstance(wanted, sa.DefaultClause):
        return None
    connection = context.connection
    assert connection is not None  # noqa: S101 - there is one whenever models are compared
    value = sa.Column("value", column.type, server_default=sa.DefaultClause(wanted.arg))
    with connection.begin_nested() as savepoint:
        sa.Table("wanted_default", sa.MetaData(), value, prefixes=["TEMPORARY"]).create(connection)
        written = sa.inspect(connection).get_columns("wanted_default")[0]["default"]
        savepoint.rollback()
    return bool(written != default)


def _render(kind: str, item: Any, context: AutogenContext) -> str | bool:
    """Write types as PostgreSQL has them: a migration that imports your code breaks when that code moves."""
    if kind != "type":
        return False
    if isinstance(item, sa.Enum) and not item.native_enum:
        return f"sa.String(length={item.length})"
    if isinstance(item, sa.types.TypeDecorator) and not type(item).__module__.startswith("sqlalchemy."):
        context.imports.add("from sqlalchemy.dialects import postgresql")
        return re.sub(r"\b([A-Z]\w*)\(", _with_module, repr(item.impl))
    return False


def _with_module(match: re.Match[str]) -> str:
    return f"{'sa' if hasattr(sa, match[1]) else 'postgresql'}.{match[0]}"


def complete(context: MigrationContext, _: Any, scripts: list[ops.MigrationScript]) -> None:
    """Create the schemas of new tables; refuse what would break.

    Raises:
        CommandError: a new column has an enum type of PostgreSQL, which Alembic neither creates nor drops.
    """
    upgrade = scripts[0].upgrade_ops
    if upgrade is None:
        return
    for table, column in _new_columns(upgrade):
        if isinstance(column.type, sa.Enum) and column.type.native_enum:
            raise CommandError(
                f"{table}.{column.name} is an enum type of PostgreSQL, which no migration can drop and create again by"
                " itself: write Mapped[YourEnum] without Enum(...) in the model, which is stored as text."
            )
    connection = context.connection
    there = set(sa.inspect(connection).get_schema_names()) if connection is not None else set()
    wanted = {each.schema for each in upgrade.ops if isinstance(each, ops.CreateTableOp) and each.schema}
    upgrade.ops[:0] = [ops.ExecuteSQLOp(f'CREATE SCHEMA IF NOT EXISTS "{schema}"') for schema in sorted(wanted - there)]


def _new_columns(upgrade: ops.UpgradeOps) -> list[tuple[str, sa.Column[Any]]]:
    found = []
    for each in upgrade.ops:
        if isinstance(each, ops.CreateTableOp):
            found += [(each.table_name, column) for column in each.columns if isinstance(column, sa.Column)]
        elif isinstance(each, ops.ModifyTableOps):
            found += [(add.table_name, add.column) for add in each.ops if isinstance(add, ops.AddColumnOp)]
    return found
