"""`make update` of a rendered project, with the real Copier, with and without a terminal."""

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml

from tests.conftest import Run
from tests.support.history import History, commit_all, git
from tests.support.patience import PATIENCE
from tests.support.updating import copy, point_to, release_much, rename_application, update

ENTER = "\r"
Terminal = Callable[[], "pexpect.spawn[str]"]


@pytest.fixture(scope="module")
def much(history: History, tmp_path_factory: pytest.TempPathFactory) -> History:
    return history.branch(tmp_path_factory.mktemp("much") / "template", release_much, "v999.1.0")


@pytest.fixture
def project(history: History, much: History, tmp_path: Path) -> Path:
    project = copy(history, tmp_path / "project")
    point_to(project, much.folder)
    return project


def test_it_says_what_is_to_do_before_and_after(project: Path, run: Run) -> None:
    """It prints both versions, what the changelog requires, and what is left: settings, migrations, a review."""
    said = run("make", "update", cwd=project).stdout
    assert re.search(r"Template: .*, from 999.0.0 to 999.1.0", said)
    assert "999.1.0, when you update: set `REGION`." in said
    assert re.search(r"New settings, .*: REGION \(", said)
    assert "A model changed: make migration" in said
    assert said.index("when you update") < said.index("New settings")
    assert re.search(r"^[\d,]+ lines of yours, [\d,]+ found\.$", said.splitlines()[-1])
    commit_all(project, "chore: update")
    assert "999.1.0: there is nothing newer" in run("make", "update", cwd=project).stdout
    run("make", "update", "ARGS=--data demo_pages=false", cwd=project)  # an answer can still be changed
    assert not (project / "src" / "pages").exists()
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["demo_pages"] is False


START = "from src.main import create_app; create_app()"


def test_who_used_several_servers_of_redis_is_told_the_command(history: History, tmp_path: Path, run: Run) -> None:
    """Since 0.2.0 they need an extra: without it the start ends with the command that adds it, and then it starts."""
    project = copy(history, tmp_path / "project", "v0.2.0", celery=True)
    update(project)
    commit_all(project, "chore: update")
    addresses = [
        {"REDIS_URL": "redis+sentinel://:secret@one,two/mymaster"},
        {"REDIS_URL": "redis+cluster://:secret@one", "CELERY_BROKER_URL": "amqp://one//"},
        {"CELERY_BROKER_URL": "rediss+sentinel://:secret@one/mymaster"},
    ]
    for each in addresses:
        said = run("python", "-c", START, cwd=project, fails=True, ENVIRONMENT="dev", **each).stdout
        found = re.search(r"add the extra redis_ha: (make update .*)$", said, re.MULTILINE)
        assert found, said
        assert f"{next(iter(each))}: for more than one server" in said
        assert "secret" not in said
    run("sh", "-c", found[1], cwd=project)
    assert not git(project, "diff", "--name-only", "--diff-filter=U")
    for each in addresses:
        run("python", "-c", START, cwd=project, ENVIRONMENT="dev", **each)


def test_changes_that_are_not_committed_stop_it(project: Path, run: Run) -> None:
    """They are listed with two remedies, and stay as they are."""
    (project / "src" / "mine.py").write_text("# mine\n")
    said = run("make", "update", cwd=project, fails=True).stdout
    assert "?? src/mine.py" in said
    assert "git stash" in said
    assert git(project, "status", "--porcelain").split() == ["??", "src/mine.py"]


def test_without_git_there_is_no_update(project: Path, run: Run) -> None:
    """There is no repository, or no first commit."""
    (project / ".git").rename(project.parent / "git")
    assert "git init" in run("make", "update", cwd=project, fails=True).stdout
    git(project, "init", "--quiet")
    assert "git init && git add -A && git commit" in run("make", "update", cwd=project, fails=True).stdout


def test_a_template_that_is_not_there_is_one_sentence(project: Path, run: Run, tmp_path: Path) -> None:
    """The message names the line that causes it."""
    point_to(project, tmp_path / "nowhere")
    said = run("make", "update", cwd=project, fails=True).stdout
    assert "see _src_path in .copier-answers.yml" in said
    assert "Traceback" not in said
    assert not git(project, "status", "--porcelain")


def test_a_conflict_is_listed_and_can_be_finished_as_documented(history: History, tmp_path: Path, run: Run) -> None:
    """The command fails and names the file; once edited and staged, the conflict is resolved."""
    project = copy(history, tmp_path / "project", auth=False)
    path = project / "src" / "health.py"
    path.write_text(path.read_text().replace("PATIENCE = 2 ", "PATIENCE = 5 "))
    commit_all(project, "fix: patience")
    point_to(project, history.branch(tmp_path / "template", rename_application, "v999.1.0").folder)
    said = run("make", "update", cwd=project, fails=True).stdout
    assert "docs/updating.md says how to finish:\nsrc/health.py" in said
    path.write_text(re.sub(r"<<<<<<<.*?\n(.*?)=======\n.*?>>>>>>>.*?\n", r"\1", path.read_text(), flags=re.DOTALL))
    commit_all(project, "chore: update from the template")
    assert "PATIENCE = 5 " in path.read_text()
    assert "nothing newer" in run("make", "update", cwd=project).stdout


def test_it_can_be_taken_back(project: Path, run: Run) -> None:
    """With the command that the message names; .env, which git does not track, is untouched."""
    before, secrets = git(project, "rev-parse", "HEAD^{tree}"), (project / ".env").read_bytes()
    said = run("make", "update", cwd=project).stdout
    undo = re.search(r"To undo all of it: (.*)$", said, re.MULTILINE)
    assert undo
    subprocess.run(undo[1], shell=True, cwd=project, capture_output=True, check=True)
    assert not git(project, "status", "--porcelain")
    git(project, "add", "--all")
    assert git(project, "write-tree") == before
    assert (project / ".env").read_bytes() == secrets


@pytest.fixture
def terminal(project: Path, shared_environment: dict[str, str]) -> Terminal:
    def start() -> "pexpect.spawn[str]":
        environment = {**shared_environment, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        return pexpect.spawn(
            "make", ["update"], cwd=project, env=environment, encoding="utf-8", timeout=PATIENCE, dimensions=(40, 200)
        )

    return start


def test_at_a_terminal_only_the_new_question_is_asked(terminal: Terminal, project: Path) -> None:
    """The answers of the copy are known."""
    child = terminal()
    child.expect_exact("Where it runs")
    assert "Name of the service" not in child.before
    child.send(f"-west{ENTER}")
    child.expect_exact("New settings")
    child.expect(pexpect.EOF)
    assert yaml.safe_load((project / ".copier-answers.yml").read_text())["region"] == "north-west"


def test_ctrl_c_at_a_question_changes_nothing(terminal: Terminal, project: Path) -> None:
    """The message says so."""
    child = terminal()
    child.expect_exact("Where it runs")
    child.sendintr()
    child.expect_exact("Nothing was changed")
    child.expect(pexpect.EOF)
    assert not git(project, "status", "--porcelain")


class Runner:
    """Runs the jobs of a workflow as GitHub does, each in its own folder; they share only artifacts."""

    def __init__(self, folder: Path, origin: Path, environment: dict[str, str]) -> None:
        self._folder, self._origin, self._environment = folder, origin, environment

    def run(self, name: str, job: dict[str, Any]) -> str:
        """Return what the job's steps wrote as their outputs."""
        work, temporary = self._folder / name / "work", self._folder / name / "temporary"
        work.mkdir(parents=True)
        temporary.mkdir()
        outputs = temporary / "outputs"
        outputs.touch()
        variables = {"RUNNER_TEMP": str(temporary), "GITHUB_OUTPUT": str(outputs)}
        for step in job["steps"]:
            kind = step.get("uses", "").partition("@")[0]
            if kind == "actions/checkout":
                git(work, "clone", "--quiet", "--depth", "1", self._origin.as_uri(), ".")
            elif kind == "actions/upload-artifact":
                self._share(step["with"], temporary)
            elif kind == "actions/download-artifact":
                shutil.copytree(self._folder / "artifacts" / step["with"]["name"], temporary, dirs_exist_ok=True)
            elif "run" in step:
                environment = {**self._environment, **variables}
                subprocess.run(["bash", "-e", "-c", step["run"]], cwd=work, env=environment, check=True)
        return outputs.read_text()

    def _share(self, options: dict[str, str], temporary: Path) -> None:
        artifact = self._folder / "artifacts" / options["name"]
        artifact.mkdir(parents=True)
        for path in options["path"].split("\n"):
            if path:
                shutil.copy(path.replace("${{ runner.temp }}", str(temporary)), artifact)


@pytest.fixture
def workflow(project: Path) -> dict[str, Any]:
    text = (project / ".github" / "workflows" / "update.yml").read_text(encoding="utf-8")
    loaded: dict[str, Any] = yaml.safe_load(text)
    return loaded


def test_the_weekly_job_pushes_a_branch_for_a_pull_request(
    project: Path, workflow: dict[str, Any], tmp_path: Path, shared_environment: dict[str, str]
) -> None:
    """The steps run here; calls of GitHub's own client are recorded."""
    origin = tmp_path / "origin"
    git(tmp_path, "clone", "--quiet", "--bare", str(project), str(origin))
    client = tmp_path / "bin" / "gh"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\n[ "$2" != edit ]\n')
    client.chmod(0o755)
    environment = {
        **shared_environment,
        **workflow["env"],
        "GITHUB_SHA": git(project, "rev-parse", "HEAD").strip(),
        "PATH": f"{client.parent}{os.pathsep}{shared_environment['PATH']}",
    }
    runner = Runner(tmp_path / "jobs", origin, environment)
    assert [runner.run(name, job) for name, job in workflow["jobs"].items()] == ["", "changed=true\n", ""]
    assert git(origin, "log", "-1", "--format=%s", "template-update").startswith("chore: update from the template")
    assert ".env.example" in git(origin, "diff", "--name-only", "template-update^", "template-update")
    told = (tmp_path / "told").read_text()
    assert re.search(r"^pr create --head template-update .*--body-file", told, re.MULTILINE)
    assert "set `REGION`" in (tmp_path / "jobs" / "artifacts" / "update" / "said.txt").read_text()


def test_the_weekly_job_gives_the_code_of_the_template_no_token(workflow: dict[str, Any]) -> None:
    """The job that runs it has no permissions and no secrets; the one that may write runs nothing from the project."""
    jobs = workflow["jobs"]
    assert workflow["permissions"] == jobs["update"]["permissions"] == {}
    assert jobs["read"]["permissions"] == {"contents": "read"}
    assert not re.search(r"secrets\.|token", str(jobs["update"]))
    assert all(step["with"]["persist-credentials"] is False for step in _steps(jobs, "actions/checkout"))
    for command in ("make", "uv", "python"):
        assert not re.search(rf"\b{command}\b", str([jobs["read"]["steps"], jobs["pull-request"]["steps"]]))


def _steps(jobs: dict[str, Any], action: str) -> list[dict[str, Any]]:
    return [step for job in jobs.values() for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]
