"""Names of accounts: which ones there may be, and which ones people take for the same."""

from __future__ import annotations

import unicodedata
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import func, select

from ..db import AnyDatabase, read_chunks, run_read
from ..texts import plain_text
from .schemas import SystemUserEnum


def name_fault(name: str) -> str:
    """Why nobody but root may make an account of this name; "" when they may."""
    plain = plain_text(name)
    # the prefixes are those of users and roles in rules
    if plain.startswith(("u:", "r:")) or not plain:
        return str(_("This is no user name"))
    if any(unicodedata.category(char) in ("Cc", "Cf", "Cs") for char in name):
        return str(_("This is no user name"))
    if plain in set(SystemUserEnum):
        return str(_("Username has been registered!"))
    # of names that look the same there is one form
    return "" if name == unicodedata.normalize("NFKC", name).strip() else str(_("This is no user name"))


async def find_alike(db: AnyDatabase, column: Any, name: str, *, thorough: bool = True) -> str | None:
    """A name that is the same, or differs only in what people do not tell apart: case, width, outer space.

    Args:
        db: the database.
        column: of the names.
        name: the name.
        thorough: look at each name that is stored; else, for a name in ASCII, at those alone that differ in case, which
            the database finds by itself.
    """
    if not thorough and name.isascii():
        same = select(column).where(func.lower(column) == name.strip().lower()).limit(1)
        return await run_read(db, lambda session: session.scalar(same))  # type: ignore[no-any-return]
    plain = plain_text(name)
    async for chunk in read_chunks(db, select(column), 2000):
        for (other,) in chunk:
            if plain_text(other) == plain:
                return str(other)
    return None
