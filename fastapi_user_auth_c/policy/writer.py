"""``PolicyWriter``: how rules are loaded, stored and changed, and how a process follows what others change.

A change is checked first, then stored, then made in memory; an exception on the way leaves both as they were.  Rules
are sets: adding a present rule or removing an absent one changes nothing and returns False.
"""

from __future__ import annotations

import functools
import inspect
import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from .._core import CycleError, PolicyEngine
from ..db import is_private
from .casbin_views import ModelView
from .reader import PolicyReader, Rule, distinct
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
    """What Casbin's API needs to load, store and change rules, as coroutines.

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
