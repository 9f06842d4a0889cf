"""The operations that end a session do what the OpenAPI document says, each on its own session."""

import pytest

from tests.support.clients import Client
from tests.support.live import LiveService
from tests.support.schemathesis import HIDDEN, LEFT_OUT, Check


@pytest.fixture
def service(documented_service: LiveService) -> LiveService:
    return documented_service


@pytest.mark.parametrize(
    "path", ["/auth/logout", "/auth/logout-all", "/auth/sessions/{session_id}", "/auth/refresh", "/users/info"]
)
async def test_the_end_of_a_session_is_as_documented(check: Check, signed_in: Client, path: str) -> None:
    """With both tokens, for as long as they are good, and after that."""
    check("--include-path", path, cookies=signed_in.cookies, left_out=[*LEFT_OUT, HIDDEN])
