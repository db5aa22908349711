"""``AsyncEnforcer`` and ``Enforcer``: Casbin's management and RBAC API over the C engine.

Decisions and look-ups are the engine's own methods, inherited.  Both enforcers share one code: what may have to wait is
written once, as coroutines, in :class:`~.management.PolicyManagement`; :class:`AsyncEnforcer` inherits it, and each
method of :class:`Enforcer` runs the coroutine of its name to the end.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

from ..db import to_the_end, without_threads
from .management import PolicyManagement
from .reader import PolicyReader

P = ParamSpec("P")
T = TypeVar("T")


class AsyncEnforcer(PolicyManagement, PolicyReader):
    """Casbin's ``AsyncEnforcer``: the same methods, sync and async as there.

    ``enforce``, ``enforce_ex`` and ``batch_enforce`` are the engine's, called without a layer between.  As in Casbin,
    rules are loaded by ``await enforcer.load_policy()``.

    Args:
        model: None for the built-in model, a path to a Casbin model file, model text, or a Casbin ``Model``.
        adapter: an object with Casbin's adapter methods, a path to a CSV file, or None for rules in memory only.
        enable_log: apply ``logging_config``.
        logging_config: a ``logging.config`` dictionary.

    Raises:
        ModelError: the model cannot be read or evaluated.
    """

    _lock: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        if self._lock is None or self._lock[0] is not loop:
            self._lock = (loop, asyncio.Lock())
        async with self._lock[1]:
            yield

    async def _finish(self, change: Coroutine[Any, Any, T]) -> T:
        return await to_the_end(change)

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Steps(PolicyManagement):
    """The coroutines of a synchronous enforcer: its memory and settings, its lock, and nothing to wait for."""

    def __init__(self, enforcer: Enforcer) -> None:
        object.__setattr__(self, "_enforcer", enforcer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._enforcer, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._enforcer, name, value)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        with self._enforcer._lock:
            yield


def run_now(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that has nothing to wait for."""
    with without_threads():
        try:
            coroutine.send(None)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]
    coroutine.close()
    raise RuntimeError("an Enforcer needs a synchronous adapter and watcher; AsyncEnforcer takes asynchronous ones")


def synchronous(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> Callable[Concatenate[Any, P], T]:
    """The same method without ``await``."""

    @functools.wraps(method)
    def call(self: Enforcer, *args: P.args, **kwargs: P.kwargs) -> T:
        return run_now(method(_Steps(self), *args, **kwargs))

    return call


class Enforcer(PolicyReader):
    """Casbin's synchronous ``Enforcer``; threads may share one.

    Args:
        model: as :class:`AsyncEnforcer` takes it.
        adapter: as :class:`AsyncEnforcer` takes it, but synchronous (an ``Adapter`` on a ``Database`` is).  Its rules
            are loaded at once, as in Casbin.
        enable_log: apply ``logging_config``.
        logging_config: a ``logging.config`` dictionary.

    Raises:
        ModelError: the model cannot be read or evaluated.
        RuntimeError: the adapter is asynchronous.
    """

    def __init__(
        self, model: Any = None, adapter: Any = None, enable_log: bool = False, logging_config: Any = None
    ) -> None:
        self._lock = threading.RLock()
        super().__init__(model, adapter, enable_log, logging_config)

    def init_with_model_and_adapter(self, m: Any, adapter: Any = None) -> None:
        super().init_with_model_and_adapter(m, adapter)
        if self.adapter is not None and not self.is_filtered():
            self.load_policy()

    def get_allowed_object_conditions(self, user: str, action: str, prefix: str) -> list[str] | None:
        """What follows ``prefix`` in the objects a user may do ``action`` on; None for none, or one without it."""
        objects = [rule[1] for rule in self.get_implicit_permissions_for_user(user) if rule[2] == action]
        if not objects or not all(name.startswith(prefix) for name in objects):
            return None
        return [name.removeprefix(prefix) for name in objects]

    refresh = synchronous(PolicyManagement.refresh)
    load_policy = synchronous(PolicyManagement.load_policy)
    load_filtered_policy = synchronous(PolicyManagement.load_filtered_policy)
    load_increment_filtered_policy = synchronous(PolicyManagement.load_increment_filtered_policy)
    save_policy = synchronous(PolicyManagement.save_policy)
    replace_filtered_policies = synchronous(PolicyManagement.replace_filtered_policies)
    add_policy = synchronous(PolicyManagement.add_policy)
    add_policies = synchronous(PolicyManagement.add_policies)
    add_named_policy = synchronous(PolicyManagement.add_named_policy)
    add_named_policies = synchronous(PolicyManagement.add_named_policies)
    update_policy = synchronous(PolicyManagement.update_policy)
    update_policies = synchronous(PolicyManagement.update_policies)
    update_named_policy = synchronous(PolicyManagement.update_named_policy)
    update_named_policies = synchronous(PolicyManagement.update_named_policies)
    update_filtered_policies = synchronous(PolicyManagement.update_filtered_policies)
    update_filtered_named_policies = synchronous(PolicyManagement.update_filtered_named_policies)
    remove_policy = synchronous(PolicyManagement.remove_policy)
    remove_policies = synchronous(PolicyManagement.remove_policies)
    remove_filtered_policy = synchronous(PolicyManagement.remove_filtered_policy)
    remove_named_policy = synchronous(PolicyManagement.remove_named_policy)
    remove_named_policies = synchronous(PolicyManagement.remove_named_policies)
    remove_filtered_named_policy = synchronous(PolicyManagement.remove_filtered_named_policy)
    add_grouping_policy = synchronous(PolicyManagement.add_grouping_policy)
    add_grouping_policies = synchronous(PolicyManagement.add_grouping_policies)
    add_named_grouping_policy = synchronous(PolicyManagement.add_named_grouping_policy)
    add_named_grouping_policies = synchronous(PolicyManagement.add_named_grouping_policies)
    remove_grouping_policy = synchronous(PolicyManagement.remove_grouping_policy)
    remove_grouping_policies = synchronous(PolicyManagement.remove_grouping_policies)
    remove_filtered_grouping_policy = synchronous(PolicyManagement.remove_filtered_grouping_policy)
    remove_named_grouping_policy = synchronous(PolicyManagement.remove_named_grouping_policy)
    remove_named_grouping_policies = synchronous(PolicyManagement.remove_named_grouping_policies)
    remove_filtered_named_grouping_policy = synchronous(PolicyManagement.remove_filtered_named_grouping_policy)
    get_roles_for_user = synchronous(PolicyManagement.get_roles_for_user)
    get_users_for_role = synchronous(PolicyManagement.get_users_for_role)
    has_role_for_user = synchronous(PolicyManagement.has_role_for_user)
    add_role_for_user = synchronous(PolicyManagement.add_role_for_user)
    delete_role_for_user = synchronous(PolicyManagement.delete_role_for_user)
    delete_roles_for_user = synchronous(PolicyManagement.delete_roles_for_user)
    delete_user = synchronous(PolicyManagement.delete_user)
    delete_role = synchronous(PolicyManagement.delete_role)
    delete_permission = synchronous(PolicyManagement.delete_permission)
    add_permission_for_user = synchronous(PolicyManagement.add_permission_for_user)
    delete_permission_for_user = synchronous(PolicyManagement.delete_permission_for_user)
    delete_permissions_for_user = synchronous(PolicyManagement.delete_permissions_for_user)
    get_permissions_for_user = synchronous(PolicyManagement.get_permissions_for_user)
    has_permission_for_user = synchronous(PolicyManagement.has_permission_for_user)
    get_implicit_roles_for_user = synchronous(PolicyManagement.get_implicit_roles_for_user)
    get_implicit_permissions_for_user = synchronous(PolicyManagement.get_implicit_permissions_for_user)
    get_named_implicit_permissions_for_user = synchronous(PolicyManagement.get_named_implicit_permissions_for_user)
    get_implicit_users_for_permission = synchronous(PolicyManagement.get_implicit_users_for_permission)
    get_roles_for_user_in_domain = synchronous(PolicyManagement.get_roles_for_user_in_domain)
    get_users_for_role_in_domain = synchronous(PolicyManagement.get_users_for_role_in_domain)
    add_role_for_user_in_domain = synchronous(PolicyManagement.add_role_for_user_in_domain)
    delete_roles_for_user_in_domain = synchronous(PolicyManagement.delete_roles_for_user_in_domain)
    get_permissions_for_user_in_domain = synchronous(PolicyManagement.get_permissions_for_user_in_domain)
    get_named_permissions_for_user_in_domain = synchronous(PolicyManagement.get_named_permissions_for_user_in_domain)
    get_all_roles_by_domain = synchronous(PolicyManagement.get_all_roles_by_domain)
    get_implicit_users_for_resource = synchronous(PolicyManagement.get_implicit_users_for_resource)
    get_implicit_users_for_resource_by_domain = synchronous(PolicyManagement.get_implicit_users_for_resource_by_domain)
    get_field_index = synchronous(PolicyManagement.get_field_index)
    set_field_index = synchronous(PolicyManagement.set_field_index)
