"""Shapes of tokens and of the login and sign-up forms."""

from enum import Enum
from typing import Any, Optional

from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import BaseModel, SecretStr, model_validator
from sqlmodel import Field
from typing_extensions import Self

from .models import BaseUser, EmailMixin, PasswordMixin, UsernameMixin


class BaseTokenData(BaseModel):
    """What a token says about its user; subclass it to store more.

    ``bound_to`` is a digest of the account's state, ``bound_at`` the revision of the revocations when the token was
    made, ``jti`` its id where it has one (RFC 7519, section 4.1.7); all are the token store's.
    """

    id: int
    username: str
    bound_to: Optional[str] = None
    bound_at: Optional[int] = None
    jti: Optional[str] = None


class UserLoginOut(BaseUser):
    """The answer to a login: the user, and the token."""

    token_type: str = "bearer"
    access_token: Optional[str] = None
    password: Optional[SecretStr] = None  # type: ignore[assignment]


class UserRegIn(UsernameMixin, PasswordMixin, EmailMixin):
    """A sign-up form with the password given twice."""

    password2: str = Field(title=_("Confirm Password"), max_length=128)

    @model_validator(mode="after")
    def check_passwords_match(self) -> Self:
        """The form, if both passwords are the same; ValueError otherwise."""
        if self.password is not None and self.password.get_secret_value() != self.password2:
            raise ValueError("passwords do not match!")
        return self


class SystemUserEnum(str, Enum):
    """Names that have a meaning of their own; nobody can sign up with one of them."""

    ROOT = "root"
    ADMIN = "admin"
    GUEST = "guest"

    def __str__(self) -> str:
        return str(self.value)


def login_out(schema: type[Any], user: Any) -> Any:
    """The user in the shape (``schema``) of a login's answer, without the password."""
    return schema.model_construct(**user.model_dump(exclude={"password"}))  # stored values are not judged anew
