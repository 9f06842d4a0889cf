"""Print how many functions of src/ one sign-in runs, and how many files they are in."""

import asyncio
import json
import sys
import threading
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from src.main import create_app
from stack import SCOPE
from starlette.types import Message

SOURCE = str(Path("src").resolve())
USER = {"username": "one.login", "email": "one.login@example.com", "password": "four words nobody guesses"}


async def post(app: Any, path: str) -> None:
    fields = USER if path.endswith("register") else {name: USER[name] for name in ("username", "password")}
    body = json.dumps(fields).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope = SCOPE | {"method": "POST", "path": path, "raw_path": path.encode(), "state": {}}
    scope["headers"] = [*SCOPE["headers"], *headers]
    statuses = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    await app(scope, receive, send)
    assert statuses[0] in (200, 201), statuses


async def main() -> None:
    app, called = create_app(), set[CodeType]()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_name[0] != "<" and code.co_filename.startswith(SOURCE):
            called.add(code)

    threading.setprofile(note)
    sys.setprofile(note)
    for path in ("/auth/register", "/auth/login", "/auth/login"):  # the first sign-in fills caches
        called.clear()
        await post(app, path)
    sys.setprofile(None)
    print(len(called), len({code.co_filename for code in called}))


asyncio.run(main())
