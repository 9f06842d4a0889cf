"""The default project as it runs in production: its servers, and processes of the service in front of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.backends import Backends, running_backends
from tests.support.clients import PASSWORD, Client
from tests.support.patience import PATIENCE
from tests.support.service import READY, Service, fetch, free_port

# As in production, but for cheap hashes, no rate limits, no load balancer, and short waits for a database that does not answer.
SETTINGS = {
    "ENVIRONMENT": "prod",
    "LEVEL": "DEBUG",
    "PASSWORD_HASH_COST": "4",
    "RATE_LIMIT_LOGIN_ACCOUNT": "",
    "RATE_LIMIT_LOGIN_ACCOUNT_TOTAL": "",
    "RATE_LIMIT_LOGIN_ADDRESS": "",
    "RATE_LIMIT_REGISTER": "",
    "RATE_LIMIT_REFRESH": "",
    "RATE_LIMIT_PASSWORD": "",
    "RATE_LIMIT_PROFILE": "",
    "REFRESH_GRACE_SECONDS": "60",
    "DB_CONNECT_TIMEOUT": "1",
    "DB_COMMAND_TIMEOUT": "1",
    "DRAIN_SECONDS": "0",
}
# A log may never contain data that clients sent or got, hashes, tokens in any form, or traces of a bug.
SECRETS = (PASSWORD, "@example.com", "eyJ", "$2b$", "hmac-sha384", "_token", "Cookie", "cookie")
BUGS = ("unexpected error", "Traceback", "never retrieved", "was never awaited", "non-checked-in connection")


class LiveService(Service):
    """One process of the service, on its own port."""

    def __init__(self, backends: Backends, settings: dict[str, str]) -> None:
        self.port = int(settings.get("PORT") or free_port())
        self._looked_at = 0
        self._secrets = [value for name, value in backends.settings.items() if name.endswith(("PASSWORD", "KEY"))]
        environment = {**backends.environment, **SETTINGS, **settings, "PORT": str(self.port)}
        super().__init__(["python", "-m", "src.main"], backends.project, environment)
        self.wait_for(READY)
        fetch(self.port, "/health")

    def stop(self) -> int:
        """Ask it to stop and return its exit code; its log is checked."""
        self.process.terminate()
        self.wait()
        self.assert_log_is_clean()
        return self.process.wait(PATIENCE)

    def assert_log_is_clean(self) -> None:
        """Look at what was logged since the last look."""
        log, self._looked_at = self.drain()[self._looked_at :], len(self.text)
        assert [secret for secret in (*SECRETS, *self._secrets) if secret in log] == [], log
        assert [bug for bug in BUGS if bug in log] == [], log


NewService = Callable[..., LiveService]
NewClient = Callable[..., Awaitable[Client]]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def live_backends(
    template: Path, tmp_path_factory: pytest.TempPathFactory, shared_environment: dict[str, str]
) -> Iterator[Backends]:
    with running_backends(template, tmp_path_factory.mktemp("live"), shared_environment) as backends:
        yield backends


@pytest.fixture
def backends(live_backends: Backends) -> Iterator[Backends]:
    """Both servers, up at the start of each test and whole again after it."""
    live_backends.start()
    yield live_backends
    live_backends.start()


@pytest.fixture
def new_service(backends: Backends) -> Iterator[NewService]:
    """Start a separate process with its own settings."""
    with ExitStack() as stack:

        def start(**settings: str) -> LiveService:
            service = LiveService(backends, settings)
            stack.callback(lambda: service.process.poll() is None and service.stop())
            return service

        yield start


@pytest.fixture(scope="session")
def live_services(live_backends: Backends) -> Iterator[NewService]:
    """Keep a process for each combination of settings that tests share."""
    services: dict[tuple[tuple[str, str], ...], LiveService] = {}

    def get(**settings: str) -> LiveService:
        key = tuple(settings.items())
        if key not in services:
            services[key] = LiveService(live_backends, settings)
        return services[key]

    yield get
    for service in services.values():
        assert service.stop() == 0


@pytest.fixture
def shared_service(backends: Backends, live_services: NewService) -> Iterator[NewService]:  # noqa: ARG001 - it needs them
    """Get a process with these settings: no test may stop it."""
    used: list[LiveService] = []

    def get(**settings: str) -> LiveService:
        used.append(live_services(**settings))
        return used[-1]

    yield get
    for service in used:
        service.assert_log_is_clean()


@pytest.fixture
async def new_client() -> AsyncIterator[NewClient]:
    """Make a client of a service, with its own cookies."""
    async with AsyncExitStack() as stack:

        async def make(service: LiveService, **options: Any) -> Client:
            return await stack.enter_async_context(Client(service.port, **options))

        yield make


@pytest.fixture
def service(shared_service: NewService) -> LiveService:
    """The process that most tests share."""
    return shared_service()


@pytest.fixture
async def client(service: LiveService, new_client: NewClient) -> Client:
    """A client of the shared service that is not signed in."""
    return await new_client(service)


@pytest.fixture
async def signed_in(client: Client) -> Client:
    """A client that a new user has signed in with."""
    return await client.sign_up()


@pytest.fixture
async def superuser(service: LiveService, live_backends: Backends, new_client: NewClient) -> Client:
    """A client of a superuser, made by the command that makes them."""
    client = await new_client(service)
    await client.become_superuser(live_backends)
    return client
