"""Schemathesis, which sends a service requests that its OpenAPI document allows, and others."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.live import LiveService, NewService
from tests.support.patience import PATIENCE

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
# The same requests each time; few enough that people run the test.
BOUNDS = [
    *("--generation-deterministic", "--max-examples", "15", "--continue-on-failure"),
    *("--request-timeout", str(PATIENCE)),
]
LEFT_OUT = [
    "positive_data_acceptance",  # a schema cannot say that a name is reserved, a password common, a cursor not ours
    "allow_header_conformance",  # Starlette's 405 names the methods of the first route of a path only
]
HIDDEN = "unsupported_method"  # anonymous clients do not learn which methods exist: 401, not 405
Check = Callable[..., None]


@pytest.fixture
def documented_service(shared_service: NewService) -> LiveService:
    """In production the document is served only if a setting asks for it."""
    return shared_service(DOCS_URL="/docs")


@pytest.fixture
def check(documented_service: LiveService, tmp_path: Path) -> Check:
    """Let Schemathesis loose on the service; what it found is shown if it found something."""

    def run(*arguments: str, cookies: dict[str, str] | None = None, left_out: list[str] = LEFT_OUT) -> None:
        header = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        command = [
            *(SCHEMATHESIS, "run", f"http://127.0.0.1:{documented_service.port}/openapi.json", *BOUNDS),
            *("--exclude-checks", ",".join(left_out), *(["-H", f"Cookie: {header}"] if header else []), *arguments),
        ]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    return run
