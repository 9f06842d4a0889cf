"""Passwords are hashed once, well, and off the event loop."""

import asyncio
import threading

import bcrypt
import pytest
from httpx import AsyncClient

from devtools.process import ROOT
from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.auth.exceptions import TooManyPasswordsException
from src.auth.managers import UserManager
from src.auth.passwords import MARK, PasswordHasher, hash_password, verify_password, words
from src.auth.schemes import PasswordUser, UserData
from src.database.session import Database
from tests.auth.fixtures import PASSWORD, NewUserFixture, login

LONG = "длинная фраза из многих слов " * 4


@pytest.fixture
def hasher() -> PasswordHasher:
    return PasswordHasher(cost=4, queue=2)


@pytest.mark.parametrize("password", [PASSWORD, LONG, "x" * 128, "пароль", "a\0b", "😀" * 12, "é"], ids=ascii)
def test_every_password_fits(password: str) -> None:
    """To its last character: bcrypt alone takes 72 bytes."""
    stored = hash_password(password, 4)
    assert verify_password(password, stored)
    assert not verify_password(password + "x", stored)
    assert not verify_password(password[:-1], stored)


def test_one_password_in_two_spellings_is_one() -> None:
    """Keyboards compose differently (Unicode NFC)."""
    assert verify_password("cafe\u0301", hash_password("caf\u00e9", 4))


def test_the_hash_says_how_it_was_made() -> None:
    """And is salted."""
    first, second = hash_password(PASSWORD, 4), hash_password(PASSWORD, 4)
    assert first.startswith(f"{MARK}$2b$04$")
    assert first != second


@pytest.mark.parametrize(
    "stored", ["", "x", "$2b$", MARK, f"{MARK}x", "$2b$04$" + "é" * 53, "$argon2id$v=19$m=1,t=1,p=1$a$b"]
)
def test_a_broken_hash_matches_nothing(stored: str) -> None:
    """And is no error."""
    assert not verify_password(PASSWORD, stored)


async def test_the_secret_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new one locks no one out."""
    stored = hash_password(PASSWORD, 4)
    monkeypatch.setattr(get_auth_settings(), "SECRET_KEY", None)
    assert verify_password(PASSWORD, stored)


@pytest.mark.parametrize("password", [PASSWORD, LONG])
async def test_plain_bcrypt_hashes_are_replaced_at_login(
    anonymous: AsyncClient, new_user: NewUserFixture, database: Database, password: str
) -> None:
    """Those of earlier services work, once."""
    old = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4)).decode()
    user = await new_user("old", hashed_password=old)
    assert (await login(anonymous, "old", password)).status_code == 200
    assert (await hash_of(database, user)).startswith(MARK)
    assert (await login(anonymous, "old", password)).status_code == 200


async def hash_of(database: Database, user: UserData) -> str:
    async with database.session() as session:
        row = await UserManager().find_by_id(session, user.id)
    assert row
    return row.hashed_password


async def test_another_cost_replaces_the_hash_at_login(
    anonymous: AsyncClient, auth: AuthState, database: Database, ann: UserData
) -> None:
    """PASSWORD_HASH_COST reaches old accounts, too."""
    auth.passwords = PasswordHasher(cost=5, queue=2)
    assert (await login(anonymous)).status_code == 200
    assert (await hash_of(database, ann)).startswith(f"{MARK}$2b$05$")


async def test_logins_that_replace_one_hash_all_succeed(anonymous: AsyncClient, auth: AuthState, ann: UserData) -> None:
    """Each finds the hash of another, and it is of the same password."""
    auth.passwords = PasswordHasher(cost=5, queue=9)
    answers = await asyncio.gather(*[login(anonymous, ann.username) for _ in range(6)])
    assert [answer.status_code for answer in answers] == [200] * 6


async def test_a_better_hash_never_undoes_a_new_password(
    anonymous: AsyncClient, auth: AuthState, database: Database, ann: UserData
) -> None:
    """A concurrent login with the old password fails and stores nothing."""
    changed = hash_password("another password", 5)

    class LateHasher(PasswordHasher):
        async def hash(self, password: str) -> str:
            async with database.session(commit=True) as session:
                await UserManager().update_by_id(session, ann.id, PasswordUser(hashed_password=changed))
            return await super().hash(password)

    auth.passwords = LateHasher(cost=5, queue=2)
    assert (await login(anonymous)).status_code == 401
    assert await hash_of(database, ann) == changed


async def test_a_queue_that_is_full_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """With Retry-After; those that wait are answered."""
    monkeypatch.setattr("src.auth.passwords._cpus", lambda: 1)
    hasher = PasswordHasher(cost=4, queue=2)
    assert hasher._threads._max_workers == 1  # as many as there are cores
    answers = await asyncio.gather(*[hasher.hash(PASSWORD) for _ in range(5)], return_exceptions=True)
    assert [isinstance(answer, TooManyPasswordsException) for answer in answers] == [False] * 3 + [True] * 2
    assert await hasher.verify(PASSWORD, str(answers[0]))


async def test_nobodys_password_takes_as_long_and_is_never_right(compared: list[tuple[str, int]]) -> None:
    """Whoever measures learns nothing of who exists: the same work is done, and not on the event loop."""
    hasher = PasswordHasher(cost=5, queue=2)
    stored = await hasher.hash(PASSWORD)
    assert await hasher.verify(PASSWORD, stored)
    assert not await hasher.verify(PASSWORD, None)
    assert compared == [("passwords", 5)] * 2


@pytest.mark.parametrize("stored", [4, 5, 6, 7, "$2b$04$" + "é" * 53, "$2b$99$" + "." * 53, "!", "$argon2id$v=19"])
@pytest.mark.parametrize("mark", [MARK, ""])
async def test_the_work_does_not_depend_on_what_is_stored(
    compared: list[tuple[str, int]], stored: int | str, mark: str
) -> None:
    """Neither an old hash, nor one of another kind, nor what is no hash: together it is one of the present cost."""
    text = hash_password(PASSWORD, stored).removeprefix(MARK) if isinstance(stored, int) else stored
    assert await PasswordHasher(cost=7, queue=2).verify(PASSWORD, mark + text) is (mark == MARK and stored in range(8))
    assert sum(2**cost for _, cost in compared) == 2**7


async def test_hashing_leaves_the_event_loop_alone(hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash waits for something that only another request does."""
    asked, hash_bytes = threading.Event(), bcrypt.hashpw

    def wait(password: bytes, salt: bytes) -> bytes:
        assert asked.wait(60)
        return hash_bytes(password, salt)

    monkeypatch.setattr(bcrypt, "hashpw", wait)
    hashing = asyncio.ensure_future(hasher.hash(PASSWORD))
    await asyncio.sleep(0)
    asked.set()
    assert (await hashing).startswith(MARK)


def test_the_docs_say_how_many_passwords_are_common() -> None:
    """A number that grows with the list."""
    assert f" {len(words('common_passwords'))} " in (ROOT / "docs" / "sign-in.md").read_text(encoding="utf-8")
