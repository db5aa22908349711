"""Users, login, tokens, and who may call what."""

from .auth import Auth, AuthBackend, AuthRouter

__all__ = ["Auth", "AuthBackend", "AuthRouter"]
