"""Settings of the service as a whole; each package has its own `config.py` beside its code."""

import os
import re
from enum import StrEnum
from functools import cache
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

EXAMPLE_SECRET = "change-me"  # noqa: S105 - it is refused, not used
ORIGIN = re.compile(r"https?://[^/\s?#@]+")


class Environment(StrEnum):
    DEV = "dev"
    TEST = "test"
    PROD = "prod"


class InvalidSettingsError(SystemExit):
    """Ends the process with one readable line per broken variable; a value is never shown."""


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


CommaSeparated = Annotated[list[str], NoDecode, BeforeValidator(_split)]


class EnvSettings(BaseSettings):
    """Read from the environment, then from `.env` (another file: the variable ENV_FILE)."""

    model_config = SettingsConfigDict(
        env_file_encoding="utf-8", extra="ignore", hide_input_in_errors=True, env_ignore_empty=True
    )

    ENVIRONMENT: Environment = Field(Environment.PROD, description="dev, test or prod")

    @property
    def is_dev(self) -> bool:
        return self.ENVIRONMENT is Environment.DEV

    @property
    def is_prod(self) -> bool:
        return self.ENVIRONMENT is Environment.PROD


SettingsT = TypeVar("SettingsT", bound=EnvSettings)


def env_file() -> Path:
    return Path(os.environ.get("ENV_FILE", ".env"))


def check_env_file(path: Path) -> None:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettingsError(f"{path} cannot be read: save it as readable UTF-8 text.") from error
    for line in parse_stream(StringIO(text)):
        if line.error:
            raise InvalidSettingsError(f"{path}, line {line.original.line}: write NAME=value, quotes in pairs.")


def _explain(name: str, error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message


def load(settings: type[SettingsT]) -> SettingsT:
    """Read settings, for a cached `get_..._settings()`.

    Raises:
        InvalidSettingsError: a variable is missing or broken; its name and the remedy are in the message.
    """
    path = env_file()
    check_env_file(path)
    try:
        return settings(_env_file=path)
    except SettingsError as error:  # a list or an object of the user's that is not JSON
        raise InvalidSettingsError(f"The settings are not usable: {error}: write JSON.") from None
    except ValidationError as error:
        problems = [_explain(".".join(str(part) for part in item["loc"][:1]), item) for item in error.errors()]
        raise InvalidSettingsError("\n".join(["The settings are not usable:", *problems])) from None


def find_settings() -> list[type[EnvSettings]]:
    """Return the settings classes of all packages, for what does not import the application."""
    root = Path(__file__).parent
    for path in sorted(root.rglob("config.py")):
        import_module(".".join((root.name, *path.relative_to(root).with_suffix("").parts)))
    return [settings for settings in EnvSettings.__subclasses__() if settings.__module__.startswith(f"{root.name}.")]


def check_settings() -> None:
    """Read the settings of all packages.

    Raises:
        InvalidSettingsError: it names everything that is wrong with them, not only what is met first.
    """
    lines: dict[str, None] = {}
    for settings in find_settings():
        try:
            load(settings)
        except InvalidSettingsError as error:
            lines |= dict.fromkeys(str(error).splitlines())
    if lines:
        raise InvalidSettingsError("\n".join(lines))


class Settings(EnvSettings):
    HOST: str = Field("127.0.0.1", description="address to listen on")
    PORT: int = Field(8000, ge=1, le=65535, description="port to listen on")

    LEVEL: str = Field(
        "INFO", pattern="^(TRACE|DEBUG|INFO|SUCCESS|WARNING|ERROR|CRITICAL)$", description="lowest level that is logged"
    )
    SERIALIZE: bool = Field(False, description="one JSON object per log line")
    LOG_FILE: str = Field("", description="also log to this file; empty: to standard error only")
    ROTATION: str = Field("10 MB", description="size or time after which the log file is rotated")
    RETENTION: str = Field(
        "",
        pattern=r"^(\d+( (hour|day|week|month|year)s?)?)?$",
        description="how many rotated log files to keep, or for how long, like 10 or 30 days; empty: all",
    )
    COMPRESSION: Literal["gz", "bz2", "xz", "zip", "none"] = Field("gz", description="format of rotated log files")

    DOCS_URL: str | None = Field(None, pattern=r"^/\S+$", description="path of Swagger UI; in prod only served if set")
    REDOC_URL: str | None = Field(None, pattern=r"^/\S+$", description="path of ReDoc; in prod only served if set")
    ROOT_PATH: str = Field("", pattern=r"^(/.*[^/])?$", description="path prefix that a proxy strips")

    FORWARDED_ALLOW_IPS: str = Field(
        "127.0.0.1,::1",
        description="proxies whose X-Forwarded-For and -Proto are believed, comma-separated addresses or networks",
    )
    TRUSTED_HOSTS: CommaSeparated = Field(
        ["*"], min_length=1, description="host names that are answered, comma-separated"
    )
    CORS_ORIGINS: CommaSeparated = Field(
        [], description="origins of other sites that may call the API, comma-separated"
    )
    HSTS_SUBDOMAINS: bool = Field(True, description="in prod tell browsers that all subdomains use HTTPS, too")
    MAX_BODY_SIZE: int = Field(1_048_576, ge=1, description="largest request body, bytes")
    BODY_TIMEOUT: float = Field(20, gt=0, description="seconds to wait for more of a request body")
    BODY_MIN_RATE: int = Field(1_024, ge=1, description="bytes per second of a body that takes longer than that")
    DRAIN_SECONDS: float | None = Field(
        None, ge=0, description="seconds between SIGTERM and the end of the listener; empty: 5 in prod, otherwise 0"
    )
    SHUTDOWN_TIMEOUT: int = Field(10, ge=0, description="seconds that running requests get when the service stops")
    # Yours below this line.

    @property
    def drain_seconds(self) -> float:
        return (5 if self.is_prod else 0) if self.DRAIN_SECONDS is None else self.DRAIN_SECONDS

    @property
    def docs_url(self) -> str | None:
        return self.DOCS_URL or (None if self.is_prod else "/docs")

    @property
    def redoc_url(self) -> str | None:
        return self.REDOC_URL or (None if self.is_prod else "/redoc")

    @property
    def openapi_url(self) -> str | None:
        return "/openapi.json" if self.docs_url or self.redoc_url else None

    @model_validator(mode="after")
    def _refuse_unusable_origins(self) -> Self:
        if "*" in self.CORS_ORIGINS:
            raise ValueError("CORS_ORIGINS: list the origins, * is not allowed together with cookies")
        if not all(ORIGIN.fullmatch(origin) for origin in self.CORS_ORIGINS):
            raise ValueError("CORS_ORIGINS: write https://app.example.com, with nothing behind the host and port")
        return self


@cache
def get_settings() -> Settings:
    return load(Settings)
