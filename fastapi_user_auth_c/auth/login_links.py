"""Links that log in as a user, once and soon."""

from __future__ import annotations

import hashlib
import secrets
import time
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, String, Table, delete, insert, select
from sqlalchemy.orm import Session
from sqlmodel import SQLModel

from ..db import AnyDatabase, run_apart, run_read
from ..one_start import make_table
from .backends.base import account_state, digest_text, seal
from .revocations import Revocations

_links = Table(
    "auth_login_link",
    SQLModel.metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", Integer, nullable=False),
    Column("state", String(64), nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
)


class LoginLinks:
    """Codes in the table ``auth_login_link``, of which only digests are stored.

    Args:
        db: the database.
        model: the mapped class of users.
        revocations: what says whether all tokens of an account have ended; its links end with them.
    """

    def __init__(self, db: AnyDatabase, model: Any, revocations: Revocations) -> None:
        self.db = db
        self.model = model
        self.revocations = revocations
        self._there = False

    async def make(self, user: Any, seconds: int) -> str:
        """A code that logs in as a user, once, within so many seconds, as long as the account stays as it is."""
        await self._ensure()
        code = secrets.token_urlsafe()
        now = int(time.time())
        state = f"{_state(code, user)}.{await self.revocations.revision()}"
        row = {"digest": _digest(code), "user_id": user.id, "state": state, "expires": now + seconds}

        def work(session: Session) -> None:
            session.execute(delete(_links).where(_links.c.expires <= now))
            session.execute(insert(_links).values(row))
            session.commit()

        await run_apart(self.db, work)
        return code

    async def take(self, code: str) -> Any:
        """The user that a code logs in as, and the code is used up; None when it is not, or no longer, good."""
        digest = _digest(code)
        mine = _links.c.digest == digest

        def work(session: Session) -> Any:
            row = session.execute(select(_links).where(mine)).first()
            if row is None or row.digest != digest:
                return None
            gone: Any = session.execute(delete(_links).where(mine))  # of several at once, one
            session.commit()
            return row if gone.rowcount == 1 and row.expires > time.time() else None

        await self._ensure()
        # asked anew, as who comes in by a link that has just ended would stay; and first: an outage uses none up
        await self.revocations.revision()
        row = await run_apart(self.db, work)
        if row is None:
            return None
        state, _, revision = row.state.partition(".")
        if self.revocations.has_account_ended(row.user_id, int(revision or 0)):
            return None
        user: Any = await run_read(self.db, lambda session: session.get(self.model, row.user_id))
        return user if user is not None and user.is_authenticated and state == _state(code, user) else None

    async def _ensure(self) -> None:
        if not self._there:
            await run_apart(self.db, lambda session: make_table(session, _links))
            self._there = True


def _digest(code: str) -> str:
    return digest_text(hashlib.sha256(code.encode(errors="replace")).digest())


def _state(code: str, user: Any) -> str:
    return seal(code.encode(errors="replace")[:64], account_state(user))
