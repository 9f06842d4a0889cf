"""Tokens: only ours, unchanged, of the right kind, at the right time."""

import base64
import json
import time
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import jwt
import pytest

from src.auth.config import AuthSettings
from src.auth.exceptions import ExpiredTokenError, InvalidTokenError
from src.auth.handler import Kind, TokenHandler, read_bearer, signed_in_cookies, signed_out_cookies
from src.auth.schemes import Via

KEY = "k" * 16 + "0123456789abcdef"
NOW = int(time.time())
USER, SESSION = str(uuid4()), "s" * 32
ACCESS = {"iss": "me", "aud": "us", "sub": USER, "sid": SESSION, "type": "access", "iat": NOW, "exp": NOW + 3600}
REFRESH = ACCESS | {"type": "refresh", "gen": 1}
DROP = "drop"


def settings(**values: Any) -> AuthSettings:
    return AuthSettings(**{"SECRET_KEY": KEY, "TOKEN_ISSUER": "me", "TOKEN_AUDIENCE": "us", **values})


@pytest.fixture
def handler() -> TokenHandler:
    return TokenHandler(settings())


def forge(payload: dict[str, Any], key: Any = KEY, algorithm: str = "HS256", typ: str = "at+jwt", **header: Any) -> str:
    kept = {name: value for name, value in payload.items() if value is not DROP}
    return jwt.PyJWS().encode(json.dumps(kept).encode(), key, algorithm, {"typ": typ, **header})


def unsigned(header: Any, payload: Any, signature: str = "") -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in (header, payload)]
    return ".".join([*parts, signature])


def refused(handler: TokenHandler, token: str, kind: Kind = "access") -> bool:
    with pytest.raises(InvalidTokenError):
        handler.verify(token, kind)
    return True


def test_our_own_tokens_are_valid(handler: TokenHandler) -> None:
    """Each as what it is."""
    tokens = handler.issue(USER, SESSION, 7, NOW + 3600)
    assert handler.verify(tokens.access, "access").session_id == SESSION
    assert handler.verify(tokens.refresh, "refresh").generation == 7


def test_the_forged_ones_are_modelled_on_ours(handler: TokenHandler) -> None:
    """The unmodified tokens are valid, so the tests below fail only for their own change."""
    assert handler.verify(forge(ACCESS), "access")
    assert handler.verify(forge(REFRESH, typ="rt+jwt"), "refresh")


def test_a_token_has_the_documented_claims(handler: TokenHandler) -> None:
    """And its header says of which kind it is (RFC 9068)."""
    tokens = handler.issue(USER, SESSION, 1, NOW + 3600)
    options: Any = {"verify_signature": False}
    assert set(jwt.decode(tokens.access, options=options)) == {"iss", "aud", "sub", "sid", "type", "iat", "exp"}
    assert set(jwt.decode(tokens.refresh, options=options)) == {"iss", "aud", "sub", "sid", "type", "gen", "iat", "exp"}
    assert [jwt.get_unverified_header(each)["typ"] for each in (tokens.access, tokens.refresh)] == ["at+jwt", "rt+jwt"]


def test_an_access_token_lives_for_minutes(handler: TokenHandler) -> None:
    """ACCESS_TOKEN_EXPIRE of them, the refresh token for as long as the session."""
    tokens = handler.issue(USER, SESSION, 1, NOW + 86400)
    pair = (tokens.access, tokens.refresh)
    access, refresh = [jwt.decode(each, options={"verify_signature": False}) for each in pair]
    assert (access["exp"] - access["iat"], refresh["exp"]) == (15 * 60, NOW + 86400)


def test_an_access_token_ends_with_its_session(handler: TokenHandler) -> None:
    """However long ACCESS_TOKEN_EXPIRE is."""
    soon = int(time.time()) + 5
    assert handler.verify(handler.issue(USER, SESSION, 1, soon).access, "access").expires == soon


def test_a_refresh_token_is_no_access_token_nor_the_reverse(handler: TokenHandler) -> None:
    """Neither unmodified nor with the other's header or claim."""
    tokens = handler.issue(USER, SESSION, 1, NOW + 3600)
    assert refused(handler, tokens.refresh, "access")
    assert refused(handler, tokens.access, "refresh")
    assert refused(handler, forge(REFRESH, typ="at+jwt"), "access")
    assert refused(handler, forge(REFRESH | {"type": "access"}, typ="rt+jwt"), "access")
    assert refused(handler, forge(ACCESS | {"gen": 1}, typ="rt+jwt"), "refresh")


@pytest.mark.parametrize("claim", ["iss", "aud", "sub", "sid", "type", "iat", "exp"])
def test_a_token_without_a_claim_is_refused(handler: TokenHandler, claim: str) -> None:
    """All are required."""
    assert refused(handler, forge(ACCESS | {claim: DROP}))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": str(NOW + 60)}, {"exp": NOW + 60.5}, {"exp": True}, {"exp": None}, {"exp": "soon"}, {"exp": [NOW + 60]},
        {"iat": str(NOW)}, {"iat": NOW + 0.5}, {"iat": NOW + 86400}, {"nbf": NOW + 86400}, {"iat": "now"},
        {"sub": 1}, {"sub": ""}, {"sub": "1"}, {"sub": USER.upper()}, {"sub": f"{{{USER}}}"}, {"sub": f"{USER}\n"},
        {"sub": "*"}, {"sub": [USER]}, {"sub": None}, {"sid": ""}, {"sid": "*"}, {"sid": 1}, {"sid": "s" * 21},
        {"sid": f"{SESSION}\n"}, {"sid": ["s" * 32]}, {"type": "Access"}, {"type": ["access"]}, {"type": None},
        {"via": "cookie"}, {"via": "Bearer"}, {"via": ["bearer"]}, {"via": None}, {"via": ""},
        {"iss": "you"}, {"iss": ["me"]}, {"iss": ""}, {"aud": "them"}, {"aud": ["us"]}, {"aud": ["us", "them"]},
    ],
    ids=",".join,
)  # fmt: skip
def test_a_mistyped_premature_or_foreign_token_is_refused(handler: TokenHandler, changes: dict[str, Any]) -> None:
    """Although it carries a good signature."""
    assert refused(handler, forge(ACCESS | changes))


@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_a_token_is_good_only_where_it_was_issued_for(handler: TokenHandler, kind: Kind) -> None:
    """`via` tells those of the Authorization header; those of cookies have no such claim."""
    pairs: list[tuple[Via, Via]] = [("cookie", "bearer"), ("bearer", "cookie")]
    for via, other in pairs:
        token = getattr(handler.issue(USER, SESSION, 1, NOW + 3600, via), kind)
        assert jwt.decode(token, options={"verify_signature": False}).get("via", "cookie") == via
        assert handler.verify(token, kind, via).via == via
        with pytest.raises(InvalidTokenError):
            handler.verify(token, kind, other)


BEARERS = [
    ("Bearer x", "x"), ("bearer x", "x"), ("BEARER  x", "x"), ("Bearer\tx\t", "x"), ("\tBearer x", "x"), ("Bearer", ""),
    ("Bearer ", ""), ("Bearer x y", "x y"), ("Bearer\x0bx", "\x0bx"), ("Bearer\xa0x", "\xa0x"), ("Bearer=x", "=x"),
    ("Bearer,x", ",x"), ("Bearer \xa0x", "\xa0x"), ("Bearer x\n", "x\n"), ("Bearerx", None), ("Bearer-x y", None), ("", None),
    ("Basic x", None), ("Basic Bearer x", None), ("Digest a=b", None), ("x", None), ("\xa0Bearer x", None),
]  # fmt: skip


@pytest.mark.parametrize(("header", "token"), BEARERS, ids=ascii)
def test_a_bearer_is_told_from_other_schemes(header: str, token: str | None) -> None:
    """In any case (RFC 9110, 11.1); only spaces and tabs are stripped; what is malformed is no other scheme."""
    assert read_bearer(header) == token


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_another_hosts_clock_may_be_ten_seconds_ahead(handler: TokenHandler, claim: str) -> None:
    """No more."""
    now = int(time.time())
    assert handler.verify(forge(ACCESS | {claim: now + 9}), "access")
    assert refused(handler, forge(ACCESS | {claim: now + 20}))


@pytest.mark.parametrize("generation", [0, -1, "1", 1.0, True, None, DROP], ids=str)
def test_a_refresh_token_of_no_generation_is_refused(handler: TokenHandler, generation: Any) -> None:
    """Generations are whole numbers from 1 on."""
    assert refused(handler, forge(REFRESH | {"gen": generation}, typ="rt+jwt"), "refresh")


@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_a_token_of_another_algorithm_is_refused(handler: TokenHandler, algorithm: str) -> None:
    """Even with our key."""
    assert refused(handler, forge(ACCESS, key=KEY * 2, algorithm=algorithm))


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", "HS256", "RS256", "ES256"])
@pytest.mark.parametrize("signature", ["", "AAAA", "=", "."])
def test_an_unsigned_token_is_refused(handler: TokenHandler, algorithm: str, signature: str) -> None:
    """Whatever its header says (RFC 8725, 2.1)."""
    assert refused(handler, unsigned({"alg": algorithm, "typ": "at+jwt"}, ACCESS, signature))


def test_a_token_of_another_key_is_refused(handler: TokenHandler) -> None:
    """Also where the header offers that key."""
    other = "another-key-of-the-same-length-000"
    assert refused(handler, forge(ACCESS, key=other))
    offer: dict[str, Any] = {
        "jwk": {"kty": "oct", "k": base64.urlsafe_b64encode(other.encode()).decode()},
        "kid": "../../dev/null",
    }
    assert refused(handler, forge(ACCESS, key=other, **offer))
    assert refused(handler, forge(ACCESS, key=b"\0" * 32))


@pytest.mark.parametrize("typ", ["JWT", "", "AT+JWT", "rt+jwt", "application/at+jwt"])
def test_a_token_of_another_type_is_refused(handler: TokenHandler, typ: str) -> None:
    """Signed by us for something else."""
    assert refused(handler, forge(ACCESS, typ=typ))


def test_a_critical_extension_is_refused(handler: TokenHandler) -> None:
    """RFC 7515, 4.1.11."""
    assert refused(handler, forge(ACCESS, crit=["exp"], exp=1))


def test_every_changed_character_breaks_a_token(handler: TokenHandler) -> None:
    """Header, claims and signature."""
    token = forge(ACCESS)
    for position in range(len(token) - 1):  # the last character holds unused bits
        changed = "A" if token[position] != "A" else "B"
        refused(handler, token[:position] + changed + token[position + 1 :])


@pytest.mark.parametrize(
    "token",
    ["", ".", "..", "...", "a.b.c", "null", "\ud800", "é.é.é", "\0", "eyJ.eyJ.", "A" * 5000, unsigned([], []), " ",
     unsigned("[" * 300, {}), "W1tb." * 3, "W" * 700 + ".e30.AA", "W1tb" * 200 + ".e30.AA"],
    ids=lambda token: ascii(token)[:12],
)  # fmt: skip
def test_junk_is_refused(handler: TokenHandler, token: str) -> None:
    """Deep, long, empty, not ASCII: one error, and no other."""
    assert refused(handler, token)


def test_a_token_longer_than_any_of_ours_is_not_looked_at(handler: TokenHandler) -> None:
    """However well it is signed: what is remembered stays small."""
    assert handler.verify(forge(ACCESS | {"more": "x" * 300}), "access")
    assert refused(handler, forge(ACCESS | {"more": "x" * 700}))


def test_an_expired_token_is_told_apart(handler: TokenHandler, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the very second on; also when its signature is remembered."""
    with pytest.raises(ExpiredTokenError):
        handler.verify(forge(ACCESS | {"exp": NOW}), "access")
    token = forge(ACCESS)
    assert handler.verify(token, "access")
    monkeypatch.setattr("src.auth.handler.time", SimpleNamespace(time=lambda: ACCESS["exp"]))
    with pytest.raises(ExpiredTokenError):
        handler.verify(token, "access")


def test_tokens_of_the_previous_key_stay_valid() -> None:
    """A new SECRET_KEY signs no one out, and only the new key signs."""
    old = TokenHandler(settings()).issue(USER, SESSION, 1, NOW + 3600).access
    rotated = TokenHandler(settings(SECRET_KEY="n" * 20 + "0123456789abcdef", SECRET_KEY_PREVIOUS=KEY))
    assert rotated.verify(old, "access")
    assert refused(TokenHandler(settings()), rotated.issue(USER, SESSION, 1, NOW + 3600).access)


def test_what_is_remembered_is_bounded(handler: TokenHandler) -> None:
    """Junk is not remembered at all."""
    for number in range(10):
        refused(handler, f"junk{number}")
    handler.verify(forge(ACCESS), "access")
    assert handler._verified.cache_info()[2:] == (4096, 1)  # type: ignore[attr-defined]


@pytest.mark.parametrize("secure", [False, True])
def test_cookies_are_out_of_reach_for_scripts(handler: TokenHandler, secure: bool) -> None:
    """HttpOnly, SameSite=Lax, Path=/, no Domain; a deletion repeats it all."""
    chosen, tokens = settings(COOKIE_SECURE=secure), handler.issue(USER, SESSION, 1, NOW + 3600)
    for cookie in (*signed_in_cookies(chosen, tokens), *signed_out_cookies(chosen)):
        assert "; Path=/; HttpOnly; SameSite=Lax" in cookie
        assert cookie.startswith("__Host-") is cookie.endswith("; Secure") is secure
        assert "domain" not in cookie.lower()


def test_both_cookies_live_as_long_as_the_session(handler: TokenHandler) -> None:
    """A browser that drops the access token's cookie could not be told to refresh it."""
    cookies = signed_in_cookies(settings(), handler.issue(USER, SESSION, 1, int(time.time()) + 600))
    assert all(f"Max-Age={age}" in cookie for cookie in cookies for age in ["600" if "=600" in cookie else "599"])
