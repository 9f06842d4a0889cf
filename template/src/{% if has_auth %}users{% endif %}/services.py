"""Users: their own profile, and what superusers do with all of them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from loguru import logger
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth.exceptions import LastSuperuserException, NotAuthenticatedException
from src.auth.managers import UserManager
from src.auth.schemes import ConfirmScheme, UserData
from src.auth.services import AuthServiceDepends
from src.database.session import DatabaseDepends
from src.users.exceptions import UserNotFoundException
from src.users.schemes import (
    UserChanges,
    UserChangesBySuperuser,
    UserFilter,
    UserPage,
    UserPageQuery,
    VerifiedUser,
)


class UserService:
    def __init__(self, manager: Annotated[UserManager, Depends(UserManager)]) -> None:
        self.manager = manager

    async def change_own(self, session: AsyncSession, user: UserData, changes: UserChanges) -> UserData:
        """Change the signed-in user's own profile; another e-mail address is not verified yet.

        Raises:
            NotAuthenticatedException: the user was deleted meanwhile.
        """
        row = await self.manager.update_by_id(session, user.id, changes)
        if row is None:
            raise NotAuthenticatedException
        if row.email != user.email and row.is_verified:
            row = await self.manager.update_by_id(session, user.id, VerifiedUser(is_verified=False))
        return UserData.model_validate(row)

    async def get(self, session: AsyncSession, user_id: UUID) -> UserData:
        """Return a user.

        Raises:
            UserNotFoundException: there is none of this id.
        """
        row = await self.manager.find_by_id(session, user_id)
        if row is None:
            raise UserNotFoundException
        return UserData.model_validate(row)

    async def find_page(self, session: AsyncSession, query: UserPageQuery) -> UserPage:
        filters = UserFilter(**query.model_dump(exclude_unset=True, exclude={"after", "limit"}))
        page = await self.manager.find_page(session, filters, after=query.after, limit=query.limit)
        items = [UserData.model_validate(row) for row in page.items]
        return UserPage(items=items, next_cursor=page.next_cursor)

    async def change(
        self, session: AsyncSession, superuser: UserData, user_id: UUID, changes: UserChangesBySuperuser
    ) -> UserData:
        """Change any user.

        Raises:
            LastSuperuserException: nobody could undo it.
            UserNotFoundException: there is none of this id.
        """
        if changes.may_unseat:
            await self._keep_one_superuser(session, user_id)
        row = await self.manager.update_by_id(session, user_id, changes)
        if row is None:
            raise UserNotFoundException
        fields = ",".join(sorted(changes.model_fields_set))
        logger.info("user changed", user=str(user_id), by=str(superuser.id), fields=fields)
        return UserData.model_validate(row)

    async def delete(self, session: AsyncSession, user_id: UUID, *, by: UserData) -> None:
        """Delete a user.

        Raises:
            LastSuperuserException: nobody could undo it.
            UserNotFoundException: there is none of this id.
        """
        await self._keep_one_superuser(session, user_id)
        if not await self.manager.delete_by_id(session, user_id):
            raise UserNotFoundException
        logger.info("user deleted", user=str(user_id), by=str(by.id))

    async def _keep_one_superuser(self, session: AsyncSession, user_id: UUID) -> None:
        if await self.manager.lock_superusers(session) == {user_id}:
            raise LastSuperuserException


class AccountService:
    """What takes the user's password, which is checked while no database connection is held."""

    def __init__(
        self, auth: AuthServiceDepends, users: Annotated[UserService, Depends(UserService)], database: DatabaseDepends
    ) -> None:
        self.auth = auth
        self.users = users
        self.database = database

    async def delete_own(self, user: UserData, data: ConfirmScheme) -> None:
        """Delete the signed-in user.

        Raises:
            WrongPasswordException: the password is another.
            LastSuperuserException: nobody could administer the service any more.
            NotAuthenticatedException: the user was deleted meanwhile.
        """
        await self.auth.confirm_password(user, data.password.get_secret_value(), "password")
        try:
            async with self.database.session(commit=True) as session:
                await self.users.delete(session, user.id, by=user)
        except UserNotFoundException as error:
            raise NotAuthenticatedException from error


UserServiceDepends = Annotated[UserService, Depends(UserService)]
AccountServiceDepends = Annotated[AccountService, Depends(AccountService)]
