"""Connections of a database beside its pool, for short work that others wait for.

A request that has a connection in hand must not wait for another one of the same pool: when all that the pool has are
with such requests, each waits for the others. Nor must what such requests wait for, as the look for a newer policy.
Both take theirs from here. Whoever has one of these waits for nobody, so they come back.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine.base import OptionEngine
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy_database import AsyncDatabase, Database

_NAME = "_fastapi_user_auth_c_spare"


class SpareEngine(OptionEngine):
    """An engine with the settings, listeners and compiled statements of another one, and a pool of its own.

    The pool has the other's settings and way to connect. It is closed with the other's, by that one's ``dispose()``.

    Args:
        beside: the other engine.
    """

    pool: Any = None  # of its own; that of the superclass is the other's

    def __init__(self, beside: Engine) -> None:
        super().__init__(beside, {})
        self._make_pool()
        event.listen(beside, "engine_disposed", self._disposed)

    def is_beside(self, engine: Engine) -> bool:
        """Whether it still stands beside that engine: connections of a parent process are its own."""
        return self._proxied is engine and self.process == os.getpid()

    def _disposed(self, engine: Engine) -> None:
        if self.process == os.getpid():
            self.pool.dispose()
        self._make_pool()

    def _make_pool(self) -> None:
        self.pool = self._proxied.pool.recreate()
        self.pool.dispatch = self._proxied.pool.dispatch  # else listeners that are added later would not count
        self.process = os.getpid()


def spare_engine(db: AsyncDatabase | Database) -> Any:
    """The engine beside that of a database, made when first asked for; one or two connections are what it comes to."""
    own = db.engine
    engine: Engine = own.sync_engine if isinstance(own, AsyncEngine) else own
    spare: SpareEngine | None = vars(db).get(_NAME)
    if spare is None or not spare.is_beside(engine):
        spare = vars(db)[_NAME] = SpareEngine(engine)
    return AsyncEngine(spare) if isinstance(own, AsyncEngine) else spare
