"""The running service behaves as its OpenAPI document says, for any input."""

from tests.support.backends import Backends
from tests.support.live import LiveService, NewClient
from tests.support.schemathesis import HIDDEN, LEFT_OUT, Check

# Operations that end the session needed by the others have a separate test. DELETE /users/info does not: it requires a
# password that is never guessed, and the last superuser can be neither deleted nor demoted.
ENDS_SESSION = "^/auth/(logout|logout-all|sessions/.*)$"


def test_nobody_known_gets_what_is_documented(check: Check) -> None:
    """All operations, without cookies."""
    check(left_out=[*LEFT_OUT, HIDDEN])


async def test_a_superuser_gets_what_is_documented(
    check: Check, documented_service: LiveService, backends: Backends, new_client: NewClient
) -> None:
    """All operations except those that end the session, which still exists at the end."""
    await backends.execute("TRUNCATE users")
    superuser = await new_client(documented_service)
    await superuser.become_superuser(backends)
    cookies = {name: value for name, value in superuser.cookies.items() if "access" in name}
    check("--exclude-path-regex", ENDS_SESSION, cookies=cookies)
    assert (await superuser.profile()).json()["is_superuser"] is True
