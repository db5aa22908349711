"""Actions on a user or role: its roles, its page permissions, its data permissions, and a link to log in as it."""

from html import escape
from typing import Any, Optional, Union

from fastapi import Depends, Form, HTTPException
from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import ModelAction
from fastapi_amis_admin.amis import SchemaNode
from fastapi_amis_admin.amis.components import ActionType, FormItem
from fastapi_amis_admin.amis.constants import LevelEnum
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.models import Field
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import RedirectResponse

from ..auth.models import BaseRole, BaseUser
from ..db import run_read
from ..db_errors import is_outage
from ..mixins.admin import subject_of
from ..policy.writer import resolved
from ..utils.casbin import (
    enforce_each,
    get_subject_effect_matrix,
    get_subject_policy_matrix,
    permission_fields,
    replace_rules,
    update_subject_data_permissions,
    update_subject_roles,
)
from ..web.cookies import set_token_cookie
from ..web.pages import plain_page
from .access import refuse, unprocessable
from .authority import granted, is_own, may_take_over, may_touch, roles_to_store, rules_to_store, shown
from .permission_rows import get_admin_field_permission_rows, get_admin_select_permission_rows
from .utils import get_admin_action_options_by_subject


async def fetch_items(admin: Any, item_id: Any, request: Optional[Request] = None) -> list[Any]:
    """The rows of an admin page with that id (``item_id``), as long as the user of the request sees them.

    Raises:
        HTTPException: status 422; it cannot be an id.
    """
    try:
        items = list(await admin.fetch_items(item_id))
        if request is None or not items:
            return items
        seen = (await admin.get_select(request)).where(admin.pk.in_([getattr(item, admin.pk_name) for item in items]))
        keys = set((await admin.db.async_scalars(seen.with_only_columns(admin.pk))).all())
        return [item for item in items if getattr(item, admin.pk_name) in keys]
    except (ValueError, TypeError, OverflowError, DBAPIError) as error:
        if is_outage(error):
            raise
        raise unprocessable(_("There is no such user or role")) from error


class BaseSubAction(ModelAction):
    """An action on the subject that a row of the page stands for.

    Args:
        admin: the page, of users or roles.
        kwargs: as the action of fastapi-amis-admin takes them.

    Raises:
        TypeError: the page is neither of users nor of roles.
    """

    action: Any

    def __init__(self, admin: Any, **kwargs: Any) -> None:
        super().__init__(admin, **kwargs)
        self.action = self.action.copy(deep=True)  # its dialog gets a title, which is not that of other pages
        if issubclass(admin.model, BaseRole):
            self._subject = "r"
        elif issubclass(admin.model, BaseUser):
            self._subject = "u"
        else:
            raise TypeError(f"{admin.model.__name__} is neither a user nor a role model")

    async def get_subject_by_id(self, item_id: str, request: Optional[Request] = None) -> str:
        """The subject of a row (``item_id``); "" when there, or in sight of the request's user, is none.

        Raises:
            HTTPException: status 422; it cannot be an id.
        """
        items = await fetch_items(self.admin, item_id, request)
        if not items:
            return ""
        return f"r:{items[0].key}" if self._subject == "r" else f"u:{items[0].username}"

    async def existing_subject(self, request: Request, item_id: str) -> str:
        """The subject of a row (``item_id``).

        Raises:
            HTTPException: status 422 for what is no id, 404 when there, or in sight of the request's user, is none.
        """
        subject = await self.get_subject_by_id(item_id, request)
        if not subject:
            raise HTTPException(status_code=404, detail=_("There is no such user or role"))
        return subject

    async def changeable_subject(self, request: Request, item_id: list[Any]) -> Optional[str]:
        """The subject to change, of a row (``item_id``); None when it is the caller's own.

        Raises:
            HTTPException: status 422 when there is none, 403 when it is root.
        """
        subject = await self.get_subject_by_id(item_id[0], request) if item_id else ""
        if not subject:
            raise unprocessable(_("There is no such user or role"))
        if await is_own(self.site, request, subject):
            return None
        if not await may_touch(self.site, request, [subject]):
            refuse(request)
        return subject


def _own_permissions() -> BaseApiOut[Any]:
    return BaseApiOut(status=1, msg=_("Cannot modify own permissions"))


class UpdateSubRolesAction(BaseSubAction):
    """Choose the roles of a user, or the sub-roles of a role."""

    _implicit: bool = True
    form_init = True

    action = ActionType.Dialog(
        name="update_subject_roles",
        icon="fa fa-check",
        tooltip=_("Set up roles"),
        dialog=amis.Dialog(),
        level=LevelEnum.warning,
    )

    class schema(BaseModel):
        role_keys: str = Field(
            "",
            title=_("role list"),
            amis_form_item=amis.Transfer(
                selectMode="table",
                resultListModeFollowSelect=True,
                columns=[
                    {"name": "name", "label": _("Role Name")},
                    {"name": "desc", "label": _("Role description")},
                    {"name": "role_names", "label": _("sub-role")},
                ],
                source="",
                valueField="key",
            ),
        )

    async def get_form_item(self, request: Request, modelfield: Any) -> Union[FormItem, SchemaNode]:
        item = await super().get_form_item(request, modelfield)
        if item.name == "role_keys":
            item.source = f"post:{self._role_admin().router_path}/list?page=1&perPage=100"
        return item

    def _role_admin(self) -> Any:
        """The page of roles."""
        from .admin import RoleAdmin

        role_admin, _parent = self.site.get_page_schema_child(unique_id=RoleAdmin.unique_id)
        if role_admin is None:  # replaced by a page with an id of its own
            role_admin = self.admin.app.get_admin_or_create(self.admin.app.RoleAdmin)
        return role_admin

    async def get_init_data(self, request: Request, **kwargs: Any) -> BaseApiOut[Any]:
        item_id = request.query_params.get("item_id")
        if not item_id:
            return BaseApiOut(data=self.schema())
        subject = await self.existing_subject(request, item_id)
        roles = await resolved(self.site.auth.enforcer.get_roles_for_user(subject))
        return BaseApiOut(data=self.schema(role_keys=",".join(role.removeprefix("r:") for role in roles)))

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        subject = await self.changeable_subject(request, item_id)
        if subject is None:
            return _own_permissions()
        enforcer = self.site.auth.enforcer
        keys = list(dict.fromkeys(key for key in data.role_keys.split(",") if key))
        roles = [f"r:{key}" for key in keys]
        model = self._role_admin().model
        statement = select(model.key).where(model.key.in_(keys))
        known = set(await run_read(self.site.auth.db, lambda session: session.scalars(statement).all()))
        linked = await resolved(enforcer.get_roles_for_user(subject))
        if unknown := [key for key in keys if key not in known and f"r:{key}" not in linked]:
            raise unprocessable(f"{_('There is no such user or role')}: {', '.join(unknown)}")

        async def change() -> None:
            stored = await roles_to_store(self.site, request, subject, roles)
            await update_subject_roles(enforcer, subject=subject, role_keys=stored)

        try:
            await self.site.auth.change_policy(change)
        except ValueError as error:
            raise unprocessable(error) from error
        return BaseApiOut(msg="success")


class BaseSubPermAction(BaseSubAction):
    """A form with the tree of permissions."""

    _implicit: bool = True
    form_init = False
    action = ActionType.Dialog(
        name="view_subject_permissions",
        icon="fa fa-check",
        tooltip=_("View permissions"),
        dialog=amis.Dialog(),
        level=LevelEnum.warning,
    )

    class schema(BaseModel):
        permissions: str = Field(
            "",
            title=_("Permission list"),
            amis_form_item=amis.InputTree(
                multiple=True,
                source="",
                searchable=True,
                showOutline=True,
                cascade=True,
                autoCheckChildren=False,
                heightAuto=True,
            ),
        )

    async def get_form_item(self, request: Request, modelfield: Any) -> Union[FormItem, SchemaNode]:
        item = await super().get_form_item(request, modelfield)
        if item.name == "permissions":
            app = self.site.get_admin_or_create(self.site.UserAuthApp)
            item.source = f"{app.router_path}/site_admin_actions_options"
        return item


class ViewSubPagePermAction(BaseSubPermAction):
    """Look at the page permissions of a subject, those of its roles included."""

    _implicit: bool = True
    form_init = True

    action = ActionType.Dialog(
        name="view_subject_page_permissions",
        icon="fa fa-check",
        tooltip=_("View page permissions"),
        dialog=amis.Dialog(actions=[]),
        level=LevelEnum.warning,
    )

    async def get_form_item(self, request: Request, modelfield: Any) -> Union[FormItem, SchemaNode]:
        item = await super().get_form_item(request, modelfield)
        if item.name == "permissions":
            item.multiple = True
        return item

    async def get_init_data(self, request: Request, **kwargs: Any) -> BaseApiOut[Any]:
        item_id = request.query_params.get("item_id")
        if not item_id:
            return BaseApiOut(data=self.schema())
        subject, enforcer = await self.existing_subject(request, item_id), self.site.auth.enforcer
        if self._implicit:  # what a role allows may be denied nearer to the subject
            rules = await resolved(enforcer.get_implicit_permissions_for_user(subject))
            found = list(dict.fromkeys((rule[1], rule[2], rule[3]) for rule in rules if rule[3] == "page"))
            effects = enforce_each(enforcer, subject, found)
            allowed = [permission for permission, effect in zip(found, effects, strict=True) if effect]
        else:
            allowed = granted(enforcer.get_filtered_policy(0, subject, "", "", "page"))
        return BaseApiOut(data=self.schema(permissions=",".join(shown(allowed))))

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        return BaseApiOut(status=1, msg=_("Permissions are shown here, and changed by the action for it"))


class UpdateSubPagePermsAction(ViewSubPagePermAction):
    """Choose the page permissions of a subject."""

    _implicit: bool = False
    action = ActionType.Dialog(
        name="update_subject_page_permissions",
        icon="fa fa-gavel",
        tooltip=_("Update page permissions"),
        dialog=amis.Dialog(),
        level=LevelEnum.warning,
    )

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        subject = await self.changeable_subject(request, item_id)
        if subject is None:
            return _own_permissions()
        enforcer = self.site.auth.enforcer
        chosen = list(dict.fromkeys(text for text in data.permissions.split(",") if text))

        async def change() -> None:
            rules = await rules_to_store(self.site, request, subject, chosen)
            await replace_rules(enforcer, "p", rules, 0, subject, "", "", "page")

        try:
            await self.site.auth.change_policy(change)
        except ValueError as error:
            raise unprocessable(error) from error
        return BaseApiOut(msg="success")


class UpdateSubDataPermAction(BaseSubPermAction):
    """Choose the fields and data sets of a subject below one of its permissions."""

    _implicit: bool = True

    action = ActionType.Dialog(
        name="update_subject_data_permissions",
        icon="fa fa-gavel",
        tooltip=_("Update data permissions"),
        dialog=amis.Dialog(actions=[amis.Action(actionType="submit", label=_("Save"), close=False, primary=True)]),
        level=LevelEnum.warning,
    )

    class schema(BaseSubPermAction.schema):
        effect_matrix: list = Field(  # type: ignore[type-arg]
            [],
            title=_("Current permissions"),
            amis_form_item=amis.MatrixCheckboxes(
                rowLabel=_("Permission name"),
                multiple=False,
                singleSelectMode="row",
                source="",
                disabled=True,
            ),
        )
        policy_matrix: list = Field(  # type: ignore[type-arg]
            [],
            title=_("Rights Profile"),
            amis_form_item=amis.MatrixCheckboxes(
                rowLabel=_("Name"),
                multiple=False,
                singleSelectMode="row",
                yCheckAll=True,
                source="",
            ),
        )

    async def get_form_item(self, request: Request, modelfield: Any) -> Union[FormItem, SchemaNode]:
        item = await super().get_form_item(request, modelfield)
        rows = f"{self.router_path}/get_admin_action_perm_options?permission=$permissions&item_id=$id"
        if item.name == "permissions":
            item.multiple = False
            item.source = f"{self.router_path}/get_admin_action_options?item_id=$id"
        elif item.name == "policy_matrix":
            item.source = f"{rows}&type=policy"
        elif item.name == "effect_matrix":
            item.source = f"{rows}&type=effect"
        return item

    async def get_form(self, request: Request) -> amis.Form:
        form = await super().get_form(request)
        form.body = amis.Grid(columns=form.body)
        return form

    async def _permission_depend(self, request: Request) -> None:
        if not await self.has_page_permission(request):
            refuse(request)

    def register_router(self) -> Any:
        super().register_router()
        dependencies = [Depends(self._permission_depend)]

        @self.router.get("/get_admin_action_options", response_model=BaseApiOut, dependencies=dependencies)
        async def get_admin_action_options(request: Request, item_id: str) -> Any:
            subject = await self.existing_subject(request, item_id)
            return BaseApiOut(data=get_admin_action_options_by_subject(self.site.auth.enforcer, subject, self.site))

        @self.router.get("/get_admin_action_perm_options", response_model=BaseApiOut, dependencies=dependencies)
        async def get_admin_action_perm_options(
            request: Request, permission: str = "", item_id: str = "", type: str = "policy"
        ) -> Any:
            columns = [{"label": _(name), "col": name} for name in ("default", "allow", "deny")]
            data: dict[str, Any] = {"columns": columns[1:] if type == "effect" else columns, "rows": []}
            rows = self.rows(permission) if permission else None
            if rows is not None:
                data["rows"] = rows
                subject = await self.existing_subject(request, item_id) if item_id else ""
                if subject and type == "effect":
                    data["value"] = get_subject_effect_matrix(self.site.auth.enforcer, subject=subject, rows=rows)
                elif subject:
                    data["value"] = get_subject_policy_matrix(
                        self.site.auth.enforcer, subject=subject, permission=permission, rows=rows
                    )
            return BaseApiOut(data=data)

        return self

    def rows(self, permission: str) -> Optional[list[dict[str, Any]]]:
        """The details below a permission; None for a page that does not exist. HTTP 422 for a malformed one."""
        try:
            object_, action, _group = permission_fields(permission)
        except ValueError as error:
            raise unprocessable(error) from error
        admin, _parent = self.site.get_page_schema_child(object_)
        if admin is None:
            return None
        if action == "page":
            return get_admin_select_permission_rows(admin)
        return get_admin_field_permission_rows(admin, action.removeprefix("page:"))

    def matrix(self, permission: str, posted: list[Any]) -> list[list[dict[str, Any]]]:
        """The posted matrix, with everything but the check marks from the page of the permission itself.

        Raises:
            HTTPException: status 422; it has other rows.
        """
        known = {row["rol"]: row for row in self.rows(permission) or []}
        try:
            return [
                [{**known[item["rol"]], "checked": item["checked"] is True} for item in column] for column in posted
            ]
        except (KeyError, TypeError, IndexError) as error:
            raise unprocessable(_("The permissions are not those of the page")) from error

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        subject = await self.changeable_subject(request, item_id)
        if subject is None:
            return _own_permissions()
        if not data.policy_matrix:
            return BaseApiOut(msg="success")
        caller = await subject_of(self.site, request)

        async def change() -> str:
            return await update_subject_data_permissions(
                self.site.auth.enforcer,
                subject=subject,
                permission=data.permissions,
                policy_matrix=self.matrix(data.permissions, data.policy_matrix),
                super_subject=caller,
            )

        try:
            message = await self.site.auth.change_policy(change)
        except ValueError as error:
            raise unprocessable(error) from error
        if message != "success":
            refuse(request)
        return BaseApiOut(msg=message)


class LogoutEverywhereAction(BaseSubAction):
    """End all tokens of a user."""

    action = ActionType.Dialog(
        name="logout_everywhere",
        icon="fa fa-power-off",
        tooltip=_("Sign out everywhere"),
        dialog=amis.Dialog(),
        level=LevelEnum.danger,
    )

    class schema(BaseModel):
        pass

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        await self.changeable_subject(request, item_id)  # one's own account is not refused
        for user in await fetch_items(self.admin, item_id[0], request):
            await self.site.auth.logout_everywhere(user)
        return BaseApiOut(msg="success")


class CopyUserAuthLinkAction(BaseSubAction):
    """Make a link that logs in as a user: once, soon, and for those who may do all that the user may."""

    action = amis.ActionType.Dialog(
        name="copy_user_auth_link",
        icon="fa fa-link",
        tooltip=_("User login-free link"),
        level=amis.LevelEnum.danger,
        dialog=amis.Dialog(
            size=amis.SizeEnum.md,
            title=_("User login-free link"),
            actions=[amis.Action(actionType="submit", label=_("Make a link"), close=False, primary=True)],
        ),
    )

    class schema(BaseModel):
        auth_url: str = Field(
            "",
            title=_("Authorization link"),
            description=_("Whoever opens this link first is logged in as this user"),
            amis_form_item=amis.Static(copyable=True),
        )

    async def handle(self, request: Request, item_id: list[Any], data: Any, **kwargs: Any) -> BaseApiOut[Any]:
        await self.changeable_subject(request, item_id)
        user = (await fetch_items(self.admin, item_id[0], request))[0]
        auth = self.site.auth
        if not user.is_authenticated or not await may_take_over(self.site, request, [f"u:{user.username}"]):
            refuse(request)
        code = await auth.login_links.make(user, auth.settings.login_link_seconds)
        link = f"{self.site.address(request)}/login_by_token?token={code}"
        return BaseApiOut(
            msg=_("Successful operation"), data={"id": user.id, "username": user.username, "auth_url": link}
        )

    def register_router(self) -> Any:
        @self.site.router.get("/login_by_token", include_in_schema=False)
        async def ask(request: Request, token: str = "") -> Any:
            """Asks whether to log in: opening a link, which mail programs do too, uses nothing up."""
            button = f'<form method="post"><input type="hidden" name="token" value="{escape(token)}">'
            button += f"<button>{escape(str(_('Sign in')))}</button></form>"
            return plain_page(str(_("User Login")), str(_("This link logs you in. It works once.")), button)

        @self.site.router.post("/login_by_token", include_in_schema=False)
        async def login_by_token(request: Request, token: str = Form("")) -> Any:
            auth = self.site.auth
            user = await auth.login_links.take(token)
            if user is None:
                text = str(_("This link has been used, or is no longer good."))
                return plain_page(str(_("User Login")), text, status_code=403)
            response = RedirectResponse(f"{self.site.local_address(request)}/", status_code=303)
            token = await auth.backend.token_store.write_token(user.model_dump())
            set_token_cookie(auth, request, response, token)
            return response

        return super().register_router()
