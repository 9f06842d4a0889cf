"""What is done at which time: `make beat` enqueues it."""

from typing import Any

from celery.schedules import crontab

HOUR = 3600  # seconds

# A task that nobody began until the next one is due is dropped.
SCHEDULE: dict[str, dict[str, Any]] = {
    "remove-expired": {
        "task": "tasks.remove_expired",
        "schedule": crontab(minute="17"),
        "options": {"expires": HOUR},
    },
    # Yours below this line.
}
