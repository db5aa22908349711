"""``AuthSettings``: what can be set from the environment."""

from pydantic import Field
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
