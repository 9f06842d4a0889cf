"""Puts the database into the application: its state, and the answers to statements that failed."""

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from loguru import logger
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from src.database.config import get_database_settings
from src.database.exceptions import DatabaseUnavailableError, as_api_error
from src.database.session import Database
from src.handlers import add_handler, error_response


async def answer_database_error(_: Request, error: DBAPIError | PoolTimeoutError) -> JSONResponse:
    answer = as_api_error(error)
    if answer is None:
        raise error
    if isinstance(answer, DatabaseUnavailableError):
        _log(answer, error)
    return error_response(answer)


async def answer_unavailable(_: Request, error: DatabaseUnavailableError) -> JSONResponse:
    _log(error, error.__cause__ or error)
    return error_response(error)


def _log(answer: DatabaseUnavailableError, reason: BaseException) -> None:
    logger.log(answer.level, answer.event, reason=f"{type(reason).__name__}: {reason}".partition("\n")[0])


def add_database(app: FastAPI) -> None:
    app.state.database = Database(get_database_settings())
    app.state.closers = [app.state.database.close]
    add_handler(app, DBAPIError, answer_database_error)
    add_handler(app, PoolTimeoutError, answer_database_error)
    add_handler(app, DatabaseUnavailableError, answer_unavailable)
