"""The table of routes, which finds the one for a path at once."""

import re
from typing import Any

from fastapi import APIRouter, params
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.types import Receive, Scope, Send

from src.compat import get_route_path


class RouteTable:
    """Serve path operations; FastAPI tries one route after the other, and those of included routers twice.

    FastAPI itself gets what is not in the table: mounts, websockets, unknown paths, wrong methods.
    """

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._fastapi = router.middleware_stack
        self._count = 0
        self._last: BaseRoute | None = None
        self._static: dict[tuple[str, str], RouteContext] = {}
        self._others: list[tuple[re.Pattern[str], RouteContext | None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route, values = self._find(scope["method"], get_route_path(scope)) if scope["type"] == "http" else (None, {})
        if route is None:
            await self._fastapi(scope, receive, send)
            return
        scope.setdefault("router", self._router)
        scope["path_params"] = {**scope.get("path_params", {}), **values}
        scope["route"], scope["endpoint"] = route.original_route, route.endpoint
        await route.app(scope, receive, send)

    def _find(self, method: str, path: str) -> tuple[RouteContext | None, dict[str, Any]]:
        routes = self._router.routes
        if len(routes) != self._count or (routes and routes[-1] is not self._last):
            self._read()
        if route := self._static.get((method, path)):
            return route, {}
        route, match = self._first_of_others(method, path)
        if route is None or match is None:
            return None, {}
        return route, {name: route.param_convertors[name].convert(value) for name, value in match.groupdict().items()}

    def _first_of_others(self, method: str, path: str) -> tuple[RouteContext | None, re.Match[str] | None]:
        """Return the first route that serves the path, or None in its place where only FastAPI can tell."""
        for pattern, route in self._others:
            match = pattern.match(path)
            if match and (route is None or method in (route.methods or ())):
                return route, match
        return None, None

    def _read(self) -> None:
        routes = self._router.routes
        self._count, self._last = len(routes), routes[-1] if routes else None
        self._static, self._others = {}, []
        for route in iter_route_contexts(routes):
            pattern = getattr(route, "path_regex", None)
            if isinstance(route.original_route, WebSocketRoute):
                continue
            if pattern is None or route.path is None:
                return  # it may serve any path: from here on FastAPI looks
            if "{" in route.path or not _is_plain(route):
                self._others.append((pattern, route if _is_plain(route) else None))
                continue
            for method in route.methods or ():
                if self._first_of_others(method, route.path) == (None, None):
                    self._static.setdefault((method, route.path), route)


def _is_plain(route: RouteContext) -> bool:
    """Tell a path operation that its `app` serves; a declared form also needs limits that FastAPI finds on the way."""
    kind = type(route.original_route)
    if not issubclass(kind, APIRoute) or (kind.matches, kind.handle) != (APIRoute.matches, APIRoute.handle):
        return False
    return not isinstance(getattr(route.body_field, "field_info", None), params.Form)
