"""Chromium, for what has to be seen."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
PACKAGES = ["chromium", "fonts-dejavu-core", "fonts-noto-color-emoji"]
INSTALL = f"apt-get install -y --no-install-recommends {' '.join(PACKAGES)}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser of this machine.

    Raises:
        SystemExit: there is no Chromium; the message says how to get it.
    """
    path = shutil.which("chromium") or sys.exit(f"Chromium is missing: {INSTALL}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
