"""The variants of the service: every state of its switches in every language, and what `extras` adds to them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations, product
from typing import NamedTuple

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
        r"jinja|(src|tests)[./]pages|(?<!refs/)templates?/|static/|favicon|stylesheet|demo.?page|/account|=/login",
        re.IGNORECASE,
    ),
    "celery": re.compile(r"celery|kombu|(src|tests)[./]tasks|\bbeat\b|broker|enqueue", re.IGNORECASE),
    "redis": re.compile(r"redis|valkey", re.IGNORECASE),
}


class Extra(NamedTuple):
    needs: tuple[str, ...]  # switches of which one must be on; none: nothing
    residue: re.Pattern[str]


# Each choice of `extras`.
EXTRAS = {
    "redis_ha": Extra(("auth", "celery", "redis"), re.compile("cluster|sentinel", re.IGNORECASE)),
}


@dataclass(frozen=True)
class Variant:
    lang: str
    switches: tuple[tuple[str, bool], ...]
    extras: tuple[str, ...] = ()

    @property
    def answers(self) -> dict[str, str | bool | list[str]]:
        return {"lang": self.lang, **dict(self.switches), "extras": list(self.extras)}

    @property
    def values(self) -> dict[str, str | bool]:
        """The values to combine in suites: the language, each switch that is asked, and each choice of `extras`."""
        return {"lang": self.lang, **dict(self.switches), **{name: name in self.extras for name in EXTRAS}}

    @property
    def residue(self) -> dict[str, re.Pattern[str]]:
        """The words that may not be found, by what is off."""
        found = {name: RESIDUE[name] for name, on in self.switches if not on}
        return found | {name: extra.residue for name, extra in EXTRAS.items() if name not in self.extras}

    @property
    def pairs(self) -> frozenset[tuple[tuple[str, str | bool], ...]]:
        """Every two values that this variant brings together."""
        return frozenset(combinations(self.values.items(), 2))

    @property
    def is_valid(self) -> bool:
        """Tell whether each extra has what it needs."""
        on = {name for name, value in self.switches if value}
        return all(not EXTRAS[name].needs or on & set(EXTRAS[name].needs) for name in self.extras)

    def in_language(self, lang: str) -> "Variant":
        return Variant(lang, self.switches, self.extras)

    def with_extras(self, *extras: str) -> "Variant":
        return Variant(self.lang, self.switches, extras)

    def __str__(self) -> str:
        return "-".join([self.lang, *(name for name, on in self.switches if on), *self.extras])


PLAIN = [Variant(lang, tuple(state.items())) for state, lang in product(STATES, LANGUAGES)]


def find(name: str) -> Variant:
    return next(each for each in PLAIN if str(each) == name)


EVERYTHING = find("en-auth-demo_pages-celery").with_extras(*EXTRAS)
DEFAULT = find("en-auth-demo_pages")
BAREST = find("ru")
WHOLE = [EVERYTHING, DEFAULT, BAREST]  # the variants whose whole suite runs at each change
_SETS = dict.fromkeys([(), *((name,) for name in EXTRAS), tuple(EXTRAS)])
VALID = [each for extras in _SETS for plain in PLAIN if (each := plain.with_extras(*extras)).is_valid]


def pairs_of(variants: Iterable[Variant]) -> frozenset[tuple[tuple[str, str | bool], ...]]:
    return frozenset().union(*(each.pairs for each in variants))


def complete(chosen: list[Variant]) -> list[Variant]:
    """Return the fewest further variants, chosen greedily, that bring together what `chosen` does not."""
    found: list[Variant] = []
    missing = pairs_of(VALID) - pairs_of(chosen)
    while missing:
        found.append(max(VALID, key=lambda each: (len(each.pairs & missing), len(each.residue))))
        missing -= found[-1].pairs
    return found


IN_PART = complete(WHOLE)
ALONE = [DEFAULT.with_extras(name) for name in EXTRAS]
VARIANTS = list(dict.fromkeys([*PLAIN, *ALONE, *WHOLE, *IN_PART]))  # what is rendered and checked file by file
