"""Texts that people type."""

from __future__ import annotations

import unicodedata


def plain_text(text: str) -> str:
    """What names and passwords are compared by: without case, width and outer space (Unicode's NFKC)."""
    # twice: the small letters of what could not be composed can be
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().casefold())
