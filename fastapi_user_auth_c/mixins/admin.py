"""Model pages whose fields and rows depend on permissions."""

from enum import Enum
from typing import Any

from fastapi_amis_admin.admin import BaseAuthFieldModelAdmin, BaseAuthSelectModelAdmin
from sqlalchemy.sql import Select
from starlette.requests import Request

from ..auth.schemas import SystemUserEnum


async def subject_of(site: Any, request: Request) -> str:
    """The subject of a request: ``u:`` and the user name, ``u:guest`` for guests."""
    name = await site.auth.get_current_user_identity(request) or SystemUserEnum.GUEST
    return f"u:{name}"


class AuthFieldModelAdmin(BaseAuthFieldModelAdmin):
    """A model page whose fields need a permission each; ``perm_fields`` and ``perm_fields_exclude`` choose which."""

    async def has_field_permission(self, request: Request, field: str, action: str = "") -> bool:
        name = action.value if isinstance(action, Enum) else action
        group = f"page:{name}"
        subject = await subject_of(self.site, request)
        return bool(self.site.auth.enforcer.enforce(subject, self.unique_id, f"{group}:{field}", group))


class AuthSelectModelAdmin(BaseAuthSelectModelAdmin):
    """A model page whose rows are limited by the data sets in ``select_permissions``; root sees all."""

    async def has_select_permission(self, request: Request, name: str) -> bool:
        subject = await subject_of(self.site, request)
        return bool(self.site.auth.enforcer.enforce(subject, self.unique_id, f"page:select:{name}", "page:select"))

    async def filter_select(self, request: Request, sel: Select[Any]) -> Select[Any]:
        if await subject_of(self.site, request) == f"u:{SystemUserEnum.ROOT}":
            return sel
        return await super().filter_select(request, sel)  # type: ignore[no-any-return]
