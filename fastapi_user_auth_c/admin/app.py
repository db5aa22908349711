"""The application of the site that holds login, users and permissions."""

from typing import Any

from fastapi_amis_admin.admin import AdminApp, ModelAdmin
from fastapi_amis_admin.amis.components import PageSchema
from fastapi_amis_admin.crud import BaseApiOut
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request

from ..auth import AuthRouter
from ..compat.guards import guard
from ..mixins.admin import subject_of
from .access import demand
from .account import UserInfoFormAdmin as DefaultUserInfoFormAdmin
from .account import UserLoginFormAdmin as DefaultUserLoginFormAdmin
from .account import UserRegFormAdmin as DefaultUserRegFormAdmin
from .admin import CasbinRuleAdmin
from .admin import LoginHistoryAdmin as DefaultLoginHistoryAdmin
from .admin import RoleAdmin as DefaultRoleAdmin
from .admin import UserAdmin as DefaultUserAdmin
from .utils import get_admin_action_options_by_subject


class UserAuthApp(AdminApp, AuthRouter):
    """Subclass it to replace one of its pages."""

    unique_id = "Auth>UserAuthApp"
    page_schema = PageSchema(label=_("User Authentication"), icon="fa fa-lock", sort=99)
    router_prefix = "/auth"
    UserLoginFormAdmin: type[DefaultUserLoginFormAdmin] = DefaultUserLoginFormAdmin
    UserRegFormAdmin: type[DefaultUserRegFormAdmin] = DefaultUserRegFormAdmin
    UserInfoFormAdmin: type[DefaultUserInfoFormAdmin] = DefaultUserInfoFormAdmin
    UserAdmin: type[DefaultUserAdmin] = DefaultUserAdmin
    RoleAdmin: type[ModelAdmin] = DefaultRoleAdmin
    LoginHistoryAdmin: type[ModelAdmin] = DefaultLoginHistoryAdmin

    def __init__(self, app: AdminApp) -> None:
        AdminApp.__init__(self, app)
        self.auth = self.auth or app.site.auth
        AuthRouter.__init__(self)
        self.register_admin(
            self.UserLoginFormAdmin,
            self.UserRegFormAdmin,
            self.UserInfoFormAdmin,
            self.UserAdmin,
            self.RoleAdmin,
            self.LoginHistoryAdmin,
            CasbinRuleAdmin,
        )

    def register_router(self) -> Any:
        super().register_router()

        async def may_open_site(request: Request) -> None:
            await demand(request, self.site, "page")

        @self.router.get("/site_admin_actions_options", response_model=BaseApiOut, dependencies=[guard(may_open_site)])
        async def site_admin_actions_options(request: Request) -> Any:
            subject = await subject_of(self.site, request)
            return BaseApiOut(data=get_admin_action_options_by_subject(self.auth.enforcer, subject, self.site))

        return self
