"""The broker of the tests: Redis, or what CELERY_BROKER_URL names when they begin, RabbitMQ for example."""

import os
from uuid import uuid4

GIVEN = os.environ.get("CELERY_BROKER_URL")
DATABASE = 15  # of Redis: no test empties it


def use_own_queue() -> None:
    """Keep apart what runs at the same time."""
    os.environ["CELERY_QUEUE"] = f"tests-{uuid4()}"


def use_broker() -> None:
    use_own_queue()
    os.environ["CELERY_BROKER_URL"] = GIVEN or f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{DATABASE}"
