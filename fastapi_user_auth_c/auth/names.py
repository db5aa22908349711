"""Names of accounts: which ones there may be, and which ones people take for the same."""

from __future__ import annotations

import functools
import hashlib
import unicodedata
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import and_, func, or_, select, text, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..db import AnyDatabase, read_chunks, run_read
from ..db_errors import is_locked, is_outage
from ..dialects import MYSQL
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


@functools.cache
def _capitals() -> dict[str, list[str]]:
    """For each text what single characters it stands for, where case is not told apart: ``ß`` and ``ẞ`` for ``ss``."""
    found: dict[str, list[str]] = {}
    for char in map(chr, range(0x20000)):  # there is no case beyond
        folded = char.casefold()
        # ligatures are in no name
        if folded != char and (len(folded) == 1 or unicodedata.normalize("NFKC", char) == char):
            found.setdefault(folded, []).append(char)
    return found


def _other_case(column: Any, name: str, dialect: str) -> Any:
    """A condition that all names fulfil which differ from this one in case only, and few others; None for no such one.

    Databases know the case of ASCII alone, or take more for equal; so each character is asked for in all its cases.
    """
    folded = name.strip().casefold()
    if plain_text(name) != folded or any(len(char.casefold()) > 1 and char not in "ßẞ" for char in name):
        return None  # letters whose marks are composed in one case and not in the other
    capitals = _capitals()
    same: list[Any] = [
        func.substr(column, at, 1).in_([char, *capitals.get(char, ())]) for at, char in enumerate(folded, 1)
    ]
    end = func.substr(column, len(same) + 1, 1) == ""
    whole = func.lower(column) == folded if folded.isascii() else and_(*same, end)
    short = [several for several in capitals if len(several) > 1 and several in folded]
    if not short:
        return whole
    # with one character for several, what comes behind stands elsewhere
    before = same[: min(folded.find(several) for several in short)]
    exact = column.collate("utf8mb4_bin") if dialect in MYSQL else column  # else ß is like s
    contracted = or_(*(exact.contains(char) for several in short for char in capitals[several]))
    return or_(whole, and_(true(), *before, contracted))


def _narrowed(session: Session, column: Any, name: str) -> Sequence[str] | None:
    """The names that differ from one in case, and few others; None where the database cannot look for them."""
    dialect = session.get_bind().dialect.name
    condition = _other_case(column, name, dialect)
    if condition is None:
        return None
    try:
        # what fails on PostgreSQL would fail all the rest of the transaction
        with session.begin_nested() if dialect != "sqlite" else nullcontext():
            return session.scalars(select(column).where(condition)).all()
    except (DBAPIError, UnicodeError) as error:
        if is_outage(error) or is_locked(error):
            raise
        return None  # its encoding does not have all the letters


def alike(session: Session, column: Any, name: str) -> str | None:
    """A stored name that differs from a name in case at most, as far as the database can look for it.

    Args:
        session: of the database.
        column: of the names.
        name: the name, of which :func:`name_fault` says nothing; itself it does not count.
    """
    plain = plain_text(name)
    return next(
        (other for other in _narrowed(session, column, name) or () if other != name and plain_text(other) == plain),
        None,
    )


def take_turn(session: Session, name: str) -> None:
    """Before a name is stored: wait for transactions that are about to store one like it, where the database lets both.

    SQLite lets nobody write beside somebody else, and most collations of MySQL and MariaDB take such names for equal.
    Where one is binary there, or transactions of PostgreSQL see what was there at their beginning (REPEATABLE READ),
    of names that come at the same instant both may be stored.
    """
    if session.get_bind().dialect.name == "postgresql":
        digest = hashlib.sha256(plain_text(name).encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        session.execute(text(f"SELECT pg_advisory_xact_lock({number})"))


async def find_alike(db: AnyDatabase, column: Any, name: str, *, thorough: bool = True) -> str | None:
    """A name that is the same, or differs only in what people do not tell apart: case, width, outer space.

    Args:
        db: the database.
        column: of the names.
        name: the name.
        thorough: look at each name that is stored; else, where the database finds them, at those that differ in case.
    """
    plain = plain_text(name)
    if not thorough:
        same = select(column).where(column == name).limit(1)

        def look(session: Session) -> tuple[str | None, Sequence[str] | None]:
            equal = session.scalar(same)
            return (equal, ()) if equal is not None else (None, _narrowed(session, column, name))

        equal, others = await run_read(db, look)
        if equal is not None or others is not None:
            return equal or next((other for other in others or () if plain_text(other) == plain), None)
    async for chunk in read_chunks(db, select(column), 2000):
        for (other,) in chunk:
            if plain_text(other) == plain:
                return str(other)
    return None
