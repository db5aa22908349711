"""Tables of users, roles, policy rules and logins; the same as the original's, which databases were written with."""

from typing import Any, Optional

from fastapi_amis_admin.amis.components import ColumnImage, InputImage
from fastapi_amis_admin.crud.parser import LabelField
from fastapi_amis_admin.models import Field
from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import func, select

from ..mixins.models import (
    CreateTimeMixin,
    CUDTimeMixin,
    DeleteTimeMixin,
    EmailMixin,
    PasswordMixin,
    PkMixin,
    UpdateTimeMixin,
    UsernameMixin,
)
from ..one_start import make_tables_alone

__all__ = [
    "BaseRole",
    "BaseUser",
    "CUDTimeMixin",
    "CasbinRule",
    "CasbinSubjectRolesQuery",
    "CreateTimeMixin",
    "DeleteTimeMixin",
    "EmailMixin",
    "LoginHistory",
    "PasswordMixin",
    "PkMixin",
    "Role",
    "UpdateTimeMixin",
    "User",
    "UserRoleNameLabel",
    "UsernameMixin",
]


class BaseUser(PkMixin, CUDTimeMixin, UsernameMixin, PasswordMixin, EmailMixin):
    """The columns of a user; subclass it with ``table=True`` for a user model of one's own."""

    __tablename__ = "auth_user"
    # a user model of one's own lives in the same table as User, with more columns
    __table_args__: Any = {"extend_existing": True}

    is_active: bool = Field(default=True, title=_("Is Active"))
    nickname: Optional[str] = Field("", title=_("Nickname"), max_length=40)
    avatar: Optional[str] = Field(
        "",
        title=_("Avatar"),
        max_length=255,
        amis_form_item=InputImage(maxLength=1, maxSize=2 * 1024 * 1024),
        amis_table_column=ColumnImage(width=50, height=50, enlargeAble=True),
    )

    @property
    def is_authenticated(self) -> bool:
        """Whether the account may be used: active and not deleted."""
        return self.is_active and not self.delete_time

    @property
    def display_name(self) -> str:
        """What people are shown: the nickname, else the user name."""
        return self.nickname or self.username

    @property
    def identity(self) -> str:
        """The name in policy rules, without the ``u:`` in front."""
        return self.username


class User(BaseUser, table=True):
    """The default user model."""


class BaseRole(PkMixin, CUDTimeMixin):
    """The columns of a role."""

    __tablename__ = "auth_role"
    __table_args__: Any = {"extend_existing": True}

    key: str = Field(title=_("Role ID"), max_length=40, unique=True, index=True, nullable=False)
    name: str = Field(default="", title=_("Role Name"), max_length=40)
    desc: str = Field(default="", title=_("Role description"), max_length=400, amis_form_item="textarea")


class Role(BaseRole, table=True):
    """The default role model; ``key`` is the name in policy rules, without the ``r:`` in front."""


class CasbinRule(PkMixin, table=True):
    """One policy rule: a permission (``p``), a role link (``g``) or a page link (``g2``)."""

    __tablename__ = "auth_casbin_rule"

    ptype: str = Field(title="Policy Type")
    v0: str = Field(title="Subject")
    v1: str = Field(title="Object")
    v2: Optional[str] = Field(None, title="Action")
    v3: Optional[str] = Field(None, title="Group")
    v4: Optional[str] = Field(None, title="Effect")
    v5: Optional[str] = Field(None)

    def __str__(self) -> str:
        values = [self.ptype]
        for value in (self.v0, self.v1, self.v2, self.v3, self.v4, self.v5):
            if value is None:
                break
            values.append(value)
        return ", ".join(values)

    def __repr__(self) -> str:
        return f"<CasbinRule {self.id}: {str(self)!r}>"


#: For each subject the names and keys of its roles, comma-separated.
CasbinSubjectRolesQuery = (
    select(
        CasbinRule.v0.label("subject"),
        func.aggregate_strings(Role.name, ",").label("role_names"),
        func.aggregate_strings(Role.key, ",").label("role_keys"),
    )
    .where(CasbinRule.ptype == "g")
    .outerjoin(Role, CasbinRule.v1 == "r:" + Role.key)
    .group_by(CasbinRule.v0)
    .subquery()
)

UserRoleNameLabel = LabelField(
    CasbinSubjectRolesQuery.c.role_names.label("role_names"),
    field=Field("", title=_("Permission role")),
)


class LoginHistory(PkMixin, CreateTimeMixin, table=True):
    """One attempt to log in."""

    __tablename__ = "auth_login_history"

    user_id: Optional[int] = Field(None, title=_("User ID"))
    login_name: str = Field("", title=_("Login name"), max_length=32)  # 20 in tables of the original
    ip: str = Field("", title=_("User IP"), max_length=45)  # 20 in tables of the original, too few for IPv6
    ip_info: str = Field("", title=_("IP information"), max_length=255)
    client: str = Field("", title=_("Client"), max_length=20)
    user_agent: str = Field("", title=_("User-agent"), max_length=400)
    login_type: str = Field("", title=_("Login type"), max_length=20)
    login_status: str = Field(
        _("Successful login"),
        title=_("Login status"),
        max_length=20,
        description=_("Successful login, wrong password and the like"),
    )
    forwarded_for: str = Field("", title=_("Forward IP"), max_length=60)


make_tables_alone(User.metadata)
