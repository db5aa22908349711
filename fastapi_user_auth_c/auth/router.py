"""``AuthRouter``: the routes to log in and out."""

import logging
from collections.abc import Callable
from functools import cached_property
from typing import Any, Optional

from fastapi import Depends, Form, HTTPException
from fastapi.security import OAuth2PasswordBearer
from fastapi_amis_admin.admin import BaseAdminSite
from fastapi_amis_admin.crud.base import RouterMixin
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.pydantic import create_model_by_model
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ..web.cookies import delete_token_cookie, presented_token
from ..web.origin import refuse_foreign
from ..web.prefix import application_root
from .exceptions import storage_needed
from .schemas import UserLoginOut

logger = logging.getLogger("fastapi_user_auth_c.auth")


class AuthRouter(RouterMixin):
    """Routes ``/userinfo``, ``/logout``, ``/logout_everywhere`` and ``/gettoken`` (OAuth2 password form, RFC 6749
    section 4.3).

    Args:
        auth: the :class:`Auth`; default the class attribute.

    Raises:
        ValueError: there is neither.
    """

    auth: Any = None
    schema_user_login_out: type[UserLoginOut] = UserLoginOut
    router_prefix = "/auth"
    schema_user_info: Any = None
    site: Optional[BaseAdminSite] = None

    def __init__(self, auth: Any = None) -> None:
        self.auth = auth or self.auth
        if self.auth is None:
            raise ValueError("AuthRouter needs an auth")
        RouterMixin.__init__(self)
        self.router.dependencies.insert(0, Depends(self.auth.backend.authenticate))
        self.schema_user_info = self.schema_user_info or create_model_by_model(
            self.auth.user_model, "UserInfo", exclude={"password"}
        )
        self.router.add_api_route(
            "/userinfo",
            self.route_userinfo,
            methods=["GET"],
            description=_("User Profile"),
            dependencies=None,
            response_model=BaseApiOut[self.schema_user_info],
        )
        self.router.add_api_route(
            "/logout",
            self.route_logout,
            methods=["GET"],
            description=_("Sign out"),
            dependencies=None,
            response_model=BaseApiOut,
        )
        self.router.add_api_route(
            "/logout_everywhere",
            self.route_logout_everywhere,
            methods=["POST"],
            description=_("Sign out everywhere"),
            dependencies=None,
            response_model=BaseApiOut,
        )
        if self.route_gettoken:  # type: ignore[truthy-function]  # a subclass may set it to None
            scheme = self.OAuth2(tokenUrl=f"{self.router_path}/gettoken", auto_error=False)
            self.router.dependencies.append(Depends(scheme))
            self.router.add_api_route(
                "/gettoken",
                self.route_gettoken,
                methods=["POST"],
                description="OAuth2 Token",
                response_model=BaseApiOut[self.schema_user_login_out],  # type: ignore[name-defined]
            )

    @cached_property
    def router_path(self) -> str:
        """The path in front of the routes."""
        return str(self.router.prefix)

    @property
    def route_userinfo(self) -> Callable[..., Any]:
        """The endpoint that gives the user of the request, without the password."""

        @self.auth.requires()
        async def userinfo(request: Request) -> Any:
            return BaseApiOut(data=request.user)

        return userinfo  # type: ignore[no-any-return]

    @property
    def route_logout(self) -> Callable[..., Any]:
        """The endpoint that ends the token of the request, and sends to the start."""

        @self.auth.requires()
        async def user_logout(request: Request) -> Any:
            refuse_foreign(request, self.auth.settings)
            try:
                with storage_needed("a logout"):
                    await self.auth.backend.token_store.destroy_token(self.auth.backend.get_user_token(request))
            except NotImplementedError:  # a store of the application's own, without memory
                logger.info("the token of a logged-out user stays valid until it expires")
            home = self.site.settings.site_path if self.site is not None else ""
            response = RedirectResponse(url=application_root(request) + home or "/")
            delete_token_cookie(self.auth, request, response)
            return response

        return user_logout  # type: ignore[no-any-return]

    @property
    def route_logout_everywhere(self) -> Callable[..., Any]:
        """The endpoint that ends all tokens of the account."""

        @self.auth.requires()
        async def logout_everywhere(request: Request, response: Response) -> Any:
            refuse_foreign(request, self.auth.settings)
            try:
                await self.auth.logout_everywhere(request.user)
            except NotImplementedError as error:
                raise HTTPException(status_code=501, detail=str(error)) from error
            delete_token_cookie(self.auth, request, response)
            return BaseApiOut(msg="success")

        return logout_everywhere  # type: ignore[no-any-return]

    @property
    def route_gettoken(self) -> Callable[..., Any]:
        """The endpoint that takes name and password; None in a subclass for no such route."""

        async def oauth_token(
            request: Request, response: Response, username: str = Form(...), password: str = Form(...)
        ) -> Any:
            refuse_foreign(request, self.auth.settings)
            return await self.auth.request_login(request, response, username, password)

        return oauth_token

    class OAuth2(OAuth2PasswordBearer):
        """Shows the login in the API documentation; the token itself is read as everywhere."""

        async def __call__(self, request: Request) -> Optional[str]:  # type: ignore[override]
            return presented_token(request)
