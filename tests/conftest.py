"""A snapshot of the template, its rendered variants, and one environment in which all their suites run."""

import os
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.support.memory import use_memory
from tests.support.packages import what_is_missing
from tests.support.rendering import ROOT, render, take_snapshot
from tests.support.service import free_port
from tests.support.variants import EVERYTHING, VARIANTS, Variant

pytest_plugins = [
    "tests.support.live",
    "tests.support.history",
    "tests.support.browser",
    "tests.support.dev",
    "tests.support.documentation",
    "tests.support.engine",
    "tests.support.schemathesis",
]
CACHE = ROOT / ".cache"
DROPPED = ("asgi-correlation-id>=5.0.1,<6", "secure>=2.0.1,<3")  # what a project of 0.2.0 imports until it is updated
collect_ignore = ["project"]  # tests of a rendered project, run inside of one
# A rendered project gets nothing from the tester's environment that could be one of its settings.
KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "LANG",
    "UV_CACHE_DIR",
    "SSL_CERT_FILE",
    "PYENV_VERSION",
    "UV_PYTHON",
    "XDG_CACHE_HOME",
)
LONG = ("suites", "updates")
# The packages that docs/recipes/tracing.md adds to a project.
TRACING = ("opentelemetry-sdk>=1.45,<2", "opentelemetry-exporter-otlp-proto-http>=1.45,<2", "sentry-sdk>=2.75,<3")


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name missing requirements before the first test runs."""
    return list(what_is_missing(config.args))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Report where the time went: seconds of all processes together, by folder."""
    seconds: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[str(Path(report.nodeid.partition("::")[0]).parent)] += report.duration
    terminalreporter.section("seconds per folder")
    for folder, duration in seconds.most_common():
        terminalreporter.write_line(f"{duration:7.1f} {folder}")


def pytest_configure() -> None:
    # A shell without job control starts background processes with SIGINT ignored, and tests would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    use_memory()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each process its share of the slow tests first, so that none is left with one at the end."""
    processes = getattr(config, "workerinput", {"workercount": 1})["workercount"]
    long = [item for item in items if item.path.parent.name in LONG]
    short = [item for item in items if item.path.parent.name not in LONG]
    per_process = -(-len(items) // processes)
    items.clear()
    for number in range(processes):  # xdist distributes them in this many parts of equal length
        share = long[number::processes]
        room = per_process - len(share)
        items += [*share, *short[:room]]
        short = short[room:]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take_snapshot(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def rendered(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Variant], Path]:
    """Render a variant once; treat the result as read-only."""
    done: dict[Variant, Path] = {}

    def get(variant: Variant) -> Path:
        if variant not in done:
            folder = tmp_path_factory.mktemp("variants") / str(variant)
            done[variant] = render(template, folder, **variant.answers)
        return done[variant]

    return get


@pytest.fixture(params=VARIANTS, ids=str)
def variant(request: pytest.FixtureRequest) -> Variant:
    chosen: Variant = request.param
    return chosen


@pytest.fixture
def project(variant: Variant, rendered: Callable[[Variant], Path]) -> Path:
    return rendered(variant)


@pytest.fixture
def one_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where projects of all variants are put in turn, so that the caches of tools recognise common files."""
    folder = tmp_path_factory.getbasetemp() / "project"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def new_project(template: Path, tmp_path: Path) -> Callable[..., Path]:
    """Render a separate project that the test may change and run."""

    def make(**answers: Any) -> Path:
        return render(template, tmp_path / "project", **answers)

    return make


@pytest.fixture(scope="session")
def clean_environment() -> dict[str, str]:
    return {name: os.environ[name] for name in KEPT if name in os.environ}


@pytest.fixture(scope="session")
def shared_environment(
    template: Path, tmp_path_factory: pytest.TempPathFactory, clean_environment: dict[str, str], worker_id: str
) -> dict[str, str]:
    """Return environment variables with which `uv run` and `python` use one virtual environment for all variants."""
    CACHE.mkdir(exist_ok=True)
    virtual = CACHE / "venv"
    variables = {
        **clean_environment,
        "UV_PROJECT_ENVIRONMENT": str(virtual),
        "VIRTUAL_ENV": str(virtual),
        "PATH": f"{virtual / 'bin'}{os.pathsep}{clean_environment['PATH']}",
        "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode")),  # no bytecode next to the sources
        "MYPY_CACHE_DIR": str(CACHE / f"mypy-{worker_id}"),  # the cache of library types
        "UV_NO_SYNC": "1",
        **{name: str(free_port()) for name in ("DB_PORT", "REDIS_PORT")},  # for a project's servers
    }
    with FileLock(CACHE / "venv.lock"):
        everything = render(template, tmp_path_factory.mktemp("everything"), **EVERYTHING.answers)
        sync = ["uv", "sync", "--quiet", "--inexact", "--group", "embedded"]
        for command in (sync, ["uv", "pip", "install", "--quiet", *DROPPED, *TRACING]):
            subprocess.run(
                command, cwd=everything, env={**variables, "UV_NO_SYNC": "0", "UV_COMPILE_BYTECODE": "1"}, check=True
            )
    return variables


@pytest.fixture(scope="session")
def known_types(template: Path, tmp_path_factory: pytest.TempPathFactory, shared_environment: dict[str, str]) -> None:
    """The mypy cache of the libraries, built once and copied for each process of these tests."""
    cache, seed = Path(shared_environment["MYPY_CACHE_DIR"]), CACHE / "mypy"
    with FileLock(CACHE / "mypy.lock"):
        if not seed.exists():
            everything = render(template, tmp_path_factory.mktemp("types"), **EVERYTHING.answers)
            unfinished = CACHE / "mypy-unfinished"
            command = ["mypy", "--cache-dir", str(unfinished)]
            subprocess.run(command, cwd=everything, env=shared_environment, stdout=subprocess.DEVNULL, check=False)
            unfinished.rename(seed)
        if not cache.exists():
            shutil.copytree(seed, cache)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def run(shared_environment: dict[str, str]) -> Run:
    """Run a command of the shared environment in a project; show its output if it failed."""

    def run(*command: str, cwd: Path, fails: bool = False, **variables: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**shared_environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert (done.returncode != 0) is fails, done.stdout
        return done

    return run


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Copier reads the user's own defaults; tests have none."""
    with pytest.MonkeyPatch.context() as patch:
        settings = tmp_path_factory.mktemp("settings") / "settings.yml"
        settings.write_text("{}\n")
        patch.setenv("COPIER_SETTINGS_PATH", str(settings))
        for name in ("LC_ALL", "LC_MESSAGES"):
            patch.delenv(name, raising=False)
        patch.setenv("LANG", "C.UTF-8")
        yield
