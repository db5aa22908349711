"""Storage of policy rules in a table with the columns ``ptype, v0 .. v5``."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from sqlalchemy import delete, insert, inspect, select
from sqlalchemy.orm import Session

from ..db import AnyDatabase, read_apart, read_chunks, run_apart, run_in_turn, run_read, take_connection
from .revision import StalePolicy, current_attempt, ensure_revision, move_revision, read_revision

COLUMNS = ("v0", "v1", "v2", "v3", "v4", "v5")
CHUNK = 500
"""Values in one IN list or rows in one INSERT; well under every database's limit."""

RETRY_SECONDS = 60.0
"""How long until the table of the revision is tried to be made again where that failed."""

Rule = Sequence[str]
T = TypeVar("T")


_count: ContextVar[Callable[[int], Any] | None] = ContextVar("count", default=None)


@contextmanager
def counting_rows(count: Callable[[int], Any]) -> Iterator[None]:
    """Within: adapters tell ``count`` how many rows they have just read, written or removed, in whichever thread that
    is.
    """
    token = _count.set(count)
    try:
        yield
    finally:
        _count.reset(token)


def _told(rows: int) -> None:
    count = _count.get()
    if count is not None:
        count(rows)


def room_fault(rule: Rule, widths: Mapping[str, int | None]) -> str:
    """Which value of a rule is longer than its column; "" for none.

    Args:
        rule: the values.
        widths: as :meth:`Adapter.widths` gives them.
    """
    for name, value in zip(COLUMNS, rule, strict=False):
        room = widths.get(name)
        if room is not None and len(value) > room:
            return f"column {name} has room for {room} characters, and the value has {len(value)}"
    return ""


class AdapterException(Exception):
    """The table class given to :class:`Adapter` lacks a column."""


class Filter:
    """Values to load by, per column; an empty one stands for any value."""

    ptype: Sequence[str] = ()
    v0: Sequence[str] = ()
    v1: Sequence[str] = ()
    v2: Sequence[str] = ()
    v3: Sequence[str] = ()
    v4: Sequence[str] = ()
    v5: Sequence[str] = ()


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """The items in pieces of a size."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


class Adapter:
    """Rules in a database table, with the methods of a Casbin adapter; each is one transaction.

    Rows are compared in Python, value by value: SQL equality ignores case or trailing spaces on some databases, and
    a rule must never be taken for another one.

    Args:
        db: an ``AsyncDatabase`` or ``Database`` of ``sqlalchemy_database``.
        db_class: the mapped class; default :class:`~fastapi_user_auth_c.auth.models.CasbinRule`.
        filtered: whether the policy counts as filtered from the start (Casbin's meaning: it cannot be saved whole).

    Raises:
        AdapterException: ``db_class`` lacks one of ``id, ptype, v0 .. v5``.
    """

    def __init__(self, db: AnyDatabase, db_class: Any = None, filtered: bool = False) -> None:
        if db_class is None:
            from ..auth.models import CasbinRule

            db_class = CasbinRule
        for name in ("id", "ptype", *COLUMNS):
            if not hasattr(db_class, name):
                raise AdapterException(f"{name} not found in {db_class.__name__}")
        self.db = db
        self._db_class = db_class
        self._filtered = filtered
        self._counted = False
        self._next_try = float("-inf")

    # --- the revision

    async def is_counted(self) -> bool:
        """Whether changes move the revision: always, unless its table cannot be made."""
        if not self._counted and time.monotonic() >= self._next_try:
            self._counted = await run_apart(self.db, ensure_revision, spare=True)
            self._next_try = time.monotonic() + RETRY_SECONDS
        return self._counted

    async def revision(self) -> int | None:
        """The number of the stored policy, which each change moves on; None where it is not counted."""
        return await read_apart(self.db, read_revision, spare=True) if await self.is_counted() else None

    async def widths(self) -> dict[str, int | None]:
        """How many characters each column of the stored table has room for; None for any number.

        A server that is not strict cuts what is longer, which makes it another rule.
        """

        def work(session: Session) -> dict[str, int | None]:
            table = self._db_class.__table__
            columns = inspect(session.connection()).get_columns(table.name, table.schema)
            return {column["name"]: getattr(column["type"], "length", None) for column in columns}

        return await run_read(self.db, work)

    async def before_turn(self) -> None:
        """An enforcer is about to wait until nobody else makes a change."""
        await take_connection(self.db)

    async def _change(self, work: Callable[[Session], T]) -> T:
        """Run ``work(session)``, in one transaction with the step of the revision.

        Raises:
            StalePolicy: an enforcer worked the change out from a policy that is no longer the stored one.
        """
        counted, mine = await self.is_counted(), current_attempt()
        stale = False

        def counted_work(session: Session) -> Any:
            nonlocal stale
            stale = not move_revision(session, mine)
            return None if stale else work(session)

        result = await run_in_turn(self.db, counted_work if counted else work)
        if stale:
            raise StalePolicy("the stored policy has changed since it was loaded; load it anew")
        return result  # type: ignore[no-any-return]

    # --- reading

    async def rows(self, filter_: Filter | None = None) -> AsyncIterator[list[tuple[Any, ...]]]:
        """All stored rows ``(id, ptype, v0 .. v5)``, or those that ``filter_`` names, in chunks."""
        table = self._db_class
        statement = select(table.id, table.ptype, *(getattr(table, name) for name in COLUMNS))
        for name in ("ptype", *COLUMNS):
            wanted = getattr(filter_, name, None)
            if wanted:
                statement = statement.where(getattr(table, name).in_(wanted))
        async for chunk in read_chunks(self.db, statement.order_by(table.id), 2000):
            _told(len(chunk))
            yield chunk
        self._filtered = filter_ is not None

    def is_filtered(self) -> bool:
        """Whether what was loaded last is only a part of the table."""
        return self._filtered

    async def load_policy(self, model: Any) -> None:
        """Fill a model of Casbin; an enforcer of this package reads :meth:`rows`."""
        await self.load_filtered_policy(model, None)

    async def load_filtered_policy(self, model: Any, filter_: Filter | None) -> None:
        """Fill a model of Casbin with the rows that a filter names."""
        async for chunk in self.rows(filter_):
            for _, ptype, *values in chunk:
                assertion = (model.model.get((ptype or "")[:1]) or {}).get(ptype)
                if assertion is not None:
                    rule = values[: values.index(None)] if None in values else values
                    assertion.policy.append(rule[: len(getattr(assertion, "tokens", rule))])

    # --- writing

    def _ids(self, session: Session, ptype: str, rules: Iterable[Rule]) -> dict[tuple[str, ...], list[Any]]:
        """The ids of the rows that hold each of the rules: its values, and nothing after them."""
        table = self._db_class
        wanted: dict[tuple[str, ...], list[Any]] = {tuple(rule): [] for rule in rules}
        widths = {len(rule) for rule in wanted}
        for some in chunks(sorted({rule[0] for rule in wanted})):
            statement = select(table.id, *(getattr(table, name) for name in COLUMNS)).where(
                table.ptype == ptype, table.v0.in_(some)
            )
            for id_, *values in session.execute(statement):
                for width in widths:
                    found = wanted.get(tuple(values[:width]))
                    if found is not None and not any(values[width:]):
                        found.append(id_)
        return wanted

    def _insert(self, session: Session, ptype: str, rules: Iterable[Rule]) -> None:
        values = []
        for rule, ids in self._ids(session, ptype, rules).items():
            if not ids:
                padded = [*rule, *[None] * (len(COLUMNS) - len(rule))]
                values.append({"ptype": ptype, **dict(zip(COLUMNS, padded, strict=True))})
        for some in chunks(values):
            session.execute(insert(self._db_class), list(some))
            _told(len(some))

    def _delete(self, session: Session, ptype: str, rules: Iterable[Rule]) -> None:
        ids = [id_ for found in self._ids(session, ptype, rules).values() for id_ in found]
        for some in chunks(ids):
            session.execute(delete(self._db_class).where(self._db_class.id.in_(some)))
            _told(len(some))

    def _matching(
        self, session: Session, ptype: str, field_index: int, field_values: Sequence[str]
    ) -> list[tuple[str, ...]]:
        """The stored rules with these values from ``field_index`` on; ``""`` stands for any."""
        table = self._db_class
        statement = select(*(getattr(table, name) for name in COLUMNS)).where(table.ptype == ptype)
        wanted = [(field_index + i, value) for i, value in enumerate(field_values) if value]
        for i, value in wanted:
            statement = statement.where(getattr(table, COLUMNS[i]) == value)
        rows = [list(row) for row in session.execute(statement)]
        return [
            tuple(row[: row.index(None)] if None in row else row)
            for row in rows
            if all(row[i] == value for i, value in wanted)
        ]

    async def replace_policies(
        self, sec: str, ptype: str, old_rules: Iterable[Rule], new_rules: Iterable[Rule]
    ) -> None:
        """Take the old rules of a type out and put the new ones in, in one transaction."""
        await self.exchange_rules({ptype: (old_rules, new_rules)})

    async def exchange_rules(self, changes: Mapping[str, tuple[Iterable[Rule], Iterable[Rule]]]) -> None:
        """Take old rules out and put new ones in, in one transaction over several policy types.

        Args:
            changes: by policy type, the old rules and the new ones.
        """
        lists = {ptype: (list(old), list(new)) for ptype, (old, new) in changes.items()}

        def work(session: Session) -> None:
            for ptype, (old, new) in lists.items():
                self._delete(session, ptype, old)
                self._insert(session, ptype, new)

        await self._change(work)

    async def remove_rows(self, rows: Iterable[tuple[Any, ...]]) -> int:
        """Delete rows, in one transaction, whether they are rules or not; returns how many went.

        Args:
            rows: as :meth:`rows` gives them. One that holds something else by now stays.
        """
        table = self._db_class
        wanted = {row[0]: tuple(row) for row in rows}
        columns = (table.id, table.ptype, *(getattr(table, name) for name in COLUMNS))

        def work(session: Session) -> int:
            gone = 0
            for some in chunks(list(wanted)):
                found = session.execute(select(*columns).where(table.id.in_(some)))
                ids = [row[0] for row in found if tuple(row) == wanted[row[0]]]
                session.execute(delete(table).where(table.id.in_(ids)))
                gone += len(ids)
            return gone

        return await self._change(work)

    async def add_policy(self, sec: str, ptype: str, rule: Rule) -> None:
        """Store a rule of a type; one that is there already stays as it is."""
        await self.replace_policies(sec, ptype, [], [rule])

    async def add_policies(self, sec: str, ptype: str, rules: Iterable[Rule]) -> None:
        """Store rules of a type, in one transaction."""
        await self.replace_policies(sec, ptype, [], rules)

    async def remove_policy(self, sec: str, ptype: str, rule: Rule) -> None:
        """Delete a rule of a type, however often it is stored."""
        await self.replace_policies(sec, ptype, [rule], [])

    async def remove_policies(self, sec: str, ptype: str, rules: Iterable[Rule]) -> None:
        """Delete rules of a type, in one transaction."""
        await self.replace_policies(sec, ptype, rules, [])

    async def update_policy(self, sec: str, ptype: str, old_rule: Rule, new_rule: Rule) -> None:
        """Replace an old rule of a type by a new one."""
        await self.replace_policies(sec, ptype, [old_rule], [new_rule])

    async def update_policies(self, sec: str, ptype: str, old_rules: Iterable[Rule], new_rules: Iterable[Rule]) -> None:
        """Replace old rules of a type by new ones, in one transaction."""
        await self.replace_policies(sec, ptype, old_rules, new_rules)

    async def remove_filtered_policy(self, sec: str, ptype: str, field_index: int, *field_values: str) -> None:
        """Delete the rules of a type with ``field_values`` from ``field_index`` on; ``""`` stands for any."""
        await self.update_filtered_policies(sec, ptype, [], field_index, *field_values)

    async def update_filtered_policies(
        self, sec: str, ptype: str, new_rules: Iterable[Rule], field_index: int, *field_values: str
    ) -> list[list[str]]:
        """Put ``new_rules`` in place of the rules of a type with ``field_values`` from ``field_index`` on; returns
        those that were there.
        """
        new = list(new_rules)

        def work(session: Session) -> list[tuple[str, ...]]:
            old = self._matching(session, ptype, field_index, field_values)
            self._delete(session, ptype, old)
            self._insert(session, ptype, new)
            return old

        return [list(rule) for rule in await self._change(work)]

    async def save_policy(self, model: Any) -> bool:
        """Make the table hold just the rules of a model."""
        wanted = {
            ptype: assertion.policy
            for section in ("p", "g")
            for ptype, assertion in (model.model.get(section) or {}).items()
        }

        def work(session: Session) -> None:
            session.execute(delete(self._db_class))
            for ptype, rules in wanted.items():
                self._insert(session, ptype, rules)

        await self._change(work)
        return True
