"""The number of the stored policy, which every change of it moves on.

It stands in a table of its own, in one row, and is moved within the transaction of the change. That row is locked until
the transaction ends, so changes of all processes come one after another; and a process that keeps the policy in memory
sees by one small query whether it is still the stored one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Column, Integer, Table, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session
from sqlmodel import SQLModel

from ..dialects import MYSQL
from ..one_start import make_table

logger = logging.getLogger("fastapi_user_auth_c.policy")


_row = Table(
    "auth_policy_revision",
    SQLModel.metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False),
)


class StalePolicy(RuntimeError):
    """The stored policy has changed since it was loaded: nothing was stored."""


@dataclass
class Attempt:
    """A change that holds only for the policy it was worked out from."""

    expected: int
    reached: int | None = None


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


@contextmanager
def attempt(expected: int | None) -> Iterator[Attempt | None]:
    """Within: changes are refused with :class:`StalePolicy` unless the stored revision is the expected one."""
    mine = None if expected is None else Attempt(expected)
    token = _attempt.set(mine)
    try:
        yield mine
    finally:
        _attempt.reset(token)


_basis: ContextVar[int | None] = ContextVar("basis", default=None)


@contextmanager
def worked_out_from(revision: int | None) -> Iterator[None]:
    """Within: an enforcer makes changes to the policy of that revision alone, and else raises :class:`StalePolicy`.

    By itself it works a change out anew where another process was faster; here its caller has worked it out.
    """
    token = _basis.set(revision)
    try:
        yield
    finally:
        _basis.reset(token)


def current_basis() -> int | None:
    return _basis.get()


def current_attempt() -> Attempt | None:
    return _attempt.get()


def read_revision(session: Session) -> int:
    """The stored revision; 0 before the first change."""
    return int(session.scalar(select(_row.c.revision)) or 0)


def first_revision() -> int:
    """For a row that is new, or lost and made again: a number that was never reached before."""
    return time.time_ns() // 1_000_000


def move_revision(session: Session, mine: Attempt | None = None, commit: bool = True) -> bool:
    """Move the revision on, as the first statement of a change: until its end other changes wait here.

    False, and nothing has moved, when ``mine`` expects another revision. That is no exception here, which would undo
    what else the session holds.

    Args:
        session: the session of the change.
        mine: the revision that the change was worked out from.
        commit: whether what the session holds may be committed first. MySQL and MariaDB read for a whole transaction
            what was there at its first query: without a new one the change would not see the newest rules.
    """
    if commit and session.in_transaction() and session.get_bind().dialect.name in MYSQL:
        session.commit()
    moved: Any = session.execute(update(_row).values(revision=_row.c.revision + 1))
    if moved.rowcount == 0:
        session.execute(insert(_row).values(id=1, revision=first_revision()))
    if mine is None:
        return True
    mine.reached = read_revision(session)
    if mine.reached == mine.expected + 1:
        return True
    session.execute(update(_row).values(revision=_row.c.revision - 1))
    return False


def ensure_revision(session: Session) -> bool:
    """Make the table and its row where a database has none; whether they are there now.

    Of several processes that do so at once, all find them.
    """
    try:
        make_table(session, _row)
    except DBAPIError as error:
        logger.warning("no table %s: other processes will not see changes of the policy: %s", _row.name, error)
        return False
    try:
        if session.scalar(select(_row.c.id)) is None:
            session.execute(insert(_row).values(id=1, revision=first_revision()))
        session.commit()
    except IntegrityError:
        session.rollback()
    return True
