"""Which paths everybody may call."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from fastapi.routing import RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, WebSocketRoute, compile_path

from src.auth.config import STATIC_PREFIXES

REMEMBERED = 1024


@lru_cache(REMEMBERED)
def _pattern(template: str) -> re.Pattern[str]:
    return compile_path(template)[0]


def _takes(route: RouteContext, method: str | None) -> bool:
    if isinstance(route.original_route, WebSocketRoute):
        return method is None
    return method is not None and (not route.methods or method in route.methods)


class PublicRoutes:
    """Exact paths, and templates that open the route of that very template, not another one that also fits it."""

    def __init__(self, templates: Iterable[str], routes: Sequence[BaseRoute]) -> None:
        self._given = frozenset(templates)
        self._templates = frozenset(template for template in self._given if "{" in template)
        self._routes = routes
        self._is_open = lru_cache(REMEMBERED)(self._is_served_by_public)

    def has(self, template: str) -> bool:
        """Say whether the route of this template is for everybody."""
        return template in self._given or template.startswith(STATIC_PREFIXES)

    def are_open(self, path: str, method: str | None) -> bool:
        """Say whether everybody may send this; a websocket has no method."""
        is_candidate = path in self._given or path.startswith(STATIC_PREFIXES) or self._is_from_template(path)
        return is_candidate and self._is_open(path, method)

    def _is_from_template(self, path: str) -> bool:
        return any(_pattern(template).fullmatch(path) for template in self._templates)

    def _is_served_by_public(self, path: str, method: str | None) -> bool:
        """Find the route that will serve it: the first that fits, else the first that refuses the method."""
        fitting = [
            each for each in iter_route_contexts(self._routes) if each.path and _pattern(each.path).fullmatch(path)
        ]
        if path in self._given and path not in {each.path for each in fitting}:
            return True  # the path itself is meant, of whichever route
        takers = [each.path or "" for each in fitting if _takes(each, method)]
        serving = (takers or [each.path or "" for each in fitting] or [""])[0]
        return self.has(serving)
