"""Sessions in Redis: rotation, its grace, and what ends them."""

import asyncio
import json
from uuid import uuid4

import pytest

from src.auth.app import AuthState
from src.auth.schemes import Client
from src.auth.sessions import NewSession, Outcome, SessionManager, parse_session, parse_snapshot, session_key

USER = str(uuid4())
HERE = Client("127.0.0.1", "browser")


@pytest.fixture
def sessions(auth: AuthState) -> SessionManager:
    return auth.sessions


@pytest.fixture
async def new(sessions: SessionManager) -> NewSession:
    return await sessions.create(USER, HERE)


async def rotate(sessions: SessionManager, new: NewSession, generation: int) -> tuple[Outcome, int]:
    return (await sessions.rotate(USER, new.session_id, generation))[:2]


async def change(sessions: SessionManager, new: NewSession, **values: float) -> None:
    """Change what is stored, as the passing of time would."""
    key, field = session_key(USER), f"s:{new.session_id}"
    stored = json.loads(await sessions._redis.hget(key, field) or "")
    await sessions._redis.hset(key, field, json.dumps(stored | values))


async def test_a_session_is_what_the_protocol_says(sessions: SessionManager, new: NewSession) -> None:
    """One field of one hash; the key expires with it."""
    stored = await sessions._redis.hgetall(session_key(USER))
    assert set(json.loads(stored[f"s:{new.session_id}"])) == {
        "gen", "rot", "rep", "seen", "created", "idle", "abs", "ua", "ip", "kind",
    }  # fmt: skip
    assert await sessions._redis.pexpiretime(session_key(USER)) // 1000 == new.expires


async def test_a_refresh_token_is_replaced(sessions: SessionManager, new: NewSession) -> None:
    """By the next generation, again and again."""
    assert await rotate(sessions, new, 1) == ("rotated", 2)
    await change(sessions, new, rot=0)
    assert await rotate(sessions, new, 2) == ("rotated", 3)


async def test_there_is_one_generation_per_grace(sessions: SessionManager, new: NewSession) -> None:
    """The current token, shown again within it, is issued again."""
    await rotate(sessions, new, 1)
    assert await rotate(sessions, new, 2) == ("repeated", 2)


async def test_the_replaced_token_gets_its_successor_within_the_grace(
    sessions: SessionManager, new: NewSession
) -> None:
    """Tabs, a lost answer, a retry."""
    await rotate(sessions, new, 1)
    assert await rotate(sessions, new, 1) == ("repeated", 2)


async def test_a_replaced_token_after_the_grace_ends_the_session(sessions: SessionManager, new: NewSession) -> None:
    """For both holders of the token."""
    await rotate(sessions, new, 1)
    await change(sessions, new, rot=0)
    assert await rotate(sessions, new, 1) == ("reused", 0)
    assert await rotate(sessions, new, 2) == ("gone", 0)


async def test_an_older_token_ends_the_session_even_within_the_grace(sessions: SessionManager, new: NewSession) -> None:
    """Nobody honest holds it any more."""
    await change(sessions, new, gen=3, rot=9e9)
    assert await rotate(sessions, new, 1) == ("reused", 0)


async def test_a_newer_token_is_believed(sessions: SessionManager, new: NewSession) -> None:
    """Redis lost a write in a failover; we signed the token."""
    assert await rotate(sessions, new, 5) == ("rotated", 6)
    assert await rotate(sessions, new, 5) == ("repeated", 6)


async def test_a_replaced_token_is_answered_fifty_times(sessions: SessionManager, new: NewSession) -> None:
    """Then not again, but the session lives."""
    await rotate(sessions, new, 1)
    for _ in range(50):
        assert await rotate(sessions, new, 1) == ("repeated", 2)
    assert await rotate(sessions, new, 1) == ("exhausted", 0)
    assert await rotate(sessions, new, 2) == ("repeated", 2)


async def test_fifty_at_once_get_one_generation(sessions: SessionManager, new: NewSession) -> None:
    """All of them succeed."""
    answers = await asyncio.gather(*[rotate(sessions, new, 1) for _ in range(50)])
    assert sorted(answers) == [("repeated", 2)] * 49 + [("rotated", 2)]


@pytest.mark.parametrize("ends", ["idle", "abs"])
async def test_a_session_ends_when_it_is_idle_or_old(sessions: SessionManager, new: NewSession, ends: str) -> None:
    """Whichever comes first; it is removed then."""
    await change(sessions, new, **{ends: 1})
    assert await sessions.find_all(USER) == {}
    assert not await sessions._redis.hexists(session_key(USER), f"s:{new.session_id}")
    await sessions.create(USER, HERE)
    other = await sessions.create(USER, HERE)
    await change(sessions, other, **{ends: 1})
    assert await rotate(sessions, other, 1) == ("expired", 0)
    assert await rotate(sessions, other, 1) == ("gone", 0)


async def test_a_refresh_never_prolongs_past_the_absolute_end(sessions: SessionManager, new: NewSession) -> None:
    """However often it is refreshed."""
    end = new.expires - 1_000_000
    await change(sessions, new, abs=end)
    assert (await sessions.rotate(USER, new.session_id, 1)).expires == end


async def test_a_refresh_prolongs_the_key(sessions: SessionManager, new: NewSession) -> None:
    """A hash must not expire before its longest session."""
    await sessions._redis.expire(session_key(USER), 60)
    expires = (await sessions.rotate(USER, new.session_id, 1)).expires
    assert await sessions._redis.expiretime(session_key(USER)) == pytest.approx(expires, abs=1)


async def test_the_key_lives_as_long_as_its_longest_session(sessions: SessionManager, new: NewSession) -> None:
    """A shorter one that comes later does not end it."""
    sessions._settings.REFRESH_TOKEN_EXPIRE = 1
    assert (await sessions.create(USER, HERE)).expires < new.expires
    assert await sessions._redis.expiretime(session_key(USER)) == pytest.approx(new.expires, abs=1)


async def test_a_device_was_seen_when_it_refreshed(sessions: SessionManager, new: NewSession) -> None:
    """Not when it repeats itself."""
    await change(sessions, new, seen=1)
    seen = []
    for generation in (1, 1):
        await rotate(sessions, new, generation)
        seen.append((await sessions.find_all(USER))[new.session_id].seen)
    assert seen[0] == seen[1] > 1


async def test_the_last_session_takes_the_key_along(sessions: SessionManager, new: NewSession) -> None:
    """Snapshot and version included."""
    other = await sessions.create(USER, HERE)
    assert await sessions.end(USER, new.session_id)
    assert not await sessions.end(USER, new.session_id)
    assert await sessions.end(USER, other.session_id)
    assert not await sessions._redis.exists(session_key(USER))


async def test_session_ids_cannot_be_guessed(sessions: SessionManager) -> None:
    """128 random bits or more."""
    ids = {(await sessions.create(USER, HERE)).session_id for _ in range(20)}
    assert len(ids) == 20
    assert all(len(each) * 6 >= 128 for each in ids)


async def test_strange_characters_of_an_agent_are_kept(sessions: SessionManager) -> None:
    """And shown as they came."""
    await sessions.create(USER, Client("::1", 'é"\\\n'))
    (stored,) = (await sessions.find_all(USER)).values()
    assert stored.ua == 'é"\\\n'


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"gen": 1}', '{"taken": 1, "user": {}}', '{"taken": 1}', "1"])
def test_what_is_no_session_reads_as_none(text: str) -> None:
    """Never an error."""
    assert parse_session(text) is None
    assert parse_snapshot(text) is None


@pytest.mark.parametrize("value", ["", "{", "[]", "null", '{"gen": "x"}', "1"])
async def test_a_broken_value_is_no_session(sessions: SessionManager, new: NewSession, value: str) -> None:
    """It can be neither refreshed nor listed, and the next login removes it."""
    await sessions._redis.hset(session_key(USER), f"s:{new.session_id}", value)
    assert await rotate(sessions, new, 1) == ("gone", 0)
    await sessions._redis.hset(session_key(USER), f"s:{new.session_id}", value)
    await sessions.create(USER, HERE)
    assert len(await sessions.find_all(USER)) == 1
