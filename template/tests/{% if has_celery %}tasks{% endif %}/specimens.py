"""A model whose rows expire, which only tests know."""

from src.tasks.models import Expiring
from tests.database.specimens import TestBase


class Invitation(Expiring, TestBase):
    """A model, some of whose rows have expired."""
