"""Valid and invalid names, addresses and passwords."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from src import about
from src.auth import messages
from src.auth.config import NAME as SLUG
from src.auth.schemes import ChangePasswordScheme, ConfirmScheme, LoginScheme, RegisterScheme
from src.users.schemes import UserChanges, UserPageQuery
from tests.auth.fixtures import PASSWORD

GOOD = {"username": "ann", "email": "ann@example.com", "password": PASSWORD}


def problems(**values: Any) -> dict[str, str]:
    try:
        RegisterScheme(**GOOD | values)
    except ValidationError as error:
        return {str(each["loc"][0]): each["msg"] for each in error.errors()}
    return {}


@pytest.mark.parametrize("name", ["ann", "A.n_n-1", "x" * 32, "123"])
def test_a_good_name(name: str) -> None:
    """3 to 32 plain characters."""
    assert problems(username=name) == {}


@pytest.mark.parametrize(
    "name",
    ["", "an", "аnn", "ann ", "ann\n", "a n n", "ann@x", "<b>ann", "ann\0", "ａnn"],
    ids=ascii,
)
def test_a_name_that_could_be_mistaken_for_another(name: str) -> None:
    """No look-alikes, no spaces, no markup."""
    assert problems(username=name) == {"username": messages.NAME_INVALID}


@pytest.mark.parametrize("name", ["admin", "Root", "SUPPORT", "www"])
def test_a_reserved_name(name: str) -> None:
    """People would take it for the service."""
    assert problems(username=name) == {"username": messages.NAME_RESERVED}


@pytest.mark.parametrize("address", ["", "ann", "ann@", "@example.com", "ann@example", "a b@example.com", "ann@example.com\n"], ids=ascii)  # fmt: skip
def test_an_address_that_is_none(address: str) -> None:
    """Syntax only: no mail is sent."""
    assert problems(email=address) == {"email": messages.EMAIL_INVALID}


def test_half_a_character_is_refused() -> None:
    """JSON can spell it, no database can hold it."""
    assert problems(password="\ud800" * 12) == {"password": messages.TEXT_INVALID}
    assert problems(username="ann\ud800", email="\ud800@example.com").keys() == {"username", "email"}


ACCENTS = "a" + "\u0300\u0316" * 15_000


@pytest.mark.parametrize(
    "scheme", [RegisterScheme, LoginScheme, ChangePasswordScheme, ConfirmScheme, UserChanges, UserPageQuery]
)
def test_the_length_of_a_text_is_looked_at_first(scheme: type[BaseModel], monkeypatch: pytest.MonkeyPatch) -> None:
    """No check of ours, normalisation least of all, gets to see what is too long."""
    for name in ("normalize", "validate_email", "refuse_surrogates", "NAME"):
        monkeypatch.setattr(f"src.auth.schemes.{name}", None)
    monkeypatch.setattr("src.auth.passwords.normalize", None)
    texts = [name for name, field in scheme.model_fields.items() if field.annotation not in (bool, int)]
    values = {"email": f"{ACCENTS}@example.com", **dict.fromkeys(texts, ACCENTS)}
    with pytest.raises(ValidationError) as caught:
        scheme.model_validate({name: values[name] for name in texts})
    assert {(each["loc"], each["type"]) for each in caught.value.errors()} >= {
        ((name,), "too_long" if "password" in name else "string_too_long") for name in texts
    }


@pytest.mark.parametrize(
    "password", ["twelve chars", "двенадцатьбб", "x" * 127 + "y", "  spaces  are  fine  ", "😀 emoji 😀 too 😀"]
)
def test_a_good_password(password: str) -> None:
    """Any script, any character, no rules of composition."""
    assert problems(password=password) == {}


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("eleven char", messages.PASSWORD_SHORT.format(length=12)),
        ("x" * 129, messages.PASSWORD_LONG.format(length=128)),
        ("Password1234", messages.PASSWORD_COMMON),
        ("QWERTYUIOP123", messages.PASSWORD_COMMON),
        ("ПАРОЛЬ123456", messages.PASSWORD_COMMON),
        ("Ann@Example.com", messages.PASSWORD_IS_NAME),
        ("ann.example.com-2026!", messages.PASSWORD_IS_NAME),
        (f"{about.TITLE.upper()} 2026!!!", messages.PASSWORD_IS_NAME),
        (f"1234567890{SLUG}", messages.PASSWORD_IS_NAME),
    ],
    ids=ascii,
)
def test_a_bad_password_and_why(password: str, reason: str) -> None:
    """Short, long, known to everybody, or one's own name."""
    assert problems(password=password) == {"password": reason}


def test_a_password_is_not_the_name() -> None:
    """Whatever its case."""
    assert problems(username="AnnAnnAnnAnn", password="annannannann") == {"password": messages.PASSWORD_IS_NAME}
    assert problems(username="ann_ann", password="Ann-Ann-1990!") == {"password": messages.PASSWORD_IS_NAME}
    assert problems(username="123", password="8240719365-71") == {}


@pytest.mark.parametrize("field", ["is_superuser", "is_active", "is_verified", "id", "hashed_password", "role"])
def test_nobody_registers_as_more(field: str) -> None:
    """Mass assignment: what is not asked for is refused."""
    assert list(problems(**{field: True})) == [field]


def test_a_password_does_not_show() -> None:
    """Neither printed nor in an error."""
    assert PASSWORD not in repr(LoginScheme(username="ann", password=PASSWORD))
    with pytest.raises(ValidationError) as caught:
        RegisterScheme(**GOOD | {"password": "s3cret"})
    assert "s3cret" not in str(caught.value)
