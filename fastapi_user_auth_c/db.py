"""Work on a database from asynchronous code, whether its driver is synchronous or not."""

from __future__ import annotations

import asyncio
import logging
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar, copy_context
from functools import partial, wraps
from importlib.util import find_spec
from inspect import isawaitable
from os.path import exists
from typing import Any, ParamSpec, TypeAlias, TypeVar

import anyio
from sqlalchemy import event, make_url
from sqlalchemy.engine.result import FilterResult, Result
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session
from sqlalchemy.sql import Executable
from sqlalchemy_database import AsyncDatabase, Database
from starlette.requests import Request

from .db_errors import is_conflict, is_dead, is_locked, is_outage, told
from .dialects import MYSQL
from .spare_pool import spare_engine

AnyDatabase: TypeAlias = "AsyncDatabase | Database"
P = ParamSpec("P")
T = TypeVar("T")

logger = logging.getLogger("fastapi_user_auth_c.db")

MAX_TRIES = 50
"""Of :func:`run_alone`."""

_more: ContextVar[Any] = ContextVar("more", default=None)
_threads: ContextVar[bool] = ContextVar("threads", default=True)
_unbroken: ContextVar[bool] = ContextVar("unbroken", default=False)


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that is finished even when its caller is cancelled, who waits for that.

    A statement that is left alone goes on in the driver or in a thread, and with it a lock, a connection or a session
    that is somebody else's by then.
    """
    if _unbroken.get() or not _threads.get():  # as a part of such work, or where nobody can be cancelled
        return await work
    token = _unbroken.set(True)
    try:
        task = asyncio.ensure_future(work)  # has a copy of the context
    finally:
        _unbroken.reset(token)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            # anyio cancels in every turn of the loop, and others again and again
            with suppress(asyncio.CancelledError), anyio.CancelScope(shield=True):
                await asyncio.wait([task])
        if not task.cancelled() and task.exception() is None:  # nobody is left to hear of it
            result: Any = task.result()
            if isinstance(result, (Result, FilterResult)):  # or SQLite's file is locked until nothing refers to it
                with anyio.CancelScope(shield=True):
                    closed: Any = result.close()  # type: ignore[func-returns-value]
                    if isawaitable(closed):
                        await closed
        raise


def _ends(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    @wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await to_the_end(method(*args, **kwargs))

    return call


def _prepare(db: AnyDatabase) -> None:
    """Let a database tell dead connections from others, and its ``async_*`` methods end what they begin."""
    if hasattr(db, "__prepared__"):
        return
    db.__prepared__ = True  # type: ignore[union-attr]
    event.listen(getattr(db.engine, "sync_engine", db.engine), "handle_error", _tell_dead)
    for name, method in list(vars(db).items()):
        if name.startswith("async_") and callable(method):  # fastapi-amis-admin works by these
            # those of a synchronous database run the method of the session in a thread
            in_thread = isinstance(db, Database) and isinstance(method, partial)
            setattr(db, name, _ends(partial(_beside, db, method.args[0]) if in_thread else method))


def _tell_dead(context: Any) -> None:
    """SQLAlchemy gives up the connections of a pool when one is dead; not all drivers say so while they notice it."""
    if is_dead(context.original_exception):
        context.is_disconnect = True


async def _beside(db: Database, method: Callable[..., T], *args: Any, **kwargs: Any) -> T:
    """Run a method of a synchronous database, or of its session, beside the event loop."""
    if db.scoped:
        return await _in_session(db.session, lambda session, call: call(), partial(method, *args, **kwargs))
    return await asyncio.to_thread(method, *args, **kwargs)


@contextmanager
def without_threads() -> Iterator[None]:
    """For a synchronous caller: work on a ``Database`` is done in its own thread, without an event loop."""
    token = _threads.set(False)
    try:
        yield
    finally:
        _threads.reset(token)


def _can_wait() -> None:
    """An AsyncDatabase has to be waited for, which a synchronous caller cannot."""
    if not _threads.get():
        raise RuntimeError("a synchronous adapter needs a Database, not an AsyncDatabase")


async def _in_thread(work: Callable[..., T], *args: Any) -> T:
    """Run blocking work beside the event loop, unless the caller is synchronous."""
    return await asyncio.to_thread(work, *args) if _threads.get() else work(*args)


# as many as connections are likely to be: whoever waits for a lock shall not keep its holder from a thread
_holders = ThreadPoolExecutor(64, thread_name_prefix="fastapi_user_auth_c.db")


async def _in_session(session: Session, step: Callable[..., T], work: Any) -> T:
    """Run a step of a request's synchronous session beside the event loop."""
    if _threads.get() and _has_connection(session):
        return await _as_holder(step, session, work)
    return await _in_thread(step, session, work)


def _has_connection(session: Session) -> bool:
    # a session may be in a transaction and have only been given objects; SQLAlchemy tells that nowhere else
    return session.in_transaction() and bool(getattr(session.get_transaction(), "_connections", True))


def _as_holder(work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
    """Run what has its connection in threads of its own: those of other work may all be waiting for that connection."""
    return asyncio.get_running_loop().run_in_executor(_holders, partial(copy_context().run, work, *args))


async def _held(work: Callable[..., T], *args: Any) -> T:
    return await _as_holder(work, *args)


def open_database(url: str) -> AnyDatabase:
    """The database of a URL of SQLAlchemy, asynchronous where the driver is.

    Without a driver in the URL (``postgresql://``, ``mysql://``) the first installed one of those that the extras
    bring is taken.

    Raises:
        ValueError: this is no URL, its driver is not installed, or it names an SQLite file that is not there.
    """
    try:
        parsed = make_url(url)
        drivers = _DRIVERS.get(parsed.drivername, ())
        parsed = parsed.set(drivername=next((name for module, name in drivers if find_spec(module)), parsed.drivername))
        dialect = parsed.get_dialect()
        is_async = bool(dialect.is_async)
        dialect.import_dbapi()
    except ArgumentError as error:
        raise ValueError(str(error)) from None
    except ImportError as error:
        raise ValueError(f"the driver of {parsed.drivername} is not installed: {error}") from None
    file = parsed.database
    if dialect.name == "sqlite" and file and file != ":memory:" and "uri" not in parsed.query and not exists(file):
        raise ValueError(f"there is no file {file}")
    return AsyncDatabase.create(parsed) if is_async else Database.create(parsed)


def hide_values(db: AnyDatabase) -> None:
    """Keep the values of statements, password hashes among them, out of logs, output and errors."""
    engine = db.engine.sync_engine if isinstance(db, AsyncDatabase) else db.engine
    engine.hide_parameters = True
    engine.echo = False


_DRIVERS = {
    "postgres": (("psycopg2", "postgresql"), ("psycopg", "postgresql+psycopg"), ("asyncpg", "postgresql+asyncpg")),
    "postgresql": (("psycopg2", "postgresql"), ("psycopg", "postgresql+psycopg"), ("asyncpg", "postgresql+asyncpg")),
    "mysql": (("MySQLdb", "mysql"), ("pymysql", "mysql+pymysql"), ("aiomysql", "mysql+aiomysql")),
    "mariadb": (("MySQLdb", "mariadb"), ("pymysql", "mariadb+pymysql"), ("aiomysql", "mariadb+aiomysql")),
}
"""For a URL without a driver: modules, and what SQLAlchemy calls them."""


def is_private(db: Any) -> bool:
    """Whether no other process can reach a database: it is in this one's memory, or there is none."""
    engine = getattr(db, "engine", None)
    if engine is None:
        return True
    url = engine.url
    in_memory = url.database in (None, "", ":memory:") or url.query.get("mode") == "memory"
    return bool(url.get_backend_name() == "sqlite" and (in_memory or "mode=memory" in str(url.database)))


async def close_database(db: AnyDatabase) -> None:
    """Close the connections of a database; asynchronous ones belong to the event loop that made them."""
    if isinstance(db, AsyncDatabase):
        await db.engine.dispose()
    else:
        db.engine.dispose()


@_ends
async def run_committed(db: AnyDatabase, work: Callable[[Session], T]) -> T:
    """Run ``work(session)`` and commit; on an exception roll back and let it through.

    Inside a request (or any ``async with db():``) it is that request's session, so what the request has changed so
    far is committed along, as in the original; elsewhere a session of its own.
    """
    if isinstance(db, AsyncDatabase):
        _can_wait()
        if db.scoped:
            return await db.session.run_sync(_committed, work)
        async with db.session_maker() as session:
            return await session.run_sync(_committed, work)
    if db.scoped:
        return await _in_session(db.session, _committed, work)
    return await _in_thread(_with_own_session, db, work)


async def run_repeatable(db: AnyDatabase, work: Callable[[Session], T]) -> T:
    """As :func:`run_committed`, for work that finds what it has done before: once more where its connection died."""
    try:
        return await run_committed(db, work)
    except DBAPIError as error:
        if db.scoped or not _died(error):
            raise
    return await run_committed(db, work)


def _died(error: DBAPIError) -> bool:
    """Whether it is of a connection that is dead now."""
    return error.connection_invalidated or is_dead(error.orig or error)


def _committed(session: Session, work: Callable[[Session], T]) -> T:
    expire, session.expire_on_commit = session.expire_on_commit, False  # request.user stays readable
    try:
        result = work(session)
        session.commit()
    except BaseException:
        _undo(session)
        raise
    finally:
        session.expire_on_commit = expire
    return result


def _with_own_session(db: Database, work: Callable[[Session], T]) -> T:
    with db.session_maker() as session:
        return _committed(session, work)


def _undo(session: Session) -> None:
    """Roll back; where that fails the connection is given up, and the server rolls back."""
    try:
        session.rollback()
    except Exception as error:
        logger.info("a connection is given up: %s", told(error))
        session.invalidate()


async def run_in_turn(db: AnyDatabase, work: Callable[[Session], T]) -> T:
    """As :func:`run_committed`, for work that others wait for, who may have all connections of the pool in hand.

    What the request has not committed needs its own session; :func:`take_connection` goes before the wait for a turn.
    """
    if db.scoped and _begun(db):
        if not _reads_as_of_begin(db):
            return await run_committed(db, work)
        await run_committed(db, lambda session: None)
    return await run_apart(db, partial(_committed, work=work), spare=True)


async def take_connection(db: AnyDatabase) -> None:
    """Before the wait for a turn: let a request's session that will have to commit have its connection."""
    if db.scoped and _begun(db):
        await run_read(db, lambda session: session.connection())


def _begun(db: AnyDatabase) -> bool:
    """Whether the session of the current request has something to commit, or a connection in hand."""
    session: Any = db.session
    return bool(session.in_transaction())


def _reads_as_of_begin(db: AnyDatabase) -> bool:
    """Whether a transaction sees what was there when it began, and not what was committed since."""
    return db.engine.dialect.name in MYSQL


def _make_session(db: AnyDatabase, spare: bool) -> Any:
    return db.session_maker(bind=spare_engine(db)) if spare else db.session_maker()


@_ends
async def run_apart(db: AnyDatabase, work: Callable[[Session], T], *, spare: bool = False) -> T:
    """Run ``work(session)`` in a session of its own, also inside a request; what it does not commit is undone.

    Args:
        db: the database.
        work: what to do; it waits for nothing but the database.
        spare: others wait for it, who may have all connections of the pool in hand.
    """
    spare = (spare or (db.scoped and _begun(db))) and not is_private(db)
    if isinstance(db, AsyncDatabase):
        _can_wait()
        async with _make_session(db, spare) as session:
            return await session.run_sync(work)  # type: ignore[no-any-return]
    run = _as_holder if spare and _threads.get() else _in_thread
    return await run(_closing, _make_session(db, spare), work)


async def purge(db: AnyDatabase, work: Callable[[Session], int], at_once: int) -> int:
    """Run ``work(session)``, which removes rows and tells how many, until there are fewer than it takes at once."""
    total = found = await run_apart(db, work)
    while found == at_once:
        found = await run_apart(db, work)
        total += found
    return total


async def read_apart(db: AnyDatabase, work: Callable[[Session], T], *, spare: bool = False) -> T:
    """Run ``work(session)``, which only reads, as :func:`run_apart` does."""
    return await run_apart(db, lambda session: _read_alive(session, work), spare=spare)


def _read_alive(session: Session, work: Callable[[Session], T]) -> T:
    """Read as the first of a transaction: once more where the connection that lay in the pool was dead."""
    try:
        return work(session)
    except DBAPIError as error:
        if not _died(error):
            raise
        _undo(session)
        return work(session)  # where the driver told of it, all that lay there are given up by now


async def run_alone(db: AnyDatabase, work: Callable[[Session], T]) -> T:
    """Run ``work(session)``, which commits, as :func:`run_apart` does; once more where another process was faster.

    So ``work`` may insert a row that another one inserts at the same moment.
    """
    for left in range(MAX_TRIES - 1, -1, -1):
        try:
            return await run_apart(db, work)
        except Exception as error:  # its row was there, or a lock was
            locked = is_locked(error)
            if left == 0 or not (is_conflict(error) or (locked and left > MAX_TRIES - 3)):
                raise
            await asyncio.sleep(random.random() * 0.02)
    raise AssertionError


async def read_chunks(db: AnyDatabase, statement: Executable, size: int) -> AsyncIterator[list[tuple[Any, ...]]]:
    """The rows of a query as plain tuples, ``size`` at a time, read in a session of its own as others wait for them."""
    if isinstance(db, AsyncDatabase):
        _can_wait()
        session = _make_session(db, not is_private(db))
        try:
            result = await to_the_end(session.stream(statement))
            while some := await to_the_end(result.fetchmany(size)):
                yield [tuple(row) for row in some]
        finally:
            await to_the_end(session.close())
        return
    rows = await run_apart(db, lambda session: [tuple(row) for row in session.execute(statement)], spare=True)
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


@_ends
async def roll_back(db: AnyDatabase) -> None:
    """Undo what the current request has changed and not committed, if it has a session."""
    if not (db.scoped and db.scoped_session.registry.has()):
        return
    if isinstance(db, AsyncDatabase):
        await db.session.run_sync(_undo)
    else:
        await _as_holder(_undo, db.session)


@_ends
async def run_read(db: AnyDatabase, work: Callable[[Session], T], *, last: bool = False) -> T:
    """Run ``work(session)`` in the request's session if there is one, else in one of its own.

    A connection taken for it is given back at once: requests that kept theirs while they wait for a worker thread
    would wait for those that have a thread and wait for a connection. Outside a request what it returns is detached:
    loaded attributes stay readable, changes to it are not stored.

    Args:
        db: the database.
        work: what to do.
        last: give back the connection that :func:`more_to_read` has left.
    """
    if not db.scoped:
        return await run_apart(db, work)
    step = _committed if last else _read_and_keep if _more.get() is db else read_and_release
    if isinstance(db, AsyncDatabase):
        return await db.session.run_sync(step, work)
    return await _in_session(db.session, step, work)


class more_to_read:
    """Within: :func:`run_read` keeps the connection that it takes, for more in the same transaction.

    Afterwards ``left`` says whether one was kept; :func:`run_read` with ``last`` gives it back.
    """

    def __init__(self, db: AnyDatabase) -> None:
        self.db = db
        self.left = False

    def __enter__(self) -> more_to_read:
        self._token = _more.set(self.db)
        self._begun = self.db.scoped and self.db.session.in_transaction()
        return self

    def __exit__(self, *error: object) -> None:
        _more.reset(self._token)
        self.left = self.db.scoped and not self._begun and self.db.session.in_transaction()


def _read_and_keep(session: Session, work: Callable[[Session], T]) -> T:
    begun = session.in_transaction()
    try:
        return work(session) if begun else _read_alive(session, work)
    except BaseException:
        if not begun:  # nobody gives back what is kept
            _undo(session)
        raise


def read_and_release(session: Session, work: Callable[[Session], T]) -> T:
    """Run ``work(session)``, and give back the connection that it takes."""
    if session.in_transaction():  # somebody else's; changes may be pending
        return work(session)
    return _committed(session, lambda session: _read_alive(session, work))


def _closing(session: Session, work: Callable[[Session], T]) -> T:
    with session:
        return work(session)


_UNDO = "__user_auth_undo__"
"""Where the scope of a request has what rolls its sessions back."""


def _handled(outside: BaseException | None) -> bool:
    """Whether an answer comes from a handler of an exception that is a failure, and not one that sends elsewhere.

    Handlers are called, and answer, while the exception is handled.
    """
    error = sys.exc_info()[1]
    if error is outside:
        return False
    code = getattr(error, "status_code", None)  # exceptions of other libraries have all kinds of it
    return not isinstance(code, int) or code >= 400


class FailureMiddleware:
    """Rolls the sessions of :class:`SessionMiddleware` back when a handler answers an exception, as plain ASGI.

    It is the innermost middleware: one that runs the application in a task of its own, as ``@app.middleware("http")``
    does, hides exceptions from what stands further out. A :class:`SessionMiddleware` right around it does its work.
    """

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        undo = scope.get(_UNDO)
        if undo is None:
            await self.app(scope, receive, send)
            return
        outside = sys.exc_info()[1]

        async def undo_first(message: Any) -> None:
            if message["type"] == "http.response.start" and _handled(outside):
                for roll_back in undo:
                    await roll_back()
            await send(message)

        await self.app(scope, receive, undo_first)


class SessionMiddleware:
    """Gives each request a session, made when it is first asked for, as plain ASGI.

    ``db.session`` and the ``db.async_*`` methods use it while the request is served. It is committed just before the
    answer starts, so that nobody is told of a change that is not stored, and again at the end for what came after.
    It is rolled back by an exception, also one that an exception handler answers (but an ``HTTPException`` that sends
    elsewhere; behind other middlewares it takes :class:`FailureMiddleware`), and by a status of 500 and more. A request
    that never asks for it costs one context variable.
    Websockets get none: they live long, and would keep a transaction open all the time.

    Args:
        app: the ASGI application.
        db: the database.
        unavailable: gives the answer where the database cannot be reached for the commit; default an exception.
    """

    def __init__(
        self, app: Any, db: AnyDatabase, unavailable: Callable[[Request], Awaitable[Any]] | None = None
    ) -> None:
        self.app = self.whole = app
        while isinstance(self.app, FailureMiddleware):
            self.app = self.app.app  # a call less for each request
        self.db = db
        self.unavailable = unavailable
        _prepare(db)
        self.key = f"__sqlalchemy_database__:{id(db)}"  # the mark of sqlalchemy_database's own middleware

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or self.key in scope:
            await self.whole(scope, receive, send)
            return
        db = self.db
        scope[self.key] = db
        name = object()  # unlike an id it cannot be that of an earlier request
        sessions = db.scoped_session.registry.registry  # most requests to other routes never have one there
        token = db._session_scope.set(name)  # type: ignore[arg-type]
        outside, lost = sys.exc_info()[1], False
        undo = () if self.app is self.whole else tuple(scope.get(_UNDO, ()))  # of those further out
        scope.setdefault(_UNDO, []).append(partial(roll_back, db))  # for those further in

        def commit_first(message: Any) -> Awaitable[None]:
            if message["type"] == "http.response.start" and (undo or name in sessions):
                return finish_first(message)
            return send(message)  # type: ignore[no-any-return]

        async def finish_first(message: Any) -> None:
            nonlocal lost
            handled = _handled(outside)
            if handled:
                for undo_one in undo:
                    await undo_one()
            if name in sessions:
                wanted = db.commit_on_exit and message["status"] < 500 and not handled
                try:
                    await self._finish("commit" if wanted else "rollback")
                except Exception as error:
                    lost = self.unavailable is not None and is_outage(error)
                    raise
            await send(message)

        try:
            await self.app(scope, receive, commit_first)
        except BaseException as error:
            if name in sessions:
                await self._finish("rollback", close=True)
            if not lost or self.unavailable is None:
                raise
            logger.warning("a change is not stored: %s", told(error))
            await (await self.unavailable(Request(scope)))(scope, receive, send)
        else:
            if name in sessions:
                await self._finish("commit" if db.commit_on_exit else "rollback", close=True)
        finally:
            sessions.pop(name, None)
            db._session_scope.reset(token)

    async def _finish(self, how: str, close: bool = False) -> None:
        """Commit or roll back the session; a cancelled request still gives its connection back."""

        def work(session: Session) -> None:
            # what is streamed, or done in the background, may still read the request's objects
            expire, session.expire_on_commit = session.expire_on_commit, False
            try:
                session.commit() if how == "commit" else _undo(session)
            finally:
                session.expire_on_commit = expire
                if close:
                    session.close()

        session: Any = self.db.session
        inner: Session = getattr(session, "sync_session", session)
        if not inner.in_transaction():  # nothing to commit, and nothing to wait for
            if close:
                inner.close()
        elif isinstance(self.db, AsyncDatabase):
            await to_the_end(session.run_sync(work))
        else:
            await to_the_end(_held(work, inner))
