"""The pages of the site for users, roles, rules and logins."""

from typing import Any

from fastapi import Depends, HTTPException
from fastapi_amis_admin.admin import (
    AdminAction,
    AdminApp,
    AutoTimeModelAdmin,
    FieldPermEnum,
    FootableModelAdmin,
    ModelAdmin,
    ReadOnlyModelAdmin,
    SoftDeleteModelAdmin,
)
from fastapi_amis_admin.amis.components import (
    ActionType,
    PageSchema,
)
from fastapi_amis_admin.amis.constants import LevelEnum
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.pydantic import create_model_by_model
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.sql import Select
from starlette.requests import Request

from ..auth.models import (
    CasbinRule,
    CasbinSubjectRolesQuery,
    LoginHistory,
    Role,
    User,
    UserRoleNameLabel,
)
from ..auth.names import find_alike, name_fault
from ..auth.revocations import end_tokens
from ..db import run_committed, run_read
from ..mixins.admin import AuthFieldModelAdmin, AuthSelectModelAdmin
from ..utils.casbin import forget_subject
from ..web.origin import refuse_foreign
from .access import refuse
from .account import UserInfoFormAdmin as UserInfoFormAdmin  # these four are where the original has them
from .account import UserLoginFormAdmin as UserLoginFormAdmin
from .account import UserRegFormAdmin as UserRegFormAdmin
from .account import attach_page_head as attach_page_head
from .actions import (
    CopyUserAuthLinkAction,
    LogoutEverywhereAction,
    UpdateSubDataPermAction,
    UpdateSubPagePermsAction,
    UpdateSubRolesAction,
)
from .authority import is_root, may_delete_roles, may_take_over, may_touch
from .utils import get_admin_action_options, update_casbin_site_grouping


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
        """Check and complete the values (``data``) of a new item.

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
        await end_tokens(self.site.auth, *map(int, item_id))

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
