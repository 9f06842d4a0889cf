"""Puts background tasks into the application: its way to the broker, and their routes."""

from fastapi import FastAPI

from src.tasks.config import get_task_settings
from src.tasks.queue import TaskQueue
from src.tasks.router import router


def add_tasks(app: FastAPI) -> None:
    app.state.tasks = TaskQueue(app.state.redis, get_task_settings())
    app.state.closers.insert(0, app.state.tasks.close)
    app.include_router(router)
