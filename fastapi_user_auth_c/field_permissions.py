"""Permissions for fields: which of them the user of a request may use in an action.

The permission for a field of an action is the rule ``page, page:action:field, page:action``; the field ``*`` is all of
them. An exact rule and one with ``*`` are worth the same: who decides is the subject it is for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Any

from starlette.requests import Request

from .row_permissions import subject_of
from .utils.casbin import enforce_once, permission_encode


def action_name(action: Any) -> str:
    """An action as it stands in rules; the enumerations of fastapi-amis-admin are taken, too."""
    return str(action.value if isinstance(action, Enum) else action or "")


def field_permission(page: str, action: str, field: str) -> tuple[str, str, str]:
    """Object, action and group of the permission for a field in an action of a page."""
    return page, f"page:{action}:{field}", f"page:{action}"


def permission_text(page: str, action: str, field: str) -> str:
    """The permission for a field in an action of a page as pages exchange it, and as people are told of it."""
    return permission_encode(*field_permission(page, action, field))


async def decide(auth: Any, request: Request, page: str, action: str, fields: Sequence[str]) -> set[str]:
    """Those of the fields that the rules give to the user of a request in an action of a page, decided in one call;
    ``auth`` decides.
    """
    asked = [field_permission(page, action, field) for field in fields]
    decided = enforce_once(request, auth.enforcer, await subject_of(auth, request), asked)
    return {field for field, allowed in zip(fields, decided, strict=True) if allowed}


async def allowed_fields(auth: Any, request: Request, page: Any, action: Any, fields: Iterable[str]) -> list[str]:
    """The fields that the user of a request may use, in the order they are given in.

    Args:
        auth: the :class:`~fastapi_user_auth_c.auth.Auth`.
        request: the request.
        page: the object of the rules; or a page of the site, whose fields without a permission are open to all.
        action: such as ``list``, ``read`` or ``update``, or a name of one's own.
        fields: the names asked for.

    Raises:
        ValueError: the fields are one text, or the page is neither a text nor a page of a site.
    """
    if isinstance(fields, str):
        raise ValueError(f"{fields!r} is one text: a list of fields is expected")
    names, action = list(dict.fromkeys(fields)), action_name(action)
    of_page = getattr(page, "allowed_fields", None)
    if of_page is not None and not isinstance(page, type):
        allowed = await of_page(request, action, names)
    else:
        unique_id = page if isinstance(page, str) else getattr(page, "unique_id", None)
        if not isinstance(unique_id, str):
            raise ValueError(f"{page!r} is neither the id of a page nor a page of a site")
        allowed = await decide(auth, request, unique_id, action, names)
    return [name for name in names if name in allowed]
