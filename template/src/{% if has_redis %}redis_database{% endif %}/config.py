"""Settings of Redis."""

from functools import cache
from typing import Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator
from redis.exceptions import RedisError

from src.config import EXAMPLE_SECRET, EnvSettings, get_settings, load
from src.redis_database.address import Address, parse_address

EXAMPLES = {
    "": "redis://:password@host:6379/0, or rediss:// for TLS",
    "cluster": "redis+cluster://:password@host:6379,host:6379, or rediss+cluster:// for TLS; a cluster has no database but 0",
    "sentinel": "redis+sentinel://:password@host:26379,host:26379/mymaster/0, or rediss+sentinel:// for TLS",
}


class RedisSettings(EnvSettings):
    REDIS_URL: SecretStr | None = Field(
        None, description="the whole address, also of a cluster or of Sentinel; wins over the REDIS_ variables below"
    )
    REDIS_HOST: str = Field("localhost", description="host of Redis")
    REDIS_PORT: int = Field(6379, ge=1, le=65535, description="port of Redis")
    REDIS_PASSWORD: SecretStr = Field(SecretStr(""), description="password of Redis; empty: none")
    REDIS_DB: int = Field(0, ge=0, description="number of the database")

    REDIS_POOL_SIZE: int = Field(50, ge=1, description="most connections per process")
    REDIS_TIMEOUT: float = Field(0.5, gt=0, description="seconds to wait for a connection or an answer")

    @property
    def url(self) -> str:
        if self.REDIS_URL:
            return self.REDIS_URL.get_secret_value()
        password = quote(self.REDIS_PASSWORD.get_secret_value(), safe="")
        return f"redis://{f':{password}@' if password else ''}{self.REDIS_HOST}:{self.REDIS_PORT}/{self.REDIS_DB}"

    @property
    def address(self) -> Address:
        return parse_address(self.url)

    @model_validator(mode="after")
    def _refuse_unusable_url(self) -> Self:
        try:
            parse_address(self.url)
        except (ValueError, TypeError, RedisError):
            kind = self.url.partition("://")[0].partition("+")[2]
            raise ValueError(f"REDIS_URL: write {EXAMPLES.get(kind, EXAMPLES[''])}") from None
        return self

    @model_validator(mode="after")
    def _refuse_example_password_in_prod(self) -> Self:
        if get_settings().is_prod and self.address.password == EXAMPLE_SECRET:
            raise ValueError("REDIS_PASSWORD: set the password of Redis, this one is an example")
        return self


@cache
def get_redis_settings() -> RedisSettings:
    return load(RedisSettings)
