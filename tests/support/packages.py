"""Servers, and a browser, that no wheel brings: tests install them from the system's packages, once, however many ask at a time."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock

from tests.support.rendering import ROOT
from tools.browser import PACKAGES as CHROMIUM

SYSTEM = f"/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}"
INSTALL = ["apt-get", "install", "--yes", "--no-install-recommends"]
# Each command with the packages that bring it, and the folders of tests that need it.
COMMANDS = {
    "chromium": (CHROMIUM, {"every_change/service", "nightly/docs"}),
    "haproxy": (["haproxy"], {"nightly/service"}),
    "nginx": (["nginx-light"], {"nightly/service"}),
    "pgbouncer": (["pgbouncer"], {"nightly/growth"}),
    "rabbitmq-server": (["rabbitmq-server"], {"nightly/growth"}),
    "redis-cli": (["redis-tools"], {"nightly/growth"}),
}


def what_is_missing(arguments: list[str]) -> Iterator[str]:
    """Yield a line for each command that the tests below these paths need and this machine lacks."""
    chosen = [Path(argument.partition("::")[0]).resolve() for argument in arguments]
    for command, (packages, folders) in COMMANDS.items():
        needed = [ROOT / "tests" / folder for folder in folders]
        is_chosen = any(path.is_relative_to(each) or each.is_relative_to(path) for path in chosen for each in needed)
        if is_chosen and not _find(command):
            remedy = "the tests install it by" if os.geteuid() == 0 else "install it first: sudo"
            yield f"{command} is missing, {remedy} {' '.join([*INSTALL, *packages])}"


def find_or_install(command: str) -> str:
    """Return the path of a command, after the packages that bring it are installed."""
    packages, _ = COMMANDS[command]
    (ROOT / ".cache").mkdir(exist_ok=True)
    with FileLock(ROOT / ".cache" / "packages.lock"):
        if not _find(command) and _apt(*INSTALL[1:], *packages).returncode:
            _apt("update")  # the package lists may be old or missing
            done = _apt(*INSTALL[1:], *packages)
            assert done.returncode == 0, f"{' '.join([*INSTALL, *packages])}\n{done.stdout}"
    found = _find(command)
    assert found
    return str(Path(found).resolve())


def _find(command: str) -> str | None:
    return shutil.which(command, path=SYSTEM)


def _apt(*arguments: str) -> "subprocess.CompletedProcess[str]":
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    variables = ["env", f"PATH={SYSTEM}", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]  # 1: start nothing
    return subprocess.run(
        [*sudo, *variables, INSTALL[0], "-o", "DPkg::Lock::Timeout=300", "-qq", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
