"""Puts the pages into the application: their routes, their files, and pages in place of errors in JSON."""

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from src.config import get_settings
from src.pages.middleware import ErrorPageMiddleware
from src.pages.router import router
from src.pages.views import STATIC


class Files(StaticFiles):
    """Files that a browser keeps and asks about each time, so that a new version is never half there."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_pages(app: FastAPI) -> None:
    """Call it after the layers whose errors are to be seen as pages."""
    app.add_middleware(ErrorPageMiddleware, https=get_settings().is_prod)
    app.mount("/static", Files(directory=STATIC), name="static")
    app.include_router(router)
