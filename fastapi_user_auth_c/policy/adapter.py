"""Storage of policy rules: a table with the columns ``ptype, v0 .. v5``, or a Casbin CSV file."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from ..db import AnyDatabase, read_chunks, run_committed

COLUMNS = ("v0", "v1", "v2", "v3", "v4", "v5")
CHUNK = 500
"""Values in one IN list or rows in one INSERT; well under every database's limit."""

Rule = Sequence[str]


class AdapterException(Exception):
    """The table class given to :class:`Adapter` lacks a column."""


class Filter:
    """Values to load by, per column; an empty list stands for any value."""

    ptype: list[str] = []
    v0: list[str] = []
    v1: list[str] = []
    v2: list[str] = []
    v3: list[str] = []
    v4: list[str] = []
    v5: list[str] = []


def chunks(items: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def stored_rule(values: Iterable[str | None]) -> tuple[str, ...]:
    """The rule in a row: its columns without the empty ones at the end that stand for nothing."""
    rule = ["" if value is None else value for value in values]
    while rule and rule[-1] == "":
        rule.pop()
    return tuple(rule)


class Adapter:
    """Rules in a database table; each method is one transaction.

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

    # --- reading

    async def rows(self, filter_: Filter | None = None) -> AsyncIterator[list[tuple[Any, ...]]]:
        """All stored rows ``(id, ptype, v0 .. v5)``, in chunks."""
        table = self._db_class
        statement = select(table.id, table.ptype, *(getattr(table, name) for name in COLUMNS))
        for name in ("ptype", *COLUMNS):
            wanted = getattr(filter_, name, None)
            if wanted:
                statement = statement.where(getattr(table, name).in_(wanted))
        async for chunk in read_chunks(self.db, statement.order_by(table.id), 2000):
            yield chunk

    def is_filtered(self) -> bool:
        return self._filtered

    # --- writing

    def _ids(self, session: Session, ptype: str, rules: Iterable[Rule]) -> dict[tuple[str, ...], list[Any]]:
        """The ids of the rows that hold each of the rules."""
        table = self._db_class
        wanted: dict[tuple[str, ...], list[Any]] = {stored_rule(rule): [] for rule in rules}
        subjects = sorted({rule[0] if rule else "" for rule in wanted})
        for some in chunks(subjects):
            statement = select(table.id, *(getattr(table, name) for name in COLUMNS)).where(
                table.ptype == ptype, table.v0.in_(some)
            )
            for id_, *values in session.execute(statement):
                rule = stored_rule(values)
                if rule in wanted:
                    wanted[rule].append(id_)
        return wanted

    def _insert(self, session: Session, ptype: str, rules: Iterable[Rule]) -> None:
        present = self._ids(session, ptype, rules)
        values = []
        for rule in dict.fromkeys(tuple(rule) for rule in rules):
            if not present[stored_rule(rule)]:
                padded = [*rule, *[None] * (len(COLUMNS) - len(rule))]
                values.append({"ptype": ptype, **dict(zip(COLUMNS, padded, strict=True))})
        for some in chunks(values):
            session.execute(insert(self._db_class), list(some))

    def _delete(self, session: Session, ptype: str, rules: Iterable[Rule]) -> bool:
        ids = [id_ for found in self._ids(session, ptype, rules).values() for id_ in found]
        for some in chunks(ids):
            session.execute(delete(self._db_class).where(self._db_class.id.in_(some)))
        return bool(ids)

    async def replace_policies(self, sec: str, ptype: str, old_rules: Iterable[Rule], new_rules: Iterable[Rule]) -> None:
        """Take the old rules out and put the new ones in, in one transaction."""
        old, new = list(old_rules), list(new_rules)

        def work(session: Session) -> None:
            self._delete(session, ptype, old)
            self._insert(session, ptype, new)

        await run_committed(self.db, work)

    async def add_policy(self, sec: str, ptype: str, rule: Rule) -> None:
        await self.replace_policies(sec, ptype, [], [rule])

    async def add_policies(self, sec: str, ptype: str, rules: Iterable[Rule]) -> None:
        await self.replace_policies(sec, ptype, [], rules)

    async def remove_policy(self, sec: str, ptype: str, rule: Rule) -> None:
        await self.replace_policies(sec, ptype, [rule], [])

    async def remove_policies(self, sec: str, ptype: str, rules: Iterable[Rule]) -> None:
        await self.replace_policies(sec, ptype, rules, [])

    async def update_policy(self, sec: str, ptype: str, old_rule: Rule, new_rule: Rule) -> None:
        await self.replace_policies(sec, ptype, [old_rule], [new_rule])

    async def update_policies(
        self, sec: str, ptype: str, old_rules: Iterable[Rule], new_rules: Iterable[Rule]
    ) -> None:
        await self.replace_policies(sec, ptype, old_rules, new_rules)

    async def save_policy(self, rules: Iterable[tuple[str, Rule]]) -> bool:
        """Make the table hold just these ``(ptype, rule)`` pairs."""
        wanted: dict[str, list[Rule]] = {}
        for ptype, rule in rules:
            wanted.setdefault(ptype, []).append(rule)

        def work(session: Session) -> None:
            session.execute(delete(self._db_class))
            for ptype, some in wanted.items():
                self._insert(session, ptype, some)

        await run_committed(self.db, work)
        return True


class FileAdapter:
    """Rules in a Casbin CSV file; read only, as in Casbin.

    Args:
        path: the file; each line ``ptype, v0, v1, ...``, fields with commas or quotes in double quotes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    async def rows(self, filter_: Filter | None = None) -> AsyncIterator[list[tuple[Any, ...]]]:
        with self.path.open(encoding="utf-8", newline="") as lines:
            parsed = csv.reader(lines, skipinitialspace=True)
            yield [
                (parsed.line_num, *(field.strip() for field in fields))
                for fields in parsed
                if fields and not fields[0].startswith("#")
            ]
