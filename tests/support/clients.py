"""A client of a running service that keeps `__Host-` cookies over plain HTTP, as browsers do on this machine."""

from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.support.backends import Backends
from tests.support.patience import PATIENCE

PASSWORD = "four words nobody guesses"


class Client:
    """Leaves alone what the service does not name: cookies stay until it changes or removes them."""

    def __init__(self, port: int, cookies: dict[str, str] | None = None) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        self._http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, limits=limits, trust_env=False
        )
        self.port = port
        self.cookies = dict(cookies or {})
        self.username = ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    @property
    def refresh_token(self) -> str:
        return self.cookies["__Host-refresh_token"]

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {**options.pop("headers", {}), **({"Cookie": cookies} if cookies else {})}
        answer = await self._http.request(method, path, headers=headers, **options)
        self._http.cookies.clear()
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies.pop(name, None)
                if morsel["max-age"] != "0":
                    self.cookies[name] = morsel.value
        return answer

    async def get(self, path: str) -> httpx.Response:
        return await self.ask("GET", path)

    async def post(self, path: str, **body: str) -> httpx.Response:
        return await self.ask("POST", path, json=body) if body else await self.ask("POST", path)

    async def profile(self) -> httpx.Response:
        """Ask for what only the signed-in get: one round trip to Redis, none to the database."""
        return await self.get("/users/info")

    async def register(self, username: str, mailbox: str = "") -> httpx.Response:
        email = f"{mailbox or username}@example.com"
        return await self.post("/auth/register", username=username, email=email, password=PASSWORD)

    async def login(self, username: str, password: str = PASSWORD) -> httpx.Response:
        return await self.post("/auth/login", username=username, password=password)

    async def refresh(self) -> httpx.Response:
        return await self.post("/auth/refresh")

    async def sign_up(self, username: str = "") -> Self:
        """Register a new user who is signed in and in the service's cache."""
        self.username = username or new_name()
        assert (await self.register(self.username)).status_code == 201
        assert (await self.login(self.username)).status_code == 200
        assert (await self.profile()).status_code == 200
        return self

    async def become_superuser(self, backends: Backends) -> None:
        """Be one whom the service's own command made."""
        self.username = new_name()
        backends.create_superuser(self.username, PASSWORD)
        assert (await self.login(self.username)).status_code == 200


def new_name() -> str:
    return f"u{uuid4().hex[:20]}"


def statuses(answers: list[httpx.Response]) -> set[int]:
    return {answer.status_code for answer in answers}


def assert_unavailable(answer: httpx.Response) -> None:
    """503 with the remedy, in the shape of all errors, and no cookie touched."""
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json()["detail"]
    assert "set-cookie" not in answer.headers
