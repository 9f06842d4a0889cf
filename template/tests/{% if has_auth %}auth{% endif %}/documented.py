"""The statuses in the OpenAPI document for /auth and /users, and a check for undocumented ones."""

from functools import cache

from fastapi import FastAPI
from httpx import Response
from starlette.routing import compile_path

from src.auth.router import router as auth_router
from src.users.router import router as users_router

Operation = tuple[str, str]


@cache
def documented() -> dict[Operation, set[int]]:
    """Return the statuses that each operation promises."""
    app = FastAPI()
    app.include_router(auth_router)
    app.include_router(users_router)
    return {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


async def refuse_undocumented(response: Response) -> None:
    """Fail the test that meets an error which the document does not promise."""
    if response.is_success or response.is_redirect:
        return
    request = response.request
    for (method, path), known in documented().items():
        if method == request.method and compile_path(path)[0].fullmatch(request.url.path):
            assert response.status_code in known
            return
