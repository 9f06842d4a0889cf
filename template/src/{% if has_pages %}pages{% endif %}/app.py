"""Puts the pages into the application: their routes, and pages in place of errors in JSON."""

from fastapi import FastAPI

from src.pages.middleware import ErrorPageMiddleware
from src.pages.router import router


def add_pages(app: FastAPI) -> None:
    """Call it after the layers whose errors are to be seen as pages."""
    app.add_middleware(ErrorPageMiddleware)
    app.include_router(router)
