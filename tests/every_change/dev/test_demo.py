"""`make demo` in a fresh clone: a real copy, then the service."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.rendering import take_snapshot
from tests.support.service import READY, fetch, free_port, running, wait_until_gone

GIT = ["git", "-c", "user.name=Tests", "-c", "user.email=tests@example.com"]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A repository of one commit, as somebody gets it."""
    folder = take_snapshot(tmp_path / "clone")
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "feat: begin"]):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    yield folder
    shutil.rmtree(folder)


def test_it_renders_and_runs_a_service_and_a_second_time_reuses_it(
    clone: Path, clean_environment: dict[str, str]
) -> None:
    """It prints the address; Ctrl-C stops all; the second run renders nothing and asks nothing."""
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    environment = {**clean_environment, **ports}
    said = []
    for _ in range(2):
        with running(["make", "demo", "ARGS=-d demo_pages=false"], clone, environment) as service:
            service.wait_for(rf"Service: http://127\.0\.0\.1:{ports['PORT']}")
            service.wait_for(READY)
            assert fetch(int(ports["PORT"]), "/health/ready")[0] == 200
            service.press_ctrl_c()
            service.wait()
        said.append(service.text)
        assert wait_until_gone(clone) == []
    assert "copier copy --defaults" in said[0]
    assert "copier copy" not in said[1]
    assert "as it is; remove it to render the template anew" in said[1]
    assert subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout == b""

    with running(["make", "demo", "ARGS=-d auth=false"], clone, environment) as service:
        assert service.wait() != 0
    assert "was rendered with other answers: remove it" in service.text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [("-d redis", "Write an answer as -d question=answer"), ("-d db_name=1st", "not beginning with a digit")],
)
def test_a_wrong_argument_is_one_sentence(
    clone: Path, clean_environment: dict[str, str], arguments: str, sentence: str
) -> None:
    """And nothing is rendered."""
    with running(["make", "demo", f"ARGS={arguments}"], clone, clean_environment) as service:
        assert service.wait() != 0
    assert sentence in service.text
    assert not (clone / "build" / "demo").exists()
