"""``AuthSettings``: what can be set from the environment."""

import ipaddress
from typing import Any, List, Literal, Optional  # noqa: UP035

from pydantic import Field, SecretStr, field_validator, model_validator
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

    trusted_proxies: List[str] = []  # noqa: UP006  (older pydantic-settings cannot do with list)
    """Addresses and networks of the proxies before the application, as ``["10.0.0.0/8"]``: what they say in
    ``X-Forwarded-For`` and ``X-Forwarded-Proto`` is believed. None by default, for anybody can send these headers; nor
    are any needed where the server itself replaces the client's address, as uvicorn does with ``--proxy-headers``."""

    cookie_secure: Optional[bool] = None
    """Whether browsers send the cookie over https only; None: if they got it over https. True where a proxy takes
    https off and is not among the trusted ones."""

    cookie_samesite: Literal["lax", "strict", "none"] = "lax"
    """Whether browsers send the cookie along when they come from another site. "lax" is for links; "strict" makes
    visitors who follow one log in again; "none" is for sites within frames of others, and demands ``cookie_secure``."""

    cookie_domain: Optional[str] = None
    """The domain whose hosts all get the cookie; None, the default, for this host alone."""

    token_seconds: Optional[int] = Field(default=259200, ge=1)
    """How long a token of the default token store lives, three days as in the original; None for no end."""

    poll_seconds: float = Field(default=1.0, ge=0, allow_inf_nan=False)
    """How long a worker may not know what another one has changed: it asks the database so often, while it serves
    requests."""

    login_history_days: int = Field(default=0, ge=0)
    """How long attempts to log in stay on record; 0, the default as in the original, for good. They hold addresses of
    people, which many laws want deleted."""

    password_min_length: int = Field(default=8, ge=1, le=72)
    """The least number of characters of a password that is chosen now; 8 is the least of NIST SP 800-63B."""

    bcrypt_rounds: int = Field(default=12, ge=4, le=31)
    """Base-2 logarithm of the work of bcrypt where ``Auth`` is given no ``pwd_context``: 12 as in the original, a
    quarter of a second of a processor. Less than 10 is for tests alone. Accounts whose hash is older, of a lower cost
    or another scheme, are refused in the time of an unknown name all the same; only a higher cost shows in it."""

    refuse_common_passwords: bool = True
    """Refuse passwords that many people have, and the account's own name and mail address: those are tried first."""

    sign_up: bool = True
    """Whether guests may make accounts, as in the original."""

    default_roles: List[str] = []  # noqa: UP006  (older pydantic-settings cannot do with list)
    """Keys of the roles that an account has as soon as a guest has made it."""

    initial_password: Optional[SecretStr] = None
    """The password of accounts that ``create_role_user`` makes, instead of their name, which anybody can guess."""

    login_link_seconds: int = Field(default=300, ge=1)
    """How long a login link is good: as long as it takes to hand it over."""

    guest_user: bool = False
    """Whether ``request.user`` of a guest is an object that is false and has ``is_authenticated``, as Starlette has it.
    Off, since what is guarded by ``request.user is None``, as it can be with the original, would stand open."""

    cookie_path: str = "/"
    """What the cookie is sent to; all of the host, as in the original, since an application with a prefix may be
    reached without it too. Narrower where others share the host, as ``/tools``."""

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: Any) -> Any:
        for each in value:
            ipaddress.ip_network(each, strict=False)  # raises ValueError
        return value

    @model_validator(mode="after")
    def _cookie_is_kept(self) -> "AuthSettings":
        if self.cookie_samesite == "none" and not self.cookie_secure:
            raise ValueError('browsers refuse cookies with cookie_samesite="none" without cookie_secure=True')
        return self
