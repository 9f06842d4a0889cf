"""The variants of the service: every state of its features, in every language."""

import re
from dataclasses import dataclass
from itertools import combinations, product

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
        r"jinja|(src|tests)[./]pages|templates?/|static/|favicon|stylesheet|demo.?page|/account|=/login",
        re.IGNORECASE,
    ),
    "celery": re.compile(r"celery|kombu|(src|tests)[./]tasks|\bbeat\b|broker|enqueue", re.IGNORECASE),
    "redis": re.compile(r"redis|valkey", re.IGNORECASE),
}


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

    @property
    def pairs(self) -> frozenset[tuple[tuple[str, str | bool], ...]]:
        """Every two answers that this variant brings together."""
        return frozenset(combinations(self.answers.items(), 2))

    def in_language(self, lang: str) -> "Variant":
        return Variant(lang, self.switches)

    def __str__(self) -> str:
        return "-".join([self.lang, *(name for name, on in self.switches if on)])


VARIANTS = [Variant(lang, tuple(state.items())) for state, lang in product(STATES, LANGUAGES)]


def find(name: str) -> Variant:
    return next(each for each in VARIANTS if str(each) == name)


EVERYTHING = find("en-auth-demo_pages-celery")
DEFAULT = find("en-auth-demo_pages")
BAREST = find("ru")
WHOLE = [EVERYTHING, DEFAULT, BAREST]  # the variants whose whole suite runs at each change


def complete(chosen: list[Variant]) -> list[Variant]:
    """Return the fewest further variants, chosen greedily, that bring together what `chosen` does not."""
    found: list[Variant] = []
    missing = frozenset().union(*(each.pairs for each in VARIANTS)).difference(*(each.pairs for each in chosen))
    while missing:
        found.append(max(VARIANTS, key=lambda each: (len(each.pairs & missing), len(each.off))))
        missing -= found[-1].pairs
    return found


IN_PART = complete(WHOLE)
