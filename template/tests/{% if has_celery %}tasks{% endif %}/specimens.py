"""A model whose rows expire, which only tests know."""

from src.tasks.models import Expiring
from tests.database.specimens import TestBase


class Invitation(Expiring, TestBase):
    """Of the rows of this one some are over."""
