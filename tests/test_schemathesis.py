"""The running service does what its OpenAPI document says, whatever it is sent."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.backends import Backends
from tests.clients import Client
from tests.live import LiveService, NewClient, NewService

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# The same requests each time; not so many that nobody runs the test.
BOUNDS = ["--generation-deterministic", "--max-examples", "15", "--request-timeout", "10", "--continue-on-failure"]
LEFT_OUT = [
    "positive_data_acceptance",  # a schema cannot say that a name is reserved, a password common, a cursor not ours
    "allow_header_conformance",  # Starlette's 405 names the methods of the first route of a path only
]
HIDDEN = "unsupported_method"  # nobody who is not signed in learns which methods there are: 401, not 405
# What ends the session that the other operations need has a test of its own. DELETE /users/info has not: it asks for
# a password that is never guessed; and a superuser, the last one, can neither be deleted nor demoted.
ENDS_SESSION = "^/auth/(logout|logout-all|sessions/.*)$"

Check = Callable[..., None]


@pytest.fixture
def service(shared_service: NewService) -> LiveService:
    """In production the document is served only where somebody asks for it."""
    return shared_service(DOCS_URL="/docs")


@pytest.fixture
def check(service: LiveService, tmp_path: Path) -> Check:
    """Let Schemathesis loose on the service; what it found is shown if it found something."""

    def run(*arguments: str, cookies: dict[str, str] | None = None, left_out: list[str] = LEFT_OUT) -> None:
        header = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        command = [
            *(SCHEMATHESIS, "run", f"http://127.0.0.1:{service.port}/openapi.json", *BOUNDS),
            *("--exclude-checks", ",".join(left_out), *(["-H", f"Cookie: {header}"] if header else []), *arguments),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run


def test_nobody_known_gets_what_is_documented(check: Check) -> None:
    """All operations, without cookies."""
    check(left_out=[*LEFT_OUT, HIDDEN])


async def test_a_superuser_gets_what_is_documented(
    check: Check, service: LiveService, backends: Backends, new_client: NewClient
) -> None:
    """All operations but those that end the session, which is there at the end."""
    await backends.execute("TRUNCATE users")
    superuser = await new_client(service)
    await superuser.become_superuser(backends)
    cookies = {name: value for name, value in superuser.cookies.items() if "access" in name}
    check("--exclude-path-regex", ENDS_SESSION, cookies=cookies)
    assert (await superuser.profile()).json()["is_superuser"] is True


@pytest.mark.parametrize(
    "path", ["/auth/logout", "/auth/logout-all", "/auth/sessions/{session_id}", "/auth/refresh", "/users/info"]
)
async def test_the_end_of_a_session_is_as_documented(check: Check, signed_in: Client, path: str) -> None:
    """With both tokens, for as long as they are good, and after that."""
    check("--include-path", path, cookies=signed_in.cookies, left_out=[*LEFT_OUT, HIDDEN])
