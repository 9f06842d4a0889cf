"""Chromium for the tests, on a machine that may not have it yet."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from filelock import FileLock
from playwright.sync_api import Browser

from tests.rendering import ROOT
from tools.browser import INSTALL, chromium

CACHE = ROOT / ".cache"


def get_chromium() -> None:
    """Install the browser where it is missing, as root."""
    CACHE.mkdir(exist_ok=True)
    with FileLock(CACHE / "chromium.lock"):
        if shutil.which("chromium") is None:
            assert os.geteuid() == 0, "install chromium (apt-get install chromium), or run the tests as root"
            for command in (["update"], INSTALL):
                subprocess.run(["apt-get", "-qq", *command], check=True, stdout=subprocess.DEVNULL)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    get_chromium()
    with chromium() as browser:
        yield browser
