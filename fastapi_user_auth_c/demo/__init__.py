"""The documented example, with articles to try permissions on: ``python -m fastapi_user_auth_c demo``."""

from .app import create_app

__all__ = ["create_app"]
