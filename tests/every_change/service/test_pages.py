"""The demo pages in a real browser, against a real service, in both languages."""

import re
import runpy
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests.conftest import Run
from tests.support.rendering import render
from tests.support.service import READY, free_port, running

NO_LIMITS = dict.fromkeys(("RATE_LIMIT_LOGIN_ACCOUNT", "RATE_LIMIT_LOGIN_ADDRESS", "RATE_LIMIT_REGISTER"), "") | {
    "PASSWORD_HASH_COST": "4"
}
PASSWORD = "four words nobody guesses"
# Signs tokens as `make dev` would have done a minute ago.
EXPIRE = """
import sys, time
from src.auth.config import get_auth_settings
from src.auth.handler import TokenHandler

handler = TokenHandler(get_auth_settings())
claims = handler.read(sys.argv[1], "access")
now = int(time.time())
print(handler.sign("access", {"sub": claims.user_id, "sid": claims.session_id, "iat": now - 60, "exp": now - 30}))
"""
EVIL = """<!doctype html><title>evil</title><form method="post" action="{action}"><button>Win</button></form>"""


@dataclass
class Site:
    folder: Path
    url: str
    words: dict[str, Any]


@pytest.fixture(scope="module", params=["en", "ru"])
def site(request: pytest.FixtureRequest, template: Path, shared_environment: dict[str, str]) -> Iterator[Site]:
    """A service with pages, as `make dev` runs it."""
    ports = {name: str(free_port()) for name in ("PORT", "DB_PORT", "REDIS_PORT")}
    with tempfile.TemporaryDirectory(prefix="pages-") as name:
        Path(name).chmod(0o755)
        folder = render(template, Path(name) / "project", lang=request.param)
        environment = {**shared_environment, **NO_LIMITS, **ports}
        with running(["python", "-m", "devtools.dev"], folder, environment) as service:
            service.wait_for(READY)
            words = runpy.run_path(str(folder / "src" / "pages" / "messages.py"))
            yield Site(folder, f"http://127.0.0.1:{ports['PORT']}", words)


NewDevice = Callable[..., Page]


@pytest.fixture
def new_device(browser: Browser, site: Site) -> Iterator[NewDevice]:
    """Open a browser with separate cookies; no page may log a console error, except for refused forms."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def note(message: Any) -> None:
        if message.type == "error" and not message.text.startswith(
            "Failed to load resource: the server responded with"
        ):
            problems.append(message.text)

    def note_failure(response: Any) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            problems.append(f"{response.status} {response.url}")

    def new(**options: Any) -> Page:
        context = browser.new_context(base_url=site.url, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", note)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("response", note_failure)
        return page

    yield new
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_device: NewDevice) -> Page:
    return new_device()


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return f"u{abs(hash(request.node.name)) % 10**12}"


def go(control: Locator) -> None:
    """Click a link or button, and wait until the new page and its styles are loaded."""
    with control.page.expect_navigation():
        control.click()


def register(page: Page, words: dict[str, Any], name: str, path: str = "/register") -> None:
    page.goto(path)
    page.get_by_label(words["USERNAME"]).fill(name)
    page.get_by_label(words["EMAIL"]).fill(f"{name}@example.com")
    page.get_by_label(words["PASSWORD"], exact=True).fill(PASSWORD)
    go(page.get_by_role("button", name=words["REGISTER"]))


def sign_in(page: Page, words: dict[str, Any], name: str, path: str | None = "/login") -> None:
    if path:
        page.goto(path)
    page.get_by_label(words["LOGIN_NAME"]).fill(name)
    page.get_by_label(words["PASSWORD"], exact=True).fill(PASSWORD)
    go(page.get_by_role("button", name=words["SIGN_IN"]))


def token(page: Page) -> str:
    return next(each["value"] for each in page.context.cookies() if each["name"] == "access_token")


def expire(page: Page, site: Site, run: Run) -> None:
    old = run("python", "-c", EXPIRE, token(page), cwd=site.folder).stdout.strip()
    page.context.add_cookies([{"name": "access_token", "value": old, "url": site.url}])


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_register_sign_in_and_out(new_device: NewDevice, site: Site, name: str, scripts: bool) -> None:
    """From the home page through every form and back, with and without JavaScript."""
    page, words = new_device(java_script_enabled=scripts), site.words
    page.goto("/")
    go(page.get_by_role("main").get_by_role("link", name=words["REGISTER"]))
    register(page, words, name, page.url)
    expect(page.get_by_role("heading", level=1)).to_have_text(words["WELCOME"].format(name=name))
    go(page.get_by_role("navigation").get_by_role("button", name=words["SIGN_OUT"]))
    sign_in(page, words, f"{name}@example.com", None)
    expect(page.get_by_role("heading", level=1)).to_have_text(words["WELCOME"].format(name=name))
    go(page.get_by_role("navigation").get_by_role("link", name=words["ACCOUNT"]))
    expect(page.get_by_text(f"{name}@example.com")).to_be_visible()
    go(page.get_by_role("navigation").get_by_role("button", name=words["SIGN_OUT"]))
    expect(page.get_by_role("status")).to_have_text(words["NOTICES"]["signed-out"])
    assert page.context.cookies() == []


def test_a_password_can_be_shown(new_device: NewDevice, site: Site) -> None:
    """By a button that says whether it is, and that is there with JavaScript only; what is sent was hidden again."""
    page, plain = new_device(), new_device(java_script_enabled=False)
    for each in (page, plain):
        each.goto("/login")
    expect(plain.get_by_role("button")).to_have_count(1)
    field = page.get_by_label(site.words["PASSWORD"], exact=True)
    button = page.get_by_role("button", name=site.words["SHOW_PASSWORD"])
    for shown, kind in (("false", "password"), ("true", "text"), ("false", "password"), ("true", "text")):
        expect(button).to_have_attribute("aria-pressed", shown)
        expect(field).to_have_attribute("type", kind)
        button.click()
    button.click()
    page.evaluate("document.forms[0].addEventListener('submit', event => event.preventDefault())")
    page.get_by_role("button", name=site.words["SIGN_IN"]).click()
    expect(field).to_have_attribute("type", "password")


def test_an_account_can_be_deleted(page: Page, site: Site, name: str) -> None:
    """After a question that one can walk away from, and with the password."""
    register(page, site.words, name)
    page.goto("/account")
    go(page.get_by_role("link", name=site.words["DELETE_ACCOUNT"]))
    go(page.get_by_role("link", name=site.words["CANCEL"]))
    go(page.get_by_role("link", name=site.words["DELETE_ACCOUNT"]))
    page.get_by_label(site.words["CURRENT_PASSWORD"], exact=True).fill(PASSWORD)
    go(page.get_by_role("button", name=site.words["DELETE_ACCOUNT"]))
    expect(page.get_by_role("status")).to_have_text(site.words["NOTICES"]["deleted"])
    assert page.context.cookies() == []


def test_what_is_wrong_stands_beside_its_field(page: Page, site: Site, name: str) -> None:
    """The first wrong field has the focus, each is described by its error, and the input is kept."""
    page.goto("/register")
    page.get_by_label(site.words["USERNAME"]).fill(name)
    page.get_by_label(site.words["EMAIL"]).fill("nobody")
    go(page.get_by_role("button", name=site.words["REGISTER"]))
    expect(page.get_by_role("alert")).to_have_text(site.words["CHECK_FIELDS"])
    expect(page.get_by_label(site.words["USERNAME"])).to_have_value(name)
    expect(page.get_by_label(site.words["EMAIL"])).to_be_focused()
    for label in ("EMAIL", "PASSWORD"):
        field = page.get_by_label(site.words[label], exact=True)
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_accessible_description(re.compile(f"^{site.words['ERROR']}: .+"))
    assert page.title().startswith(site.words["ERROR"])


def test_a_name_that_is_markup_is_text(page: Page, site: Site) -> None:
    """The name is refused, and shown exactly as typed."""
    evil = '"><img src=x onerror="document.title=1">'
    register(page, site.words, evil)
    expect(page.get_by_label(site.words["USERNAME"])).to_have_value(evil)
    sign_in(page, site.words, evil)
    expect(page.get_by_label(site.words["LOGIN_NAME"])).to_have_value(evil)
    assert page.locator("img").count() == 0


def test_an_expired_token_is_refreshed_unseen(page: Page, site: Site, name: str, run: Run) -> None:
    """The requested page appears with its query; a form sent too late leads back to its page."""
    register(page, site.words, name)
    expire(page, site, run)
    page.goto("/account?a=%2F&b=%D0%B1")
    assert page.url == f"{site.url}/account?a=%2F&b=%D0%B1"
    expire(page, site, run)
    go(page.get_by_role("button", name=site.words["CHANGE_PASSWORD"]))
    expect(page.get_by_role("heading", level=1)).to_have_text(site.words["ACCOUNT_TITLE"])
    assert page.url == f"{site.url}/account"


def test_two_devices(new_device: NewDevice, site: Site, name: str) -> None:
    """One device signs out the other, which has to sign in and then returns to its page."""
    phone, desk = new_device(), new_device()
    register(phone, site.words, name)
    phone.goto("/account")
    sign_in(desk, site.words, name, "/login?next=/account")
    for device in (phone, desk):
        expect(device.get_by_text(site.words["THIS_DEVICE"])).to_have_count(1)
    others = desk.get_by_role("listitem").filter(has_not_text=site.words["THIS_DEVICE"])
    go(others.get_by_role("button"))
    expect(desk.get_by_role("status")).to_have_text(site.words["NOTICES"]["device"])
    expect(desk.get_by_role("listitem")).to_have_count(1)
    phone.goto("/account?a=1")
    assert phone.url.startswith(f"{site.url}/login?")
    sign_in(phone, site.words, name, None)
    assert phone.url == f"{site.url}/account?a=1"
    go(phone.get_by_role("link", name=site.words["SIGN_OUT_EVERYWHERE"]))
    go(phone.get_by_role("button", name=site.words["SIGN_OUT_EVERYWHERE"]))
    expect(phone.get_by_role("status")).to_have_text(site.words["NOTICES"]["everywhere"])
    desk.reload()
    assert desk.url.startswith(f"{site.url}/login?")


def test_the_signed_in_are_kept_off_sign_in(page: Page, site: Site, name: str) -> None:
    """They land where they would have gone anyway."""
    register(page, site.words, name)
    for path, target in (("/login", "/"), ("/register", "/"), ("/login?next=%2Faccount%3Fa", "/account?a")):
        page.goto(path)
        assert page.url == f"{site.url}{target}"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_form_of_another_site_does_nothing(page: Page, site: Site, name: str, tmp_path: Path, host: str) -> None:
    """Another host, and another port on this one, to which the browser does send the cookies."""
    register(page, site.words, name)
    (tmp_path / "favicon.ico").touch()
    server = ThreadingHTTPServer((host, 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for path in ("/account/logout-all", "/login", "/logout"):
        (tmp_path / "index.html").write_text(EVIL.format(action=f"{site.url}{path}"))
        page.goto(f"http://{host}:{server.server_port}/")
        go(page.get_by_role("button"))
        expect(page.get_by_role("heading", level=1)).to_have_text(site.words["ERROR_TITLES"][403])
    server.shutdown()
    page.goto("/account")
    expect(page.get_by_role("heading", level=1)).to_have_text(site.words["ACCOUNT_TITLE"])


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_every_screen(new_device: NewDevice, site: Site, name: str, scheme: str) -> None:
    """Nothing overflows sideways, and every text has a contrast of at least 4.5 (WCAG 1.4.3)."""
    page = new_device(color_scheme=scheme)
    for path in ("/", "/register", "/login"):
        page.goto(path)
        assert_readable(page)
    go(page.get_by_role("button", name=site.words["SIGN_IN"]))
    expect(page.get_by_role("alert")).to_be_visible()
    assert_readable(page)
    register(page, site.words, name)
    for path in ("/", "/account", "/nowhere", "/account/logout-all", "/account/delete"):
        page.goto(path)
        assert_readable(page)


CONTRASTS = """
() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parse(getComputedStyle(each).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((each) => [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
    .map((each) => {
      const [a, b] = [light(parse(getComputedStyle(each).color)), light(behind(each))];
      return [each.textContent.trim(), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
    });
}
"""


def assert_readable(page: Page) -> None:
    for width in (320, 390, 1280):
        page.set_viewport_size({"width": width, "height": 700})
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (page.url, width)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 3
    assert [(text, ratio) for text, ratio in contrasts if ratio < 4.5] == [], page.url


def test_the_keyboard_is_enough(page: Page, site: Site, name: str) -> None:
    """The skip link comes first, what has the focus shows it, and forms are sent by Enter."""
    register(page, site.words, name)
    page.context.clear_cookies()
    page.goto("/")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name=site.words["SKIP"])
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    page.keyboard.press("Tab")
    link = page.get_by_role("main").get_by_role("link", name=site.words["REGISTER"])
    expect(link).to_be_focused()
    assert link.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    page.goto("/login")
    expect(page.get_by_label(site.words["LOGIN_NAME"])).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(site.words["WELCOME"].format(name=name))


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_api_docs_without_their_cdn_say_so(browser: Browser, site: Site, path: str) -> None:
    """They are not white: they name the CDN and link to the document."""
    with browser.new_context() as context:
        page = context.new_page()
        page.route(re.compile("^https://"), lambda route: route.abort())
        page.goto(f"{site.url}{path}")
        expect(page.get_by_text("cdn.jsdelivr.net")).to_be_visible()
        expect(page.get_by_role("link", name="/openapi.json")).to_be_visible()
