"""Is the process alive, and can it serve?"""

import pytest
from httpx import AsyncClient


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
async def test_a_healthy_service_says_ok(client: AsyncClient, path: str, logs: list[str]) -> None:
    """200, and no line in the log however often it is asked; HEAD will do."""
    answer = await client.get(path)
    assert (answer.status_code, answer.json()) == (200, {"detail": "ok"})
    assert (await client.head(path)).status_code == 200
    assert logs == []
