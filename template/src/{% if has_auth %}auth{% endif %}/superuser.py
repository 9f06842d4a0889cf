"""Creates a superuser: `make superuser`, or with SUPERUSER_USERNAME, _EMAIL and _PASSWORD in the environment."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from getpass import getpass
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from src.auth.config import get_auth_settings
from src.auth.managers import UserManager
from src.auth.passwords import hash_password
from src.auth.schemes import AccountScheme, NewUser
from src.database.config import get_database_settings
from src.database.exceptions import DatabaseUnavailableError
from src.database.session import Database

QUESTIONS = {"username": "Name: ", "email": "E-mail: ", "password": "Password: "}

SchemeT = TypeVar("SchemeT", bound=AccountScheme)


def ask(scheme: type[SchemeT], given: Mapping[str, str], typed: dict[str, str]) -> SchemeT:
    """Ask for what is neither given nor typed yet, and again for what is not usable.

    Raises:
        SystemExit: a given value is not usable; the message says why.
    """
    while True:
        for name, question in QUESTIONS.items():
            if name not in given and name not in typed:
                typed[name] = ask_twice() if name == "password" else input(question)
        try:
            return scheme.model_validate({**given, **typed})
        except ValidationError as error:
            forget(typed, {str(problem["loc"][0]): problem["msg"] for problem in error.errors()})


def ask_twice() -> str:
    """Ask for a new password, unseen, until it is the same twice."""
    while (password := getpass(QUESTIONS["password"])) != getpass("Again: "):
        sys.stdout.write("These are two different passwords.\n")
    return password


def forget(typed: dict[str, str], problems: Mapping[str, str]) -> None:
    """Say what is not usable and forget it, so that it is asked for again.

    Raises:
        SystemExit: it was given, not typed.
    """
    text = "\n".join(f"{name}: {problem}" for name, problem in sorted(problems.items()))
    if not problems.keys() <= typed.keys():
        raise SystemExit(text)
    sys.stdout.write(f"{text}\n")
    for name in problems:
        del typed[name]


@asynccontextmanager
async def open_database() -> AsyncIterator[Database]:
    """Open the database of the settings.

    Raises:
        SystemExit: it is not ready.
    """
    database = Database(get_database_settings())
    try:
        yield database
    except (SQLAlchemyError, DatabaseUnavailableError) as error:
        raise SystemExit(
            f"The database is not ready ({type(error).__name__}): start it and run the migrations."
        ) from None
    finally:
        await database.close()


async def create(data: AccountScheme) -> set[str]:
    """Insert the superuser, or return what another user has: `username`, `email`."""
    manager = UserManager()
    hashed = hash_password(data.password.get_secret_value(), get_auth_settings().PASSWORD_HASH_COST)
    new = NewUser(username=data.username, email=data.email, hashed_password=hashed, is_superuser=True, is_verified=True)
    async with open_database() as database, database.session(commit=True) as session:
        taken = await manager.find_taken(session, data.username, data.email)
        if not taken:
            await manager.add(session, new)
        return taken


def main() -> None:
    given = {name: value for name in QUESTIONS if (value := os.environ.get(f"SUPERUSER_{name.upper()}"))}
    typed: dict[str, str] = {}
    try:
        while taken := asyncio.run(create(data := ask(AccountScheme, given, typed))):
            forget(typed, dict.fromkeys(taken, "another user has it"))
    except (KeyboardInterrupt, EOFError):
        raise SystemExit("\nNo superuser was created.") from None
    sys.stdout.write(f"{data.username} is a superuser now.\n")


if __name__ == "__main__":
    main()
