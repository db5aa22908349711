"""Limits on wrong passwords: :class:`LoginThrottle`, with its counters in the database or in Redis.

An attempt is counted before the password is looked at, so that many at once do not slip through, and given back when
the password was right. Counters hold for all processes. Names and addresses are stored as digests.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import HTTPException
from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import BigInteger, Column, Integer, String, Table, case, delete, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session
from sqlmodel import SQLModel

from .db import AnyDatabase, run_alone, run_apart
from .dialects import MYSQL
from .one_start import make_table
from .settings import AuthSettings
from .texts import plain_text

if TYPE_CHECKING:
    from redis.asyncio import Redis

AT_ONCE = 2
"""Passwords for one name from one address that one process looks at side by side; the others wait their turn."""


class TooManyLogins(HTTPException):
    """There were too many wrong passwords: status 429, with the seconds to wait in ``Retry-After``.

    Args:
        seconds: how long to wait.
    """

    def __init__(self, seconds: int) -> None:
        headers = {"Retry-After": str(seconds)}
        super().__init__(status_code=429, detail=_("Too many attempts to log in, try again later"), headers=headers)


CLEAN_SECONDS = 60.0
"""How often a process removes counters that are over."""

_attempts = Table(
    "auth_login_attempt",
    SQLModel.metadata,
    Column("name", String(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("expires", BigInteger, nullable=False, index=True),
)


def _count_one_more(dialect: str, name: str, now: int, expires: int) -> Any:
    """A new counter, or the next number of a live one; one statement, so that two processes do not lock each other."""
    row = {"name": name, "count": 1, "expires": expires}
    is_over = _attempts.c.expires <= now
    # in this order: MySQL takes what it has just set for the next one
    values = {
        "count": case((is_over, 1), else_=_attempts.c.count + 1),
        "expires": case((is_over, expires), else_=_attempts.c.expires),
    }
    if dialect in MYSQL:
        return mysql.insert(_attempts).values(row).on_duplicate_key_update(list(values.items()))
    if dialect == "postgresql":
        return postgresql.insert(_attempts).values(row).on_conflict_do_update(index_elements=["name"], set_=values)
    return sqlite.insert(_attempts).values(row).on_conflict_do_update(index_elements=["name"], set_=values)


class DbCounters:
    """Counters in the table ``auth_login_attempt``, which is made where it is missing.

    Args:
        db: the database.
    """

    def __init__(self, db: AnyDatabase) -> None:
        self.db = db
        self._there = False
        self._next_clean = 0.0

    async def add(self, names: Iterable[str], seconds: int) -> list[tuple[int, int]]:
        """Count one more for each of the names; the counts, and the seconds until they begin anew."""
        if not self._there:
            await run_apart(self.db, lambda session: make_table(session, _attempts))
            self._there = True
        ordered = sorted(names)  # two processes never wait for each other
        clean = time.monotonic() >= self._next_clean
        if clean:
            self._next_clean = time.monotonic() + CLEAN_SECONDS

        def work(session: Session) -> dict[str, tuple[int, int]]:
            now = int(time.time())
            if clean:
                session.execute(delete(_attempts).where(_attempts.c.expires <= now))
                session.commit()
            for name in ordered:
                session.execute(_count_one_more(session.get_bind().dialect.name, name, now, now + seconds))
            found = session.execute(select(_attempts).where(_attempts.c.name.in_(ordered)))
            counts = {name: (count, max(expires - now, 1)) for name, count, expires in found}
            session.commit()
            return counts

        counts: dict[str, tuple[int, int]] = await run_alone(self.db, work)
        return [counts[name] for name in names]

    async def give_back(self, names: Iterable[str]) -> None:
        """Count one less for each of the names."""
        ordered = sorted(names)

        def work(session: Session) -> None:
            for name in ordered:
                mine = (_attempts.c.name == name) & (_attempts.c.count > 0)
                session.execute(update(_attempts).where(mine).values(count=_attempts.c.count - 1))
            session.commit()

        await run_alone(self.db, work)

    async def clear(self, names: Iterable[str]) -> None:
        """Begin anew for each of the names."""
        statement = delete(_attempts).where(_attempts.c.name.in_(list(names)))

        def work(session: Session) -> None:
            session.execute(statement)
            session.commit()

        await run_alone(self.db, work)


class RedisCounters:
    """Counters in Redis, which forgets them by itself.

    Args:
        redis: the client.
        prefix: of the keys.
    """

    def __init__(self, redis: Redis, prefix: str = "auth:attempt:") -> None:
        self.redis = redis
        self.prefix = prefix

    async def add(self, names: Iterable[str], seconds: int) -> list[tuple[int, int]]:
        """Count one more for each of the names; the counts, and the seconds until they begin anew."""
        async with self.redis.pipeline(transaction=True) as pipe:
            for name in names:
                key = self.prefix + name
                pipe.set(key, 0, ex=seconds, nx=True)
                pipe.incr(key)
                pipe.ttl(key)
            found = await pipe.execute()
        return [(int(found[i + 1]), max(int(found[i + 2]), 1)) for i in range(0, len(found), 3)]

    # KEYS: counters. One that has ended in the meantime is not made again.
    _GIVE_BACK = """
        for _, key in ipairs(KEYS) do
            if tonumber(redis.call('GET', key) or 0) > 0 then redis.call('DECR', key) end
        end
    """

    async def give_back(self, names: Iterable[str]) -> None:
        """Count one less for each of the names."""
        for name in names:  # one key a script, for a cluster
            await self.redis.eval(self._GIVE_BACK, 1, self.prefix + name)  # type: ignore[misc]

    async def clear(self, names: Iterable[str]) -> None:
        """Begin anew for each of the names."""
        for name in names:
            await self.redis.delete(self.prefix + name)


class LoginThrottle:
    """Refuses logins where too many passwords were wrong.

    Args:
        counters: :class:`DbCounters`, :class:`RedisCounters` or an object with their methods.
        settings: the limits.
    """

    def __init__(self, counters: Any, settings: AuthSettings) -> None:
        self.counters = counters
        self.settings = settings
        self._turns: dict[tuple[int, str], tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def attempt(self, name: str, address: str) -> AsyncIterator[list[bool]]:
        """Around one look at a password: append True to the list when it was right.

        Args:
            name: the user name as given.
            address: of the client.

        Raises:
            TooManyLogins: there were too many; the password shall not be looked at.
        """
        limits = self._limits(name, address)
        right: list[bool] = []
        if not limits:
            yield right
            return
        names = list(limits)
        async with self._turn(names[0]):
            counts = await self.counters.add(names, self.settings.login_window_seconds)
            over = [seconds for (count, seconds), limit in zip(counts, limits.values(), strict=True) if count > limit]
            if over:
                await self.counters.give_back(names)  # so that a flood of refused ones refuses nobody else
                raise TooManyLogins(max(over))
            try:
                yield right
            except Exception:  # the password was not looked at; a cancelled look counts
                await self.counters.give_back(names)
                raise
            if right:
                await self.counters.clear([each for each in names if each[0] == PAIR])
                await self.counters.give_back([each for each in names if each[0] != PAIR])

    def _limits(self, name: str, address: str) -> dict[str, int]:
        """What is counted, and how far."""
        plain, network = plain_text(name[:256]), _network(address)
        limits = {
            _digest(PAIR, plain, network): self.settings.login_attempts,
            _digest("n", plain): self.settings.login_attempts_per_name,
            _digest("a", network): self.settings.login_attempts_per_address,
        }
        return {key: limit for key, limit in limits.items() if limit}

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        key = (id(asyncio.get_running_loop()), name)
        semaphore, users = self._turns.get(key, (asyncio.Semaphore(AT_ONCE), 0))
        self._turns[key] = (semaphore, users + 1)
        try:
            async with semaphore:
                yield
        finally:
            users = self._turns[key][1] - 1
            if users:
                self._turns[key] = (semaphore, users)
            else:
                del self._turns[key]


PAIR = "p"


def _digest(kind: str, *parts: str) -> str:
    text = "\0".join(parts).encode(errors="surrogatepass")
    return f"{kind}:{hashlib.sha256(text).hexdigest()[:48]}"


def _network(address: str) -> str:
    """An IPv4 address, or the network of an IPv6 one: a subscriber has 2**64 addresses (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((int(parsed), 64), strict=False))
    return str(parsed)
