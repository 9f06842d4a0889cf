"""The page of the signed-in."""

import time

import pytest
from httpx import AsyncClient

from src.auth import messages as auth_messages
from src.auth.app import AuthState
from src.auth.schemes import UserData
from src.pages import messages
from src.pages.account import name_device
from tests.auth.fixtures import PASSWORD, NewClient, NewUserFixture
from tests.pages.reading import ANN, Page, look, send

NEW = "four other words nobody guesses"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
FORMS = ["/account/password", "/account/sessions/x", "/account/logout-all", "/account/delete"]
QUESTIONS = ["/account/logout-all", "/account/delete"]


def expire(client: AsyncClient, auth: AuthState) -> None:
    """Make a client's access token one that is too old."""
    name = auth.settings.access_cookie
    claims = auth.tokens.read(client.cookies[name], "access")
    now = int(time.time())
    old = {"sub": claims.user_id, "sid": claims.session_id, "iat": now - 60, "exp": now - 30}
    client.cookies.delete(name)
    client.cookies.set(name, auth.tokens.sign("access", old), domain="test.local")


async def test_the_profile_is_shown(signed_in: AsyncClient, ann: UserData) -> None:
    """Name, address and since when; nothing of it is cached."""
    answer = await look(signed_in, "/account")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    page = Page(answer)
    facts = [" ".join(fact["text"].split()) for fact in page.find(tag="dd")]
    assert facts == ["ann", "ann@example.com", ann.created_at.strftime(messages.DAY)]


async def test_a_superuser_is_called_one(superuser: AsyncClient) -> None:
    """Nobody else is."""
    assert messages.SUPERUSER in (await look(superuser, "/account")).text


async def test_devices_are_listed_and_can_be_signed_out(
    signed_in: AsyncClient, new_client: NewClient, ann: UserData
) -> None:
    """The other device is signed out at its next request, this one stays."""
    other = await new_client("ann", headers={"User-Agent": FIREFOX})
    page = Page(await look(signed_in, "/account"))
    names = [each["text"] for each in page.find(tag="strong")]
    assert sorted(names) == ["Firefox · Windows", "Python"]
    actions = [each["action"] for each in page.find(tag="form") if "/sessions/" in each["action"]]
    answer = await send(signed_in, actions[names.index("Firefox · Windows")])
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=device")
    assert (await other.get("/users/info")).status_code == 401
    page = Page(await look(signed_in, "/account?done=device"))
    assert (page.text(role="status"), len(page.find(tag="strong"))) == (messages.NOTICES["device"], 1)


async def test_signing_this_device_out_is_signing_out(signed_in: AsyncClient) -> None:
    """The cookies go, and the page is the one to sign in on."""
    page = Page(await look(signed_in, "/account"))
    (action,) = [each["action"] for each in page.find(tag="form") if "/sessions/" in each["action"]]
    assert (await send(signed_in, action)).headers["location"] == "/login?reason=signed-out"
    assert not signed_in.cookies


async def test_nobody_signs_out_anybody_elses_device(
    signed_in: AsyncClient, superuser: AsyncClient, auth: AuthState, ann: UserData
) -> None:
    """It looks as if there were none."""
    (session_id,) = await auth.sessions.find_all(str(ann.id))
    assert (await send(superuser, f"/account/sessions/{session_id}")).status_code == 303
    assert (await look(signed_in, "/account")).status_code == 200


async def test_signing_out_everywhere(signed_in: AsyncClient, new_client: NewClient) -> None:
    """This device, and every other one."""
    other = await new_client("ann")
    answer = await send(signed_in, "/account/logout-all")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?reason=everywhere")
    assert not signed_in.cookies
    assert (await other.get("/users/info")).status_code == 401


@pytest.mark.parametrize("path", QUESTIONS)
async def test_what_cannot_be_undone_is_asked_about_first(signed_in: AsyncClient, path: str) -> None:
    """The page of the account leads to the question, which does nothing but lead back or on."""
    account = Page(await look(signed_in, "/account"))
    assert [link["class"] for link in account.find(tag="a", href=path)] == ["button button-bad"]
    question = Page(await look(signed_in, path))
    assert question.find(tag="form", action=path, method="post")
    assert len(question.find(tag="a", href="/account")) == 2
    assert [each["text"] for each in question.find(**{"class": "button button-danger"})] == [question.text(tag="h1")]
    assert (await signed_in.get("/users/info")).status_code == 200


async def test_an_account_is_deleted_with_its_password(signed_in: AsyncClient, new_client: NewClient) -> None:
    """Not with another one, or with none; afterwards nobody is signed in."""
    for sent in ({}, {"current_password": "wrong"}):
        answer = await send(signed_in, "/account/delete", sent)
        assert (answer.status_code, list(Page(answer).errors)) == (422, ["current_password"])
    answer = await send(signed_in, "/account/delete", {"current_password": PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?reason=deleted")
    assert not signed_in.cookies
    assert (await send(await new_client(), "/login", ANN)).status_code == 401


async def test_the_last_superuser_stays(superuser: AsyncClient) -> None:
    """Said in the form."""
    answer = await send(superuser, "/account/delete", {"current_password": PASSWORD})
    assert (answer.status_code, Page(answer).text(role="alert")) == (409, auth_messages.LAST_SUPERUSER)


async def test_a_new_password(signed_in: AsyncClient, new_client: NewClient) -> None:
    """This device stays signed in, every other one is signed out, and only the new one works."""
    other = await new_client("ann")
    answer = await send(signed_in, "/account/password", {"current_password": PASSWORD, "new_password": NEW})
    assert (answer.status_code, answer.headers["location"]) == (303, "/account?done=password")
    assert (await look(signed_in, "/account")).status_code == 200
    assert (await other.get("/users/info")).status_code == 401
    for password, status in ((PASSWORD, 401), (NEW, 303)):
        assert (await send(other, "/login", {"username": "ann", "password": password})).status_code == status


@pytest.mark.parametrize(
    ("current", "new", "errors"),
    [
        ("wrong", NEW, {"current_password": auth_messages.WRONG_PASSWORD}),
        (PASSWORD, "short", {"new_password": auth_messages.PASSWORD_SHORT.format(length=12)}),
        (PASSWORD, "ann@example.com", {"new_password": auth_messages.PASSWORD_IS_NAME}),
        ("", "", {"current_password": messages.REQUIRED, "new_password": messages.REQUIRED}),
    ],
)
async def test_a_refused_password_is_said_beside_its_field(
    signed_in: AsyncClient, current: str, new: str, errors: dict[str, str]
) -> None:
    """On the page of the account, which is all there; no password comes back."""
    answer = await send(signed_in, "/account/password", {"current_password": current, "new_password": new})
    page = Page(answer)
    assert answer.status_code == 422
    assert {name: text.lower() for name, text in page.errors.items()} == {
        name: text.lower() for name, text in errors.items()
    }
    assert {each["value"] for each in page.find(type="password")} == {""}
    assert len(page.find(tag="strong")) == 1


@pytest.mark.parametrize("path", FORMS)
async def test_a_form_sent_too_late_leads_to_sign_in_and_back(
    anonymous: AsyncClient, signed_in: AsyncClient, auth: AuthState, path: str
) -> None:
    """By way of a refresh if there can be one; nothing of it is done."""
    assert (await send(anonymous, path)).headers["location"] == "/login?next=%2Faccount"
    expire(signed_in, auth)
    answer = await send(signed_in, path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/auth/refresh?redirect_url=%2Faccount")
    assert (await look(signed_in, answer.headers["location"])).headers["location"] == "/account"
    assert (await look(signed_in, "/account")).status_code == 200


@pytest.mark.parametrize("path", ["/account?a=%2F", "/?a=%2F"])
async def test_an_expired_token_is_refreshed_on_the_way(signed_in: AsyncClient, auth: AuthState, path: str) -> None:
    """On the home page, too, which is for everybody."""
    expire(signed_in, auth)
    answer = await look(signed_in, path)
    answer = await look(signed_in, answer.headers["location"])
    assert (answer.status_code, answer.headers["location"]) == (303, path)
    assert (await look(signed_in, path)).status_code == 200


async def test_a_name_that_is_markup_is_shown_as_text(new_client: NewClient, new_user: NewUserFixture) -> None:
    """Registration refuses it; a row made by other means does no harm."""
    name = "<img src=x onerror=a()>"
    await new_user(name)
    client = await new_client(name)
    for path in ("/", "/account"):
        answer = await look(client, path)
        assert "<img" not in answer.text
        assert "&lt;img src=x onerror=a()&gt;" in answer.text


@pytest.mark.parametrize("path", ["/account", *FORMS])
async def test_without_the_guard_nobody_gets_in(client: AsyncClient, path: str) -> None:
    """A page that asks to sign in, not a failure."""
    answer = await (look(client, path) if path == "/account" else send(client, path))
    assert (answer.status_code, Page(answer).text(tag="h1")) == (401, messages.ERROR_TITLES[401])


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/150.0 Safari/537.36", "Chrome · Linux"),
        (f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/150.0 Safari/537.36 Edg/150.0", "Edge · Windows"),
        (f"Mozilla/5.0 (Linux; Android 16; K) {WEBKIT} Chrome/150.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 19 like Mac OS X) Version/19.0 Mobile Safari/604.1", "Safari · iPhone"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox · macOS"),
        (
            f"Mozilla/5.0 (Windows NT 10.0) {WEBKIT} Chrome/150.0 YaBrowser/26.1 Safari/537.36",
            "Yandex Browser · Windows",
        ),
        ("curl/8.14.1", "curl"),
        ("", messages.UNKNOWN_DEVICE),
        ("<script>", messages.UNKNOWN_DEVICE),
    ],
)
def test_a_device_has_the_name_its_owner_knows(agent: str, name: str) -> None:
    """Browser and system; nothing of the header itself is shown."""
    assert name_device(agent) == name
