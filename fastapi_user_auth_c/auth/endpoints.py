"""Endpoints behind ``Auth.requires``: sync, async and for websockets."""

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar, overload

import anyio.from_thread
from starlette.requests import Request
from starlette.websockets import WebSocket

from ..policy.writer import resolved
from .exceptions import StorageUnavailable

EndpointT = TypeVar("EndpointT", bound=Callable[..., Any])


class Requirement(Protocol):
    """What :meth:`Auth.requires` gives: a decorator, a maker of dependencies, and a check of a request."""

    @overload
    def __call__(self, func: None = None) -> Callable[..., Coroutine[Any, Any, Any]]: ...
    @overload
    def __call__(self, func: Request) -> Coroutine[Any, Any, Any]: ...
    @overload
    def __call__(self, func: EndpointT) -> EndpointT: ...
    def __call__(self, func: Any = None) -> Any:
        """Decorate an endpoint (``func``), or check a request; without either, give a dependency."""


def guarded(auth: Any, func: Callable[..., Any], depend: Callable[..., Any], allowed: Callable[..., Any]) -> Any:
    """An endpoint behind its check.

    Args:
        auth: the ``Auth``.
        func: the endpoint, which takes ``request`` or ``websocket``.
        depend: the check of a request: True, or what is answered instead.
        allowed: the check of a user, for websockets.

    Raises:
        TypeError: the endpoint takes neither; or, when it is called, it is given something else.
    """
    names = list(inspect.signature(func).parameters)
    name = next((name for name in names if name in ("request", "websocket")), None)
    if name is None:
        raise TypeError(f'No "request" or "websocket" argument on function "{func}"')
    index = names.index(name)

    def connection(args: tuple[Any, ...], kwargs: dict[str, Any], kind: type[Any]) -> Any:
        found = kwargs[name] if name in kwargs else args[index] if index < len(args) else None
        if not isinstance(found, kind):
            raise TypeError(f"{name} must be a {kind.__name__}, not {type(found).__name__}")
        return found

    if name == "websocket":

        @functools.wraps(func)
        async def websocket_endpoint(*args: Any, **kwargs: Any) -> None:
            websocket = connection(args, kwargs, WebSocket)
            try:
                may = await allowed(await auth._current_user(websocket))
            except StorageUnavailable:
                await websocket.close(1013)  # try again later
                return
            if may:
                await func(*args, **kwargs)
            else:
                await websocket.close()

        return websocket_endpoint

    if inspect.iscoroutinefunction(func) or inspect.iscoroutinefunction(inspect.unwrap(func)):

        @functools.wraps(func)
        async def endpoint(*args: Any, **kwargs: Any) -> Any:
            answer = await depend(connection(args, kwargs, Request))
            return await resolved(func(*args, **kwargs)) if answer is True else answer

        return endpoint

    @functools.wraps(func)
    def sync_endpoint(*args: Any, **kwargs: Any) -> Any:
        answer = on_the_servers_loop(depend, connection(args, kwargs, Request))
        return func(*args, **kwargs) if answer is True else answer

    return sync_endpoint


def on_the_servers_loop(depend: Callable[..., Any], request: Request) -> Any:
    """Run the check of a sync endpoint where the database connections live.

    FastAPI runs sync endpoints in worker threads of the server's loop. Anywhere else there is no such loop; then the
    check gets one of its own, unless the caller would block the loop it is running in.
    """
    entered = False

    async def check() -> Any:
        nonlocal entered
        entered = True
        return await depend(request)

    try:
        return anyio.from_thread.run(check)
    except RuntimeError:
        if entered:
            raise
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(check())
    raise RuntimeError("a sync endpoint under requires() must not be called from a running event loop")
