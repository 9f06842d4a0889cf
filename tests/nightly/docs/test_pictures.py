"""The pictures of the READMEs, and the script that makes them."""

import base64
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.history import History
from tests.support.rendering import ROOT
from tools.pictures import make_pictures

PICTURES = ROOT / "docs" / "pictures"
MAX_BYTES = 250_000


def width(browser: Browser, path: Path) -> int:
    """Return how many pixels wide a browser finds a picture; 0: it cannot read it."""
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content(f'<img src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">')
        return int(page.locator("img").evaluate("image => image.decode().then(() => image.naturalWidth, () => 0)"))


def test_they_are_made_of_what_really_runs(
    browser: Browser, history: History, tmp_path: Path, shared_environment: dict[str, str]
) -> None:
    """A copy in a terminal up to its last question, then its pages, registered and signed in."""
    make_pictures(browser, "ru", tmp_path, history.folder, shared_environment)
    for name in ("prompts.ru.png", "pages.ru.png"):
        assert width(browser, tmp_path / name) == width(browser, PICTURES / name)
        assert (tmp_path / name).stat().st_size > MAX_BYTES / 3


@pytest.mark.parametrize(("readme", "suffix"), [("README.md", ""), ("README.ru.md", ".ru")])
def test_the_readmes_begin_with_them(readme: str, suffix: str) -> None:
    """One of the prompts, one of the pages, in the language of the page, light enough to be loaded at once."""
    text = (ROOT / readme).read_text(encoding="utf-8").partition("\n## ")[0]
    for name in ("prompts", "pages"):
        assert f"](docs/pictures/{name}{suffix}.png)" in text
        assert (PICTURES / f"{name}{suffix}.png").stat().st_size <= MAX_BYTES
