"""Refusals of the site's routes."""

from typing import Any

from fastapi import HTTPException
from starlette.requests import Request

from ..auth.refusals import Refused, is_logged_in, refuse

__all__ = ["Refused", "demand", "is_logged_in", "refuse", "unprocessable"]


def unprocessable(error: Exception | str) -> HTTPException:
    """The HTTP error for input that makes no sense."""
    return HTTPException(status_code=422, detail=str(error))


async def demand(request: Request, admin: Any, action: str) -> None:
    """Let nobody pass who lacks that action on the page."""
    if not await admin.has_page_permission(request, action=action):
        refuse(request)
