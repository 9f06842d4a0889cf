"""Creates a superuser: `make superuser`, or with SUPERUSER_USERNAME, _EMAIL and _PASSWORD in the environment."""

import asyncio
import os
import sys
from getpass import getpass

from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import SQLAlchemyError

from src.auth.config import get_auth_settings
from src.auth.managers import UserManager
from src.auth.passwords import hash_password
from src.auth.schemes import AccountScheme, NewUser
from src.database.config import get_database_settings
from src.database.exceptions import DatabaseUnavailableError
from src.database.session import Database


def ask() -> AccountScheme:
    """Take each value from the environment, or ask for it.

    Raises:
        SystemExit: a value is not usable; the message says why.
    """
    username = os.environ.get("SUPERUSER_USERNAME") or input("Name: ")
    email = os.environ.get("SUPERUSER_EMAIL") or input("E-mail: ")
    password = os.environ.get("SUPERUSER_PASSWORD") or getpass("Password: ")
    try:
        return AccountScheme(username=username, email=email, password=SecretStr(password))
    except ValidationError as error:
        raise SystemExit("\n".join(f"{problem['loc'][0]}: {problem['msg']}" for problem in error.errors())) from None


async def create(data: AccountScheme) -> None:
    """Insert the superuser.

    Raises:
        SystemExit: the name or the address is taken, or the database is not ready.
    """
    manager, database = UserManager(), Database(get_database_settings())
    hashed = hash_password(data.password.get_secret_value(), get_auth_settings().PASSWORD_HASH_COST)
    new = NewUser(username=data.username, email=data.email, hashed_password=hashed, is_superuser=True, is_verified=True)
    try:
        async with database.session(commit=True) as session:
            if taken := await manager.find_taken(session, data.username, data.email):
                raise SystemExit(f"Already taken: {', '.join(sorted(taken))}. Choose another.")
            await manager.add(session, new)
    except (SQLAlchemyError, DatabaseUnavailableError) as error:
        raise SystemExit(
            f"The database is not ready ({type(error).__name__}): start it and run the migrations."
        ) from None
    finally:
        await database.close()


def main() -> None:
    data = ask()
    asyncio.run(create(data))
    sys.stdout.write(f"{data.username} is a superuser now.\n")


if __name__ == "__main__":
    main()
