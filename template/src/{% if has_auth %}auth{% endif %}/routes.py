"""Which paths everybody may call."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from fastapi.routing import iter_route_contexts
from starlette.routing import BaseRoute, compile_path

from src.auth.config import STATIC_PREFIXES


@lru_cache(1024)
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]


def _serving(routes: Sequence[BaseRoute], path: str) -> str | None:
    """Return the template of the first route that fits a path: the one that will serve it."""
    templates = (context.path for context in iter_route_contexts(routes))
    return next((template for template in templates if template and _pattern(template).fullmatch(path)), None)


class PublicRoutes:
    """Exact paths, and templates that open the route of that very template, not another one that also fits it."""

    def __init__(self, templates: Iterable[str], routes: Sequence[BaseRoute]) -> None:
        given = set(templates)
        self._exact = frozenset(template for template in given if "{" not in template)
        self._templates = frozenset(given - self._exact)
        self._routes = routes

    def __contains__(self, path: str) -> bool:
        return path in self._exact or path.startswith(STATIC_PREFIXES) or self._is_from_template(path)

    def _is_from_template(self, path: str) -> bool:
        fits = any(_pattern(template).fullmatch(path) for template in self._templates)
        return fits and _serving(self._routes, path) in self._templates
