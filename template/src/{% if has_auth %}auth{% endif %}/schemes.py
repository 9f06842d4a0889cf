"""What is sent to and answered by authentication."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from unicodedata import normalize
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from src import about
from src.auth import messages
from src.auth.config import NAME as SLUG
from src.auth.config import get_auth_settings
from src.auth.passwords import MAX_LENGTH, is_common, is_made_of, words

# Each text has a raw `max_length`, which Pydantic looks at first: normalising 60 KB of accents takes seconds.
NAME_LENGTH = 32
EMAIL_LENGTH = 254  # RFC 5321, 4.5.3.1.3
RAW_PASSWORD_LENGTH = 4 * MAX_LENGTH  # NFC composes four characters at most into one
MAX_TOKEN_LENGTH = 1024  # ours have about 400
NAME = re.compile(r"[A-Za-z0-9._-]{3,32}", re.ASCII)


def _refuse(kind: str, message: str) -> PydanticCustomError:
    return PydanticCustomError(kind, "{reason}", {"reason": message})


def refuse_surrogates(text: str) -> str:
    """JSON can spell half a character, which no encoding can hold."""
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise _refuse("text_invalid", messages.TEXT_INVALID)
    return text


def check_name(name: str) -> str:
    if not NAME.fullmatch(name):
        raise _refuse("name_invalid", messages.NAME_INVALID)
    return name


def check_free_name(name: str) -> str:
    if name.lower() in words("reserved_names"):
        raise _refuse("name_reserved", messages.NAME_RESERVED)
    return name


def check_email(address: str) -> str:
    """Return the address in lower case: two that differ in case reach one mailbox."""
    try:
        return validate_email(address, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise _refuse("email_invalid", messages.EMAIL_INVALID) from None


def check_password(password: SecretStr) -> SecretStr:
    """Length and being unknown make a password good, not its kinds of characters (OWASP ASVS 6.2)."""
    text = normalize("NFC", refuse_surrogates(password.get_secret_value()))
    shortest = get_auth_settings().PASSWORD_MIN_LENGTH
    if len(text) < shortest:
        raise _refuse("password_short", messages.PASSWORD_SHORT.format(length=shortest))
    if len(text) > MAX_LENGTH:
        raise _refuse("password_long", messages.PASSWORD_LONG.format(length=MAX_LENGTH))
    if is_common(text):
        raise _refuse("password_common", messages.PASSWORD_COMMON)
    if is_made_of(text, about.TITLE, SLUG):
        raise _refuse("password_is_name", messages.PASSWORD_IS_NAME)
    return password


def _secret(check: Callable[[SecretStr], SecretStr] | None = None) -> Any:
    def encodable(password: SecretStr) -> SecretStr:
        refuse_surrogates(password.get_secret_value())
        return password

    return AfterValidator(check or encodable)


Name = Annotated[str, Field(max_length=NAME_LENGTH), AfterValidator(check_name)]
FreeName = Annotated[Name, AfterValidator(check_free_name)]
Email = Annotated[
    str,
    Field(max_length=EMAIL_LENGTH),
    AfterValidator(check_email),
    WithJsonSchema({"type": "string", "format": "email", "maxLength": EMAIL_LENGTH}),
]
NewPassword = Annotated[SecretStr, Field(max_length=RAW_PASSWORD_LENGTH), _secret(check_password)]
GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=1024), _secret()]


class Input(BaseModel):
    """A body in which nothing unexpected may stand."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class AccountScheme(Input):
    username: Name
    email: Email
    password: NewPassword

    @field_validator("password")
    @classmethod
    def _refuse_own_name(cls, password: SecretStr, info: ValidationInfo) -> SecretStr:
        if is_made_of(password.get_secret_value(), *(info.data.get(name, "") for name in ("username", "email"))):
            raise _refuse("password_is_name", messages.PASSWORD_IS_NAME)
        return password


class RegisterScheme(AccountScheme):
    username: FreeName


class LoginScheme(Input):
    username: Annotated[str, Field(min_length=1, max_length=EMAIL_LENGTH)]
    password: GivenPassword


class RefreshScheme(Input):
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=MAX_TOKEN_LENGTH), _secret()]


class ChangePasswordScheme(Input):
    current_password: GivenPassword
    new_password: NewPassword


class ConfirmScheme(Input):
    """The signed-in user's own password, before what cannot be taken back."""

    current_password: GivenPassword


class UsernameUser(BaseModel):
    username: str


class NewUser(BaseModel):
    """A row to insert."""

    username: str
    email: str
    hashed_password: str
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = False


class PasswordUser(BaseModel):
    hashed_password: str


class StoredPassword(PasswordUser):
    """The row that still has this hash."""

    id: UUID


class UserData(BaseModel):
    """A user as others may see it: the signed-in one in `Annotated[UserData, Depends(get_current_user)]`."""

    model_config = ConfigDict(from_attributes=True, frozen=True)

    id: UUID
    username: str
    email: str
    is_active: bool
    is_superuser: bool
    is_verified: bool
    created_at: datetime
    updated_at: datetime
    # Yours below this line.


# How a client holds the tokens of a session: in cookies, or in the Authorization header.
Via = Literal["cookie", "bearer"]


class SessionData(BaseModel):
    """A device that is signed in."""

    id: str
    kind: Via
    current: bool
    created_at: datetime
    last_seen_at: datetime
    user_agent: str
    address: str


@dataclass(frozen=True, slots=True)
class Client:
    """Where a request comes from."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a client gets to hold; `expires` is the second at which the session ends if it stays idle."""

    access: str
    refresh: str
    expires: int
    access_expires: int


class TokenData(BaseModel):
    """Tokens for a client that is no browser; times are in seconds (RFC 6749, 5.1)."""

    access_token: str
    refresh_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - a word of the standard
    expires_in: int
    refresh_expires_in: int

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        now = int(time.time())
        return cls(
            access_token=tokens.access,
            refresh_token=tokens.refresh,
            expires_in=tokens.access_expires - now,
            refresh_expires_in=tokens.expires - now,
        )
