"""``AuthSettings``: what can be set from the environment."""

from typing import List, Optional  # noqa: UP035

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class AuthSettings(BaseSettings):
    """Settings of an ``Auth``; each also by an environment variable, ``USER_AUTH_`` and its name in capitals.

    Raises:
        ValidationError: a value is out of range.
    """

    model_config = SettingsConfigDict(env_prefix="USER_AUTH_", extra="ignore")

    login_attempts: int = Field(default=10, ge=0)
    """Wrong passwords for one name from one address within ``login_window_seconds``; 0 for no limit. Enough for typing
    errors, and at 10 in a quarter of an hour guessing leads nowhere."""

    login_attempts_per_name: int = Field(default=100, ge=0)
    """The same for one name from all addresses; 0 for no limit. Higher, since anybody can use it up for
    somebody else."""

    login_attempts_per_address: int = Field(default=0, ge=0)
    """The same for all names from one address; 0, the default, for no limit: behind a proxy whose headers are not
    trusted, all visitors have one address."""

    login_window_seconds: int = Field(default=900, ge=1)
    """How long attempts count, and how long the refused wait at most."""

    check_origin: bool = True
    """Refuse what pages of other origins ask a visitor's browser to do on the site. Off only where something else does
    that."""

    trusted_origins: List[str] = []  # noqa: UP006  (older pydantic-settings cannot do with list)
    """Other origins whose pages may, as ``["https://app.example.com"]``: a single-page application that logs in here,
    or the site's own address where a proxy does not pass on the ``Host`` that the browser sent."""

    content_security_policy: Optional[str] = None
    """The header of the site's pages; None for the built-in policy, "" for none. Needed where pages of one's own load
    scripts from, or send data to, other places than the site."""

    sign_up: bool = True
    """Whether guests may make accounts, as in the original."""

    default_roles: List[str] = []  # noqa: UP006  (older pydantic-settings cannot do with list)
    """Keys of the roles that an account has as soon as a guest has made it."""

    initial_password: Optional[SecretStr] = None
    """The password of accounts that ``create_role_user`` makes, instead of their name, which anybody can guess."""

    login_link_seconds: int = Field(default=300, ge=1)
    """How long a login link is good: as long as it takes to hand it over."""

    guest_user: bool = True
    """Whether ``request.user`` of a guest is false and has ``is_authenticated``; else it is None, as in the
    original."""

    cookie_path: Optional[str] = None
    """What the cookie is sent to; None for the application, which is ``/`` unless that has a prefix. Needed where the
    application with the site is mounted in another one that knows its users too."""
