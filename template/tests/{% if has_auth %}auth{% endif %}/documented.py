"""What the OpenAPI document says of authentication and users, and the watch over answers that it does not mention."""

from fastapi import FastAPI
from httpx import Response
from starlette.routing import compile_path

from src.auth.router import router as auth_router
from src.users.router import router as users_router

Operation = tuple[str, str]


def _find() -> dict[Operation, set[int]]:
    app = FastAPI()
    app.include_router(auth_router)
    app.include_router(users_router)
    return {
        (method.upper(), path): {int(status) for status in operation["responses"]}
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    }


DOCUMENTED = _find()
PATTERNS = {operation: compile_path(operation[1])[0] for operation in DOCUMENTED}


async def refuse_undocumented(response: Response) -> None:
    """Fail the test that meets an error which the document does not promise."""
    request = response.request
    for (method, path), pattern in PATTERNS.items():
        if method == request.method and pattern.fullmatch(request.url.path):
            known = DOCUMENTED[method, path]
            assert response.is_success or response.is_redirect or response.status_code in known
            return
