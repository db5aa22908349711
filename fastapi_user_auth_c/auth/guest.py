"""``request.user`` of those who are nobody."""

from pydantic import RootModel
from starlette.authentication import UnauthenticatedUser


class Guest(RootModel[None], UnauthenticatedUser):
    """False, ``null`` in answers, and without any attribute of an account but ``is_authenticated``."""

    root: None = None

    def __bool__(self) -> bool:
        return False

    def __hash__(self) -> int:
        return hash(type(self))
