"""Users in PostgreSQL."""

from uuid import UUID

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth.models import User
from src.database.manager import BaseManager


class UserManager(BaseManager[User]):
    model = User

    async def find_by_login(self, session: AsyncSession, login: str) -> User | None:
        """Find a user by name or by e-mail address: a name has no @."""
        column = User.email if "@" in login else User.username
        return await self.find_one_by(session, None, func.lower(column) == login.lower())

    async def find_taken(self, session: AsyncSession, username: str, email: str) -> set[str]:
        """Return which of the two another user has: `username`, `email`."""
        name, address = func.lower(User.username) == username.lower(), func.lower(User.email) == email.lower()
        rows = await session.execute(select(name, address).where(or_(name, address)))
        return {field for row in rows for field, taken in zip(("username", "email"), row, strict=True) if taken}

    async def lock_superusers(self, session: AsyncSession) -> set[UUID]:
        """Return the active superusers; until the transaction ends no one else gets this answer."""
        query = select(User.id).where(User.is_superuser, User.is_active).order_by(User.id).with_for_update()
        return set(await session.scalars(query))
