"""More random work of a user, from another seed."""

import pytest

from tests.support.fuzz import run


@pytest.mark.parametrize("part", range(8))
def test_random_updates_lose_nothing(part: int) -> None:
    """Two hundred of them."""
    _, failures = run(2, range(part * 25, part * 25 + 25))
    assert not failures, "\n".join(failures)
