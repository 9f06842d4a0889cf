"""An operator gives a user another password; whoever was signed in as them is not any more."""

import pytest
from httpx import AsyncClient
from pydantic import SecretStr, ValidationError

from devtools.process import free_port
from src.auth import reset_password
from src.auth.reset_password import ResetScheme, find, reset
from src.auth.schemes import UserData
from src.database.session import Database
from src.redis_database.config import get_redis_settings
from tests.auth.fixtures import PASSWORD, login

NEW = "five other words nobody guesses"


@pytest.mark.parametrize("name", ["ann", "ANN@example.com"])
async def test_it_ends_the_sessions_and_the_old_password(signed_in: AsyncClient, logs: list[str], name: str) -> None:
    """The log says whose it was and who did it, not the password."""
    user = await find(name)
    await reset(user, SecretStr(NEW))
    assert (await signed_in.get("/users/info")).status_code == 401
    assert (await login(signed_in)).status_code == 401
    assert (await login(signed_in, password=NEW)).status_code == 200
    line = next(line for line in logs if "password reset" in line)
    assert f"user={user.id}" in line
    assert f"operator={reset_password._operator()}" in line
    assert NEW not in "".join(logs)


async def test_an_unknown_user_is_said(database: Database) -> None:
    """Before a password is asked for."""
    with pytest.raises(SystemExit, match="There is no user nobody"):
        await find("nobody")


async def test_without_redis_the_password_stays(
    ann: UserData, anonymous: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions that cannot be ended would outlive the password that began them."""
    user = await find("ann")
    with monkeypatch.context() as patch:
        patch.setenv("REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
        get_redis_settings.cache_clear()
        with pytest.raises(SystemExit, match="Redis is not ready"):
            await reset(user, SecretStr(NEW))
    assert (await login(anonymous, password=PASSWORD)).status_code == 200


@pytest.mark.parametrize("password", ["short", "o'hara", "O'Hara@Example.com"])
def test_a_password_is_as_good_as_any_other(password: str) -> None:
    """The rules of registration; the name may be older than they are."""
    with pytest.raises(ValidationError) as caught:
        ResetScheme(username="o'hara", email="o'hara@example.com", password=SecretStr(password))
    assert {problem["loc"] for problem in caught.value.errors()} == {("password",)}
