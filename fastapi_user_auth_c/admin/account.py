"""The forms of one's own account: login, sign-up and profile."""

import contextlib
from collections.abc import Callable
from typing import Any, Optional

from fastapi import Depends, HTTPException
from fastapi_amis_admin.admin import (
    AdminApp,
    FormAdmin,
)
from fastapi_amis_admin.amis.components import (
    Action,
    ActionType,
    ButtonToolbar,
    Form,
    Grid,
    Horizontal,
    Html,
    Page,
)
from fastapi_amis_admin.amis.constants import DisplayModeEnum, LevelEnum
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.pydantic import create_model_by_model, model_fields
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import NoMatchFound

from ..auth.exceptions import storage_needed
from ..auth.names import alike, find_alike, name_fault, take_turn
from ..auth.revocations import end_tokens
from ..auth.schemas import login_out
from ..db import run_committed, run_read
from ..utils.casbin import forget_subject, update_subject_roles
from ..web.cookies import has_token_cookie, set_token_cookie
from ..web.prefix import application_root
from ..web.redirects import local_path


def attach_page_head(page: Page) -> Page:
    """Put the body of a page in a narrow column in the middle, with a head above it."""
    page.body = [
        Html(
            html='<div style="margin: 96px 0 40px; text-align: center; font-size: 32px; font-weight: bold;">'
            "Amis Admin</div>"
        ),
        Grid(columns=[{"body": [page.body], "lg": 4, "md": 6, "valign": "middle"}], align="center", valign="middle"),
    ]
    return page


class _AccountFormAdmin(FormAdmin):
    """A form that a guest fills in to become a user: login and sign-up."""

    page_parser_mode = "html"
    page_schema = None
    schema: Any = None
    schema_submit_out: Any = None

    def home(self, request: Request) -> str:
        """Where to go afterwards: what the page was asked to go back to, else the start."""
        return local_path(request.query_params.get("redirect"), f"{application_root(request)}/")

    def arrange(self, request: Request, form: Form, submit: str, buttons: list[Action]) -> Form:
        """The form as the login and sign-up pages show it, with the label of its submit button and buttons below."""
        form.redirect = self.home(request)
        form.update_from_kwargs(
            title="",
            mode=DisplayModeEnum.horizontal,
            submitText=submit,
            actionsClassName="no-border m-none p-none",
            panelClassName="",
            wrapWithPanel=True,
            horizontal=Horizontal(left=3, right=9),
            actions=[ButtonToolbar(buttons=buttons)],
        )
        return form

    async def get_page(self, request: Request) -> Page:
        page = await super().get_page(request)
        return attach_page_head(page.copy())

    async def has_page_permission(self, request: Request, obj: Any = None, action: Optional[str] = None) -> bool:
        return True


class UserLoginFormAdmin(_AccountFormAdmin):
    """The login form."""

    unique_id = "Auth>UserLoginFormAdmin"
    page = Page(title=_("User Login"))
    page_path = "/login"
    page_route_kwargs = {"name": "login"}

    def __init__(self, app: AdminApp) -> None:
        self.schema = self.schema or create_model_by_model(
            app.auth.user_model, "UserLoginIn", include={"username", "password"}
        )
        self.schema_submit_out = self.schema_submit_out or app.schema_user_login_out
        super().__init__(app)

    @property
    def route_submit(self) -> Callable[..., Any]:
        async def route(request: Request, response: Response, data: self.schema) -> Any:  # type: ignore[name-defined]
            return await self.site.auth.request_login(request, response, data.username, data.password)

        return route

    async def get_form(self, request: Request) -> Form:
        form = await super().get_form(request)
        form.body.sort(key=lambda item: item.type, reverse=True)  # the name above the password
        buttons = []
        if self.site.auth.settings.sign_up:
            with contextlib.suppress(NoMatchFound):
                path = f"{self.site.router_path}{self.app.router.url_path_for('reg')}"
                buttons.append(ActionType.Link(actionType="link", link=path, label=_("Sign up")))
        buttons.append(Action(actionType="submit", label=_("Sign in"), level=LevelEnum.primary))
        return self.arrange(request, form, _("Sign in"), buttons)

    @property
    def route_page(self) -> Callable[..., Any]:
        page = super().route_page

        async def route(request: Request, result: Any = Depends(page)) -> Any:
            if request.user:
                raise HTTPException(
                    status_code=307, detail="already logged in", headers={"location": self.home(request)}
                )
            return result

        return route


class _NameTaken(Exception):
    """Somebody has stored a name meanwhile that people take for the same."""


class UserRegFormAdmin(_AccountFormAdmin):
    """The sign-up form."""

    unique_id = "Auth>UserRegFormAdmin"
    user_model: Any = None
    page = Page(title=_("User Register"))
    page_path = "/reg"
    page_route_kwargs = {"name": "reg"}

    def __init__(self, app: AdminApp) -> None:
        self.user_model = self.user_model or app.auth.user_model
        self.schema = self.schema or create_model_by_model(
            self.user_model, "UserRegIn", include={"username", "password", "email"}
        )
        self.schema_submit_out = self.schema_submit_out or app.schema_user_login_out
        super().__init__(app)

    async def page_permission_depend(self, request: Request) -> bool:
        """Nobody finds the form where sign-up is closed."""
        if not self.site.auth.settings.sign_up:
            raise HTTPException(status_code=404, detail="Not Found")
        return await super().page_permission_depend(request)  # type: ignore[no-any-return]

    async def handle(self, request: Request, data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        auth = self.site.auth
        name_taken = BaseApiOut(status=-1, msg=_("Username has been registered!"), data=None)
        if fault := name_fault(data.username):
            return BaseApiOut(status=-1, msg=fault, data=None)
        if await find_alike(auth.db, self.user_model.username, data.username, thorough=False) is not None:
            return name_taken
        if data.email and await self._exists(self.user_model.email == data.email):
            return BaseApiOut(status=-2, msg=_("Email has been registered!"), data=None)
        new_hash = await auth.hash_password(data.password, data.username, data.email)
        values = data.model_dump(exclude={"id", "password", "password2"})
        user = self.user_model(**values, password=SecretStr(new_hash))

        def work(session: Session) -> None:
            take_turn(session, data.username)
            session.add(user)
            session.flush()
            if alike(session, self.user_model.username, data.username) is not None:
                raise _NameTaken
            session.refresh(user)

        if await self._exists(self.user_model.username == data.username):  # an equal sign-up was faster
            return name_taken
        await forget_subject(auth.enforcer, f"u:{data.username}")  # left behind by another of that name
        try:
            await run_committed(auth.db, work)
        except _NameTaken:  # one that differs in case was faster
            return name_taken
        except IntegrityError as error:
            if await self._exists(self.user_model.username == data.username):  # an equal sign-up was faster
                return name_taken
            raise HTTPException(status_code=422, detail=_("Parameter error")) from error
        if roles := [f"r:{key}" for key in auth.settings.default_roles]:
            await update_subject_roles(auth.enforcer, subject=f"u:{user.username}", role_keys=roles)
        out = login_out(self.schema_submit_out, user)
        with storage_needed("the token of a new account"):
            out.access_token = await auth.backend.token_store.write_token(user.model_dump())
        return BaseApiOut(code=0, msg=_("Registered successfully!"), data=out)

    async def _exists(self, clause: Any) -> bool:
        statement = select(self.user_model.id).where(clause).limit(1)
        return await run_read(self.site.auth.db, lambda session: session.scalar(statement)) is not None

    @property
    def route_submit(self) -> Callable[..., Any]:
        submit = super().route_submit

        async def route(request: Request, response: Response, result: Any = Depends(submit)) -> Any:
            if result.status == 0 and result.code == 0:
                set_token_cookie(self.site.auth, request, response, result.data.access_token)
            return result

        return route

    async def get_form(self, request: Request) -> Form:
        form = await super().get_form(request)
        buttons = [
            ActionType.Link(actionType="link", link=f"{self.router_path}/login", label=_("Sign in")),
            Action(actionType="submit", label=_("Sign up"), level=LevelEnum.primary),
        ]
        return self.arrange(request, form, _("Sign up"), buttons)


class UserInfoFormAdmin(FormAdmin):
    """One's own profile."""

    unique_id = "Auth>UserInfoFormAdmin"
    page_schema = None
    user_model: Any = None
    page = Page(title=_("User Profile"))
    page_path = "/userinfo"
    schema: Any = None
    schema_submit_out: Any = None
    form_init = True
    form = Form(mode=DisplayModeEnum.horizontal)
    page_route_kwargs = {"name": "userinfo"}

    def __init__(self, app: AdminApp) -> None:
        self.user_model = self.user_model or app.auth.user_model
        self.schema = self.schema or create_model_by_model(
            self.user_model, "UserInfoForm", include={"nickname", "password", "avatar", "email"}, set_none=True
        )
        self.schema_submit_out = self.schema_submit_out or app.schema_user_info
        super().__init__(app)

    async def get_init_data(self, request: Request, **kwargs: Any) -> BaseApiOut[Any]:
        return BaseApiOut(data=request.user.model_dump(exclude={"password"}))

    async def get_form(self, request: Request) -> Form:
        form = await super().get_form(request)
        shown = model_fields(self.schema).keys() | {"delete_time"}
        for name, field in model_fields(self.user_model).items():
            item = await self.get_form_item(request, field) if name not in shown else None
            if item:
                form.body.append(item.update_from_kwargs(disabled=True))
        return form

    async def handle(self, request: Request, data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        values = data.model_dump(exclude_none=True)
        password = values.pop("password", None)
        if password and password.get_secret_value():
            names = (request.user.username, values.get("email") or request.user.email)
            values["password"] = SecretStr(await self.site.auth.hash_password(password, *names))
        user_id, model = request.user.id, type(request.user)

        def work(session: Session) -> Any:
            user = session.get(model, user_id)  # the request's own object, where it has a session
            for name, value in values.items():
                setattr(user, name, value)
            session.flush()
            session.refresh(user)
            return user.model_dump(exclude={"password"})  # type: ignore[union-attr]

        out: list[Any] = []
        await run_committed(self.site.auth.db, lambda session: out.append(work(session)))
        request.state.new_password = "password" in values
        if "password" in values:
            await end_tokens(self.site.auth, user_id)
        return BaseApiOut(data=out[0])

    @property
    def route_submit(self) -> Callable[..., Any]:
        submit = super().route_submit

        async def route(request: Request, response: Response, result: Any = Depends(submit)) -> Any:
            # a new password ends all tokens; the browser that it was given in gets another
            if getattr(request.state, "new_password", False) and has_token_cookie(request):
                auth = self.site.auth
                with storage_needed("a new token"):
                    user: Any = await run_read(auth.db, lambda session: session.get(self.user_model, result.data["id"]))
                    token = await auth.backend.token_store.write_token(user.model_dump())
                set_token_cookie(auth, request, response, token)
            return result

        return route

    async def has_page_permission(self, request: Request, obj: Any = None, action: Optional[str] = None) -> bool:
        return await self.site.auth.requires(response=False)(request)  # type: ignore[no-any-return]
