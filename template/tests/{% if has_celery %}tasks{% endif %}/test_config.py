"""Settings that background tasks refuse, each with a sentence; what follows from them."""

import pytest

from src.config import InvalidSettingsError
from src.redis_database.config import get_redis_settings
from src.tasks.config import get_task_settings


@pytest.mark.parametrize(
    "url",
    [
        "rabbit",
        "http://u:secret@host",
        "amqp://",
        "redis://",
        "amqp://u:secret@host:port//",
        "sqs://",
        "amqp://[::1",
    ],
)
def test_an_unusable_broker_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """With an example of what is one; the address, which has a password in it, is not shown."""
    monkeypatch.setenv("CELERY_BROKER_URL", url)
    with pytest.raises(InvalidSettingsError, match="CELERY_BROKER_URL: write amqp://user:password@host") as error:
        get_task_settings.__wrapped__()
    assert "secret" not in str(error.value)


def test_without_an_address_tasks_wait_in_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is configured already."""
    monkeypatch.setenv("CELERY_BROKER_URL", "")
    assert get_task_settings.__wrapped__().broker_url == get_redis_settings().url


def test_a_task_may_not_be_given_away_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis would hand it to a second worker."""
    monkeypatch.setenv("CELERY_TIME_LIMIT", "100")
    monkeypatch.setenv("CELERY_VISIBILITY_TIMEOUT", "110")
    with pytest.raises(InvalidSettingsError, match="make it more than CELERY_TIME_LIMIT"):
        get_task_settings.__wrapped__()
