"""Who may sign in."""

from sqlalchemy import Index, String, false, func, true
from sqlalchemy.orm import Mapped, mapped_column

from src.database.model import Base


class User(Base):
    """Names, and e-mail addresses, that differ in case only are the same."""

    __noted__ = True  # src/auth/user_changes.py drops the snapshots of the changed

    username: Mapped[str] = mapped_column(String(32))
    email: Mapped[str] = mapped_column(String(254))
    hashed_password: Mapped[str] = mapped_column(String(100))
    is_active: Mapped[bool] = mapped_column(default=True, server_default=true())
    is_superuser: Mapped[bool] = mapped_column(default=False, server_default=false())
    is_verified: Mapped[bool] = mapped_column(default=False, server_default=false())
    # Yours below this line.

    __table_args__ = (
        Index("uq_users_username", func.lower(username), unique=True),
        Index("uq_users_email", func.lower(email), unique=True),
    )
