"""Print the cost of the middleware: CPU of the whole application ÷ CPU without middleware, for two public routes."""

import asyncio
import time

from fastapi import FastAPI
from src.main import create_app
from starlette.types import Message

ROUNDS, CALLS = 7, 1500
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "query_string": b"",
    "root_path": "",
    "headers": [(b"host", b"localhost"), (b"user-agent", b"bench"), (b"accept", b"*/*")],
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
}


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(_: Message) -> None: ...


async def cpu(app: FastAPI, path: str) -> float:
    started = time.process_time()
    for _ in range(CALLS):
        scope = SCOPE | {"path": path, "raw_path": path.encode(), "state": {}}
        await app(scope, receive, send)
    return time.process_time() - started


async def main() -> None:
    whole, plain = create_app(), create_app()
    plain.user_middleware = []

    for app in (whole, plain):

        @app.get("/auth/login")  # a public path, whose GET adds no cost
        async def answer() -> dict[str, str]:
            return {"detail": "ok"}

    for path in ("/health", "/auth/login"):
        pairs = [(await cpu(whole, path), await cpu(plain, path)) for _ in range(ROUNDS)]
        print(min(ours for ours, _ in pairs) / min(theirs for _, theirs in pairs), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
