"""The pages of the site: login, sign-up and profile; users, roles, rules and logins."""

import contextlib
from collections.abc import Callable
from typing import Any, Optional

from fastapi import Depends, HTTPException
from fastapi_amis_admin.admin import (
    AdminAction,
    AdminApp,
    AutoTimeModelAdmin,
    FieldPermEnum,
    FootableModelAdmin,
    FormAdmin,
    ModelAdmin,
    ReadOnlyModelAdmin,
    SoftDeleteModelAdmin,
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
    PageSchema,
)
from fastapi_amis_admin.amis.constants import DisplayModeEnum, LevelEnum
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.pydantic import create_model_by_model, model_fields
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import NoMatchFound

from ..auth.exceptions import storage_needed
from ..auth.models import (
    CasbinRule,
    CasbinSubjectRolesQuery,
    LoginHistory,
    Role,
    User,
    UserRoleNameLabel,
)
from ..auth.names import alike, find_alike, name_fault, take_turn
from ..auth.schemas import login_out
from ..db import run_committed, run_read
from ..mixins.admin import AuthFieldModelAdmin, AuthSelectModelAdmin
from ..utils.casbin import forget_subject, update_subject_roles
from ..web.cookies import has_token_cookie, set_token_cookie
from ..web.origin import refuse_foreign
from ..web.prefix import application_root
from ..web.redirects import local_path
from .access import refuse
from .actions import (
    CopyUserAuthLinkAction,
    LogoutEverywhereAction,
    UpdateSubDataPermAction,
    UpdateSubPagePermsAction,
    UpdateSubRolesAction,
)
from .authority import is_root, may_delete_roles, may_take_over, may_touch
from .utils import get_admin_action_options, update_casbin_site_grouping


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
            with contextlib.suppress(NotImplementedError):
                await self.site.auth.logout_everywhere(user_id)
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


class _SubjectAdmin(ModelAdmin):
    """A page whose items are subjects of the policy: they come and go together with their rules."""

    subject_prefix = ""
    subject_field = ""
    """The attribute that follows the prefix in the name of an item in policy rules."""

    async def _subjects(self, item_id: Any) -> list[str]:
        """The subjects of these rows; none for the question whether anything of the kind may be done."""
        items = await self.fetch_items(*item_id) if item_id else []
        return [f"{self.subject_prefix}{getattr(item, self.subject_field)}" for item in items]

    async def _forget(self, name: str) -> None:
        await forget_subject(self.site.auth.enforcer, f"{self.subject_prefix}{name}")

    async def on_create_pre(self, request: Request, obj: Any, **kwargs: Any) -> dict[str, Any]:
        """The values of a new item, once it may be made; what others of its name left behind goes then."""
        data = await self.values_of_new(request, await super().on_create_pre(request, obj, **kwargs))
        name, column = data[self.subject_field], getattr(self.model, self.subject_field)
        statement = select(column).where(column == name).limit(1)
        taken = await run_read(self.db, lambda session: session.scalar(statement))
        if taken is None:  # else the database refuses it, and the rules are somebody's
            await self._forget(name)
        return data

    async def values_of_new(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        """Check and complete the values of a new item.

        Raises:
            HTTPException: it may not be made; nothing has changed.
        """
        return data

    async def delete_items(self, request: Request, item_id: Any) -> Any:
        gone = await super().delete_items(request, item_id)
        names = [getattr(item, self.subject_field) for item in gone]
        await run_committed(self.db, lambda session: None)  # nobody waits for the policy with the database locked
        for name in names:
            await self._forget(name)
        return gone


def _new_password(password: Any) -> str:
    """The password of a form, if it is one: asterisks are what a hidden password is shown as."""
    text = password.get_secret_value() if isinstance(password, SecretStr) else password
    return text if text and text.strip("*") else ""


def _of_model(model: Any, fields: Any) -> list[Any]:
    """The fields, with those of the default user model replaced by those of the one in use."""
    return [getattr(model, field.key) if getattr(field, "class_", None) is User else field for field in fields]


class UserAdmin(
    _SubjectAdmin,
    AuthFieldModelAdmin,
    AuthSelectModelAdmin,
    SoftDeleteModelAdmin,
    FootableModelAdmin,
):
    """The page of users."""

    unique_id = "Auth>UserAdmin"
    subject_prefix, subject_field = "u:", "username"
    page_schema = PageSchema(label=_("User"), icon="fa fa-user")
    model: Any = None
    exclude = ["password"]
    ordering = [User.id.desc()]  # type: ignore[union-attr]
    search_fields = [User.username]
    update_exclude = AutoTimeModelAdmin.update_exclude | {"username"}
    display_item_action_as_column = True
    admin_action_maker = [
        lambda admin: UpdateSubPagePermsAction(
            admin=admin,
            name="update_subject_page_permissions",
            tooltip=_("Update user page permissions"),
        ),
        lambda admin: UpdateSubDataPermAction(
            admin=admin,
            name="update_subject_data_permissions",
            tooltip=_("Update user data permissions"),
        ),
        lambda admin: UpdateSubRolesAction(
            admin=admin,
            name="update_subject_roles",
            tooltip=_("Update user role"),
            icon="fa fa-user",
            flags="item",
        ),
        lambda admin: CopyUserAuthLinkAction(admin),
        lambda admin: LogoutEverywhereAction(admin),
    ]
    list_display = [
        User.id,
        User.username,
        User.nickname,
        User.email,
        User.is_active,
        User.create_time,
    ]
    perm_fields_exclude = {
        FieldPermEnum.ALL: [
            "id",
            "username",
            "nickname",
            "avatar",
            "is_active",
            "create_time",
            "update_time",
            "delete_time",
        ],
    }

    def __init__(self, app: AdminApp) -> None:
        self.model = self.model or app.site.auth.user_model
        self.list_display = _of_model(self.model, self.list_display)
        self.search_fields = _of_model(self.model, self.search_fields)
        if self.ordering is UserAdmin.ordering:
            self.ordering = [self.model.id.desc()]
        super().__init__(app)

    def _create_schema_read(self) -> Any:
        return create_model_by_model(super()._create_schema_read(), "UserRead", exclude={"password"}, orm_mode=True)

    async def has_update_permission(self, request: Request, item_id: Any, data: Any, **kwargs: Any) -> bool:
        if not await super().has_update_permission(request, item_id, data, **kwargs):
            return False
        subjects = await self._subjects(item_id)
        if _new_password(getattr(data, "password", None)) and not await may_take_over(self.site, request, subjects):
            return False
        return await may_touch(self.site, request, subjects)

    async def has_delete_permission(self, request: Request, item_id: Any, **kwargs: Any) -> bool:
        if not await super().has_delete_permission(request, item_id, **kwargs):
            return False
        own = getattr(await self.site.auth.get_current_user(request), "id", None)
        if str(own) in map(str, item_id or ()):  # nobody is left without an account by a slip
            return False
        return await may_touch(self.site, request, await self._subjects(item_id))

    async def values_of_new(self, request: Request, data: dict[str, Any]) -> dict[str, Any]:
        if not await is_root(self.site, request):
            name = data.get("username", "")
            fault = name_fault(name)
            if not fault and await find_alike(self.db, self.model.username, name, thorough=False) is not None:
                fault = str(_("Username has been registered!"))
            if fault:
                raise HTTPException(status_code=422, detail=fault)
        password = data.get("password")
        if not password:
            raise HTTPException(status_code=422, detail=_("A password is needed"))
        names = (data.get("username"), data.get("email"))
        data["password"] = SecretStr(await self.site.auth.hash_password(password, *names))
        return data

    async def update_items(self, request: Request, item_id: Any, values: Any) -> Any:
        changed = await super().update_items(request, item_id, values)
        if values.get("is_active") is False or "password" in values:
            await self._end_tokens(item_id)
        return changed

    async def delete_items(self, request: Request, item_id: Any) -> Any:
        gone = await super().delete_items(request, item_id)
        await self._end_tokens(item_id)  # the account may come back, its tokens do not
        return gone

    async def _end_tokens(self, item_id: Any) -> None:
        await run_committed(self.db, lambda session: None)
        with contextlib.suppress(NotImplementedError):
            for each in item_id:
                await self.site.auth.logout_everywhere(int(each))

    async def on_update_pre(self, request: Request, obj: Any, item_id: Any, **kwargs: Any) -> dict[str, Any]:
        data: dict[str, Any] = await super().on_update_pre(request, obj, item_id, **kwargs)
        text = _new_password(data.pop("password", None))
        if text:
            accounts = await self.fetch_items(*item_id)
            names = [data.get("email"), *(name for each in accounts for name in (each.username, each.email))]
            data["password"] = SecretStr(await self.site.auth.hash_password(text, *names))
        return data


class RoleAdmin(_SubjectAdmin, AutoTimeModelAdmin, FootableModelAdmin):
    """The page of roles."""

    unique_id = "Auth>RoleAdmin"
    subject_prefix, subject_field = "r:", "key"
    page_schema = PageSchema(label=_("Role"), icon="fa fa-group")
    model: Any = Role
    ordering = [Role.id.desc()]  # type: ignore[union-attr]
    search_fields = [Role.name, UserRoleNameLabel]
    update_exclude = AutoTimeModelAdmin.update_exclude | {"key"}
    display_item_action_as_column = True
    admin_action_maker = [
        lambda admin: UpdateSubPagePermsAction(
            admin=admin,
            name="update_subject_page_permissions",
            tooltip=_("Update role page permissions"),
        ),
        lambda admin: UpdateSubDataPermAction(
            admin=admin,
            name="update_subject_data_permissions",
            tooltip=_("Update role data permissions"),
        ),
        lambda admin: UpdateSubRolesAction(
            admin=admin,
            name="update_subject_roles",
            tooltip=_("Update sub-roles"),
            icon="fa fa-user",
            flags="item",
        ),
    ]
    list_display = [
        Role.id,
        Role.key,
        Role.name,
        UserRoleNameLabel,
        Role.desc,
    ]

    async def has_delete_permission(self, request: Request, item_id: Any, **kwargs: Any) -> bool:
        allowed = await super().has_delete_permission(request, item_id, **kwargs)
        return allowed and await may_delete_roles(self.site, request, await self._subjects(item_id))

    async def get_select(self, request: Request) -> Select[Any]:
        statement = await super().get_select(request)
        roles = CasbinSubjectRolesQuery
        return statement.outerjoin(roles, roles.c.subject == "r:" + Role.key)  # type: ignore[no-any-return]


class CasbinRuleAdmin(ReadOnlyModelAdmin):
    """The page of policy rules."""

    unique_id = "Auth>CasbinRuleAdmin"
    page_schema = PageSchema(label="CasbinRule", icon="fa fa-lock")
    model = CasbinRule
    list_filter = [
        CasbinRule.ptype,
        CasbinRule.v0,
        CasbinRule.v1,
        CasbinRule.v2,
        CasbinRule.v3,
        CasbinRule.v4,
        CasbinRule.v5,
    ]
    admin_action_maker = [
        lambda admin: AdminAction(
            admin=admin,
            action=ActionType.Ajax(
                id="refresh",
                label=_("Refresh permissions"),
                icon="fa fa-refresh",
                level=LevelEnum.success,
                api=f"GET:{admin.router_path}/load_policy",
            ),
            flags=["toolbar"],
        ),
    ]

    def __init__(self, app: AdminApp) -> None:
        super().__init__(app)
        self.site.router.on_event("startup")(self.load_policy)

    async def load_policy(self) -> None:
        """Load the policy from the database and make its page links those of the site."""
        await self.site.auth.enforcer.load_policy()
        await update_casbin_site_grouping(self.site.auth.enforcer, self.site)

    def register_router(self) -> Any:
        async def may_refresh(request: Request) -> None:
            if not await self.has_action_permission(request, name="refresh"):
                refuse(request)
            refuse_foreign(request, self.site.auth.settings)

        @self.router.get("/load_policy", response_model=BaseApiOut, dependencies=[Depends(may_refresh)])
        async def load_policy() -> Any:
            await self.load_policy()
            get_admin_action_options.cache_clear()
            return BaseApiOut(data=_("Refresh successful"))

        return super().register_router()


class LoginHistoryAdmin(ReadOnlyModelAdmin):
    """The page of logins."""

    unique_id = "Auth>LoginHistoryAdmin"
    page_schema = PageSchema(label=_("Login history"), icon="fa fa-history")
    model = LoginHistory
    search_fields = [LoginHistory.login_name, LoginHistory.ip, LoginHistory.login_status, LoginHistory.user_agent]
    list_display = [
        User.nickname,
        LoginHistory.login_name,
        LoginHistory.ip,
        LoginHistory.login_status,
        LoginHistory.create_time,
        LoginHistory.user_agent,
        LoginHistory.forwarded_for,
        LoginHistory.ip_info,
    ]
    ordering = [LoginHistory.create_time.desc()]  # type: ignore[attr-defined]

    def __init__(self, app: AdminApp) -> None:
        self.list_display = _of_model(app.site.auth.user_model, self.list_display)
        super().__init__(app)

    async def get_select(self, request: Request) -> Select[Any]:
        statement = await super().get_select(request)
        user = self.site.auth.user_model
        return statement.outerjoin(user, user.id == LoginHistory.user_id)  # type: ignore[no-any-return]
