"""Tokens: signed, verified, and carried in cookies or in the Authorization header."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

import jwt
from jwt.exceptions import PyJWTError

from src.auth.config import AuthSettings
from src.auth.exceptions import ExpiredTokenError, InvalidTokenError
from src.auth.schemes import MAX_TOKEN_LENGTH, Tokens, Via

Kind = Literal["access", "refresh"]
HEADER_TYPES = {"access": "at+jwt", "refresh": "rt+jwt"}  # RFC 9068, 2.1; RFC 8725, 3.11
REQUIRED = ("iss", "aud", "sub", "sid", "type", "iat", "exp")
LEEWAY = 10  # seconds that another host's clock may be ahead
REMEMBERED = 4096
# A scheme that only begins so is another one; of "Bearer" with anything behind it nobody makes a cookie's request.
BEARER = re.compile(r"[ \t]*bearer(?![\w!#$%&'*+.^`|~-])(.*)", re.ASCII | re.DOTALL | re.IGNORECASE)
SESSION_ID = re.compile(r"[A-Za-z0-9_-]{22,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Claims:
    user_id: str
    session_id: str
    expires: int
    generation: int = 0
    via: Via = "cookie"

    @property
    def is_expired(self) -> bool:
        return self.expires <= time.time()


class TokenHandler:
    """Signs and verifies; a signature that was verified once is remembered, its expiry is checked each time."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        keys = [settings.SECRET_KEY, settings.SECRET_KEY_PREVIOUS]
        self._keys = [key.get_secret_value() for key in keys if key]
        self._verified: Callable[[str, Kind], Claims] = lru_cache(REMEMBERED)(self._verify)

    def issue(self, user_id: str, session_id: str, generation: int, ends: int, via: Via = "cookie") -> Tokens:
        """Sign both tokens of a session that ends at the second `ends` if it stays idle."""
        now = int(time.time())
        access_ends = min(now + int(self._settings.ACCESS_TOKEN_EXPIRE * 60), ends)
        common = {"sub": user_id, "sid": session_id, "iat": now} | ({"via": via} if via == "bearer" else {})
        access = self.sign("access", common | {"exp": access_ends})
        return Tokens(access, self.sign("refresh", common | {"gen": generation, "exp": ends}), ends, access_ends)

    def sign(self, kind: Kind, claims: dict[str, Any]) -> str:
        payload = {"iss": self._settings.TOKEN_ISSUER, "aud": self._settings.TOKEN_AUDIENCE, "type": kind, **claims}
        return jwt.encode(payload, self._keys[0], self._settings.ALGORITHM, {"typ": HEADER_TYPES[kind]})

    def read(self, token: str, kind: Kind, via: Via = "cookie") -> Claims:
        """Return what a token of ours says, even if it has expired.

        Raises:
            InvalidTokenError: it is none of ours, not of this kind, or not for this way to send it.
        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise InvalidTokenError
        claims = self._verified(token, kind)
        if claims.via != via:
            raise InvalidTokenError
        return claims

    def verify(self, token: str, kind: Kind, via: Via = "cookie") -> Claims:
        """Return what a valid token says.

        Raises:
            ExpiredTokenError: it was ours.
            InvalidTokenError: as above.
        """
        claims = self.read(token, kind, via)
        if claims.is_expired:
            raise ExpiredTokenError
        return claims

    def _verify(self, token: str, kind: Kind) -> Claims:
        for key in self._keys:
            try:
                decoded = self._decode(token, key)
            except jwt.InvalidSignatureError:
                continue
            except (PyJWTError, UnicodeError) as error:
                raise InvalidTokenError from error
            return _claims(decoded["header"], decoded["payload"], kind)
        raise InvalidTokenError

    def _decode(self, token: str, key: str) -> dict[str, Any]:
        return jwt.decode_complete(
            token,
            key,
            algorithms=[self._settings.ALGORITHM],
            issuer=self._settings.TOKEN_ISSUER,
            audience=self._settings.TOKEN_AUDIENCE,
            leeway=LEEWAY,
            options={"require": list(REQUIRED), "verify_exp": False, "strict_aud": True},
        )


def _claims(header: dict[str, Any], payload: dict[str, Any], kind: Kind) -> Claims:
    """Check what the library does not: the kind, and that each claim has the type that we give it."""
    user_id, session_id, generation = payload["sub"], payload["sid"], payload.get("gen", 0)
    is_right = (
        header.get("typ") == HEADER_TYPES[kind]
        and payload["type"] == kind
        and all(type(number) is int for number in (payload["iat"], payload["exp"], generation))
        and generation >= (1 if kind == "refresh" else 0)
        and isinstance(session_id, str)
        and SESSION_ID.fullmatch(session_id)
        and payload.get("via", "bearer") == "bearer"
        and _is_user_id(user_id)
    )
    if not is_right:
        raise InvalidTokenError
    return Claims(user_id, session_id, payload["exp"], generation, payload.get("via", "cookie"))


def _is_user_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def read_bearer(header: str) -> str | None:
    """Return what stands in an Authorization header where the token should, or None if its scheme is another one."""
    found = BEARER.fullmatch(header)
    return found[1].strip(" \t") if found else None


def read_cookie(header: str, name: str) -> str:
    """Return the value of a cookie, or "" if it is missing or comes twice with different values.

    Only spaces and tabs are stripped: `str.strip` makes `access_token` of `\\xa0access_token`, which another site may set.
    """
    pairs = (pair.partition("=") for pair in header.split(";"))
    values = {value.strip(" \t") for key, _, value in pairs if key.strip(" \t") == name}
    return values.pop() if len(values) == 1 else ""


def signed_in_cookies(settings: AuthSettings, tokens: Tokens) -> list[str]:
    """Write `Set-Cookie` headers; the access token's cookie outlives it, or a browser could not ask for another."""
    age = max(tokens.expires - int(time.time()), 0)
    pairs = {settings.access_cookie: tokens.access, settings.refresh_cookie: tokens.refresh}
    return [_cookie(settings, name, value, age) for name, value in pairs.items()]


def signed_out_cookies(settings: AuthSettings) -> list[str]:
    """Write `Set-Cookie` headers that remove both: with the same attributes, or a `__Host-` cookie stays."""
    return [_cookie(settings, name, "", 0) for name in (settings.access_cookie, settings.refresh_cookie)]


def _cookie(settings: AuthSettings, name: str, value: str, age: int) -> str:
    secure = "; Secure" if settings.cookie_secure else ""
    return f"{name}={value}; Max-Age={age}; Path=/; HttpOnly; SameSite=Lax{secure}"
