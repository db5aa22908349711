"""Tokens that ended before their time: one by logout, or all of an account at once.

What has ended is kept where all processes see it, in the database or in Redis, until the tokens would have expired
anyway. Each entry has the next number. A process has them in memory and asks for those with higher numbers, once a
second at most and only while it serves requests that present a token; so a request costs a look into a dictionary, an
entry holds at once in the process that made it and within a second in the others. Numbers, not times, say whether a
token was made before all of its account were ended: clocks differ.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, String, Table, case, delete, insert, select, update
from sqlalchemy.orm import Session
from sqlmodel import SQLModel

from ..db import AnyDatabase, is_private, read_apart, run_alone, run_apart
from ..one_start import make_table

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from .auth import Auth

logger = logging.getLogger("fastapi_user_auth_c.auth")

Entry = tuple[int, str, "int | None"]
"""Number, name of what ended, and the time (seconds since the epoch) from which on nobody needs to know."""

EVERYBODY = "u:*"
"""What the tokens of all accounts together are called."""

CLEAN_SECONDS = 60.0
"""How often a process forgets what nobody needs to know any more."""


def first_number() -> int:
    """For storage without entries: a number that was never reached before."""
    return time.time_ns() // 1_000_000


async def end_tokens(auth: Auth[Any], *user_ids: Any) -> None:
    """End all tokens of accounts whose password or right to log in has changed; a store that cannot is logged.

    Args:
        auth: whose tokens they are.
        user_ids: of the accounts.
    """
    try:
        for user_id in user_ids:
            await auth.logout_everywhere(user_id)
    except NotImplementedError as error:  # a store of the application's own
        logger.warning("tokens of changed accounts stay valid until they expire: %s", error)


class Revocations:
    """What has ended, in memory; subclasses say where it is kept.

    Args:
        poll_seconds: how long others may not know of an entry.
    """

    def __init__(self, poll_seconds: float = 1.0) -> None:
        self.poll_seconds = poll_seconds
        self._last = -1
        """The highest number seen."""
        self._ended: dict[str, tuple[int, int | None]] = {}
        self._asked = float("-inf")
        self._failed: tuple[float, Exception] | None = None
        self._cleaned = time.monotonic()
        self._lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    async def refresh(self) -> None:
        """Before :meth:`has_ended` is asked: see what others have ended, if the last look is too long ago."""
        if time.monotonic() - self._asked >= self.poll_seconds:
            await self._ask(self.poll_seconds)

    def has_ended(self, name: str, revision: int | None = None) -> bool:
        """Whether something has ended, as far as this process knows.

        Args:
            name: what it is called: ``t:`` and the id of a token, ``u:`` and the id of an account, or ``EVERYBODY``.
            revision: what :meth:`revision` was when a token of that account was made.
        """
        found = self._ended.get(name)
        return found is not None and found[0] > (revision or 0)

    def has_account_ended(self, user_id: Any, revision: int | None = None) -> bool:
        """Whether a token of an account (``user_id``), made at that revision, has ended with all of the account or of
        everybody.
        """
        return self.has_ended(f"u:{user_id}", revision) or self.has_ended(EVERYBODY, revision)

    async def revision(self) -> int:
        """The number of the last entry, of whatever process; asked for anew."""
        await self._ask(0.0)
        return self._last

    async def end(self, name: str, expires: float | None) -> None:
        """Let something end now.

        Args:
            name: as :meth:`has_ended` takes it.
            expires: when it would have ended anyway, in seconds since the epoch; None for never.
        """
        until = None if expires is None else int(expires) + 1
        number = await self._append(name, until)
        if name not in self._ended or self._ended[name][0] < number:
            self._ended[name] = (number, until)  # not _last: others may have come between

    async def _ask(self, age: float) -> None:
        """Read the entries made since, unless somebody has just done so; who comes meanwhile waits."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        came = time.monotonic()
        async with self._lock[1]:
            start = time.monotonic()
            if start - self._asked < age or self._asked > came:
                return
            if self._failed is not None and self._failed[0] > came:  # nobody waits for the same failure again
                raise self._failed[1]
            try:
                entries = await self._since(self._last)
            except Exception as error:
                self._failed = (time.monotonic(), error)
                raise
            for number, name, expires in entries:
                self._last = max(self._last, number)
                if name not in self._ended or self._ended[name][0] < number:
                    self._ended[name] = (number, expires)
            self._asked, self._failed = start, None
            if start - self._cleaned >= CLEAN_SECONDS:
                now = time.time()
                self._ended = {name: each for name, each in self._ended.items() if each[1] is None or each[1] > now}
                self._cleaned = start

    async def _since(self, number: int) -> list[Entry]:
        """All entries with higher numbers."""
        raise NotImplementedError

    async def _append(self, name: str, expires: int | None) -> int:
        """Store an entry under the next number, such that no lower one can appear after it."""
        raise NotImplementedError


COUNTER = 0
"""The number of a row that is no entry: its ``expires`` is the last number."""

_ended = Table(
    "auth_token_revocation",
    SQLModel.metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String(64), nullable=False),
    Column("expires", BigInteger, nullable=True, index=True),
)


class DbRevocations(Revocations):
    """Entries in the table ``auth_token_revocation``, which is made where it is missing.

    Those of a database in this process's memory stay there: all its sessions share one transaction.

    Args:
        db: the database.
        poll_seconds: see :class:`Revocations`.
    """

    def __init__(self, db: AnyDatabase, poll_seconds: float = 1.0) -> None:
        super().__init__(poll_seconds)
        self.db = db
        self._there = False

    async def _ensure(self) -> None:
        if not self._there:
            await run_apart(self.db, lambda session: make_table(session, _ended), spare=True)
            self._there = True

    async def _since(self, number: int) -> list[Entry]:
        if is_private(self.db):
            return []
        await self._ensure()
        statement = select(_ended).where(_ended.c.number > max(number, COUNTER))

        def work(session: Session) -> list[Entry]:
            return [tuple(row) for row in session.execute(statement)]  # type: ignore[misc]

        return await read_apart(self.db, work, spare=True)

    async def _append(self, name: str, expires: int | None) -> int:
        if is_private(self.db):
            self._last = max(self._last + 1, first_number())
            return self._last
        await self._ensure()
        return await run_alone(self.db, lambda session: _insert_next(session, name, expires))


def _insert_next(session: Session, name: str, expires: int | None) -> int:
    # whoever counts holds the counter until the commit, so entries appear in the order of their numbers
    counter = _ended.c.number == COUNTER
    # a database that was set back to an earlier state goes on above what running processes have seen
    now = first_number()
    following = case((_ended.c.expires < now, now), else_=_ended.c.expires + 1)
    counted: Any = session.execute(update(_ended).where(counter).values(expires=following))
    if counted.rowcount == 0:
        session.execute(insert(_ended).values(number=COUNTER, name="", expires=now))
    number = int(session.scalar(select(_ended.c.expires).where(counter)) or 0)
    session.execute(insert(_ended).values(number=number, name=name, expires=expires))
    session.execute(delete(_ended).where(_ended.c.expires < int(time.time()), _ended.c.number != COUNTER))
    session.commit()
    return number


class RedisRevocations(Revocations):
    """Entries in Redis, in a sorted set.

    What Redis forgets, as at a restart without persistence, has not ended for processes that start later.

    Args:
        redis: the client.
        poll_seconds: see :class:`Revocations`.
        key: of the sorted set; two more begin with it.
    """

    # KEYS: entries by number, entries by expiry, last number. ARGV: name, expiry or "", least number, now.
    # A Redis that was set back to an earlier state goes on above what running processes have seen.
    _APPEND = """
        local number = math.max((tonumber(redis.call('GET', KEYS[3])) or 0) + 1, tonumber(ARGV[3]))
        redis.call('SET', KEYS[3], string.format('%.0f', number))
        local entry = ARGV[1] .. ' ' .. ARGV[2]
        redis.call('ZADD', KEYS[1], string.format('%.0f', number), entry)
        if ARGV[2] ~= '' then redis.call('ZADD', KEYS[2], ARGV[2], entry) end
        local gone = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. ARGV[4], 'LIMIT', 0, 1000)
        for _, each in ipairs(gone) do
            redis.call('ZREM', KEYS[1], each)
            redis.call('ZREM', KEYS[2], each)
        end
        return string.format('%.0f', number)
    """

    def __init__(self, redis: Redis, poll_seconds: float = 1.0, key: str = "{auth:revoked}") -> None:
        super().__init__(poll_seconds)
        self.redis = redis
        self._keys = (key, f"{key}:expires", f"{key}:last")

    async def _since(self, number: int) -> list[Entry]:
        found: Any = await self.redis.zrange(self._keys[0], f"({number}", "+inf", byscore=True, withscores=True)
        entries: list[Entry] = []
        for entry, score in found:
            name, _, expires = (entry.decode() if isinstance(entry, bytes) else entry).partition(" ")
            entries.append((int(score), name, int(expires) if expires else None))
        return entries

    async def _append(self, name: str, expires: int | None) -> int:
        until = "" if expires is None else str(expires)
        arguments = (name, until, str(first_number()), str(int(time.time())))
        return int(await self.redis.eval(self._APPEND, len(self._keys), *self._keys, *arguments))  # type: ignore[misc]
