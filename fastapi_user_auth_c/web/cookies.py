"""The cookie a browser keeps its token in."""

from __future__ import annotations

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

NAME = "Authorization"


def set_token_cookie(request: Request, response: Response, token: str, max_age: int | None) -> None:
    """Hand a token to the browser: out of reach of scripts and of other sites' forms.

    Args:
        request: the request being answered; on https the cookie is for https only.
        response: the answer.
        token: the token.
        max_age: its life in seconds; None for until the browser is closed.
    """
    response.set_cookie(
        NAME,
        f"bearer {token}",
        max_age=max_age,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def delete_token_cookie(response: Response) -> None:
    response.delete_cookie(NAME)


def has_token_cookie(connection: HTTPConnection) -> bool:
    """Whether a request comes from a browser that has a token."""
    return NAME in connection.cookies


def presented_token(connection: HTTPConnection) -> str | None:
    """The bearer token of a request: of its ``Authorization`` header (RFC 6750), else of the cookie."""
    value = connection.headers.get(NAME) or connection.cookies.get(NAME) or ""
    scheme, _, token = value.partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None
