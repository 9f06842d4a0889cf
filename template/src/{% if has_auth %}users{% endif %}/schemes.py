"""What is sent to and answered by user administration."""

from pydantic import BaseModel, Field

from src.auth.schemes import EMAIL_LENGTH, NAME_LENGTH, Email, FreeName, GivenPassword, Input, UserData


class UserChanges(Input):
    """What users change of themselves: a column of yours that they may change is a field here."""

    username: FreeName = Field(default="", validate_default=False)
    email: Email = Field(default="", validate_default=False)


class OwnChanges(UserChanges):
    current_password: GivenPassword | None = Field(
        None, exclude=True, description="needed for another name or e-mail address"
    )

    def needs_password(self, user: UserData) -> bool:
        """Whether this asks for another name or e-mail address."""
        return any(getattr(self, name) != getattr(user, name) for name in self.model_fields_set & {"username", "email"})


class UserChangesBySuperuser(UserChanges):
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = False

    @property
    def asks_for_name(self) -> bool:
        return bool(self.model_fields_set & {"username", "email"})

    @property
    def may_unseat(self) -> bool:
        """Whether this could leave the service without a superuser."""
        given = self.model_fields_set
        return ("is_active" in given and not self.is_active) or ("is_superuser" in given and not self.is_superuser)


class UserFilter(Input):
    """Exact matches; what is not given filters nothing."""

    username: str = Field(default="", max_length=NAME_LENGTH)
    email: str = Field(default="", max_length=EMAIL_LENGTH)
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = False


class UserPageQuery(UserFilter):
    after: str | None = Field(None, description="`next_cursor` of the page before", max_length=512)
    limit: int = Field(50, ge=1, le=100)


class UserPage(BaseModel):
    items: list[UserData]
    next_cursor: str | None
