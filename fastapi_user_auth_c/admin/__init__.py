"""The admin site: login, sign-up and profile forms, and pages for users, roles, rules and logins."""

from .account import UserInfoFormAdmin, UserLoginFormAdmin, UserRegFormAdmin, attach_page_head
from .admin import CasbinRuleAdmin, LoginHistoryAdmin, RoleAdmin, UserAdmin
from .app import UserAuthApp
from .site import AuthAdminSite

__all__ = [
    "AuthAdminSite",
    "CasbinRuleAdmin",
    "LoginHistoryAdmin",
    "RoleAdmin",
    "UserAdmin",
    "UserAuthApp",
    "UserInfoFormAdmin",
    "UserLoginFormAdmin",
    "UserRegFormAdmin",
    "attach_page_head",
]
