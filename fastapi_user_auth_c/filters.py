"""Row filters: which rows somebody may see, as terms that are compiled to one short condition.

A term is ``(column, operator, value)``; the terms of a permission all have to hold, and so do the permissions in
force. The C core makes the shortest condition of them that is true of the same rows::

    plan = compile_filter(
        {
            "recent": [("create_time", ">", ago(days=7))],
            "own": [("user_id", "=", user_attribute("id"))],
            "open": [("status", "in", [1, 2, 3])],
        },
        active=["own", "open"],
    )
    statement = select(Article).where(plan.where(Article, user=user))
    text, values = plan.sql("qmark", user=user)
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, TypeAlias, overload
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, and_, false, literal, or_, true
from sqlalchemy import types as sqltypes
from sqlalchemy.sql import operators
from sqlalchemy.sql.elements import ClauseElement

from ._core import filter_simplify, filter_sql
from .compat.columns import local_aware, refuses_naive
from .dialects import MYSQL

__all__ = ["Ago", "Condition", "Filter", "Term", "UserAttribute", "ago", "compile_filter", "user_attribute"]

Term: TypeAlias = "tuple[str, str, Any]"
"""Column, operator, value. Operators: ``= != < <= > >=``, ``in`` and ``not in`` with a list.

Columns without a value (NULL) are found by ``=`` and ``in`` with None among the values, and by nothing else:
``!= None`` finds all others. Values of lists stand for themselves, an empty ``in`` finds nothing.
"""


@dataclass(frozen=True)
class Ago:
    """A moment that lies so far before now; see :func:`ago`."""

    span: timedelta
    """How far."""


@dataclass(frozen=True)
class UserAttribute:
    """An attribute of the user who asks; see :func:`user_attribute`."""

    name: str
    """Its name."""


@dataclass(frozen=True)
class Condition:
    """Stands for a condition that is only known when the filter is used; see :meth:`Filter.where`."""

    number: int
    """Its place among the conditions that are given then."""


def ago(span: timedelta | float = 0, *, days: float = 0) -> Ago:
    """A value for terms: a span of so many seconds (or days, or a timedelta) before the moment the filter is used."""
    return Ago((span if isinstance(span, timedelta) else timedelta(seconds=span)) + timedelta(days=days))


def user_attribute(name: str) -> UserAttribute:
    """A value for terms: the attribute of the user with that name. Without a user the term is not true of any row."""
    return UserAttribute(name)


_OPERATORS = {"=": "in", "==": "in", "!=": "not in", "<>": "not in", "in": "in", "not in": "not in"}
_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EXACT = 2**53
_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_LONG = timedelta(days=10**8)  # fits 64 bits as microseconds
_SPELLED = (Decimal, datetime, time, timedelta, UUID)
"""Types whose values are one and the same if they are written alike; that they are equal is not enough."""


def _same_key(value: Any) -> Any:
    """Equal keys mean the same value to any database."""
    kind = type(value)
    if kind in (str, bytes, int, bool, float, date, Ago, UserAttribute):
        return kind, value
    if kind in _SPELLED:
        return kind, repr(value)
    return "object", id(value)


def _kind(value: Any) -> tuple[str, int | float]:
    """What the core may know of a value: its kind and number."""
    kind = type(value)
    if kind is UserAttribute:
        return "later", 0
    if kind is Ago and abs(value.span) < _LONG:
        return "ago", value.span // _MICROSECOND
    if kind in (int, bool) and abs(value) <= _EXACT:
        return "integer", int(value)
    if kind is float and math.isfinite(value) and abs(value) < _EXACT:
        return "real", value
    if kind is datetime and value.tzinfo is None:
        return "time", (value - _EPOCH) // _MICROSECOND
    if kind is date:
        return "date", value.toordinal()
    return "opaque", 0


_NUMBERS = (int, bool, float)
_FITTING: tuple[tuple[type[Any], tuple[type[Any], ...]], ...] = (
    (sqltypes.Boolean, (bool,)),
    (sqltypes.Integer, (int, bool)),
    (sqltypes.Numeric, _NUMBERS),
    (sqltypes.DateTime, (datetime, date, Ago)),
    (sqltypes.Date, (date,)),
)
"""Column types, and the values that they compare in the order that Python has."""


def _fits(column_type: Any, value: Any) -> bool:
    """Whether a column of that type compares with a value as Python would; texts and the like need not."""
    kind = type(value)
    if kind not in (*_NUMBERS, datetime, date, Ago):
        return True
    if type(column_type).__module__ != sqltypes.DateTime.__module__ or column_type._variant_mapping:
        return False  # a type of somebody's own or of one database, which may keep values in another form
    if isinstance(column_type, sqltypes.TIMESTAMP) or getattr(column_type, "timezone", False):
        return False  # where clocks are put forward, a later local time may be an earlier moment
    return any(isinstance(column_type, known) and kind in kinds for known, kinds in _FITTING)


def column_of(entity: Any, name: str) -> Any:
    """A column of a mapped class, an alias of one, or a table; AttributeError if there is none of that name."""
    return getattr(entity.c if isinstance(entity, FromClause) else entity, name)


class _Builder:
    """Numbers values and conditions, and puts terms as the core takes them."""

    def __init__(self, model: Any = None, loose: Collection[str] = ()) -> None:
        self.model = model
        self.loose = frozenset(loose)
        self.objects: list[Any] = []
        self.known: dict[Any, tuple[str, int | float, int]] = {}
        self.conditions: list[Any] = []
        self.numbers: dict[Any, int] = {}

    def value(self, value: Any, loose: bool) -> tuple[str, int | float, int]:
        key = (loose, _same_key(value))
        if key not in self.known:
            kind, number = _kind(value)
            if loose and kind != "later":
                kind, number = "opaque", 0
            self.known[key] = (kind, number, len(self.objects))
            self.objects.append(value)
        return self.known[key]

    def condition(self, condition: Any) -> tuple[Any, ...]:
        key = condition if isinstance(condition, Condition) else ("condition", id(condition))
        number = self.numbers.setdefault(key, len(self.conditions))
        if number == len(self.conditions):
            self.conditions.append(condition)
        return (number, "clause", False, ())

    def plain(self, column: str, op: str, null: bool, values: Iterable[Any]) -> tuple[Any, ...]:
        """A term in the words of the core."""
        values = list(values)
        loose = column in self.loose
        if not loose and self.model is not None:
            column_type = getattr(column_of(self.model, column), "type", None)
            loose = not all(_fits(column_type, value) for value in values)
            if loose:
                self.loose |= {column}
        return (column, op, null, tuple(dict.fromkeys(self.value(value, loose) for value in values)))

    def term(self, term: Any) -> Iterator[Any]:
        """A term of the caller's; nothing for one that is always true."""
        if isinstance(term, (ClauseElement, Condition)):
            yield self.condition(term)
            return
        if not isinstance(term, tuple) or len(term) != 3 or not isinstance(term[0], str):
            raise ValueError(f"{term!r} is no term: (column, operator, value) is expected")
        column, op, value = term
        if op in _COMPARISONS:
            if value is None:
                raise ValueError(f"{column!r} {op} None is never true")
            yield self.plain(column, op, False, [value])
            return
        if op not in _OPERATORS:
            raise ValueError(f"{op!r} is no operator")
        if op in ("in", "not in"):
            if isinstance(value, (str, bytes, bytearray)) or not isinstance(value, Iterable):
                raise ValueError(f"{column!r} {op} needs a list of values")
            values = list(value)
        else:
            values = [value]
        given = [one for one in values if one is not None]
        if op == "not in" and not values:
            return
        name = _OPERATORS[op]
        yield self.plain(column, name, name == "in" and len(given) < len(values), given)

    def terms(self, terms: Iterable[Any], nested: bool = True) -> list[Any]:
        """Terms, and lists of alternatives among them."""
        items: list[Any] = []
        for term in terms:
            if isinstance(term, list) and nested:
                items.append([self.terms(alternative, nested=False) for alternative in term])
            else:
                items.extend(self.term(term))
        return items

    def mark_loose(self, items: list[Any]) -> list[Any]:
        """The items again, with what was found out about columns on the way."""
        return [
            [self.mark_loose(alternative) for alternative in item]
            if isinstance(item, list)
            else item
            if item[0] not in self.loose
            else (*item[:3], tuple(self.value(self.objects[ref], True) for _kind_, _number, ref in item[3]))
            for item in items
        ]

    def finish(self, items: list[Any]) -> Filter:
        items = self.mark_loose(items)
        table = {ref: (kind, number, ref) for kind, number, ref in self.known.values()}
        simple = filter_simplify(items)
        return Filter(simple, table, self.objects, self.conditions, self.loose)


def compile_filter(
    permissions: Mapping[str, Iterable[Any]] | Iterable[Any],
    active: Collection[str] | None = None,
    *,
    any_of: Iterable[Collection[str]] = (),
    model: Any = None,
    loose: Collection[str] = (),
) -> Filter:
    """Compile the permissions in force to one condition.

    Bounds on a column become the tightest, lists of values are intersected, contradictions make the whole false, and
    what is implied by the rest goes. Nothing is concluded that a database could see differently: texts are in no
    order and two of them are never taken for different, since that is up to the collation; integers beyond 2**53,
    NaN, decimals and values of unknown types are compared by the database alone.

    Args:
        permissions: the terms of each permission by its name, or the terms of one. In the place of a term may stand a
            condition of SQLAlchemy, or a list of alternatives, each a list of terms.
        active: names of the permissions in force; default all.
        any_of: groups of names. Of each group one permission in force has to let the row pass; where none is in force,
            no row does.
        model: the mapped class or table that the filter is for. Columns whose type does not compare as Python does
            with the values given, such as numbers kept as text, are found out by it.
        loose: names of such columns, where there is no model.

    Raises:
        ValueError: a malformed term, an unknown name, a column name that is empty or holds a NUL or lone surrogates,
            or more than 8,192 terms.
    """
    builder = _Builder(model, loose)
    if not isinstance(permissions, Mapping):
        permissions = {"": permissions}
        if active is not None:
            raise ValueError("'active' needs permissions with names")
    groups = [list(dict.fromkeys(group)) for group in any_of]
    in_force = set(permissions if active is None else active)
    grouped = {name for group in groups for name in group}
    unknown = (in_force | grouped) - set(permissions)
    if unknown:
        raise ValueError(f"unknown permissions: {', '.join(sorted(map(repr, unknown)))}")
    items: list[Any] = []
    for name, terms in permissions.items():
        if name in in_force and name not in grouped:
            items.extend(builder.terms(terms))
    for group in groups:
        items.append([builder.terms(permissions[name], nested=False) for name in group if name in in_force])
    return builder.finish(items)


class Filter:
    """A compiled condition; see :func:`compile_filter`. Immutable, so it may be kept and shared.

    ``now`` is the moment that :func:`ago` counts back from, a naive local time; default the clock. ``user`` is what
    has the attributes that :func:`user_attribute` names; None for a guest.
    """

    __slots__ = ("_conditions", "_items", "_loose", "_objects", "_table", "needs_user")

    def __init__(
        self,
        items: list[Any] | None,
        table: Mapping[int, tuple[str, int | float, int]],
        objects: Sequence[Any],
        conditions: Sequence[Any],
        loose: frozenset[str],
    ) -> None:
        self._items = items
        self._table = table
        self._objects = objects
        self._conditions = conditions
        self._loose = loose
        self.needs_user = any(table[ref][0] == "later" for term in self._flat() for ref in term[3])

    @property
    def never(self) -> bool:
        """No row passes."""
        return self._items is None

    @property
    def always(self) -> bool:
        """Every row passes."""
        return self._items == []

    @property
    def terms(self) -> list[Any]:
        """What is left of the terms, as :func:`compile_filter` takes them: no alternatives, where no row passes."""
        if self._items is None:
            return [[]]
        return [
            [[self._term(term) for term in alternative] for alternative in item]
            if isinstance(item, list)
            else self._term(item)
            for item in self._items
        ]

    def _term(self, term: tuple[Any, ...]) -> Any:
        column, op, null, refs = term
        if op == "clause":
            return self._conditions[column]
        values = [self._objects[ref] for ref in refs]
        if op in _COMPARISONS:
            return (column, op, values[0])
        if op == "not in" and not values:
            return (column, "!=", None)
        values += [None] if null else []
        if len(values) == 1:
            return (column, "=" if op == "in" else "!=", values[0])
        return (column, op, values)

    def __repr__(self) -> str:
        return f"Filter({'never' if self.never else repr(self.terms)})"

    def _flat(self) -> Iterator[tuple[Any, ...]]:
        for item in self._items or ():
            if isinstance(item, list):
                for alternative in item:
                    yield from alternative
            else:
                yield item

    def _resolved(
        self, term: tuple[Any, ...], now: datetime | None, user: Any, moment: Callable[[datetime], Any]
    ) -> tuple[bool, list[Any]] | None:
        """``null`` and the values of a term, with those that were open; None when it is true of no row."""
        _name, op, null, refs = term
        values = []
        for ref in refs:
            value = self._objects[ref]
            if isinstance(value, Ago):
                value = moment((now or datetime.now()) - value.span)
            elif isinstance(value, UserAttribute):
                value = _attribute(user, value.name) if user else _MISSING
                if value is _MISSING or (value is None and op in _COMPARISONS):
                    return None
                if value is None:  # "equal to nothing" is "is NULL", as SQLAlchemy has it
                    null = op == "in"
                    continue
            values.append(value)
        return null, values

    def bind(self, *, now: datetime | None = None, user: Any = None) -> Filter:
        """The filter of one moment (``now``, default this one) and user, simplified once more."""
        if now is None:
            now = datetime.now()
        builder = _Builder(loose=self._loose)

        def bound(term: tuple[Any, ...]) -> tuple[Any, ...]:
            if term[1] == "clause":
                return builder.condition(self._conditions[term[0]])
            found = self._resolved(term, now, user, lambda value: value)
            return (term[0], "in", False, ()) if found is None else builder.plain(term[0], term[1], *found)

        if self._items is None:
            return self
        return builder.finish(
            [
                [[bound(term) for term in alternative] for alternative in item]
                if isinstance(item, list)
                else bound(item)
                for item in self._items
            ]
        )

    def where(
        self,
        entity: Any,
        *,
        now: datetime | None = None,
        user: Any = None,
        conditions: Mapping[int, Any] | None = None,
    ) -> ColumnElement[bool]:
        """The condition for SQLAlchemy.

        Args:
            entity: a mapped class, an alias of one, or a table, whose columns are meant.
            now: see the class.
            user: see the class.
            conditions: what each :class:`Condition` stands for, by its number.

        Raises:
            AttributeError: the entity has no such column, or the user no such attribute.
        """
        if now is None:
            now = datetime.now()

        def clause(term: tuple[Any, ...]) -> Any:
            if term[1] == "clause":
                condition = self._conditions[term[0]]
                return (conditions or {})[condition.number] if isinstance(condition, Condition) else condition
            column = column_of(entity, term[0])
            aware = refuses_naive(getattr(column, "type", None))
            found = self._resolved(term, now, user, local_aware if aware else lambda value: value)
            return false() if found is None else _clause(column, term[1], *found)

        if self._items is None:
            return false()
        found = [
            or_(*(and_(*map(clause, alternative)) for alternative in item)) if isinstance(item, list) else clause(item)
            for item in self._items
        ]
        return and_(*found) if found else true()

    @overload
    def sql(
        self,
        paramstyle: Literal["qmark", "numeric", "format", "dollar"] = ...,
        *,
        dialect: str = ...,
        table: str = ...,
        prefix: str = ...,
        start: int = ...,
        now: datetime | None = ...,
        user: Any = ...,
    ) -> tuple[str, list[Any]]: ...
    @overload
    def sql(
        self,
        paramstyle: Literal["named", "pyformat"],
        *,
        dialect: str = ...,
        table: str = ...,
        prefix: str = ...,
        start: int = ...,
        now: datetime | None = ...,
        user: Any = ...,
    ) -> tuple[str, dict[str, Any]]: ...
    @overload
    def sql(
        self,
        paramstyle: str,
        *,
        dialect: str = ...,
        table: str = ...,
        prefix: str = ...,
        start: int = ...,
        now: datetime | None = ...,
        user: Any = ...,
    ) -> tuple[str, list[Any] | dict[str, Any]]: ...
    def sql(
        self,
        paramstyle: str = "qmark",
        *,
        dialect: str = "",
        table: str = "",
        prefix: str = "p",
        start: int = 1,
        now: datetime | None = None,
        user: Any = None,
    ) -> tuple[str, list[Any] | dict[str, Any]]:
        """The condition as text for a DB-API driver, and its values: a list, or a dict for named styles.

        It can stand alone or beside AND; put it in parentheses beside OR.

        Args:
            paramstyle: ``qmark``, ``numeric``, ``format``, ``named`` or ``pyformat`` as in PEP 249, or ``dollar``
                (``$1``, as asyncpg has it). In the format styles percent signs in names are doubled.
            dialect: names are in double quotes, with ``mysql`` or ``mariadb`` in backticks.
            table: a table's name or alias to put before each column.
            prefix: of named marks.
            start: the number of the first mark.
            now: see the class.
            user: see the class.

        Raises:
            ValueError: the style is unknown, a name cannot be one, or the filter holds a condition of SQLAlchemy.
        """
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", prefix) is None:
            raise ValueError(f"{prefix!r} cannot begin the name of a parameter")
        plan = self.bind(now=now, user=user)
        items: list[Any] = [[]] if plan._items is None else plan._with_values(plan._items)
        quote = "`" if dialect.partition("+")[0] in MYSQL else '"'
        text, refs = filter_sql(items, paramstyle, quote, table, prefix, start)
        values = [plan._objects[ref] for ref in refs]
        if paramstyle in ("named", "pyformat"):
            return text, {f"{prefix}{number}": value for number, value in enumerate(values, start)}
        return text, values

    def _with_values(self, items: list[Any]) -> list[Any]:
        return [
            [self._with_values(alternative) for alternative in item]
            if isinstance(item, list)
            else (*item[:3], tuple(self._table[ref] for ref in item[3]))
            for item in items
        ]


_MISSING = object()


def _attribute(user: Any, name: str) -> Any:
    if not isinstance(user, Mapping):
        return getattr(user, name)
    if name not in user:
        raise AttributeError(f"the user has no {name!r}")
    return user[name]


def _clause(column: Any, op: str, null: bool, values: list[Any]) -> Any:
    """A term for SQLAlchemy."""
    if not all(isinstance(value, bool) for value in values):  # of a list that begins with one it expects no numbers
        values = [int(value) if isinstance(value, bool) else value for value in values]
    if op in _COMPARISONS:
        # SQLAlchemy takes a bool for a constant, which it compares for equality only
        return _COMPARISONS[op](column, literal(values[0]) if isinstance(values[0], bool) else values[0])
    listed: list[Any] = values
    if len({type(value) for value in values}) > 1:  # of a list SQLAlchemy takes the first one's type for all
        listed = [literal(value, column.type.coerce_compared_value(operators.eq, value)) for value in values]
    if op == "not in":
        if not values:
            return column.is_not(None)
        return column != values[0] if len(values) == 1 else column.not_in(listed)
    if not values:
        return column.is_(None) if null else false()
    found = column == values[0] if len(values) == 1 else column.in_(listed)
    return or_(found, column.is_(None)) if null else found
