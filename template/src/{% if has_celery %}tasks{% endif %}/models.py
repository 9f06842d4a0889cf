"""Rows that are over one day."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column


class Expiring:
    """A model whose rows are removed once they are over: `class Invitation(Expiring, Base)`."""

    expires_at: Mapped[datetime] = mapped_column(index=True)
