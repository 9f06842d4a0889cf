"""Settings that background tasks refuse, each with a sentence; what follows from them."""

import os
import subprocess
import sys

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
    assert get_task_settings.__wrapped__().broker.url == get_redis_settings().url


ADDRESSES = {
    "redis://:p%40ss@host": "redis://:p%40ss@host:6379/0",
    "redis://user:pw@[::1]:7000/3?socket_timeout=5": "redis://user:pw@[::1]:7000/3",
    "redis://host/?db=3": "redis://host:6379/3",
    "unix://:p%40ss@/run/redis.sock?db=3": "redis+socket://:p%40ss@/run/redis.sock?virtual_host=3",
    "amqp://guest:guest@[::1]:5672//": "amqp://guest:guest@[::1]:5672//",
}


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
@pytest.mark.parametrize("url", ADDRESSES)
def test_celery_gets_what_the_client_of_redis_would(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> None:
    """Whichever variable has the address; only the second may name RabbitMQ."""
    if (name, url[:4]) == ("REDIS_URL", "amqp"):
        return
    monkeypatch.setenv("CELERY_BROKER_URL", "")
    monkeypatch.setenv(name, url)
    forget_settings()
    assert get_task_settings().broker.url == ADDRESSES[url]


@pytest.mark.parametrize("name", ["REDIS_URL", "CELERY_BROKER_URL"])
def test_the_certificate_of_the_broker_is_verified(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """By the authority that the address names."""
    monkeypatch.setenv("CELERY_BROKER_URL", "")
    monkeypatch.setenv(name, "rediss://host?ssl_ca_certs=ca.pem")
    forget_settings()
    broker = get_task_settings().broker
    assert broker.url == "rediss://host:6379/0"
    assert broker.tls == {"ssl_cert_reqs": "required", "ssl_ca_certs": "ca.pem"}


READ = "from src.tasks.app import app; print(*{app.conf.broker_read_url, app.conf.broker_write_url})"


def test_a_worker_reads_the_address_from_the_settings() -> None:
    """Though Celery itself reads CELERY_BROKER_URL, too."""
    variables = {**os.environ, "CELERY_BROKER_URL": "unix:///run/redis.sock"}
    done = subprocess.run([sys.executable, "-c", READ], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["redis+socket:///run/redis.sock?virtual_host=0"]


def test_a_task_may_not_be_given_away_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis would hand it to a second worker."""
    monkeypatch.setenv("CELERY_TIME_LIMIT", "100")
    monkeypatch.setenv("CELERY_VISIBILITY_TIMEOUT", "110")
    with pytest.raises(InvalidSettingsError, match="make it more than CELERY_TIME_LIMIT"):
        get_task_settings.__wrapped__()
