"""What user administration refuses."""

from src.exceptions import HttpNotFoundException
from src.users import messages


class UserNotFoundException(HttpNotFoundException):
    detail = messages.USER_NOT_FOUND
