"""Names of tables and constraints."""

import pytest

from src.database.model import plural_snake_case
from tests.database.specimens import Specimen, TestBase


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("User", "users"),
        ("BlogPost", "blog_posts"),
        ("HTTPRequest", "http_requests"),
        ("Category", "categories"),
        ("Day", "days"),
        ("Address", "addresses"),
        ("Box", "boxes"),
        ("OAuth2Token", "o_auth2_tokens"),
    ],
)
def test_tables_are_plural_snake_case(name: str, table: str) -> None:
    """The name follows from the class."""
    assert plural_snake_case(name) == table


def test_a_model_may_name_its_table() -> None:
    """`__tablename__` overrides the rule."""

    class Sheep(TestBase):
        __tablename__ = "sheep"

    assert "sheep" in TestBase.metadata.tables
    TestBase.metadata.remove(TestBase.metadata.tables["sheep"])


def test_constraints_have_names_of_a_convention() -> None:
    """So that migrations can drop them anywhere."""
    assert {constraint.name for constraint in Specimen.metadata.tables["specimens"].constraints} == {
        "pk_specimens",
        "uq_specimens_slug",
    }


def test_columns_stand_in_a_readable_order() -> None:
    """The key first, the times last."""
    assert Specimen.__table__.columns.keys() == [
        "id",
        "slug",
        "title",
        "views",
        "subtitle",
        "note",
        "colour",
        "price",
        "day",
        "created_at",
        "updated_at",
    ]
