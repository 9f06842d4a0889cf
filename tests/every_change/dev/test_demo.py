"""`make demo` and `make new` in a fresh clone whose path contains a space."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.rendering import take_snapshot
from tests.support.service import READY, fetch, free_port, running, wait_until_gone

GIT = ["git", "-c", "user.name=Tests", "-c", "user.email=tests@example.com"]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A repository with one commit, as a newcomer gets it."""
    folder = take_snapshot(tmp_path / "my clone")
    for arguments in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "feat: begin"]):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True)
    yield folder
    shutil.rmtree(folder)


def test_it_renders_and_runs_a_service_and_a_second_time_reuses_it(
    clone: Path, clean_environment: dict[str, str]
) -> None:
    """It prints the address; Ctrl-C stops everything; the second run renders nothing and asks nothing."""
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
    [("-d redis", "Write an answer as -d question=answer"), ("-d db_name=1st", "e.g. orders (see the rule above)")],
)
def test_a_wrong_argument_is_one_sentence(
    clone: Path, clean_environment: dict[str, str], arguments: str, sentence: str
) -> None:
    """And nothing is rendered."""
    with running(["make", "demo", f"ARGS={arguments}"], clone, clean_environment) as service:
        assert service.wait() != 0
    assert sentence in service.text
    assert not (clone / "build" / "demo").exists()


def make_new(clone: Path, environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = ["make", "new", *arguments]
    return subprocess.run(
        command, cwd=clone, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def answers(project: Path) -> dict[str, object]:
    recorded: dict[str, object] = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    return recorded


def test_a_service_of_ones_own_comes_from_the_clone(clone: Path, clean_environment: dict[str, str]) -> None:
    """Only what rendering needs is installed; the service knows where its updates come from."""
    done = make_new(clone, clean_environment, "DEST=../a service", "ARGS=--defaults -d auth=false")
    assert done.returncode == 0, done.stderr
    assert answers(clone.parent / "a service").items() >= {"_src_path": str(clone), "auth": False}.items()
    installed = next((clone / ".venv" / "lib").glob("python*")) / "site-packages"
    assert (installed / "copier").is_dir()
    assert not (installed / "pytest").exists()


def test_its_updates_come_from_where_the_clone_came_from(clone: Path, clean_environment: dict[str, str]) -> None:
    """As long as that address has the copied commit: one that was never pushed exists only here."""
    address = "https://example.com/team/template"
    for arguments in (["remote", "add", "origin", address], ["update-ref", "refs/remotes/origin/main", "HEAD"]):
        subprocess.run([*GIT, *arguments], cwd=clone, check=True)
    for folder, source in (("pushed", f"{address}.git"), ("not-pushed", str(clone))):
        done = make_new(clone, clean_environment, f"DEST=../{folder}", "ARGS=--defaults")
        assert done.returncode == 0, done.stderr
        assert answers(clone.parent / folder)["_src_path"] == source
        subprocess.run([*GIT, "commit", "--quiet", "--allow-empty", "--message", "feat: more"], cwd=clone, check=True)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say where the service goes: make new DEST=../my-service"),
        (["DEST=my-service"], "is inside this clone"),
        (["DEST=../my-service"], "There is no terminal to ask in"),
    ],
)
def test_what_a_new_service_cannot_be_made_of_is_one_sentence(
    clone: Path, clean_environment: dict[str, str], arguments: list[str], sentence: str
) -> None:
    """The message shows the command that works."""
    done = make_new(clone, clean_environment, *arguments)
    assert done.returncode != 0
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_change_that_no_commit_holds_is_refused(clone: Path, clean_environment: dict[str, str]) -> None:
    """An update could not find it again."""
    (clone / "LICENSE").write_text("mine")
    done = make_new(clone, clean_environment, "DEST=../my-service", "ARGS=--defaults")
    assert "commit them first" in done.stderr
    assert not (clone.parent / "my-service").exists()
