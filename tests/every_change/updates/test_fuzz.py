"""Random work of a user survives `make update` and `copier update`."""

import pytest

from tests.support.fuzz import run


@pytest.mark.parametrize("part", range(4))
def test_random_updates_lose_nothing(part: int) -> None:
    """Forty of them; `make fuzz` tries a thousand."""
    _, failures = run(1, range(part * 10, part * 10 + 10))
    assert not failures, "\n".join(failures)
