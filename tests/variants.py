"""The variants of the service: every state of its features, in every language."""

import re
from dataclasses import dataclass
from itertools import product

LANGUAGES = ("en", "ru")
# Each state as its answers, and the words that may not be found where a switch is off.
STATES: list[dict[str, bool]] = [
    {"auth": True, "demo_pages": True, "celery": True},
    {"auth": True, "demo_pages": True, "celery": False},
    {"auth": True, "demo_pages": False, "celery": True},
    {"auth": True, "demo_pages": False, "celery": False},
    {"auth": False, "celery": True},
    {"auth": False, "celery": False, "redis": True},
    {"auth": False, "celery": False, "redis": False},
]
RESIDUE = {
    "auth": re.compile(r"src.auth|jwt|bcrypt|login|password_hash|secret_key|public_routes", re.IGNORECASE),
    "demo_pages": re.compile(
        r"jinja|multipart|(src|tests)[./]pages|templates?/|static/|favicon|stylesheet|demo.?page|/account|=/login",
        re.IGNORECASE,
    ),
    "celery": re.compile(r"celery|kombu|(src|tests)[./]tasks|\bbeat\b|broker|enqueue", re.IGNORECASE),
    "redis": re.compile(r"redis|valkey", re.IGNORECASE),
}
EVERYTHING = {"lang": "en", "auth": True, "demo_pages": True, "celery": True}


@dataclass(frozen=True)
class Variant:
    lang: str
    switches: tuple[tuple[str, bool], ...]

    @property
    def answers(self) -> dict[str, str | bool]:
        return {"lang": self.lang, **dict(self.switches)}

    @property
    def off(self) -> list[str]:
        return [name for name, on in self.switches if not on]

    def __str__(self) -> str:
        return "-".join([self.lang, *(name for name, on in self.switches if on)])


VARIANTS = [Variant(lang, tuple(state.items())) for state, lang in product(STATES, LANGUAGES)]
