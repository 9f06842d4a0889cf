from tests.database.articles import articles

__all__ = ["articles"]
