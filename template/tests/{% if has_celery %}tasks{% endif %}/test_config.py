"""Settings that background tasks refuse, each with a sentence; what follows from them."""

import pytest

from src.config import InvalidSettingsError
from src.redis_database.config import get_redis_settings
from src.tasks.config import get_task_settings
from tests.settings import forget_settings


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
        "redis+cluster://h",
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


def test_tasks_wait_in_a_redis_that_sentinel_watches_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its address is said in Celery's words."""
    monkeypatch.delenv("CELERY_BROKER_URL")
    monkeypatch.setenv("REDIS_URL", "rediss+sentinel://:p%40ss@one,[::1]:7001/mymaster/3?ssl_ca_certs=ca.pem")
    forget_settings()
    settings = get_task_settings()
    assert settings.broker_url == "sentinel://:p%40ss@one:26379/3;sentinel://:p%40ss@[::1]:7001/3"
    assert settings.broker_options["master_name"] == "mymaster"
    assert settings.broker_options["sentinel_kwargs"].items() >= {"ssl": True, "ssl_ca_certs": "ca.pem"}.items()
    assert settings.broker_tls == {"ssl_cert_reqs": "required", "ssl_ca_certs": "ca.pem"}


def test_tasks_cannot_wait_in_a_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what to set."""
    monkeypatch.delenv("CELERY_BROKER_URL")
    monkeypatch.setenv("REDIS_URL", "redis+cluster://one,two")
    forget_settings()
    with pytest.raises(InvalidSettingsError, match="CELERY_BROKER_URL: set it, for tasks cannot wait in a cluster"):
        get_task_settings()
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://host//")
    assert get_task_settings().broker_url == "amqp://host//"


def test_a_task_may_not_be_given_away_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis would hand it to a second worker."""
    monkeypatch.setenv("CELERY_TIME_LIMIT", "100")
    monkeypatch.setenv("CELERY_VISIBILITY_TIMEOUT", "110")
    with pytest.raises(InvalidSettingsError, match="make it more than CELERY_TIME_LIMIT"):
        get_task_settings.__wrapped__()
