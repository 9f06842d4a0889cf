"""Puts the pages into the application: their routes, and pages in place of errors in JSON."""

from fastapi import FastAPI

from src.config import get_settings
from src.pages.middleware import ErrorPageMiddleware
from src.pages.router import router


def add_pages(app: FastAPI) -> None:
    """Call it after the layers whose errors are to be seen as pages."""
    app.add_middleware(ErrorPageMiddleware, https=get_settings().is_prod)
    app.include_router(router)
