"""Settings of the database."""

from functools import cache
from typing import Any, Self

from pydantic import Field, SecretStr, model_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from src.config import EXAMPLE_SECRET, EnvSettings, load

DRIVER = "postgresql+asyncpg"
EXAMPLE = "write postgresql://user:password@host:5432/name"
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# Behind PgBouncer each transaction may get another connection: a statement prepared on one is unknown to the next.
UNNAMED_STATEMENTS = {
    "statement_cache_size": 0,
    "prepared_statement_cache_size": 0,
    "prepared_statement_name_func": lambda: "",
}
MIGRATION_LOCK = 7_165_202_611  # any number will do, as long as it stays the same


class DatabaseSettings(EnvSettings):
    DATABASE_URL: SecretStr | None = Field(None, description="the whole address; wins over the DB_ variables below")
    DB_HOST: str = Field("localhost", description="host of PostgreSQL")
    DB_PORT: int = Field(5432, ge=1, le=65535, description="port of PostgreSQL")
    DB_NAME: str = Field("postgres", description="database")
    DB_USER: str = Field("postgres", description="user of the database")
    DB_PASSWORD: SecretStr = Field(SecretStr(""), description="password of that user")

    DB_PGBOUNCER: bool = Field(False, description="the address is a PgBouncer that pools transactions")
    DB_POOL_SIZE: int = Field(10, ge=1, description="connections kept open per process")
    DB_MAX_OVERFLOW: int = Field(5, ge=0, description="connections above that when all are busy, closed after use")
    DB_POOL_TIMEOUT: float = Field(3, gt=0, description="seconds to wait for a free connection")
    DB_CONNECT_TIMEOUT: float = Field(3, gt=0, description="seconds to wait for a new connection")
    DB_COMMAND_TIMEOUT: float = Field(10, gt=0, description="seconds after which an unanswered statement is given up")
    DB_STATEMENT_TIMEOUT: int = Field(8000, ge=0, description="milliseconds after which PostgreSQL ends a statement")
    DB_LOCK_TIMEOUT: int = Field(5000, ge=0, description="milliseconds to wait for a lock")
    DB_IDLE_TIMEOUT: int = Field(60000, ge=0, description="milliseconds a transaction may stand idle")
    READINESS_MIGRATIONS: bool = Field(True, description="not ready until the database has run all migrations")

    @property
    def connect_args(self) -> dict[str, Any]:
        """What every connection is opened with, that of a migration too."""
        options: dict[str, Any] = {"timeout": self.DB_CONNECT_TIMEOUT}
        return options | UNNAMED_STATEMENTS if self.DB_PGBOUNCER else options

    @property
    def limits(self) -> dict[str, Any]:
        """What keeps a request from waiting for ever; PgBouncer takes no parameters of the server."""
        options: dict[str, Any] = {"command_timeout": self.DB_COMMAND_TIMEOUT}
        parameters = {
            "application_name": "service",
            "statement_timeout": str(self.DB_STATEMENT_TIMEOUT),
            "lock_timeout": str(self.DB_LOCK_TIMEOUT),
            "idle_in_transaction_session_timeout": str(self.DB_IDLE_TIMEOUT),
        }
        return options if self.DB_PGBOUNCER else options | {"server_settings": parameters}

    @property
    def url(self) -> URL:
        if self.DATABASE_URL:
            return _for_driver(make_url(self.DATABASE_URL.get_secret_value()))
        password = self.DB_PASSWORD.get_secret_value()
        return URL.create(DRIVER, self.DB_USER, password or None, self.DB_HOST, self.DB_PORT, self.DB_NAME)

    @model_validator(mode="after")
    def _refuse_unusable_url(self) -> Self:
        if self.DATABASE_URL:
            _check_url(self.DATABASE_URL.get_secret_value())
        return self

    @model_validator(mode="after")
    def _refuse_example_password_in_prod(self) -> Self:
        if self.is_prod and self.url.password in (None, "", EXAMPLE_SECRET):
            raise ValueError(
                "DB_PASSWORD: set the password of the database (or DATABASE_URL), it is missing or an example"
            )
        return self


def _check_url(text: str) -> None:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(f"DATABASE_URL: {EXAMPLE}") from None
    if url.drivername.partition("+")[0] not in ("postgres", "postgresql") or not (url.host and url.database):
        raise ValueError(f"DATABASE_URL: {EXAMPLE}")
    if unknown := sorted(set(url.query) - {"sslmode", "ssl"}):
        raise ValueError(
            f"DATABASE_URL: take out {', '.join(unknown)}; sslmode is the only option, the rest are settings of their own"
        )
    if not set(url.query.values()) <= set(SSL_MODES):
        raise ValueError(f"DATABASE_URL: sslmode is one of {', '.join(SSL_MODES)}")


def _for_driver(url: URL) -> URL:
    """Accept the addresses that platforms hand out: `postgres://`, other drivers, `?sslmode=`."""
    url = url.set(drivername=DRIVER)
    if "sslmode" in url.query:
        url = url.update_query_dict({"ssl": url.query["sslmode"]}).difference_update_query(["sslmode"])
    return url


@cache
def get_database_settings() -> DatabaseSettings:
    return load(DatabaseSettings)
