"""Plain pages, and JSON inside pages."""

from __future__ import annotations

from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<style>body {{ font-family: sans-serif; margin: 15vh auto; max-width: 32em; padding: 0 1em; text-align: center }}
a, button {{ font: inherit; margin: 0 .5em }}</style></head>
<body><h1>{title}</h1><p>{text}</p>{below}</body></html>
"""


def plain_page(title: str, text: str, below: str = "", status_code: int = 200) -> HTMLResponse:
    """A page without scripts.

    Args:
        title: as text.
        text: as text.
        below: as HTML.
        status_code: of the answer.
    """
    page = _PAGE.format(title=escape(title), text=escape(text), below=below)
    return HTMLResponse(page, status_code, headers={"Cache-Control": "no-store"})


def link(target: str, label: str) -> str:
    """A link as HTML."""
    return f'<a href="{escape(target)}">{escape(label)}</a>'


def wants_page(request: Request, unclear: bool = False) -> bool:
    """Whether a browser is going to a page, as against a script that asks for data.

    Args:
        request: the request.
        unclear: the answer for clients that do not say what they take.
    """
    if request.method != "GET" or "x-requested-with" in request.headers:
        return False
    mode, accept = request.headers.get("sec-fetch-mode"), request.headers.get("accept", "")
    if mode:
        return mode == "navigate"
    return "text/html" in accept or (unclear and "application/json" not in accept)


def script_json(text: str) -> str:
    """JSON as it may stand inside a script of a page: the same value, without what ends the script or begins a comment.

    ``<`` and its like can only be within the strings of JSON, where an escape means the same (WHATWG HTML, section
    4.12.1.3).
    """
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
