"""Watchers that tell other processes of a change at once, with Casbin's watcher protocol.

Without one, a process that serves requests sees the changes of others within a second (``AsyncEnforcer.refresh``).  A
watcher only says that there is something to see: what has changed is read from the database, so a message that is
lost, repeated or forged costs at most a query.

    watcher = RedisWatcher(redis.asyncio.Redis())
    auth.enforcer.set_watcher(watcher)
    await watcher.start()  # in the application's start-up; await watcher.close() at its end
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import make_url

logger = logging.getLogger("fastapi_user_auth_c.policy")


class PushWatcher:
    """What the watchers have in common; a subclass says how messages travel.

    Args:
        channel: name of the channel; one for each database that holds a policy.
        retry_seconds: how long to wait before a lost connection is made anew.
    """

    def __init__(self, channel: str, retry_seconds: float = 1.0) -> None:
        self.channel = channel
        self.retry_seconds = retry_seconds
        self.callback: Callable[..., Any] | None = None
        self._name = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._listening = asyncio.Event()

    # --- Casbin's protocol

    def set_update_callback(self, callback: Callable[..., Any]) -> None:
        """The callback is called, without arguments, when another process has changed the policy; it may be
        asynchronous.
        """
        self.callback = callback

    async def update(self) -> None:
        """Tell the others; a failure is logged, since the change itself is stored and they see it within a second."""
        try:
            await self._publish(self._name)
        except Exception as error:  # whatever the client raises
            logger.warning("other processes were not told of a change of the policy: %s", error)

    # --- life

    async def start(self) -> None:
        """Begin to listen.

        Returns once the connection stands and what was missed is caught up with, or after ``retry_seconds`` when it
        does not stand yet.
        """
        if self._task is None or self._task.done():
            self._listening, self._closing = asyncio.Event(), False
            self._task = asyncio.ensure_future(self._listen())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._listening.wait(), self.retry_seconds)

    async def close(self) -> None:
        """Stop listening and give up the connection."""
        if self._task is not None:
            self._closing = True
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _listen(self) -> None:
        while not self._closing:  # a client may answer a cancellation with an error of its own
            try:
                async with self._messages() as messages:
                    await self._call()  # for what was changed while nobody listened
                    self._listening.set()
                    async for name in messages:
                        if name != self._name:
                            await self._call()
            except Exception as error:
                if self._closing:
                    return
                logger.warning("not listening for changes of the policy: %s", error)
            await asyncio.sleep(self.retry_seconds)

    async def _call(self) -> None:
        if self.callback is None:
            return
        try:
            result = self.callback()
            if asyncio.iscoroutine(result) or isinstance(result, asyncio.Future):
                await result
        except Exception:
            logger.exception("the callback of a policy watcher failed")

    # --- how messages travel

    async def _publish(self, name: str) -> None:
        raise NotImplementedError

    def _messages(self) -> Any:
        """A context manager around an async iterator over the names of those who changed something.

        Nothing that is told after it was entered is missed.
        """
        raise NotImplementedError


class RedisWatcher(PushWatcher):
    """Over Redis publish/subscribe.

    Args:
        redis: a ``redis.asyncio.Redis``; needs the extra ``redis``.
        channel: as :class:`PushWatcher` takes it.
        retry_seconds: as :class:`PushWatcher` takes it.
    """

    def __init__(self, redis: Any, channel: str = "auth_policy", retry_seconds: float = 1.0) -> None:
        super().__init__(channel, retry_seconds)
        self.redis = redis

    async def _publish(self, name: str) -> None:
        await self.redis.publish(self.channel, name)

    @asynccontextmanager
    async def _messages(self) -> AsyncIterator[AsyncIterator[str]]:
        subscription = self.redis.pubsub()
        try:
            await subscription.subscribe(self.channel)

            async def names() -> AsyncIterator[str]:
                async for message in subscription.listen():
                    if message["type"] == "message":
                        data = message["data"]
                        yield data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data)

            yield names()
        finally:
            with suppress(Exception):
                await getattr(subscription, "aclose", subscription.close)()  # its name before redis 5.0.1


class PostgresWatcher(PushWatcher):
    """Over PostgreSQL's LISTEN and NOTIFY, on a connection of its own.

    Args:
        url: of the database, with the driver ``asyncpg``, ``psycopg`` or ``psycopg_async``.
        channel: as :class:`PushWatcher` takes it.
        retry_seconds: as :class:`PushWatcher` takes it.

    Raises:
        ValueError: a URL of another database or driver.
    """

    def __init__(self, url: Any, channel: str = "auth_policy", retry_seconds: float = 1.0) -> None:
        super().__init__(channel, retry_seconds)
        parsed = make_url(url)
        self._driver = parsed.get_driver_name()
        if parsed.get_backend_name() != "postgresql" or self._driver not in ("asyncpg", "psycopg", "psycopg_async"):
            raise ValueError(f"PostgresWatcher needs asyncpg or psycopg, not {parsed.drivername}")
        self._dsn = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
        self._publishing = asyncio.Lock()
        self._connection: Any = None

    async def _connect(self) -> Any:
        if self._driver == "asyncpg":
            import asyncpg

            return await asyncpg.connect(self._dsn)
        import psycopg

        return await psycopg.AsyncConnection.connect(self._dsn, autocommit=True)

    async def _publish(self, name: str) -> None:
        async with self._publishing:
            if self._connection is None:
                self._connection = await self._connect()
            try:
                if self._driver == "asyncpg":
                    await self._connection.execute("SELECT pg_notify($1, $2)", self.channel, name)
                else:
                    await self._connection.execute("SELECT pg_notify(%s, %s)", (self.channel, name))
            except BaseException:
                await self._give_up()
                raise

    async def _give_up(self) -> None:
        connection, self._connection = self._connection, None
        with suppress(Exception):
            await connection.close()

    async def close(self) -> None:
        await super().close()
        async with self._publishing:
            if self._connection is not None:
                await self._give_up()

    @asynccontextmanager
    async def _messages(self) -> AsyncIterator[AsyncIterator[str]]:
        connection = await self._connect()
        listen = self._listen_with_asyncpg if self._driver == "asyncpg" else self._listen_with_psycopg
        try:
            yield await listen(connection)
        finally:
            with suppress(Exception):
                await connection.close()

    async def _listen_with_asyncpg(self, connection: Any) -> AsyncIterator[str]:
        heard: asyncio.Queue[str | None] = asyncio.Queue()
        connection.add_termination_listener(lambda _: heard.put_nowait(None))
        await connection.add_listener(self.channel, lambda _c, _pid, _channel, name: heard.put_nowait(name))

        async def names() -> AsyncIterator[str]:
            while (name := await heard.get()) is not None:
                yield name
            raise ConnectionError("the connection was closed")

        return names()

    async def _listen_with_psycopg(self, connection: Any) -> AsyncIterator[str]:
        from psycopg import sql

        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self.channel)))

        async def names() -> AsyncIterator[str]:
            async for notification in connection.notifies():
                yield notification.payload
            raise ConnectionError("the connection was closed")

        return names()
