"""The first superuser is made by a command, never by default."""

from collections.abc import Callable, Iterator

import pytest
from httpx import AsyncClient
from pydantic import SecretStr
from sqlalchemy import func, select

from src.auth import superuser
from src.auth.models import User
from src.auth.schemes import AccountScheme
from src.auth.superuser import ask, create
from src.database.session import Database
from tests.auth.fixtures import PASSWORD, login

VALUES = {"username": "boss", "email": "boss@example.com", "password": PASSWORD}
BOSS = AccountScheme(username="boss", email="boss@example.com", password=SecretStr(PASSWORD))

Type = Callable[..., list[str]]


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Type:
    """Answer the questions, one after the other; return what is asked."""

    def prepare(*answers: str | type[BaseException]) -> list[str]:
        asked: list[str] = []
        left: Iterator[str | type[BaseException]] = iter(answers)

        def answer(question: str) -> str:
            asked.append(question)
            text = next(left)
            if isinstance(text, str):
                return text
            raise text

        monkeypatch.setattr("builtins.input", answer)
        monkeypatch.setattr("src.auth.superuser.getpass", answer)
        return asked

    return prepare


async def test_it_may_administer(anonymous: AsyncClient) -> None:
    """Signed in like everybody else."""
    assert await create(BOSS) == set()
    boss = (await login(anonymous, "boss")).json()
    assert (boss["is_superuser"], boss["is_verified"]) == (True, True)
    assert (await anonymous.get("/users")).status_code == 200


async def test_nobody_is_there_by_default(database: Database) -> None:
    """A fresh database has no user at all."""
    async with database.session() as session:
        assert await session.scalar(select(func.count()).select_from(User)) == 0


@pytest.mark.usefixtures("app")
async def test_a_taken_name_is_said() -> None:
    """Nobody is promoted by accident."""
    await create(BOSS)
    assert await create(BOSS.model_copy(update={"email": "other@example.com"})) == {"username"}


def test_what_is_taken_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_in: Type
) -> None:
    """And nothing else."""
    created: list[str] = []

    async def refuse_once(data: AccountScheme) -> set[str]:
        created.append(data.username)
        return {"username"} if len(created) == 1 else set()

    monkeypatch.setattr(superuser, "create", refuse_once)
    asked = type_in("boss", "boss@example.com", PASSWORD, PASSWORD, "chief")
    superuser.main()
    assert created == ["boss", "chief"]
    assert asked == ["Name: ", "E-mail: ", "Password: ", "Again: ", "Name: "]
    assert capsys.readouterr().out == "username: another user has it\nchief is a superuser now.\n"


@pytest.mark.parametrize("password", ["s3cret", "Boss@Example.com"])
def test_a_given_value_that_is_not_usable_ends_the_command(password: str) -> None:
    """To ask again would not help; a password is not shown."""
    with pytest.raises(SystemExit, match="password") as caught:
        ask(AccountScheme, VALUES | {"password": password}, {})
    assert password not in str(caught.value)


def test_only_what_is_wrong_is_asked_for_again(type_in: Type, capsys: pytest.CaptureFixture[str]) -> None:
    """A password is typed twice, and until it is the same and good enough; what was given is not asked for."""
    asked = type_in("boss@home", PASSWORD, f"{PASSWORD}!", "s3cret", "s3cret", "boss", PASSWORD, PASSWORD)
    data = ask(AccountScheme, {"email": VALUES["email"]}, {})
    assert (data.username, data.password.get_secret_value()) == ("boss", PASSWORD)
    twice = ["Password: ", "Again: "]
    assert asked == ["Name: ", *twice, *twice, "Name: ", *twice]
    said = capsys.readouterr().out
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "These are two different passwords.",
        "password",
        "username",
    ]
    assert "s3cret" not in said


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
def test_whoever_gives_up_is_told_what_became_of_it(
    monkeypatch: pytest.MonkeyPatch, type_in: Type, end: type[BaseException]
) -> None:
    """Ctrl-C and the end of the input are one line, not a traceback."""
    for name in VALUES:
        monkeypatch.delenv(f"SUPERUSER_{name.upper()}", raising=False)
    type_in("boss", end)
    with pytest.raises(SystemExit, match="No superuser was created"):
        superuser.main()
