"""Model pages whose fields and rows depend on permissions."""

from enum import Enum
from typing import Any, Optional

from fastapi_amis_admin.admin import BaseAuthFieldModelAdmin, BaseAuthSelectModelAdmin
from sqlalchemy.sql import Select
from starlette.requests import Request

from ..auth.schemas import SystemUserEnum
from ..utils.casbin import enforce_each


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

    async def get_deny_fields(self, request: Request, action: Optional[str] = None) -> set[str]:
        """The fields that the user of a request may not use in an action; decided together, once per request."""
        if type(self).has_field_permission is not AuthFieldModelAdmin.has_field_permission:
            return set(await super().get_deny_fields(request, action))  # an application's own rule
        name = str(action.value if isinstance(action, Enum) else action or "")
        known = request.scope.setdefault(f"{self.unique_id}_exclude_fields", {})
        if name not in known:
            fields = list(getattr(self, f"{name}_permission_fields", ()))
            subject, group = await subject_of(self.site, request), f"page:{name}"
            asked = [(self.unique_id, f"{group}:{field}", group) for field in fields]
            decided = enforce_each(self.site.auth.enforcer, subject, asked)
            known[name] = {field for field, allowed in zip(fields, decided, strict=True) if not allowed}
        return known[name]  # type: ignore[no-any-return]


class AuthSelectModelAdmin(BaseAuthSelectModelAdmin):
    """A model page whose rows are limited by the data sets in ``select_permissions``; root sees all."""

    async def has_select_permission(self, request: Request, name: str) -> bool:
        subject = await subject_of(self.site, request)
        return bool(self.site.auth.enforcer.enforce(subject, self.unique_id, f"page:select:{name}", "page:select"))

    async def filter_select(self, request: Request, sel: Select[Any]) -> Select[Any]:
        if await subject_of(self.site, request) == f"u:{SystemUserEnum.ROOT}":
            return sel
        return await super().filter_select(request, sel)  # type: ignore[no-any-return]
