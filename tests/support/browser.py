"""Chromium for the tests, on a machine that may not have it yet."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.packages import find_or_install
from tools.browser import chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    find_or_install("chromium")
    with chromium() as browser:
        yield browser
