"""``AsyncEnforcer`` and ``Enforcer``: Casbin's management and RBAC API over the C engine.

Decisions and look-ups are the engine's own methods, inherited.  A change is checked first, then stored, then made in
memory; an exception on the way leaves both as they were.  Rules are sets: adding a present rule or removing an absent
one changes nothing and returns False.

Both enforcers share one code.  What may have to wait is written once, as coroutines, in :class:`PolicyWriter`;
:class:`AsyncEnforcer` inherits it, and each method of :class:`Enforcer` runs the coroutine of its name to the end.
The file is long because Casbin's API has that many methods; each of them is a few lines over those that change, read
and follow the policy.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from .._core import CycleError, PolicyEngine
from ..db import is_private, to_the_end, without_threads
from .casbin_views import ModelView
from .reader import PolicyReader, Rule, as_rule, distinct
from .revision import StalePolicy, attempt, current_basis

logger = logging.getLogger("fastapi_user_auth_c.policy")

MAX_ATTEMPTS = 50
"""Others may be faster that often before a change gives up."""
SETTLED_AT_ONCE = 20_000
"""Rules brought into the decision index between two pauses of a load: a few milliseconds."""

P = ParamSpec("P")
T = TypeVar("T")

if TYPE_CHECKING:
    _OverReader = PolicyReader
else:
    _OverReader = object


async def resolved(value: Any) -> Any:
    """The value of a call that may be asynchronous."""
    return await value if inspect.isawaitable(value) else value


def uninterrupted(method: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """A method that changes something, and is finished even when its caller is cancelled: what is stored is in memory
    too.
    """

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        writer: Any = args[0]
        return await writer._finish(method(*args, **kwargs))  # type: ignore[no-any-return]

    return call


class PolicyWriter(_OverReader):
    """Everything of Casbin's API that loads, stores or changes rules, and its RBAC look-ups, as coroutines.

    ``self`` has the attributes of a :class:`PolicyReader`.
    """

    def _writing(self) -> AbstractAsyncContextManager[None]:
        """One change at a time: what was checked still holds when memory changes."""
        raise NotImplementedError

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """As :meth:`_writing`, to store something: what the storage needs first is not waited for within."""
        before = getattr(self.adapter, "before_turn", None)
        if before is not None and self.auto_save:
            await before()
        async with self._writing():
            yield

    async def _finish(self, change: Coroutine[Any, Any, T]) -> T:
        """Run a change to its end."""
        return await change

    async def _pause(self) -> None:
        """Let others run between two chunks of a load."""

    async def _wait(self, seconds: float) -> None:
        time.sleep(seconds)

    async def _store(self, method: str, *args: Any) -> bool:
        """Call the adapter; False when it refused.

        Raises:
            StalePolicy: the stored policy is another one than that in memory.
        """
        if self.adapter is None or not self.auto_save:
            return True
        call = getattr(self.adapter, method, None)
        if call is None:
            raise NotImplementedError(f"the adapter {type(self.adapter).__name__} has no {method}()")
        with attempt(self.revision if self._follows() else None) as mine:
            stored = await resolved(call(*args)) is not False
        if mine is not None and mine.reached is not None:
            self.revision = mine.reached  # as the stored policy is now, memory will be in a moment
        return stored

    async def _changed(self, change: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Make a change, worked out from what is stored: where another process has been there since, once more.

        Raises:
            StalePolicy: others were faster ``MAX_ATTEMPTS`` times, or once within :func:`worked_out_from`; nothing has
                changed.
        """
        basis = current_basis()
        async with self._turn():
            for number in range(MAX_ATTEMPTS):
                if basis is not None and basis != self.revision:
                    raise StalePolicy("the policy has changed since the change was worked out")
                if number > 1:  # others are at it; who waits a little gets between them
                    await self._wait(random.random() * min(number * 0.01, 0.2))
                try:
                    result = await change()
                except StalePolicy:
                    pass
                except CycleError:  # closed by a link that another process may have taken out
                    if not await self._is_stale():
                        raise
                except MemoryError:  # what is stored may not be in memory: let the next look load it
                    self.revision = None if self.revision is None else -1
                    raise
                else:  # that there is nothing to change holds only for the policy that is stored
                    if result or not await self._is_stale():
                        return result
                await self._load_now(None)
            return await change()

    async def _is_stale(self) -> bool:
        """Whether another process has changed what is stored since it was loaded."""
        follows = self._follows() and not self._is_private()
        return follows and await self.adapter.revision() != self.revision

    async def refresh(self, at_once: bool = False) -> bool:
        """Load the policy anew if another process has changed it; whether it had.

        The storage is asked at most once in ``poll_seconds``, by whoever comes first; the others wait for the answer.
        So nobody is decided upon by a policy that was out of date that long ago, and an idle process asks nothing.
        Where the storage cannot be asked, the policy in memory goes on answering.

        Args:
            at_once: ask now, however short the last time was ago.
        """
        if not at_once and not self.refresh_due():
            return False
        return await self._refresh(0.0 if at_once else self.poll_seconds)

    @uninterrupted
    async def _refresh(self, age: float) -> bool:
        async with self._writing():
            start = time.monotonic()
            if start - self._asked < age or not self._follows() or self._is_private():
                return False
            known = self.revision
            for left in (2, 1, 0):
                try:
                    if await self.adapter.revision() != known:
                        await self._load_now(None)
                    break
                except Exception as error:  # whatever a driver raises
                    if left and time.monotonic() - start < self.poll_seconds / 2:
                        continue  # a connection was cut; the next one is another one
                    logger.warning("the stored policy cannot be asked for; that in memory goes on answering: %s", error)
                    start = time.monotonic()  # those who waited do not wait as long again
                    break
            self._asked = start
            return self.revision != known

    def _is_private(self) -> bool:
        """Whether no other process can reach the storage: a database in this one's memory."""
        return is_private(getattr(self.adapter, "db", None))

    async def _notify(self, method: str, *args: Any) -> None:
        """Tell the watcher once of a change that was made: by the specific method, or by ``update``."""
        if self.watcher is not None and self.auto_notify_watcher:
            specific = getattr(self.watcher, method, None)
            await resolved(specific(*args) if callable(specific) else self.watcher.update())

    # --- loading and saving

    async def load_policy(self) -> None:
        """Load all rules anew; until that has succeeded the old policy answers."""
        await self._load(None)

    async def load_filtered_policy(self, filter: Any) -> None:
        """Load the rules that a :class:`~fastapi_user_auth_c.policy.adapter.Filter` names."""
        await self._load(filter)

    async def load_increment_filtered_policy(self, filter: Any) -> None:
        """Load the rules that a filter names beside those in memory."""
        await self._load(filter, keep=True)

    async def _load(self, filter_: Any, keep: bool = False) -> None:
        if self.adapter is None:
            return
        async with self._writing():
            await self._load_now(filter_, keep)

    async def _load_now(self, filter_: Any, keep: bool = False) -> None:
        """Build the new policy beside the old one, a piece at a time, and swap them.  The caller is writing."""
        fresh = PolicyEngine()
        fresh.define(self._model_text)
        skipped: list[tuple[Any, str]] = []
        start = time.monotonic()
        revision = getattr(self.adapter, "revision", None)
        loaded = None if revision is None else await resolved(revision())  # before the rows: rather too old
        if keep:
            fresh.load([(None, ptype, *rule) for ptype in self.types() for rule in self.rules(ptype)])
        async for chunk in self._stored_rows(filter_):
            skipped += fresh.load(chunk)
            await self._pause()
        while not fresh.settle(SETTLED_AT_ONCE):
            await self._pause()
        self.exchange(fresh)
        self.revision, self._asked = loaded, start
        for row_id, reason in skipped:
            logger.warning("stored rule %s is left out: %s", row_id, reason)
        if (subject := self.cycle()) is not None:
            logger.warning("the stored role links form a cycle through %r; its members share one level", subject)

    async def _stored_rows(self, filter_: Any) -> AsyncIterator[list[tuple[Any, ...]]]:
        rows = getattr(self.adapter, "rows", None)
        if rows is not None:
            async for chunk in rows(filter_):
                yield chunk
            return
        view = ModelView.empty(self)  # an adapter of Casbin: it fills a model
        if filter_ is None:
            await resolved(self.adapter.load_policy(view))
        elif hasattr(self.adapter, "load_filtered_policy"):
            await resolved(self.adapter.load_filtered_policy(view, filter_))
        else:
            raise ValueError("filtered policies are not supported by this adapter")
        yield [(None, ptype, *rule) for ptype, rule in view.pairs()]

    @uninterrupted
    async def save_policy(self) -> None:
        """Make the storage hold just the rules in memory.

        Raises:
            RuntimeError: the policy in memory is a filtered one.
            StalePolicy: another process has changed the stored policy since it was loaded; nothing is overwritten.
        """
        if self.is_filtered():
            raise RuntimeError("cannot save a filtered policy")
        async with self._turn():
            model = self.get_model()
            with attempt(self.revision) as mine:
                await resolved(self.adapter.save_policy(model))
            if mine is not None and mine.reached is not None:
                self.revision = mine.reached
        await self._notify("update_for_save_policy", model)

    # --- changes, as Casbin's internal API has them: each is worked out and made by one inner coroutine

    async def _add_policy(self, sec: str, ptype: str, rule: Sequence[str]) -> bool:
        return await self._add(ptype, [list(rule)], "add_policy", "update_for_add_policy", list(rule))

    async def _add_policies(self, sec: str, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """All or nothing: False, and nothing is added, when one of them is there already."""
        fresh = distinct(rules)
        return await self._add(ptype, fresh, "add_policies", "update_for_add_policies", fresh)

    @uninterrupted
    async def _add(self, ptype: str, rules: list[Rule], store: str, notify: str, given: Any) -> bool:
        async def change() -> bool:
            self.check(ptype, rules)
            if not rules or any(self.has_rule(ptype, rule) for rule in rules):
                return False
            if not await self._store(store, ptype[:1], ptype, given):
                return False
            self.add(ptype, rules)
            return True

        if not await self._changed(change):
            return False
        await self._notify(notify, ptype[:1], ptype, given)
        return True

    async def _remove_policy(self, sec: str, ptype: str, rule: Sequence[str]) -> bool:
        return await self._remove(ptype, [list(rule)], "remove_policy", "update_for_remove_policy", list(rule))

    async def _remove_policies(self, sec: str, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """All or nothing: False, and nothing is removed, when one of them is not there."""
        gone = distinct(rules)
        return await self._remove(ptype, gone, "remove_policies", "update_for_remove_policies", gone)

    @uninterrupted
    async def _remove(self, ptype: str, rules: list[Rule], store: str, notify: str, given: Any) -> bool:
        async def change() -> bool:
            if not rules or not all(self._has(ptype, rule) for rule in rules):
                return False
            if not await self._store(store, ptype[:1], ptype, given):
                return False
            self.remove(ptype, rules)
            return True

        if not await self._changed(change):
            return False
        await self._notify(notify, ptype[:1], ptype, given)
        return True

    async def _remove_filtered_policy(self, sec: str, ptype: str, field_index: int, *field_values: str) -> bool:
        return bool(await self._remove_filtered(ptype, field_index, field_values))

    async def _remove_filtered_policy_returns_effects(
        self, sec: str, ptype: str, field_index: int, *field_values: str
    ) -> list[Rule]:
        return await self._remove_filtered(ptype, field_index, field_values) if field_values else []

    @uninterrupted
    async def _remove_filtered(self, ptype: str, field_index: int, field_values: tuple[str, ...]) -> list[Rule]:
        async def change() -> list[Rule]:
            gone = self.rules(ptype, field_index, field_values) if ptype in self.types() else []
            if not gone or not await self._store("remove_policies", ptype[:1], ptype, gone):
                return []
            self.remove(ptype, gone)
            return gone

        gone = await self._changed(change)
        if gone:
            await self._notify("update_for_remove_filtered_policy", ptype[:1], ptype, field_index, *field_values)
        return gone

    async def _update_policy(self, sec: str, ptype: str, old_rule: Sequence[str], new_rule: Sequence[str]) -> bool:
        old, new = list(old_rule), list(new_rule)
        if not await self._update(ptype, [old], [new]):
            return False
        await self._notify("update_for_update_policy", sec, ptype, old, new)
        return True

    async def _update_policies(
        self, sec: str, ptype: str, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]
    ) -> bool:
        old, new = [list(rule) for rule in old_rules], [list(rule) for rule in new_rules]
        if len(old) != len(new) or not await self._update(ptype, old, new):
            return False
        await self._notify("update_for_update_policies", sec, ptype, old, new)
        return True

    @uninterrupted
    async def _update(self, ptype: str, old: list[Rule], new: list[Rule]) -> bool:
        async def change() -> bool:
            present = all(self._has(ptype, rule) for rule in old)
            return bool(old) and present and await self._exchange_rules(ptype, old, new)

        return await self._changed(change)

    @uninterrupted
    async def _update_filtered_policies(
        self, sec: str, ptype: str, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> list[Rule]:
        """Returns the rules that were replaced; empty when none matched."""
        new = distinct(new_rules)

        async def change() -> list[Rule]:
            old = self.rules(ptype, field_index, field_values)
            return old if old and await self._exchange_rules(ptype, old, new) else []

        old = await self._changed(change)
        if old:
            await self._notify("update_for_update_filtered_policies", sec, ptype, old, field_index, *field_values)
        return old

    async def _exchange_rules(self, ptype: str, old: list[Rule], new: list[Rule]) -> bool:
        """Old rules out, new rules in, as one step in storage and in memory.  The caller is writing."""
        self.check(ptype, new, old)
        if hasattr(self.adapter, "replace_policies"):
            if not await self._store("replace_policies", ptype[:1], ptype, old, new):
                return False
        elif len(old) == len(new):
            if not await self._store("update_policies", ptype[:1], ptype, old, new):
                return False
        else:  # an adapter of Casbin has no one step for it
            if old and not await self._store("remove_policies", ptype[:1], ptype, old):
                return False
            if new and not await self._store("add_policies", ptype[:1], ptype, new):
                return False
        self.remove(ptype, old)
        self.add(ptype, new)
        return True

    @uninterrupted
    async def replace_filtered_policies(
        self, ptype: str, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> bool:
        """Make the rules that match be just ``new_rules``, in one step; False when they already are.

        Beyond Casbin: this is how a subject's roles or permissions are replaced without a moment between.

        Args:
            ptype: policy type of the rules, such as ``p`` or ``g``.
            new_rules: what is there afterwards in place of those that match.
            field_index: the first field that is compared, counted from 0.
            field_values: what the fields from there on have to be; ``""`` stands for any.

        Raises:
            RuleError: a new rule does not fit the model, or is one of root; CycleError when it would close a cycle.
        """
        new = distinct(new_rules)

        async def change() -> tuple[list[Rule], list[Rule]] | None:
            kept = {tuple(rule) for rule in new}
            gone = [rule for rule in self.rules(ptype, field_index, field_values) if tuple(rule) not in kept]
            fresh = [rule for rule in new if not self.has_rule(ptype, rule)]
            if not gone and not fresh:
                return None
            return (gone, fresh) if await self._exchange_rules(ptype, gone, fresh) else None

        changed = await self._changed(change)
        if changed is None:
            return False
        await self._notify("update_for_update_policies", ptype[:1], ptype, *changed)
        return True

    # --- management API, changing

    async def add_policy(self, *params: Any) -> bool:
        """Add a permission rule, as one list or as separate values; False when it is there already.

        Raises:
            RuleError: it does not fit the model, or its subject is root.
        """
        return await self.add_named_policy("p", *params)

    async def add_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Add permission rules, all or none; False when one is there already."""
        return await self.add_named_policies("p", rules)

    async def add_named_policy(self, ptype: str, *params: Any) -> bool:
        """Add a rule of a type such as ``p``, as :meth:`add_policy` does."""
        return await self._add_policy("p", ptype, as_rule(params))

    async def add_named_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules of a type such as ``p``, as :meth:`add_policies` does."""
        return await self._add_policies("p", ptype, rules)

    async def update_policy(self, old_rule: Sequence[str], new_rule: Sequence[str]) -> bool:
        """Replace a permission rule by a new one; False when the old one is not there."""
        return await self.update_named_policy("p", old_rule, new_rule)

    async def update_policies(self, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]) -> bool:
        """Replace each of the old permission rules by the new one at its place; False, and nothing changes, when one is
        not there.
        """
        return await self.update_named_policies("p", old_rules, new_rules)

    async def update_named_policy(self, ptype: str, old_rule: Sequence[str], new_rule: Sequence[str]) -> bool:
        """Replace an old rule of a type such as ``p`` by a new one, as :meth:`update_policy` does."""
        return await self._update_policy("p", ptype, old_rule, new_rule)

    async def update_named_policies(
        self, ptype: str, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]
    ) -> bool:
        """Replace old rules of a type such as ``p`` by new ones, as :meth:`update_policies` does."""
        return await self._update_policies("p", ptype, old_rules, new_rules)

    async def update_filtered_policies(
        self, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> bool:
        """Replace the permission rules that match; False when none does.

        Args:
            new_rules: what is there afterwards in their place.
            field_index: the first field that is compared, counted from 0.
            field_values: what the fields from there on have to be; ``""`` stands for any.
        """
        return await self.update_filtered_named_policies("p", new_rules, field_index, *field_values)

    async def update_filtered_named_policies(
        self, ptype: str, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> bool:
        """As :meth:`update_filtered_policies`, for rules of a type such as ``p``: ``new_rules`` in place of those with
        ``field_values`` from ``field_index`` on.
        """
        new = distinct(new_rules)
        return bool(await self._update_filtered_policies("p", ptype, new, field_index, *field_values)) and bool(new)

    async def remove_policy(self, *params: Any) -> bool:
        """Remove a permission rule; False when it is not there."""
        return await self.remove_named_policy("p", *params)

    async def remove_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Remove permission rules, all or none; False when one is not there."""
        return await self.remove_named_policies("p", rules)

    async def remove_filtered_policy(self, field_index: int, *field_values: str) -> bool:
        """Remove the permission rules with ``field_values`` from ``field_index`` on; ``""`` stands for any."""
        return await self.remove_filtered_named_policy("p", field_index, *field_values)

    async def remove_named_policy(self, ptype: str, *params: Any) -> bool:
        """Remove a rule of a type such as ``p``; False when it is not there."""
        return await self._remove_policy("p", ptype, as_rule(params))

    async def remove_named_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules of a type such as ``p``, all or none; False when one is not there."""
        return await self._remove_policies("p", ptype, rules)

    async def remove_filtered_named_policy(self, ptype: str, field_index: int, *field_values: str) -> bool:
        """As :meth:`remove_filtered_policy` (``field_index``, ``field_values``), for rules of a type such as ``p``."""
        return await self._remove_filtered_policy("p", ptype, field_index, *field_values)

    async def add_grouping_policy(self, *params: Any) -> bool:
        """Add a rule that links a user or role to a role; False when it is there already.

        Raises:
            CycleError: it would close a cycle.
        """
        return await self.add_named_grouping_policy("g", *params)

    async def add_grouping_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules that link users or roles to roles, all or none; False when one is there already.

        Raises:
            CycleError: one would close a cycle; nothing is added.
        """
        return await self.add_named_grouping_policies("g", rules)

    async def add_named_grouping_policy(self, ptype: str, *params: Any) -> bool:
        """Add a rule of a type such as ``g``, as :meth:`add_grouping_policy` does."""
        return await self._add_policy("g", ptype, as_rule(params))

    async def add_named_grouping_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules of a type such as ``g``, as :meth:`add_grouping_policies` does."""
        return await self._add_policies("g", ptype, rules)

    async def remove_grouping_policy(self, *params: Any) -> bool:
        """Remove a rule that links to a role; False when it is not there."""
        return await self.remove_named_grouping_policy("g", *params)

    async def remove_grouping_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules that link to roles, all or none; False when one is not there."""
        return await self.remove_named_grouping_policies("g", rules)

    async def remove_filtered_grouping_policy(self, field_index: int, *field_values: str) -> Any:
        """As :meth:`remove_filtered_named_grouping_policy` (``field_index``, ``field_values``), for the type ``g``."""
        return await self.remove_filtered_named_grouping_policy("g", field_index, *field_values)

    async def remove_named_grouping_policy(self, ptype: str, *params: Any) -> bool:
        """Remove a rule of a type such as ``g``; False when it is not there."""
        return await self._remove_policy("g", ptype, as_rule(params))

    async def remove_named_grouping_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules of a type such as ``g``, all or none; False when one is not there."""
        return await self._remove_policies("g", ptype, rules)

    async def remove_filtered_named_grouping_policy(self, ptype: str, field_index: int, *field_values: str) -> Any:
        """Remove the links of a type such as ``g`` with ``field_values`` from ``field_index`` on; ``""`` is for any.

        Returns:
            The removed links, as Casbin does; empty when none matched.
        """
        return await self._remove_filtered_policy_returns_effects("g", ptype, field_index, *field_values)

    # --- RBAC API

    async def get_roles_for_user(self, name: str) -> list[str]:
        """The direct roles of the user or role of that name."""
        return self.roles_of("g", name)

    async def get_users_for_role(self, name: str) -> list[str]:
        """The direct members of the role of that name."""
        return self.members_of("g", name)

    async def has_role_for_user(self, name: str, role: str) -> bool:
        """Whether the user of that name has a role directly."""
        return role in self.roles_of("g", name)

    async def add_role_for_user(self, user: str, role: str) -> bool:
        """Give a role to a user; False when the user has it already."""
        return await self.add_grouping_policy(user, role)

    async def delete_role_for_user(self, user: str, role: str) -> bool:
        """Take a role from a user; False when the user does not have it."""
        return await self.remove_grouping_policy(user, role)

    async def delete_roles_for_user(self, user: str) -> Any:
        """Take all roles from a user; returns the removed links."""
        return await self.remove_filtered_grouping_policy(0, user)

    async def delete_user(self, user: str) -> Any:
        """Remove a user's role links and rules."""
        links = await self.remove_filtered_grouping_policy(0, user)
        rules = await self.remove_filtered_policy(0, user)
        return links or rules

    async def delete_role(self, role: str) -> Any:
        """Remove a role's members and rules."""
        links = await self.remove_filtered_grouping_policy(1, role)
        rules = await self.remove_filtered_policy(0, role)
        return links or rules

    async def delete_permission(self, *permission: str) -> bool:
        """Remove a permission from everybody."""
        return await self.remove_filtered_policy(1, *permission)

    async def add_permission_for_user(self, user: str, *permission: str) -> bool:
        """Add a rule for a user or role: the permission is the rest of the rule. False when it is there already."""
        return await self.add_policy(user, *permission)

    async def delete_permission_for_user(self, user: str, *permission: str) -> bool:
        """Remove a rule of a user or role: the permission is the rest of the rule. False when it is not there."""
        return await self.remove_policy(user, *permission)

    async def delete_permissions_for_user(self, user: str) -> bool:
        """Remove all rules of a user or role; False when there are none."""
        return await self.remove_filtered_policy(0, user)

    async def get_permissions_for_user(self, user: str) -> list[Rule]:
        """The rules of a user or role itself."""
        return self.get_filtered_policy(0, user)

    async def has_permission_for_user(self, user: str, *permission: str) -> bool:
        """Whether there is a rule of that user or role itself: the permission is the rest of the rule."""
        return self.has_policy(user, *permission)

    async def get_implicit_roles_for_user(self, name: str, domain: str = "") -> list[str]:
        """Direct and inherited roles, over all role types, nearest first.

        Args:
            name: of the user or role.
            domain: of the links, where the model has one.
        """
        found: dict[str, None] = {}
        queue = [name]
        for subject in queue:
            for ptype, width in self.types().items():
                if ptype == "p" or (width > 2) is not bool(domain):
                    continue
                for role in self.roles_of(ptype, subject, *([domain] if domain else [])):
                    if role not in found:
                        found[role] = None
                        queue.append(role)
        return list(found)

    async def get_implicit_permissions_for_user(
        self, user: str, domain: str = "", filter_policy_dom: bool = True
    ) -> list[Rule]:
        """The rules of a user and of all its roles.

        Args:
            user: the subject.
            domain: of the links, where the model has one.
            filter_policy_dom: whether the rules too have to be of that domain.
        """
        return await self.get_named_implicit_permissions_for_user("p", user, domain, filter_policy_dom)

    async def get_named_implicit_permissions_for_user(
        self, ptype: str, user: str, domain: str = "", filter_policy_dom: bool = True
    ) -> list[Rule]:
        """As :meth:`get_implicit_permissions_for_user` (``user``, ``domain``, ``filter_policy_dom``), of the rules of a
        type such as ``p``.
        """
        wanted = domain if filter_policy_dom else ""
        subjects = [user, *await self.get_implicit_roles_for_user(user, domain)]
        return [rule for subject in subjects for rule in self.get_filtered_named_policy(ptype, 0, subject, wanted)]

    async def get_implicit_users_for_permission(self, *permission: str) -> list[str]:
        """The users (not roles) that a permission is allowed to."""
        subjects = dict.fromkeys(self._values("g", 0) + self.get_all_subjects())
        roles = set(self.get_all_roles())
        users = [subject for subject in subjects if subject not in roles]
        allowed = self.batch_enforce([(user, *permission) for user in users])
        return [user for user, yes in zip(users, allowed, strict=True) if yes]

    async def get_roles_for_user_in_domain(self, name: str, domain: str) -> list[str]:
        """The direct roles that the user of that name has in a domain."""
        return self.roles_of("g", name, domain)

    async def get_users_for_role_in_domain(self, name: str, domain: str) -> list[str]:
        """The direct members that the role of that name has in a domain."""
        return self.members_of("g", name, domain)

    async def add_role_for_user_in_domain(self, user: str, role: str, domain: str) -> bool:
        """Give a role to a user in a domain; False when the user has it there already."""
        return await self.add_grouping_policy(user, role, domain)

    async def delete_roles_for_user_in_domain(self, user: str, role: str, domain: str) -> Any:
        """Take a role from a user in a domain; returns the removed links."""
        return await self.remove_filtered_grouping_policy(0, user, role, domain)

    async def get_permissions_for_user_in_domain(self, user: str, domain: str) -> list[Rule]:
        """The rules of a user or role itself that have the domain in their second field."""
        return await self.get_named_permissions_for_user_in_domain("p", user, domain)

    async def get_named_permissions_for_user_in_domain(self, ptype: str, user: str, domain: str) -> list[Rule]:
        """As :meth:`get_permissions_for_user_in_domain` (``user``, ``domain``), of rules of a type such as ``p``."""
        return self.get_filtered_named_policy(ptype, 0, user, domain)

    async def get_all_roles_by_domain(self, domain: str) -> list[str]:
        """The roles of one domain, without inherited ones."""
        return list(dict.fromkeys(rule[-2] for rule in self.rules("g") if rule[-1] == domain))

    async def get_implicit_users_for_resource(self, resource: str) -> list[Rule]:
        """The rules on a resource, those of roles spelled out for each direct member."""
        return self._rules_of_users(resource, set(self.get_all_roles()), None)

    async def get_implicit_users_for_resource_by_domain(self, resource: str, domain: str) -> list[Rule]:
        """As :meth:`get_implicit_users_for_resource`, with the roles and rules of one domain alone."""
        return self._rules_of_users(resource, set(await self.get_all_roles_by_domain(domain)), domain)

    def _rules_of_users(self, resource: str, roles: set[str], domain: str | None) -> list[Rule]:
        sub, obj = self._index_of("p", "sub"), self._index_of("p", "obj")
        found: dict[tuple[str, ...], None] = {}
        for rule in self.get_policy():
            if rule[obj] != resource:
                continue
            if rule[sub] not in roles:
                found[tuple(rule)] = None
            elif domain is None or rule[self._index_of("p", "dom")] == domain:
                for member in self.members_of("g", rule[sub], *([] if domain is None else [domain])):
                    as_members = (*rule[:sub], member, *rule[sub + 1 :])
                    found[as_members] = None
        return [list(rule) for rule in found]

    async def get_field_index(self, ptype: str, field: str) -> int:
        """The position of a named field in rules of a type such as ``p``.

        Raises:
            ValueError: there is no field of that name.
        """
        return self._index_of(ptype, field)

    async def set_field_index(self, ptype: str, field: str, index: int) -> None:
        """Give the field at ``index`` in rules of a type a name, or a named field another position."""
        self._field_index[ptype, field] = index


class AsyncEnforcer(PolicyWriter, PolicyReader):
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


class _Steps(PolicyWriter):
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

    refresh = synchronous(PolicyWriter.refresh)
    load_policy = synchronous(PolicyWriter.load_policy)
    load_filtered_policy = synchronous(PolicyWriter.load_filtered_policy)
    load_increment_filtered_policy = synchronous(PolicyWriter.load_increment_filtered_policy)
    save_policy = synchronous(PolicyWriter.save_policy)
    replace_filtered_policies = synchronous(PolicyWriter.replace_filtered_policies)
    add_policy = synchronous(PolicyWriter.add_policy)
    add_policies = synchronous(PolicyWriter.add_policies)
    add_named_policy = synchronous(PolicyWriter.add_named_policy)
    add_named_policies = synchronous(PolicyWriter.add_named_policies)
    update_policy = synchronous(PolicyWriter.update_policy)
    update_policies = synchronous(PolicyWriter.update_policies)
    update_named_policy = synchronous(PolicyWriter.update_named_policy)
    update_named_policies = synchronous(PolicyWriter.update_named_policies)
    update_filtered_policies = synchronous(PolicyWriter.update_filtered_policies)
    update_filtered_named_policies = synchronous(PolicyWriter.update_filtered_named_policies)
    remove_policy = synchronous(PolicyWriter.remove_policy)
    remove_policies = synchronous(PolicyWriter.remove_policies)
    remove_filtered_policy = synchronous(PolicyWriter.remove_filtered_policy)
    remove_named_policy = synchronous(PolicyWriter.remove_named_policy)
    remove_named_policies = synchronous(PolicyWriter.remove_named_policies)
    remove_filtered_named_policy = synchronous(PolicyWriter.remove_filtered_named_policy)
    add_grouping_policy = synchronous(PolicyWriter.add_grouping_policy)
    add_grouping_policies = synchronous(PolicyWriter.add_grouping_policies)
    add_named_grouping_policy = synchronous(PolicyWriter.add_named_grouping_policy)
    add_named_grouping_policies = synchronous(PolicyWriter.add_named_grouping_policies)
    remove_grouping_policy = synchronous(PolicyWriter.remove_grouping_policy)
    remove_grouping_policies = synchronous(PolicyWriter.remove_grouping_policies)
    remove_filtered_grouping_policy = synchronous(PolicyWriter.remove_filtered_grouping_policy)
    remove_named_grouping_policy = synchronous(PolicyWriter.remove_named_grouping_policy)
    remove_named_grouping_policies = synchronous(PolicyWriter.remove_named_grouping_policies)
    remove_filtered_named_grouping_policy = synchronous(PolicyWriter.remove_filtered_named_grouping_policy)
    get_roles_for_user = synchronous(PolicyWriter.get_roles_for_user)
    get_users_for_role = synchronous(PolicyWriter.get_users_for_role)
    has_role_for_user = synchronous(PolicyWriter.has_role_for_user)
    add_role_for_user = synchronous(PolicyWriter.add_role_for_user)
    delete_role_for_user = synchronous(PolicyWriter.delete_role_for_user)
    delete_roles_for_user = synchronous(PolicyWriter.delete_roles_for_user)
    delete_user = synchronous(PolicyWriter.delete_user)
    delete_role = synchronous(PolicyWriter.delete_role)
    delete_permission = synchronous(PolicyWriter.delete_permission)
    add_permission_for_user = synchronous(PolicyWriter.add_permission_for_user)
    delete_permission_for_user = synchronous(PolicyWriter.delete_permission_for_user)
    delete_permissions_for_user = synchronous(PolicyWriter.delete_permissions_for_user)
    get_permissions_for_user = synchronous(PolicyWriter.get_permissions_for_user)
    has_permission_for_user = synchronous(PolicyWriter.has_permission_for_user)
    get_implicit_roles_for_user = synchronous(PolicyWriter.get_implicit_roles_for_user)
    get_implicit_permissions_for_user = synchronous(PolicyWriter.get_implicit_permissions_for_user)
    get_named_implicit_permissions_for_user = synchronous(PolicyWriter.get_named_implicit_permissions_for_user)
    get_implicit_users_for_permission = synchronous(PolicyWriter.get_implicit_users_for_permission)
    get_roles_for_user_in_domain = synchronous(PolicyWriter.get_roles_for_user_in_domain)
    get_users_for_role_in_domain = synchronous(PolicyWriter.get_users_for_role_in_domain)
    add_role_for_user_in_domain = synchronous(PolicyWriter.add_role_for_user_in_domain)
    delete_roles_for_user_in_domain = synchronous(PolicyWriter.delete_roles_for_user_in_domain)
    get_permissions_for_user_in_domain = synchronous(PolicyWriter.get_permissions_for_user_in_domain)
    get_named_permissions_for_user_in_domain = synchronous(PolicyWriter.get_named_permissions_for_user_in_domain)
    get_all_roles_by_domain = synchronous(PolicyWriter.get_all_roles_by_domain)
    get_implicit_users_for_resource = synchronous(PolicyWriter.get_implicit_users_for_resource)
    get_implicit_users_for_resource_by_domain = synchronous(PolicyWriter.get_implicit_users_for_resource_by_domain)
    get_field_index = synchronous(PolicyWriter.get_field_index)
    set_field_index = synchronous(PolicyWriter.set_field_index)
