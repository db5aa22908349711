"""Refusals: 401 for guests, 403 for everybody else."""

from typing import NoReturn

from fastapi import HTTPException
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request

from .auth import KNOWN


class Refused(HTTPException):
    """Status 403 for somebody who is logged in."""


def is_logged_in(request: Request) -> bool:
    """Whether somebody was found to make a request, and not a guest."""
    return any(known.get("user") for known in request.scope.get(KNOWN, {}).values())


def refuse(request: Request, detail: str = "") -> NoReturn:
    """Raise the HTTP error for a request that lacks a permission.

    Args:
        request: the request.
        detail: what a user is told; default that their rights do not suffice.
    """
    if is_logged_in(request):
        raise Refused(status_code=403, detail=detail or _("Insufficient user rights"))
    raise HTTPException(status_code=401, detail=_("User is not logged in"))
