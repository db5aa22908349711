"""``AuthBackend``: the user of a request, for Starlette and as a dependency."""

from contextvars import ContextVar
from typing import Any, Generic, Optional

from fastapi import FastAPI
from starlette.authentication import AuthenticationBackend
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from typing_extensions import TypeVar

from ..web.cookies import presented_token
from .backends.base import BaseTokenStore
from .exceptions import StorageUnavailable
from .guest import Guest
from .models import BaseUser, User

UserModelT = TypeVar("UserModelT", bound=BaseUser, default=User)

answered: ContextVar[Any] = ContextVar("answered", default=None)
"""What is known about the request that is being answered, as in its scope."""


class AuthBackend(AuthenticationBackend, Generic[UserModelT]):
    """Finds the user of a request, for Starlette's ``AuthenticationMiddleware`` or as a dependency.

    Args:
        auth: the :class:`Auth` that it belongs to.
        token_store: where its tokens live.
    """

    def __init__(self, auth: Any, token_store: BaseTokenStore[Any]) -> None:
        self.auth = auth
        self.token_store = token_store

    @staticmethod
    def get_user_token(request: HTTPConnection) -> Optional[str]:
        """The token that the request presents in its header or cookie."""
        return presented_token(request)

    async def authenticate(self, request: Request) -> Any:  # type: ignore[override]
        """``(auth, user)``; the user is a :class:`Guest` for guests, and for those of whom nobody can say who they are.

        The latter get status 503 from what demands a user.
        """
        user: Any
        try:
            user = await self.auth.get_current_user(request)
        except StorageUnavailable:
            user = None
        if user is None and self.auth.settings.guest_user:
            user = Guest()
        self.auth._present(request)
        request.scope["user"] = user
        return self.auth, user

    def attach_middleware(self, app: FastAPI) -> None:
        """Set ``request.auth`` and ``request.user`` for every request to ``app``."""
        app.add_middleware(Authentication, backend=self)


class Authentication(AuthenticationMiddleware):
    """Starlette's middleware; afterwards nobody takes the next request of the same task for this one."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        token = answered.set(answered.get())
        try:
            await super().__call__(scope, receive, send)
        finally:
            answered.reset(token)
