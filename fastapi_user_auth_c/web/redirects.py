"""Where a visitor may be sent."""

from __future__ import annotations

import string
from urllib.parse import quote


def local_path(target: str | None, default: str) -> str:
    """The target if it is a path on this host, else the default.

    Browsers read ``//host``, ``/\\host`` and control characters as ways to another host.
    """
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\"):
        return default
    # nor may it be more than an address to the page it is written into, where scripts and templates are evaluated
    if any(ord(char) < 32 or ord(char) == 127 or char in "\\<>\"'`{}" for char in target):
        return default
    return quote(target, safe=string.punctuation, errors="replace")
