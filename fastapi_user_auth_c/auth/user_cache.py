"""Users that were read a moment ago, so that the next request with their token asks the database nothing.

Each request gets an object of its own, attached to its session as one that was read, so it can be changed and stored.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import ORMExecuteState, Session, SessionTransaction

from ..db import AnyDatabase, read_and_release, run_apart, run_read

MAX_USERS = 10_000


class UserCache:
    """Users by id. A change that this process makes through the ORM ends an entry at once, with its commit.

    A user that is read while somebody changes users is not kept: it may be the one before the change.

    Args:
        db: the database.
        model: the mapped class of users.
        seconds: how long other processes, and what is not the ORM, may change a user before it is noticed.

    Raises:
        ValueError: ``seconds`` is not positive.
    """

    def __init__(self, db: AnyDatabase, model: Any, seconds: float) -> None:
        if not seconds > 0:
            raise ValueError(f"user_cache_seconds must be positive, or 0 for no cache, not {seconds!r}")
        self.db = db
        self.model = model
        self.seconds = seconds
        self._mapper = inspect(model)
        self._kept: dict[Any, tuple[float, Any]] = {}
        self._versions = itertools.count(1)  # counts in one step, whatever the threads do
        self._version = 0
        # where a session keeps that it has changed users and not committed yet; each cache has a mark of its own
        self._changed = f"fastapi_user_auth_c.changed_users:{id(self)}"
        event.listen(Session, "after_flush", self._flushed)
        event.listen(Session, "do_orm_execute", self._executes)
        event.listen(Session, "after_transaction_end", self._ended)

    async def get(self, user_id: Any) -> Any:
        """The user of that id, or None."""
        session = self._session()
        key = self._mapper.identity_key_from_primary_key((user_id,))
        known = None if session is None else session.identity_map.get(key)
        if known is not None and not inspect(known).expired:
            return known
        found = self._kept.get(user_id)
        if known is None and found is not None and time.monotonic() < found[0]:
            return _copy(session, found[1])
        # a transaction may see what was there when it began; an expired object is read again by its own session
        if session is not None and (known is not None or session.in_transaction()):
            return await run_read(self.db, lambda mine: mine.get(self.model, user_id))
        version = self._version
        user = await run_apart(self.db, lambda apart: apart.get(self.model, user_id))
        if user is None:
            return None
        if version == self._version:
            if len(self._kept) >= MAX_USERS:
                self._kept.clear()
            self._kept[user_id] = (time.monotonic() + self.seconds, user)
        return _copy(session, user)

    def _session(self) -> Session | None:
        """That of the current request, if it has one."""
        session: Any = self.db.session if self.db.scoped else None
        return getattr(session, "sync_session", session)

    def forget(self) -> None:
        """Forget all users, also those who are being read."""
        self._version = next(self._versions)
        self._kept.clear()

    # --- changes through the ORM, in whatever session

    def _flushed(self, session: Session, context: Any) -> None:
        for changed in (session.dirty, session.deleted, session.new):
            if any(inspect(each).mapper.local_table is self._mapper.local_table for each in changed):
                self._changes(session)
                return

    def _executes(self, state: ORMExecuteState) -> None:
        if state.is_update or state.is_delete or state.is_insert:
            table = getattr(state.statement, "table", None)  # the ORM's own copy of it
            if getattr(table, "fullname", None) == self._mapper.local_table.fullname:
                self._changes(state.session)

    def _changes(self, session: Session) -> None:
        session.info[self._changed] = True
        self.forget()

    def _ended(self, session: Session, transaction: SessionTransaction) -> None:
        if self._changed not in session.info:
            return
        if transaction.parent is None:  # no savepoint, and no step of a flush: it is stored, or undone
            del session.info[self._changed]
        self.forget()


def _copy(session: Session | None, user: Any) -> Any:
    """An object like that one, in the session; or in none, where there is none."""
    if session is not None:  # no connection is needed: nothing to wait for, now or at the end of the request
        return read_and_release(session, lambda mine: mine.merge(user, load=False))
    with Session() as alone:
        copy = alone.merge(user, load=False)
        alone.expunge(copy)
        return copy
