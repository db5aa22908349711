"""Start-up hooks of a mounted site: each runs once per start of the application, however they are reached.

Hooks are registered with ``@site.router.on_event("startup")``. The documented call is ``await site.router.startup()``
in the application's own start-up; Starlette 1.0 dropped that method, and never ran the lifespan of a mounted
application. So the site's router instance gets a ``startup`` of its own, and mounting makes the application's
lifespan enter the site's, after the application's own start-up, when tables exist.

A site inside an application that is itself mounted still needs the call, since nothing runs that lifespan.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from .versions import CompatError


class Startup:
    """Runs the hooks of one router once per start.

    A start is told by its event loop as well, so that a restart nobody reports (of an application that is itself
    mounted) runs the hooks again.
    """

    def __init__(self, router: Any) -> None:
        self.router = router
        self.reset()

    def reset(self) -> None:
        self.loop: Any = Startup  # a value that no loop equals: not started

    async def run(self) -> None:
        try:
            loop: Any = asyncio.get_running_loop()
        except RuntimeError:  # another async library
            loop = None
        if self.loop is loop:
            return
        self.loop = loop  # before the hooks, since one of them may ask for the start-up too
        try:
            for hook in list(self.router.on_startup):
                result = hook()
                if inspect.isawaitable(result):
                    await result
        except BaseException:
            self.reset()
            raise


def install_startup(site: Any) -> Startup:
    """Gives the router of this site (the instance, not a class) a ``startup`` that runs its hooks once per start.

    Its lifespan goes through the same ``startup``: for a site that is served by itself, and for attach_lifespan.
    """
    router = site.router
    installed = getattr(router.__dict__.get("startup"), "__self__", None)
    if isinstance(installed, Startup):
        return installed
    names = {name for name in ("startup", "_startup") if hasattr(router, name)}  # Starlette's method, FastAPI's
    for needed in ("on_startup", "lifespan_context"):
        if not names or not hasattr(router, needed):
            raise CompatError(f"{type(router).__name__} lacks startup and _startup, or {needed}")
    startup = Startup(router)
    for name in {"startup", *names}:
        setattr(router, name, startup.run)
    enter = router.lifespan_context

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        try:
            async with enter(app) as state:  # runs the hooks, unless the site's FastAPI was made with a lifespan
                await startup.run()
                yield state
        finally:
            startup.reset()

    router.lifespan_context = lifespan
    return startup


def attach_lifespan(site: Any, app: Any) -> None:
    """Makes the application's lifespan enter the site's after its own start-up and leave it before its shutdown."""
    startup = install_startup(site)
    if app.router is site.router:  # the site was made with this very application
        return
    enter = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(scope_app: Any) -> AsyncIterator[Any]:
        try:
            async with enter(scope_app) as state, site.router.lifespan_context(site.fastapi) as site_state:
                yield state if site_state is None else {**site_state, **(state or {})}
        finally:
            startup.reset()  # also when the start-up failed after a call by hand

    app.router.lifespan_context = lifespan
