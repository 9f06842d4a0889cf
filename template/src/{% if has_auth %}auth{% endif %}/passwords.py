"""Passwords: bcrypt in threads of its own, over a digest that makes every length and script fit.

bcrypt takes 72 bytes at most, and passphrases are longer: 36 Cyrillic letters already are 72. So what it gets is the
base64 of HMAC-SHA-384 of the password in Unicode's form NFC. The key is a public constant: it only keeps these digests
apart from others' (a leaked list of plain digests cannot be tried here), and a secret one would lock everybody out.
"""

import asyncio
import base64
import hmac
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar
from unicodedata import normalize

import bcrypt

from src.auth.exceptions import TooManyPasswordsException

MAX_LENGTH = 128
BCRYPT_LIMIT = 72
MARK = "hmac-sha384:"
KEY = b"password-digest-v1"

ResultT = TypeVar("ResultT")


@cache
def words(name: str) -> frozenset[str]:
    """Return the words of a list in `words/`."""
    lines = (Path(__file__).parent / "words" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("# "))


def is_common(password: str) -> bool:
    return normalize("NFC", password).casefold() in words("common_passwords")


def is_made_of(password: str, *names: str) -> bool:
    """Say whether a password is one of these names, give or take case, digits and punctuation."""
    return any({password.casefold(), _letters(password)} & {name.casefold(), _letters(name)} - {""} for name in names)


def _letters(text: str) -> str:
    return "".join(filter(str.isalpha, text.casefold()))


def _digest(password: str) -> bytes:
    return base64.b64encode(hmac.digest(KEY, normalize("NFC", password).encode(), "sha384"))


def hash_password(password: str, cost: int) -> str:
    return MARK + bcrypt.hashpw(_digest(password), bcrypt.gensalt(cost)).decode()


def verify_password(password: str, stored: str) -> bool:
    """Compare with a hash of ours or with a plain bcrypt one; anything else matches nothing."""
    return bool(_compare(password, stored))


def _compare(password: str, stored: str) -> bool | None:
    """Return None if nothing was hashed: what is stored is no hash."""
    if stored.startswith(MARK):
        given, stored = _digest(password), stored.removeprefix(MARK)
    else:
        given = password.encode()[:BCRYPT_LIMIT]  # what earlier versions of bcrypt looked at
    try:
        return bcrypt.checkpw(given, stored.encode())
    except ValueError:
        return None


def _cost(stored: str) -> int:
    return int(stored.removeprefix(MARK).split("$")[2])


def _cpus() -> int:
    return os.cpu_count() or 1


class PasswordHasher:
    """Hashes in as many threads as there are cores, the others wait; the event loop does nothing of it."""

    def __init__(self, *, cost: int, queue: int) -> None:
        self._cost = cost
        self._most = _cpus() + queue
        self._running = 0
        self._threads = ThreadPoolExecutor(_cpus(), thread_name_prefix="passwords")
        self._prefix = f"{MARK}$2b${cost:02d}$"

    async def hash(self, password: str) -> str:
        return await self._run(lambda: hash_password(password, self._cost))

    async def verify(self, password: str, stored: str | None) -> bool:
        """Compare with a stored hash. For an unknown user pass None: it takes the same time and returns False."""
        return await self._run(lambda: self._verify(password, stored or ""))

    def _verify(self, password: str, stored: str) -> bool:
        """Do the work of one hash of the present cost, whatever is stored: each cost is twice the one below it."""
        is_right = _compare(password, stored)
        missing = [self._cost] if is_right is None else range(_cost(stored), self._cost)
        for cost in missing:
            bcrypt.checkpw(_digest(password), f"$2b${cost:02d}${'.' * 53}".encode())
        return bool(is_right)

    def needs_rehash(self, stored: str) -> bool:
        return not stored.startswith(self._prefix)

    async def _run(self, work: Callable[[], ResultT]) -> ResultT:
        if self._running >= self._most:
            raise TooManyPasswordsException
        self._running += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._running -= 1

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
