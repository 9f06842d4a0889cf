"""The servers of a service that has what more than one server of Redis needs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.backends import Backends, running_backends


@pytest.fixture(scope="session")
def live_backends(
    template: Path, tmp_path_factory: pytest.TempPathFactory, shared_environment: dict[str, str]
) -> Iterator[Backends]:
    folder = tmp_path_factory.mktemp("live")
    with running_backends(template, folder, shared_environment, extras=["redis_ha"]) as backends:
        yield backends
