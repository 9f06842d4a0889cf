"""The pictures of the READMEs, photographed from what really runs: `make pictures`.

One is of the prompts of a real `make new` in a real terminal, one of the pages of the service that it made.
"""

import base64
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pexpect
import yaml
from playwright.sync_api import Browser, BrowserContext

from tools.browser import INSTALL, chromium
from tools.terminal import CLEAR, ENTER, Terminal

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "pictures"
FRAMES = Path(__file__).with_name("frames.html")
LANGUAGES = {"en": "C.UTF-8", "ru": "ru_RU.UTF-8"}
NAMES = {"en": "Order Desk", "ru": "Стол заказов"}
QUESTIONS = [
    "project_name",
    "project_slug",
    "project_description",
    "author_name",
    "author_email",
    "db_name",
    "auth",
    "demo_pages",
    "celery",
    "extras",
]
SCALE = 1.5  # pixels per point: sharp, and small enough for a README
USER = {"username": "ann", "password": "four words nobody guesses"}
PHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Mobile/15E148 Safari/604.1"
OF_MAKE = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # a make that another one started says so
EMOJI = "1f3a4"  # the one that Copier begins a question with


@contextmanager
def cloned(repository: Path, environment: Mapping[str, str]) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield a clone of a repository, and an environment without settings of the user's own."""
    with tempfile.TemporaryDirectory() as name:
        clone, settings = Path(name) / "template", Path(name) / "settings.yml"
        subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
        settings.write_text("{}\n")
        variables = {name: value for name, value in environment.items() if name not in OF_MAKE}
        yield clone, {**variables, "LC_ALL": "", "COPIER_SETTINGS_PATH": str(settings)}


def answer_questions(terminal: Terminal, lang: str) -> None:
    """Type what the picture shows, up to the last question."""
    words = yaml.safe_load((ROOT / "hooks" / "prompts" / f"{lang}.yml").read_text(encoding="utf-8"))
    terminal.send("make new DEST=../my-service", ENTER)
    terminal.wait_for("Language of the prompts")
    for name in QUESTIONS:
        terminal.send(*([CLEAR, NAMES[lang]] if name == "project_slug" else []), ENTER)
        terminal.wait_for(re.escape(words[name]["help"].splitlines()[0]))
    terminal.wait_for(f"{list(words['extras'])[-1]}:")  # its last choice


def make_copy(clone: Path, lang: str, environment: dict[str, str]) -> str:
    """Make a service in a terminal; return the screen at the last question, as HTML."""
    ours = {"UV_PROJECT_ENVIRONMENT": sys.prefix, "UV_NO_SYNC": "1", "LANG": LANGUAGES[lang]}
    terminal = Terminal(clone, {**environment, **ours}, columns=80, lines=50)
    try:
        answer_questions(terminal, lang)
        screen = terminal.html()
        terminal.send(ENTER)
        terminal.wait_for(r"make dev\n(.*\n)*\$$")
    finally:
        terminal.close()
    return screen


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(project: Path, environment: dict[str, str]) -> Iterator[str]:
    """Run `make dev` of a project and yield its address."""
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    variables = {name: value for name, value in {**environment, **ports}.items() if name != "VIRTUAL_ENV"}
    service = pexpect.spawn("make", ["dev"], cwd=str(project), env=variables, encoding="utf-8", timeout=300)
    try:
        service.expect_exact("Application startup complete")
        yield f"http://127.0.0.1:{ports['PORT']}"
    finally:
        service.sendintr()
        service.expect(pexpect.EOF)
        service.close()


def sign_in(context: BrowserContext) -> None:
    assert context.request.post("/auth/login", data=USER).ok


def photograph_pages(browser: Browser, url: str) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the picture of two pages: one to sign in, light, one of an account with two devices, dark."""
    with browser.new_context(
        base_url=url, viewport={"width": 500, "height": 860}, device_scale_factor=SCALE
    ) as visitor:
        page = visitor.new_page()
        assert visitor.request.post("/auth/register", data={**USER, "email": "ann@example.com"}).ok
        page.goto("/login")
        page.get_by_role("textbox").first.fill(USER["username"])
        yield "/login", page.screenshot()
    with browser.new_context(base_url=url, user_agent=PHONE) as phone:
        sign_in(phone)
    options = {"viewport": {"width": 800, "height": 860}, "device_scale_factor": SCALE, "color_scheme": "dark"}
    with browser.new_context(base_url=url, **options) as desk:
        sign_in(desk)
        page = desk.new_page()
        page.goto("/account")
        yield "/account", page.screenshot()


def frame(browser: Browser, windows: list[str], path: Path) -> None:
    """Photograph windows side by side."""
    with browser.new_context(viewport={"width": 1800, "height": 1000}, device_scale_factor=SCALE) as context:
        page = context.new_page()
        page.set_content(FRAMES.read_text(encoding="utf-8").replace("<!-- windows -->", "\n".join(windows)))
        page.locator("body").screenshot(path=path, omit_background=True)


def window(title: str, content: str, kind: str) -> str:
    return f'<figure class="{kind}"><figcaption><i></i><i></i><i></i><b>{title}</b></figcaption>{content}</figure>'


def make_pictures(
    browser: Browser, lang: str, folder: Path, repository: Path = ROOT, environment: Mapping[str, str] = os.environ
) -> None:
    suffix = "" if lang == "en" else f".{lang}"
    with cloned(repository, environment) as (clone, variables):
        screen = make_copy(clone, lang, variables)
        frame(browser, [window("template", f"<pre>{screen}</pre>", "terminal")], folder / f"prompts{suffix}.png")
        with served(clone.with_name("my-service"), variables) as url:
            windows = [window(path, image(shot), "page") for path, shot in photograph_pages(browser, url)]
        frame(browser, windows, folder / f"pages{suffix}.png")


def image(data: bytes) -> str:
    return f'<img src="data:image/png;base64,{base64.b64encode(data).decode()}">'


def main() -> None:
    fonts = subprocess.run(["fc-list", f":charset={EMOJI}"], capture_output=True, text=True, check=False)
    if not fonts.stdout:
        sys.exit(f"The font of Copier's signs is missing: {INSTALL}")
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for lang in LANGUAGES:
            make_pictures(browser, lang, FOLDER)
    for path in sorted(FOLDER.glob("*.png")):
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
