"""Headers that keep a page of the site to what it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders

DOCS = ("https://cdn.jsdelivr.net", "https://fonts.googleapis.com", "https://fonts.gstatic.com")
"""Where FastAPI's pages of the API documentation come from."""


def content_security_policy(cdn: str) -> str:
    """A policy that amis can live with: it evaluates expressions, writes styles, and shows pictures from anywhere.

    Scripts come from the site and the place of amis only, what a page says goes nowhere else, and no other site may
    show the pages in a frame (CSP Level 3).

    Args:
        cdn: where amis is loaded from; an address, or a path on this host.
    """
    parts = urlsplit(cdn)
    sources = " ".join(["'self'", *([f"{parts.scheme}://{parts.netloc}"] if parts.netloc else []), *DOCS])
    return "; ".join(
        [
            f"default-src {sources}",
            f"script-src {sources} 'unsafe-inline' 'unsafe-eval' blob:",
            f"style-src {sources} 'unsafe-inline'",
            f"font-src {sources} data:",
            "img-src * data: blob:",
            "media-src * data: blob:",
            "frame-src *",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        ]
    )


class SecurityHeaders:
    """ASGI middleware: adds the headers that an answer does not have.

    Args:
        app: the application.
        policy: gives the content security policy; "" for none.
    """

    def __init__(self, app: Any, policy: Callable[[], str]) -> None:
        self.app = app
        self.policy = policy

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "same-origin")
                headers.setdefault("X-Frame-Options", "SAMEORIGIN")
                policy = self.policy()
                if policy and headers.get("content-type", "").startswith("text/html"):
                    headers.setdefault("Content-Security-Policy", policy)
            await send(message)

        await self.app(scope, receive, with_headers)
