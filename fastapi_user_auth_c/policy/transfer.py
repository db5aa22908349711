"""Stored rules to text in Casbin's CSV form, and back."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from .._core import CycleError, PolicyEngine, RuleError
from ..db import AnyDatabase
from ..dialects import MYSQL
from .adapter import COLUMNS, Adapter, room_fault
from .csv_file import read_rules, write_rule
from .reader import Rule, read_model
from .revision import StalePolicy, attempt

ATTEMPTS = 5
"""How often an import is worked out anew because the policy has changed meanwhile."""


class TransferError(ValueError):
    """What stands in the way of an import or export; ``problems`` has one text for each fault."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = list(problems)


@dataclass(frozen=True)
class Change:
    """What an import does; made by :func:`plan_import`."""

    added: dict[str, list[Rule]]
    """New rules by policy type."""
    present: int
    """How many rules of the text are there already."""
    removed: dict[str, list[Rule]]
    """Rules that are not in the text, by policy type; only where the text replaces what is stored."""
    revision: int | None = None
    """Of the stored policy that this was worked out from; :func:`apply` refuses it once there is another."""

    @property
    def counts(self) -> dict[str, int]:
        """How many rules are ``added``, ``present`` and ``removed``."""
        added, removed = (sum(map(len, rules.values())) for rules in (self.added, self.removed))
        return {"added": added, "present": self.present, "removed": removed}

    @property
    def summary(self) -> str:
        """The counts in one line."""
        return "added {added}, already there {present}, removed {removed}".format(**self.counts)


def text_fault(text: str) -> str | None:
    """Why a text cannot be stored in every database or written to a file; None when it can."""
    if "\0" in text:
        return "a NUL character"
    return "a lone surrogate" if any("\ud800" <= char <= "\udfff" for char in text) else None


async def stored_policy(db: AnyDatabase, model: Any = None) -> tuple[PolicyEngine, list[tuple[Any, str]]]:
    """The rules of a database in an engine, and ``(id, reason)`` of rows that are no rules; nothing is written.

    Args:
        db: the database.
        model: of the policy, as an enforcer takes it; default the built-in one.

    Raises:
        ModelError: the model cannot be read or evaluated.
    """
    engine = PolicyEngine()
    engine.define(read_model(model))
    skipped = []
    async for chunk in Adapter(db).rows():
        skipped += engine.load(chunk)
    engine.settle()
    return engine, skipped


async def export_rules(db: AnyDatabase, model: Any = None) -> tuple[str, list[tuple[Any, str]]]:
    """All stored rules as the text of a policy file, each once; and ``(id, reason)`` of rows that are no rules.

    Args:
        db: the database.
        model: of the policy, as an enforcer takes it; default the built-in one.

    Raises:
        TransferError: a rule holds a NUL character, which no policy file has.
    """
    engine, skipped = await stored_policy(db, model)
    lines, problems = [], []
    for ptype in engine.types():
        for rule in engine.rules(ptype):
            fault = next(filter(None, map(text_fault, rule)), None)
            if fault is not None:
                problems.append(f"a stored rule holds {fault}: {[ptype, *rule]!r}")
            lines.append(write_rule([ptype, *rule]) + "\n")
    if problems:
        raise TransferError(problems)
    return "".join(lines), skipped


def parse(content: bytes | str) -> list[tuple[int, list[str]]]:
    """The rules in the content of a policy file, with their line numbers.

    Raises:
        TransferError: the content is not UTF-8, or quotes do not match; the message names the line.
    """
    try:
        # a byte order mark is a habit of spreadsheets
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise TransferError([f"line {line}: this is not UTF-8"]) from None
    try:
        return list(read_rules(text, strict=True))
    except ValueError as error:
        raise TransferError([str(error)]) from None


def _check(
    engine: PolicyEngine, rules: list[tuple[int, list[str]]], widths: dict[str, int | None]
) -> dict[str, dict[tuple[str, ...], int]]:
    """The rules by policy type, each with its first line; whatever is wrong with single ones is told at once."""
    problems = []
    wanted: dict[str, dict[tuple[str, ...], int]] = {}
    for line, (ptype, *rule) in rules:
        fault = next(filter(None, map(text_fault, [ptype, *rule])), None)
        try:
            if fault is not None:
                raise RuleError(f"there is {fault} in it")
            if len(rule) > len(COLUMNS):
                raise RuleError(f"it has {len(rule)} fields, and the table room for {len(COLUMNS)}")
            if fault := room_fault(rule, widths):
                raise RuleError(fault)
            engine.check(ptype, [rule])
        except CycleError:
            pass  # whether it closes one depends on what goes
        except RuleError as error:
            problems.append(f"line {line}: {error}")
            continue
        wanted.setdefault(ptype, {}).setdefault(tuple(rule), line)
    if problems:
        raise TransferError(problems)
    return wanted


async def plan_import(db: AnyDatabase, content: bytes | str, *, replace: bool = False, model: Any = None) -> Change:
    """What :func:`import_rules` would do with the content of a policy file.

    Args:
        db: the database.
        content: of the file.
        replace: whether stored rules that the content lacks go.
        model: of the policy, as an enforcer takes it; default the built-in one.

    Raises:
        TransferError: rules that do not fit the model or cannot be stored, with their lines; or role links that would
            close a cycle.
    """
    adapter = Adapter(db)
    revision = await adapter.revision()
    engine, _skipped = await stored_policy(db, model)
    # these may cut what does not fit, which makes it another rule; SQLite stores it, PostgreSQL refuses it
    cuts = db.engine.dialect.name in MYSQL
    wanted = _check(engine, parse(content), await adapter.widths() if cuts else {})
    added: dict[str, list[Rule]] = {}
    removed: dict[str, list[Rule]] = {}
    problems = []
    present = 0
    for ptype in engine.types():
        rules = wanted.get(ptype, {})
        gone = [rule for rule in engine.rules(ptype) if tuple(rule) not in rules] if replace else []
        if gone:
            removed[ptype] = gone
            engine.remove(ptype, gone)
        for rule, line in rules.items():
            if engine.has_rule(ptype, rule):
                present += 1
                continue
            try:
                engine.check(ptype, [rule])
            except CycleError as error:
                problems.append(f"line {line}: {error}")
                continue
            engine.add(ptype, [rule])
            added.setdefault(ptype, []).append(list(rule))
    if problems:
        raise TransferError(problems)
    return Change(added, present, removed, revision)


async def import_rules(db: AnyDatabase, content: bytes | str, *, replace: bool = False, model: Any = None) -> Change:
    """Store the rules in the content of a policy file, in one transaction, and say what changed.

    Running applications that watch the database load the change; others need ``load_policy()``.

    Args:
        db: the database.
        content: of the file.
        replace: take out the stored rules that the content lacks. Rows that are no rules stay.
        model: of the policy, as an enforcer takes it; default the built-in one.

    Raises:
        TransferError: as :func:`plan_import`; nothing is stored.
        StalePolicy: others changed the policy all the time; nothing is stored.
    """
    for _ in range(ATTEMPTS - 1):
        change = await plan_import(db, content, replace=replace, model=model)
        with suppress(StalePolicy):
            await apply(db, change)
            return change
    change = await plan_import(db, content, replace=replace, model=model)
    await apply(db, change)
    return change


async def apply(db: AnyDatabase, change: Change) -> None:
    """Make a planned change in the database, in one transaction.

    Raises:
        StalePolicy: the stored policy has changed since it was planned; nothing is stored.
    """
    ptypes = [*change.removed, *(ptype for ptype in change.added if ptype not in change.removed)]
    changes = {ptype: (change.removed.get(ptype, []), change.added.get(ptype, [])) for ptype in ptypes}
    if changes:
        with attempt(change.revision):
            await Adapter(db).exchange_rules(changes)
