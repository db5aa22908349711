"""``AuthAdminSite``: an admin site whose pages are open to those who hold the permission."""

from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, Optional, Union
from urllib.parse import quote

from fastapi import FastAPI, HTTPException
from fastapi_amis_admin.admin import AdminSite, Settings
from fastapi_amis_admin.admin.site import DocsAdmin, ReDocsAdmin
from fastapi_amis_admin.admin.site import FileAdmin as BaseFileAdmin
from fastapi_amis_admin.amis.components import ActionType, App, Dialog, Flex, PageSchema, Service
from fastapi_amis_admin.amis.constants import SizeEnum
from fastapi_amis_admin.amis.types import AmisAPI
from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import make_url
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..auth import Auth
from ..compat import attach_lifespan, install_startup
from ..db import FailureMiddleware, SessionMiddleware
from ..mixins.admin import subject_of
from ..utils.casbin import enforce_once
from ..web.assets import Assets
from ..web.headers import SecurityHeaders, content_security_policy
from ..web.origin import OriginCheck
from ..web.pages import wants_page
from ..web.prefix import ApplicationRoot, application_root, put_in_front
from .access import is_logged_in, refuse
from .app import UserAuthApp as DefaultUserAuthApp
from .files import FileAdmin
from .handlers import register_handlers, unavailable
from .utils import get_admin_grouping


def _database_url(settings: Settings) -> str:
    """The database that fastapi-amis-admin takes of these settings."""
    return str(settings.database_url_async or settings.database_url)


def _has_first_page(menu: list[PageSchema]) -> bool:
    return any(entry.isDefaultPage or _has_first_page(entry.children or []) for entry in menu)


def _with_first_page(menu: list[PageSchema]) -> Optional[list[PageSchema]]:
    """A menu whose first page that can be opened is the one that opens first; None where there is none.

    Who may not open the start page comes there, where amis would tell him of an error 404. What is changed is copied:
    entries are those of all users.
    """
    for place, entry in enumerate(menu):
        changed: dict[str, Any] = {}
        if entry.children:
            changed["children"] = _with_first_page(entry.children)
        elif (entry.schemaApi or entry.schema_) and entry.visible is not False and ":" not in (entry.url or ""):
            changed["isDefaultPage"] = True
        if any(changed.values()):
            return [*menu[:place], entry.model_copy(update=changed), *menu[place + 1 :]]
    return None


class AuthAdminSite(AdminSite):
    """The admin site.

    Args:
        settings: of fastapi-amis-admin.
        fastapi: the application to mount the site's routes in; default one of its own.
        engine: the database; default that of ``auth`` where the settings name the same one, else the one they name.
        auth: the :class:`~fastapi_user_auth_c.auth.Auth`; default one over the site's database.
        amis_assets: a folder with the npm packages amis, vue and history, to serve them from; default none, and
            ``settings.amis_cdn`` says where browsers get them.
    """

    unique_id = "AuthAdminSite"
    auth: Auth[Any] = None  # type: ignore[assignment]  # a subclass may have one
    UserAuthApp: type[DefaultUserAuthApp] = DefaultUserAuthApp

    def __init__(
        self,
        settings: Settings,
        *,
        fastapi: Optional[FastAPI] = None,
        engine: Any = None,
        auth: Optional[Auth[Any]] = None,
        amis_assets: Union[str, Path, None] = None,
    ) -> None:
        auth = auth or type(self).auth
        if engine is None and auth is not None and auth.db.engine.url == make_url(_database_url(settings)):
            # a second Database for one URL is the first, made anew by halves: sessions of both would be mixed up
            engine = auth.db
        super().__init__(settings, fastapi=fastapi, engine=engine)
        self.auth = auth or Auth(db=self.db)
        install_startup(self)
        if amis_assets is not None:
            self.fastapi.mount("/amis-assets", Assets(amis_assets), "amis-assets")
            settings.amis_cdn = f"{settings.site_path}/amis-assets"
            if settings.site_icon == Settings.model_fields["site_icon"].default:
                settings.site_icon = "data:,"  # the default one is on another host
        self.fastapi.add_middleware(OriginCheck, settings=lambda: self.auth.settings)
        self.fastapi.add_middleware(SecurityHeaders, policy=self._content_security_policy)
        for name in ("image_receiver", "file_receiver"):  # whose default has only a site_path that was given by name
            if getattr(self.amis_parser, name) == "post:/file/upload":
                setattr(self.amis_parser, name, f"post:{settings.site_path}/file/upload")
        super().unregister_admin(BaseFileAdmin)
        self.register_admin(FileAdmin, self.UserAuthApp)

    def _content_security_policy(self) -> str:
        own = self.auth.settings.content_security_policy
        return content_security_policy(self.settings.amis_cdn) if own is None else str(own)

    def local_address(self, request: Request) -> str:
        """Where the site is on its host, with the prefix of the application, if it has one."""
        return f"{application_root(request)}{self.settings.site_path}"

    def address(self, request: Request) -> str:
        """Where the site is, for links that are handed on: with ``settings.site_url`` in front, if that is set."""
        return self.router_path if self.settings.site_url else self.local_address(request)

    def place_page(self, request: Request, response: Response) -> Response:
        """The response of a page, or its JSON, with the addresses in it where the application is."""
        prefix = application_root(request)
        if not prefix or self.settings.site_url or not hasattr(response, "body"):
            return response
        return put_in_front(prefix, self.settings.site_path, response)

    def refuse_page(self, request: Request) -> NoReturn:
        """For a page that the user of a request may not open: guests go to the login page, others get status 403.

        Only a browser that is going to a page is sent somewhere; scripts get a status and a message.

        Raises:
            HTTPException: always.
        """
        if is_logged_in(request) or not wants_page(request, unclear=True):
            refuse(request)
        target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        login = f"{self.local_address(request)}{self.router.url_path_for('login')}"
        raise HTTPException(status_code=307, headers={"location": f"{login}?redirect={quote(target, safe='/')}"})

    def refuse_route(self, request: Request) -> NoReturn:
        """For any other route that the user of a request may not use: 401 for guests, 403 for others."""
        refuse(request)

    def unregister_admin(self, *admin_cls: Any) -> None:
        """Take pages off the site; the upload page also by the class of fastapi-amis-admin that it stands in for."""
        super().unregister_admin(*(FileAdmin if cls is BaseFileAdmin else cls for cls in admin_cls))

    def get_admin_or_create(self, admin_cls: Any, **kwargs: Any) -> Any:
        return super().get_admin_or_create(FileAdmin if admin_cls is BaseFileAdmin else admin_cls, **kwargs)

    def mount_app(
        self,
        fastapi: FastAPI,
        *,
        name: str = "admin",
        enable_exception_handlers: bool = True,
        enable_db_middleware: bool = True,
    ) -> None:
        """Mount the site in an application at ``settings.site_path``.

        Args:
            fastapi: the application.
            name: of the mount.
            enable_exception_handlers: answer errors in the site's routes as amis expects.
            enable_db_middleware: give each request to the application a database session, see
                :class:`~fastapi_user_auth_c.db.SessionMiddleware`.
        """
        super().mount_app(fastapi, name=name, enable_exception_handlers=False, enable_db_middleware=False)
        databases = list({id(db): db for db in (self.db, self.auth.db)}.values())
        if enable_exception_handlers:
            register_handlers(self.fastapi, databases)
        if enable_db_middleware:
            for db in databases:
                fastapi.add_middleware(SessionMiddleware, db=db, unavailable=unavailable)
            fastapi.user_middleware.append(Middleware(FailureMiddleware))  # inside of all that are there
        if fastapi is not self.fastapi:  # else the documentation is the application's
            self._guard_docs()
        fastapi.add_middleware(ApplicationRoot, below=self.settings.site_path)
        attach_lifespan(self, fastapi)

    def _guard_docs(self) -> None:
        """The API documentation, which there is in debug mode, is for those who may open one of its pages."""
        addresses = (self.fastapi.openapi_url, self.fastapi.docs_url, self.fastapi.redoc_url)
        pages = [self.get_admin_or_create(admin, register=False) for admin in (DocsAdmin, ReDocsAdmin)]
        pages = [page for page in pages if page is not None] or [self]

        def guarded(app: Any) -> Any:
            async def docs(scope: Any, receive: Any, send: Any) -> None:
                request = Request(scope, receive)
                if not any([await page.has_page_permission(request, action="page") for page in pages]):
                    self.refuse_page(request)
                await app(scope, receive, send)

            return docs

        for route in self.fastapi.router.routes:
            if type(route) is Route and route.path in addresses:
                route.app = guarded(route.app)

    def get_page_schema(self) -> Optional[PageSchema]:
        if super().get_page_schema():
            self.page_schema.label = self.site.settings.site_title
            self.page_schema.icon = self.site.settings.site_icon
        return self.page_schema  # type: ignore[no-any-return]

    async def get_page(self, request: Request) -> App:
        app = await super().get_page(request)
        auth_path = self.get_admin_or_create(self.UserAuthApp).router_path
        profile = Dialog(
            title=_("User Profile"),
            actions=[],
            size=SizeEnum.lg,
            body=Service(
                schemaApi=AmisAPI(
                    method="post",
                    url=f"{auth_path}/form/userinfo",
                    cache=600000,
                    responseData={"&": "${body}"},
                )
            ),
        )
        menu = {
            "type": "dropdown-button",
            "label": (await subject_of(self, request)).removeprefix("u:"),
            "trigger": "hover",
            "align": "right",
            "icon": "fa fa-user",
            "buttons": [
                ActionType.Dialog(label=_("User Profile"), dialog=profile),
                ActionType.Url(label=_("Sign out"), url=f"{auth_path}/logout", blank=False),
                ActionType.Ajax(
                    label=_("Sign out everywhere"),
                    api=f"post:{auth_path}/logout_everywhere",
                    confirmText=_("All devices will be signed out, this one too."),
                    reload="window",  # which leads to the login page
                ),
            ],
        }
        app.header = Flex(className="w-full", justify="flex-end", alignItems="flex-end", items=[app.header, menu])
        return app

    async def get_page_schema_children(self, request: Request) -> list[PageSchema]:
        """The menu of a user; all pages are decided together."""
        pages = dict.fromkeys(page for _, page in get_admin_grouping(self))
        await self._may(request, [(page, "page", "page") for page in pages])
        menu = list(await super().get_page_schema_children(request))
        return menu if _has_first_page(menu) else _with_first_page(menu) or menu

    async def has_page_permission(self, request: Request, obj: Any = None, action: Optional[str] = None) -> bool:
        """Whether the user of a request may do something on a page; asked once per request.

        Args:
            request: the request.
            obj: the page; default the site itself.
            action: ``page`` (the default) to open it, or the name of one of its actions.
        """
        name = str(action.value if isinstance(action, Enum) else action or "page")
        asked = ((obj or self).unique_id, name if name == "page" else f"page:{name}", "page")
        return (await self._may(request, [asked]))[0]

    async def _may(self, request: Request, asked: list[tuple[str, str, str]]) -> list[bool]:
        return enforce_once(request, self.auth.enforcer, await subject_of(self, request), asked)
