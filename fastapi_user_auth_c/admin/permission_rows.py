"""The details of a page's permissions, data sets and fields, as rows of a permission matrix."""

from typing import Any

from fastapi_amis_admin.admin import PageSchemaAdmin
from fastapi_amis_admin.utils.translation import i18n as _

from ..mixins.admin import AuthFieldFormAdmin, AuthFieldModelAdmin, AuthSelectModelAdmin
from ..utils.casbin import permission_encode


def get_admin_select_permission_rows(admin: PageSchemaAdmin) -> list[dict[str, Any]]:
    """The data sets of a page as rows of a permission matrix."""
    if not isinstance(admin, AuthSelectModelAdmin):
        return []
    return [
        {
            "label": f"{_('Data only')}-{permission.label}",
            "rol": permission_encode(admin.unique_id, f"page:select:{permission.name}", "page:select"),
            "reverse": permission.reverse,
            **({"any_of": True} if any(permission.name in group for group in admin.select_any_of) else {}),
        }
        for permission in admin.select_permissions
    ]


def get_admin_field_permission_rows(admin: PageSchemaAdmin, action: str) -> list[dict[str, Any]]:
    """The fields of a page's action as rows of a permission matrix, all of them (``*``) first."""
    has_fields = isinstance(admin, (AuthFieldModelAdmin, AuthFieldFormAdmin))
    fields = admin.get_permission_fields(action) if has_fields else {}
    if not fields:
        return []
    return [
        {"label": label, "rol": permission_encode(admin.unique_id, f"page:{action}:{name}", f"page:{action}")}
        for name, label in [("*", _("All")), *fields.items()]
    ]
