"""The pages for everybody, as a browser without scripts uses them."""

import random
from urllib.parse import quote

import pytest
from ada_url import URL
from fastapi import FastAPI
from httpx import AsyncClient
from limits import parse_many

from src.auth import messages as auth_messages
from src.auth.app import AuthState
from src.auth.config import get_auth_settings
from src.messages import VALUE_TAKEN
from src.pages import messages
from tests.auth.fixtures import PASSWORD, NewClient
from tests.auth.test_redirects import PIECES
from tests.pages.reading import ANN, BEA, Page, look, send


async def test_from_registering_to_signing_out(anonymous: AsyncClient) -> None:
    """Each form leads to the next page."""
    answer = await send(anonymous, "/register", BEA)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert messages.WELCOME.format(name="bea") == Page(await look(anonymous, "/")).text(tag="h1")
    assert "bea@example.com" in (await look(anonymous, "/account")).text
    answer = await send(anonymous, "/logout")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?reason=signed-out")
    assert not anonymous.cookies
    assert (await look(anonymous, "/account")).headers["location"] == "/login?next=%2Faccount"
    answer = await send(anonymous, "/login", {"username": "bea@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


@pytest.mark.parametrize("is_refused", [True, False])
async def test_registering_may_lead_to_sign_in(anonymous: AsyncClient, auth: AuthState, is_refused: bool) -> None:
    """With SIGN_IN_AFTER_REGISTER off, and where a limit refuses it: the name is filled in, the way on is kept."""
    auth.settings.SIGN_IN_AFTER_REGISTER = is_refused
    auth.limits._limits["LOGIN_ADDRESS"] = parse_many("1/minute") if is_refused else []
    await send(anonymous, "/login", ANN)
    answer = await send(anonymous, "/register", BEA | {"next": "/account?a=1"})
    assert (answer.status_code, "set-cookie" in answer.headers) == (303, False)
    page = Page(await look(anonymous, answer.headers["location"]))
    assert page.text(role="status") == messages.NOTICES["registered"]
    assert (page.value("username"), page.find(name="next")[0]["value"]) == ("bea", "/account?a=1")
    assert "autofocus" in page.find(name="password")[0]


@pytest.mark.parametrize("path", ["/", "/login", "/register"])
async def test_a_page_is_there_for_everybody(anonymous: AsyncClient, client: AsyncClient, path: str) -> None:
    """With the guard and without it; in its language, with a title, one heading and nothing inline."""
    for each in (anonymous, client):
        answer = await look(each, path)
        page = Page(answer)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert page.find(tag="html")[0]["lang"] == messages.LANG
        assert page.text(tag="title")
        assert len(page.find(tag="h1")) == 1
        assert not [element for element in page.elements if element["tag"] == "style" or "style" in element]
        scripts = [(element["src"], element["text"]) for element in page.find(tag="script")]
        assert scripts == [("/static/script.js", "")]


@pytest.mark.parametrize("path", ["/", "/login", "/register", "/account", "/static/style.css"])
async def test_head_is_what_get_is_without_the_content(
    signed_in: AsyncClient, anonymous: AsyncClient, path: str
) -> None:
    """A checker of links asks so."""
    for each in (signed_in, anonymous):
        heads = [await each.request(method, path, headers={"accept": "text/html"}) for method in ("GET", "HEAD")]
        assert heads[0].status_code == heads[1].status_code < 400


@pytest.mark.parametrize("path", ["/login", "/register"])
async def test_each_field_has_its_label(anonymous: AsyncClient, path: str) -> None:
    """And a browser knows what to fill in."""
    page = Page(await look(anonymous, path))
    for field in page.find(tag="input"):
        assert page.text(tag="label", **{"for": field["id"]})
        assert field["autocomplete"] in {"username", "email", "current-password", "new-password"}


async def test_the_policy_allows_nothing_unsafe(anonymous: AsyncClient) -> None:
    """Only files of this service, and no other site may frame it."""
    policy = (await look(anonymous, "/login")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("name", "kind"), [("style.css", "text/css"), ("favicon.svg", "image/svg+xml"), ("script.js", "text/javascript")]
)
async def test_files_are_open_and_cached(anonymous: AsyncClient, signed_in: AsyncClient, name: str, kind: str) -> None:
    """A browser asks whether they are new; nothing else is below the folder."""
    for client in (anonymous, signed_in):
        answer = await client.get(f"/static/{name}")
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cache-control"] == "no-cache"
        again = await client.get(f"/static/{name}", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        for path in (
            "..%2fmain.py",
            "../main.py",
            "%2e%2e/main.py",
            "/etc/passwd",
            "%00",
            "",
            "a" * 1000,
            f"{name}%00",
        ):
            assert (await client.get(f"https://test/static/{path}")).status_code in (401, 404)


async def test_only_files_are_open_below_their_prefix(app: FastAPI, anonymous: AsyncClient) -> None:
    """Not a route of another method that fits the path as well."""

    @app.post("/{shelf}/{name}")
    async def change(shelf: str, name: str) -> str:
        return f"{shelf}/{name}"

    assert (await anonymous.post("/static/style.css")).status_code == 401


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"username": "ANN"}, {"username": VALUE_TAKEN}),
        ({"username": "a"}, {"username": auth_messages.NAME_INVALID}),
        ({"username": "<b>x</b>"}, {"username": auth_messages.NAME_INVALID}),
        ({"email": "nobody"}, {"email": auth_messages.EMAIL_INVALID}),
        ({"password": "short"}, {"password": auth_messages.PASSWORD_SHORT.format(length=12)}),
        ({"username": "", "password": ""}, {"username": messages.REQUIRED, "password": messages.REQUIRED}),
    ],
)
@pytest.mark.usefixtures("ann")
async def test_what_is_wrong_stands_beside_its_field(
    anonymous: AsyncClient, changes: dict[str, str], errors: dict[str, str]
) -> None:
    """In the language of the service; what was typed is kept, the password is not."""
    answer = await send(anonymous, "/register", BEA | changes)
    page = Page(answer)
    assert answer.status_code in (409, 422)
    assert {name: text.lower() for name, text in page.errors.items()} == {
        name: text.lower() for name, text in errors.items()
    }
    assert page.text(role="alert") == messages.CHECK_FIELDS
    assert page.text(tag="title").startswith(messages.ERROR)
    sent = BEA | changes
    assert [page.value(name) for name in ("username", "email", "password")] == [sent["username"], sent["email"], ""]


@pytest.mark.usefixtures("ann")
async def test_a_refused_sign_in_keeps_the_name(anonymous: AsyncClient) -> None:
    """401, and the place to go to afterwards is kept, too."""
    answer = await send(anonymous, "/login", {"username": "ann", "password": "wrong", "next": "/account?a=1"})
    page = Page(answer)
    assert (answer.status_code, page.text(role="alert")) == (401, auth_messages.WRONG_CREDENTIALS)
    assert [page.value(name) for name in ("username", "password")] == ["ann", ""]
    assert page.find(name="next")[0]["value"] == "/account?a=1"
    assert "autofocus" in page.find(name="password")[0]


@pytest.mark.usefixtures("ann")
async def test_markup_is_shown_as_text(anonymous: AsyncClient) -> None:
    """Whatever is typed comes back harmless."""
    evil = '"><script>alert(1)</script>'
    for path in ("/login", "/register"):
        answer = await send(anonymous, path, {"username": evil, "email": evil, "password": evil, "next": f"/{evil}"})
        assert "<script>alert" not in answer.text
        assert Page(answer).value("username") == evil
        assert "<script>alert" not in (await look(anonymous, f"{path}?next=/{quote(evil)}")).text


@pytest.mark.parametrize("target", ["/account?a=1&b=%2F", "/users/info", "/?q=%D0%B1"])
@pytest.mark.usefixtures("ann")
async def test_sign_in_leads_to_where_one_was(anonymous: AsyncClient, target: str) -> None:
    """By way of registering, too."""
    for path in ("/login", "/register"):
        page = Page(await look(anonymous, f"{path}?next={quote(target, safe='')}"))
        assert page.find(name="next")[0]["value"] == target
        others = [element["href"] for element in page.find(tag="a") if "?next=" in element["href"]]
        assert [each.partition("=")[2] for each in others] == [quote(target, safe="")]
    answer = await send(anonymous, "/login", ANN | {"next": target})
    assert answer.headers["location"] == target


@pytest.mark.usefixtures("ann")
async def test_no_fuzzed_target_leads_away(anonymous: AsyncClient) -> None:
    """By the URL parser that browsers share."""
    generator = random.Random(11)
    for _ in range(40):
        target = "".join(generator.choices(PIECES[:-1], k=generator.randint(1, 6)))
        location = (await send(anonymous, "/login", ANN | {"next": target})).headers["location"]
        assert URL(location, base="https://test").origin == "https://test"


async def test_the_signed_in_are_kept_off(signed_in: AsyncClient) -> None:
    """They have no use for these pages."""
    for path in ("/login", "/register"):
        answer = await look(signed_in, f"{path}?next=/account")
        assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    answer = await send(signed_in, "/register", BEA)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_links_and_redirects_keep_root_path(app: FastAPI, anonymous: AsyncClient) -> None:
    """A proxy may strip a prefix."""
    app.root_path = "/api"
    page = Page(await look(anonymous, "/login"))
    addresses = [
        str(each.get("href") or each.get("action")) for each in page.elements if {"href", "action"} & each.keys()
    ]
    assert all(address.startswith(("/api/", "#")) for address in addresses)
    assert (await send(anonymous, "/register", BEA)).headers["location"] == "/api/"
    assert (await send(anonymous, "/logout")).headers["location"] == "/api/login?reason=signed-out"
    assert (await send(anonymous, "/login", {"username": "bea", "password": PASSWORD})).headers["location"] == "/api/"


async def test_a_used_up_limit_is_said_in_the_form(new_client: NewClient, auth: AuthState) -> None:
    """429, with the header that says for how long, and what was typed."""
    client = await new_client()
    auth.limits._limits["LOGIN_ADDRESS"] = parse_many("1/minute")
    await send(client, "/login", ANN)
    answer = await send(client, "/login", ANN)
    assert (answer.status_code, Page(answer).text(role="alert")) == (429, auth_messages.TOO_MANY_REQUESTS)
    assert int(answer.headers["retry-after"]) > 0
    assert Page(answer).value("username") == "ann"


@pytest.mark.parametrize("path", ["/login", "/register"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"username": "ann"}'),
        ("application/x-www-form-urlencoded", b"username=%00&password=%ff%fe&email=%ed%a0%80"),
        ("application/x-www-form-urlencoded", b"&".join(b"a=b" for _ in range(100))),
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="username"; filename="a"\r\n\r\nb\r\n--x--'),
        ("multipart/form-data", b""),
    ],
)  # fmt: skip
async def test_a_body_that_no_form_sends_is_refused(anonymous: AsyncClient, path: str, kind: str, body: bytes) -> None:
    """With a page, and never with a 500."""
    headers = {"Content-Type": kind, "Accept": "text/html"}
    answer = await anonymous.post(path, content=body, headers=headers)
    assert 400 <= answer.status_code < 500
    assert Page(answer).find(tag="h1")


async def test_pages_are_not_in_the_document(app: FastAPI) -> None:
    """They are no part of the API."""
    assert not {"/", "/login", "/register", "/logout", "/account"} & app.openapi()["paths"].keys()
    assert get_auth_settings().LOGIN_PAGE == "/login"
