"""Refusals: 401 for guests, 403 for everybody else."""

from typing import Any, NoReturn

from fastapi import HTTPException
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request

from ..auth.auth import KNOWN


class Refused(HTTPException):
    """Status 403 for somebody who is logged in; browsers that are going to a page get one."""


def is_logged_in(request: Request) -> bool:
    """Whether somebody was found to make a request, and not a guest."""
    return any(known.get("user") for known in request.scope.get(KNOWN, {}).values())


def refuse(request: Request) -> NoReturn:
    """Raise the HTTP error for a request that lacks a permission."""
    if is_logged_in(request):
        raise Refused(status_code=403, detail=_("Insufficient user rights"))
    raise HTTPException(status_code=401, detail=_("User is not logged in"))


def unprocessable(error: Exception | str) -> HTTPException:
    """The HTTP error for input that makes no sense."""
    return HTTPException(status_code=422, detail=str(error))


async def demand(request: Request, admin: Any, action: str) -> None:
    """Let nobody pass who lacks that action on the page."""
    if not await admin.has_page_permission(request, action=action):
        refuse(request)
