"""What background tasks refuse."""

from src.exceptions import HttpNotFoundException, HttpServiceUnavailableException
from src.tasks import messages


class QueueUnavailableException(HttpServiceUnavailableException):
    """The broker did not take the task; nothing of it is left."""

    detail = messages.QUEUE_UNAVAILABLE


class TaskNotFoundException(HttpNotFoundException):
    detail = messages.TASK_NOT_FOUND
