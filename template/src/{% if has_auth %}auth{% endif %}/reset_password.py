"""Sets a new password for a user who cannot sign in, and ends their sessions: `make reset-password USERNAME=ada`."""

import asyncio
import os
import sys
from getpass import getuser

from loguru import logger
from pydantic import SecretStr
from redis.exceptions import RedisError

from src.auth.config import get_auth_settings
from src.auth.managers import UserManager
from src.auth.models import User
from src.auth.passwords import hash_password
from src.auth.schemes import AccountScheme, PasswordUser
from src.auth.sessions import SessionManager
from src.auth.superuser import ask, open_database
from src.config import get_settings
from src.log import setup_logging
from src.redis_database.client import create_redis
from src.redis_database.config import get_redis_settings


class ResetScheme(AccountScheme):
    """A new password; the account is what it is."""

    username: str
    email: str


async def find(login: str) -> User:
    """Find the user by name or e-mail address.

    Raises:
        SystemExit: there is none.
    """
    async with open_database() as database, database.session() as session:
        if user := await UserManager().find_by_login(session, login):
            return user
    raise SystemExit(f"There is no user {login}.")


async def reset(user: User, password: SecretStr) -> None:
    """Store the password and end the sessions: before the commit, lest Redis fail after it, and those begun meanwhile.

    Raises:
        SystemExit: the database or Redis is not ready.
    """
    hashed = hash_password(password.get_secret_value(), get_auth_settings().PASSWORD_HASH_COST)
    redis = create_redis(get_redis_settings())
    sessions = SessionManager(redis, get_auth_settings())
    try:
        async with open_database() as database:
            async with database.session(commit=True) as session:
                await UserManager().update_by_id(session, user.id, PasswordUser(hashed_password=hashed))
                await sessions.end_all(str(user.id))
            await sessions.end_all(str(user.id))
    except RedisError as error:
        raise SystemExit(f"Redis is not ready ({type(error).__name__}): start it, and run the command again.") from None
    finally:
        await redis.aclose()
    logger.info("password reset", user=str(user.id), operator=_operator())


def _operator() -> str:
    """Return who runs the command; in a container the user may have no name."""
    try:
        return getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def main(login: str) -> None:
    setup_logging(get_settings())
    user = asyncio.run(find(login))
    try:
        data = ask(ResetScheme, {"username": user.username, "email": user.email}, {})
    except (KeyboardInterrupt, EOFError):
        raise SystemExit("\nThe password is unchanged.") from None
    asyncio.run(reset(user, data.password))
    sys.stdout.write(f"{user.username} has a new password, and is signed out everywhere.\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
