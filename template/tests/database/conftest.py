from tests.database.specimens import specimens

__all__ = ["specimens"]
