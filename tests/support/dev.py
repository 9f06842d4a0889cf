"""A project to run `make dev` in, and what is known of its processes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import Run
from tests.support.rendering import render
from tests.support.service import READY, Service, fetch, free_port


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A place that every user may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="service-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "project"


@pytest.fixture
def new_dev_project(template: Path, open_folder: Path) -> Path:
    """A project in which nothing has run yet."""
    return render(template, open_folder)


@pytest.fixture(scope="session")
def migrated(template: Path, tmp_path_factory: pytest.TempPathFactory, run: Run) -> Path:
    """A project whose database is made and migrated, to take its data from."""
    project = render(template, tmp_path_factory.mktemp("migrated") / "project")
    run("python", "-m", "devtools.run", "alembic", "upgrade", "head", cwd=project)
    return project


@pytest.fixture
def dev_project(new_dev_project: Path, migrated: Path) -> Path:
    """A project whose database is there: to make one takes longer than most of what is tested on it."""
    shutil.copytree(migrated / ".dev", new_dev_project / ".dev")
    shutil.copy(migrated / ".env", new_dev_project / ".env")  # the password of that database
    return new_dev_project


@pytest.fixture
def dev_environment(shared_environment: dict[str, str]) -> dict[str, str]:
    """Ports that nothing else uses, so that tests can run beside each other and beside a developer's own servers."""
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    return {**shared_environment, **ports}


def assert_it_serves(service: Service, environment: dict[str, str]) -> None:
    service.wait_for(READY)
    assert fetch(int(environment["PORT"]), "/health/ready") == (200, '{"detail":"ok"}')


def command_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return []
