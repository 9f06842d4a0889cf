"""The first superuser is made by a command, never by default."""

import pytest
from httpx import AsyncClient
from sqlalchemy import func, select

from src.auth.models import User
from src.auth.superuser import ask, create
from src.database.session import Database
from tests.auth.fixtures import PASSWORD, login

VARIABLES = {"SUPERUSER_USERNAME": "boss", "SUPERUSER_EMAIL": "boss@example.com", "SUPERUSER_PASSWORD": PASSWORD}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
async def test_it_may_administer(anonymous: AsyncClient) -> None:
    """Signed in like everybody else."""
    await create(ask())
    boss = (await login(anonymous, "boss")).json()
    assert (boss["is_superuser"], boss["is_verified"]) == (True, True)
    assert (await anonymous.get("/users")).status_code == 200


async def test_nobody_is_there_by_default(database: Database) -> None:
    """A fresh database has no user at all."""
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 0


@pytest.mark.usefixtures("environment", "app")
async def test_a_taken_name_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is promoted by accident."""
    await create(ask())
    with pytest.raises(SystemExit, match="username"):
        await create(ask())


@pytest.mark.parametrize("password", ["s3cret", "Boss@Example.com"])
@pytest.mark.usefixtures("environment")
def test_a_weak_password_is_refused(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    """And not shown."""
    monkeypatch.setenv("SUPERUSER_PASSWORD", password)
    with pytest.raises(SystemExit, match="password") as caught:
        ask()
    assert password not in str(caught.value)


def test_it_asks_for_what_the_environment_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The password unseen."""
    monkeypatch.setattr("builtins.input", {"Name: ": "boss", "E-mail: ": "boss@example.com"}.__getitem__)
    monkeypatch.setattr("src.auth.superuser.getpass", {"Password: ": PASSWORD}.__getitem__)
    assert ask().username == "boss"
