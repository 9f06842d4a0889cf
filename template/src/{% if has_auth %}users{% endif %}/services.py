"""Users: their own profile, and what superusers do with all of them."""

from typing import Annotated
from uuid import UUID

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession

from src.auth import messages
from src.auth.exceptions import (
    LastSuperuserException,
    NotAuthenticatedException,
    NotSuperuserException,
    OwnAccountException,
    UserNotFoundException,
    WrongPasswordException,
)
from src.auth.schemes import Client, ConfirmScheme, UserData
from src.auth.services import AuthServiceDepends, event
from src.schemes import FieldError
from src.users.schemes import OwnChanges, UserChangesBySuperuser, UserFilter, UserPage, UserPageQuery


class UserService:
    """Opens short database sessions of its own: none is held while a password is checked."""

    def __init__(self, auth: AuthServiceDepends) -> None:
        self.auth = auth
        self.manager = auth.manager
        self.database = auth.database

    async def change_own(self, user: UserData, changes: OwnChanges, client: Client) -> UserData:
        """Change the signed-in user; another name or e-mail address asks for the password before anything else.

        Another e-mail address is not verified yet.

        Raises:
            WrongPasswordException: the password is missing or another.
            TooManyRequestsException: RATE_LIMIT_PROFILE or RATE_LIMIT_PASSWORD is used up.
            NotAuthenticatedException: the user was deleted meanwhile.
        """
        fields = ",".join(sorted(changes.model_fields_set - {"current_password"}))
        with event("profile changed", user=str(user.id), address=client.address, fields=fields):
            if changes.needs_password(user):
                await self.auth.auth.limits.count("PROFILE", str(user.id))
                await self._confirm(user, changes, client)
            async with self.database.session(commit=True) as session:
                row = await self.manager.update_by_id(session, user.id, changes)
                if row is None:
                    raise NotAuthenticatedException
                row.is_verified = row.is_verified and row.email == user.email
                await session.flush()
                return UserData.model_validate(row)

    async def _confirm(self, user: UserData, changes: OwnChanges, client: Client) -> None:
        if changes.current_password is None:
            error = FieldError(field="current_password", message=messages.PASSWORD_MISSING)
            raise WrongPasswordException(errors=[error])
        await self.auth.confirm_password(user, changes.current_password.get_secret_value(), "current_password", client)

    async def delete_own(self, user: UserData, data: ConfirmScheme, client: Client) -> None:
        """Delete the signed-in user.

        Raises:
            WrongPasswordException: the password is another.
            LastSuperuserException: nobody could administer the service any more.
            NotAuthenticatedException: the user was deleted meanwhile.
        """
        with event("account deleted", user=str(user.id), address=client.address):
            await self.auth.confirm_password(user, data.current_password.get_secret_value(), "current_password", client)
            async with self.database.session(commit=True) as session:
                if await self.manager.lock_superusers(session) == {user.id}:
                    raise LastSuperuserException
                if not await self.manager.delete_by_id(session, user.id):
                    raise NotAuthenticatedException

    async def get(self, user_id: UUID) -> UserData:
        """Return a user.

        Raises:
            UserNotFoundException: there is none of this id.
        """
        async with self.database.session() as session:
            row = await self.manager.find_by_id(session, user_id)
        if row is None:
            raise UserNotFoundException
        return UserData.model_validate(row)

    async def find_page(self, query: UserPageQuery) -> UserPage:
        filters = UserFilter(**query.model_dump(exclude_unset=True, exclude={"after", "limit"}))
        async with self.database.session() as session:
            page = await self.manager.find_page(session, filters, after=query.after, limit=query.limit)
        items = [UserData.model_validate(row) for row in page.items]
        return UserPage(items=items, next_cursor=page.next_cursor)

    async def change(
        self, superuser: UserData, user_id: UUID, changes: UserChangesBySuperuser, client: Client
    ) -> UserData:
        """Change any user.

        Raises:
            OwnAccountException: one's own name and address change by the password only.
            NotSuperuserException: the superuser was demoted or deactivated meanwhile.
            LastSuperuserException: nobody could undo it.
            UserNotFoundException: there is none of this id.
        """
        fields = ",".join(sorted(changes.model_fields_set))
        with event("user changed", user=str(user_id), by=str(superuser.id), address=client.address, fields=fields):
            if user_id == superuser.id and changes.asks_for_name:
                raise OwnAccountException
            async with self.database.session(commit=True) as session:
                superusers = await self._lock_superusers(session, superuser)
                if changes.may_unseat and superusers == {user_id}:
                    raise LastSuperuserException
                row = await self.manager.update_by_id(session, user_id, changes)
                if row is None:
                    raise UserNotFoundException
                return UserData.model_validate(row)

    async def delete(self, superuser: UserData, user_id: UUID, client: Client) -> None:
        """Delete another user.

        Raises:
            OwnAccountException: one's own account is deleted by the password only.
            NotSuperuserException: the superuser was demoted or deactivated meanwhile.
            UserNotFoundException: there is none of this id.
        """
        with event("user deleted", user=str(user_id), by=str(superuser.id), address=client.address):
            if user_id == superuser.id:
                raise OwnAccountException
            async with self.database.session(commit=True) as session:
                await self._lock_superusers(session, superuser)
                if not await self.manager.delete_by_id(session, user_id):
                    raise UserNotFoundException

    async def _lock_superusers(self, session: AsyncSession, superuser: UserData) -> set[UUID]:
        """Check once more, where nobody can change it any more, who asks; return the active superusers."""
        superusers = await self.manager.lock_superusers(session)
        if superuser.id not in superusers:
            raise NotSuperuserException
        return superusers


UserServiceDepends = Annotated[UserService, Depends(UserService)]
