"""What Celery itself is set to; it reads this module when it is first used."""

from src.tasks.config import KILL_AFTER, get_task_settings
from src.tasks.schedule import SCHEDULE

_settings = get_task_settings()

broker_url = _settings.broker_url
broker_connection_retry_on_startup = True
broker_transport_options = (
    {"confirm_publish": True}  # RabbitMQ says that it has a task before the client hears of it
    if broker_url.startswith("amqp")
    else {
        "visibility_timeout": _settings.CELERY_VISIBILITY_TIMEOUT,
        "unacked_restore_interval": 10,
        "unacked_restore_throttle": 1,
        **_settings.broker_options,
    }
)
broker_use_ssl = _settings.broker_tls
task_default_queue = _settings.CELERY_QUEUE

# States and results stand in Redis, wherever tasks wait.
result_backend = "src.tasks.backend:StateBackend"
result_expires = _settings.CELERY_RESULT_EXPIRES
result_backend_transport_options = {
    "retry_policy": {"max_retries": 5, "interval_start": 0, "interval_step": 0.2},
    "additional_connection_errors": ["redis.exceptions.RedisClusterException"],  # no node of a cluster answers
}

# A task is done at least once: it is taken off the queue when it is finished, not when it begins.
task_acks_late = True
task_reject_on_worker_lost = True
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = True
worker_concurrency = _settings.CELERY_CONCURRENCY
task_soft_time_limit = _settings.CELERY_TIME_LIMIT
task_time_limit = _settings.CELERY_TIME_LIMIT + KILL_AFTER
task_track_started = True

# Only what cannot run code when it is read.
task_serializer = result_serializer = "json"
accept_content = result_accept_content = ["json"]

beat_schedule = SCHEDULE
timezone = "UTC"
