"""Servers, and a browser, that no wheel brings: tests install them from the system's packages, once, however many ask at a time."""

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from tests.rendering import ROOT

SYSTEM = f"/usr/sbin:/usr/bin:/sbin:/bin:{os.environ.get('PATH', '')}"
APT = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "-qq"]


def find_or_install(command: str, *packages: str) -> str:
    """Return the path of a command, after the packages that bring it are installed."""
    (ROOT / ".cache").mkdir(exist_ok=True)
    with FileLock(ROOT / ".cache" / "packages.lock"):
        if not shutil.which(command, path=SYSTEM) and _install(*packages).returncode:
            _apt("update")  # the lists are old, or there are none
            done = _install(*packages)
            assert done.returncode == 0, done.stdout
    found = shutil.which(command, path=SYSTEM)
    assert found
    return str(Path(found).resolve())


def _install(*packages: str) -> "subprocess.CompletedProcess[str]":
    return _apt("install", "--yes", "--no-install-recommends", *packages)


def _apt(*arguments: str) -> "subprocess.CompletedProcess[str]":
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    variables = ["env", f"PATH={SYSTEM}", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]  # 1: start nothing
    return subprocess.run(
        [*sudo, *variables, *APT, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
