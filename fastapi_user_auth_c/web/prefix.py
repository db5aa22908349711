"""Applications under a prefix: behind a proxy that puts one in front (``root_path``), or mounted in another one."""

from __future__ import annotations

import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import quote

from starlette.requests import HTTPConnection
from starlette.responses import Response

_ROOT = "__user_auth_root__"
"""Where the scope of a request keeps the prefix of the application that it was made to."""


class ApplicationRoot:
    """ASGI middleware: remembers the prefix of an application before the request goes down into what is mounted there.

    With ``FastAPI(root_path=...)`` behind a proxy that takes the prefix off, the path lacks it, against the ASGI
    specification; then Starlette finds nothing that is mounted. So it is put back, for what is below one path.

    Args:
        app: the application.
        below: the path.
    """

    def __init__(self, app: Any, below: str) -> None:
        self.app = app
        self.below = below

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        if scope["type"] in ("http", "websocket"):
            root = scope[_ROOT] = scope.get("root_path", "").rstrip("/")
            if root and _is_below(scope["path"], self.below) and not _is_below(scope["path"], root):
                scope["path"] = root + scope["path"]
                if scope.get("raw_path"):
                    scope["raw_path"] = quote(root).encode() + scope["raw_path"]
        return self.app(scope, receive, send)  # type: ignore[no-any-return]


def _is_below(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def application_root(connection: HTTPConnection) -> str:
    """The prefix of the application that a request was made to, as it stands in addresses; "" for none.

    It is that of the application which a site is mounted in, else the server's.
    """
    scope = connection.scope
    root = scope.get(_ROOT, scope.get("app_root_path", scope.get("root_path", "")))
    return quote(root.rstrip("/"), safe="/~@:")  # a mount may have taken it from the address


def put_in_front(prefix: str, top: str, response: Response) -> Response:
    """Put a prefix in front of the addresses in a page, or in its JSON.

    Pages are described once, when nobody knows yet where they will be.

    Args:
        prefix: the prefix.
        top: what the addresses begin with; "" for anything.
        response: the page.
    """
    end = r"[/?#\"'\\)]" if top else r"/[\w$]"
    begin = rf"(?<=[\"'(:=])(?!{re.escape(prefix + top)}[/?#\"'\\)]){re.escape(top)}"
    placed = (prefix + top).encode()
    response.body = body = re.sub(f"{begin}(?={end})".encode(), lambda _found: placed, bytes(response.body))
    response.headers["content-length"] = str(len(body))
    return response
