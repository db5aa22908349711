"""Permissions for sets of rows: which are in force for a request, and the one condition they come to.

The classes of fastapi-amis-admin are translated to terms of :mod:`fastapi_user_auth_c.filters`, as long as they are
those very classes. A subclass, or an instance with a ``call`` of its own, gets a statement and returns one, as ever.
"""

from __future__ import annotations

import inspect as python_inspect
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from fastapi_amis_admin.admin import (
    FilterSelectPerm,
    RecentTimeSelectPerm,
    SimpleSelectPerm,
    UserSelectPerm,
)
from fastapi_amis_admin.admin.extensions.schemas import SelectPerm
from sqlalchemy import Alias, Delete, FromClause, Table, Update, and_, inspect, literal, select, tuple_
from sqlalchemy.sql import Select
from starlette.requests import Request

from .auth.schemas import SystemUserEnum
from .filters import Ago, Condition, Filter, UserAttribute, column_of, compile_filter
from .utils.casbin import enforce_once

T = TypeVar("T")

GROUP = "page:select"
"""The group of rules for sets of rows; their action is this, a colon and the set's name."""


# --- which permissions are in force


async def subject_of(auth: Any, request: Request) -> str:
    """The subject of a request: ``u:`` and the user name, ``u:guest`` for guests, as ``auth`` knows them."""
    return f"u:{await auth.get_current_user_identity(request) or SystemUserEnum.GUEST}"


async def in_force(auth: Any, request: Request, page: str, permissions: Sequence[SelectPerm]) -> list[bool]:
    """Which of the permissions (sets of rows) of a page are in force for the user of a request, decided by ``auth`` in
    one call.
    """
    subject = await subject_of(auth, request)
    asked = [(page, f"{GROUP}:{permission.name}", GROUP) for permission in permissions]
    decided = enforce_once(request, auth.enforcer, subject, asked)
    return [permission.reverse ^ effect for permission, effect in zip(permissions, decided, strict=True)]


def check_groups(permissions: Iterable[SelectPerm], any_of: Iterable[Collection[str]]) -> None:
    """Look whether groups of sets are good: each name in ``any_of`` has to be that of one of the permissions.

    Raises:
        ValueError: a group names a set there is not, which would lock everybody out, or nobody.
    """
    names = {permission.name for permission in permissions}
    for group in any_of:
        if isinstance(group, str) or not names.issuperset(group):
            raise ValueError(f"{group!r} is not a group of these sets of rows: {', '.join(sorted(names))}")


# --- translation to terms


def _recent(permission: Any) -> list[Any] | None:
    if not isinstance(permission.td, timedelta):
        return None
    return [(permission.time_column, ">", Ago(permission.td))]


def _own(permission: Any) -> list[Any]:
    return [(permission.user_column, "=", UserAttribute(permission.user_attr))]


def _simple(permission: Any) -> list[Any] | None:
    if permission.values is None:
        return []
    if type(permission.values) not in (list, tuple, set, frozenset):
        return None
    return [(permission.column, "in", permission.values)] if permission.values else []


def _filter(permission: Any) -> list[Any] | None:
    return None if permission.filters else []


_KNOWN: dict[type[Any], tuple[Any, Callable[[Any], list[Any] | None]]] = {
    FilterSelectPerm: (FilterSelectPerm._call, _filter),
    RecentTimeSelectPerm: (RecentTimeSelectPerm._call, _recent),
    UserSelectPerm: (UserSelectPerm._call, _own),
    SimpleSelectPerm: (SimpleSelectPerm._call, _simple),
}


def _is_own(permission: Any) -> bool:
    """Whether a permission does just what its class of fastapi-amis-admin does."""
    call, own = _KNOWN.get(type(permission), (None, None))[0], permission.call
    return call is not None and getattr(own, "__func__", None) is call and getattr(own, "__self__", None) is permission


def _terms(permission: Any) -> list[Any] | None:
    """What a permission demands, as terms; None for one that has to be asked for a condition, or called."""
    return _KNOWN[type(permission)][1](permission) if _is_own(permission) else None


# --- plans, kept by what they were made of


class _Value:
    """A value as part of a key: the same if of one type and equal, or else the same object."""

    __slots__ = ("key", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.key = (type(value), value if type(value) in (str, int, bool, bytes) else id(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Value) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


class _Part(NamedTuple):
    """One permission in force, of a group (-1: none), as something to look a plan up by."""

    group: int
    terms: tuple[Any, ...]


def _frozen(term: Any) -> Any:
    if not isinstance(term, tuple):
        return term
    column, op, value = term
    return (column, op, tuple(map(_Value, value)) if op == "in" else value)


def _thawed(term: Any) -> Any:
    if not isinstance(term, tuple) or term[1] != "in":
        return term
    return (term[0], term[1], [value.value for value in term[2]])


@lru_cache(maxsize=512)
def _plan(model: Any, groups: int, parts: tuple[_Part, ...]) -> Filter:
    """The filter of the permissions in force. Kept, whoever asks: a page with the same ones has the same plan."""
    alternatives: list[list[Any]] = [[] for _ in range(groups)]
    terms: list[Any] = list(alternatives)
    for part in parts:
        found = [_thawed(term) for term in part.terms]
        if part.group < 0:
            terms.extend(found)
        else:
            alternatives[part.group].append(found)
    return compile_filter(terms, model=model)


# --- statements


@dataclass(frozen=True)
class _Site:
    auth: Any


@dataclass(frozen=True)
class Page:
    """Stands for an admin page where there is none: what the ``call`` of a permission may look at."""

    model: Any
    site: _Site


def _base(entity: Any) -> Any:
    """The mapped class or table of an entity, which may be an alias."""
    if isinstance(entity, FromClause):
        element = getattr(entity, "element", entity)
        return element if isinstance(element, FromClause) else entity
    return inspect(entity).mapper.class_


def _key_names(base: Any) -> list[str]:
    if isinstance(base, FromClause):
        return [column.key for column in base.primary_key]
    mapper = inspect(base)
    return [mapper.get_property_by_column(column).key for column in mapper.primary_key]


def _has_filters(permission: Any) -> bool:
    return type(permission) is FilterSelectPerm and _is_own(permission)


async def _called(permission: Any, page: Any, request: Request, statement: Select[Any]) -> Select[Any]:
    result = permission.call(page, request, statement)
    return await result if python_inspect.isawaitable(result) else result  # type: ignore[no-any-return]


async def _as_condition(permission: Any, page: Any, entity: Any, request: Request, joins: bool) -> Any:
    """A permission that changes statements as a condition: the rows that it leaves of all, by their primary keys.

    Filters are conditions already. ``joins`` says whether they may name other tables, which the statement then joins.
    """
    base = _base(entity)
    if _has_filters(permission) and base is entity:
        condition = and_(*permission.filters)
        named = set(select(literal(1)).where(condition).get_final_froms())  # in a group that would repeat rows
        if joins or named <= {base if isinstance(base, FromClause) else inspect(base).local_table}:
            return condition
    names = _key_names(base)
    if not names:
        raise ValueError(f"{permission.name}: {base} has no primary key")
    ours, theirs = ([column_of(one, name) for name in names] for one in (entity, base))
    page = page if page.model is base else Page(base, page.site)
    left = (await _called(permission, page, request, select(*theirs))).with_only_columns(*theirs)
    left = left.correlate(None)  # its tables are its own, whatever the statement around it names
    return (tuple_(*ours) if len(ours) > 1 else ours[0]).in_(left)


async def restrict(
    page: Any,
    request: Request,
    statement: Any,
    permissions: Sequence[Any],
    forces: Sequence[bool],
    any_of: Sequence[Collection[str]] = (),
    entity: Any = None,
) -> Any:
    """A statement with the permissions in force added to it: those that are called, then one ``where`` for the rest.

    Args:
        page: an admin page, or a :class:`Page`.
        request: the request.
        statement: a statement over ``entity``.
        permissions: sets of rows.
        forces: which of them are in force.
        any_of: groups of names; of each group one set in force has to hold the row, so without any no row is left.
        entity: the mapped class, alias or table of the rows; default the page's model.
    """
    entity = page.model if entity is None else entity
    base = _base(entity)
    parts: list[_Part] = []
    conditions: dict[int, Any] = {}
    grouped = {name for group in any_of for name in group}
    for number, (permission, on) in enumerate(zip(permissions, forces, strict=True)):
        if not on:
            continue
        terms = _terms(permission)
        alone = permission.name not in grouped
        if terms is None:
            if alone and entity is base and isinstance(statement, Select) and not _has_filters(permission):
                statement = await _called(permission, page, request, statement)
                continue
            terms = [Condition(number)]
            conditions[number] = await _as_condition(
                permission, page, entity, request, joins=alone and isinstance(statement, Select)
            )
        frozen = tuple(map(_frozen, terms))
        groups = [index for index, group in enumerate(any_of) if permission.name in group]
        parts.extend(_Part(index, frozen) for index in groups or [-1])
    plan = _plan(base, len(any_of), tuple(parts))
    if plan.always:
        return statement
    user = await page.site.auth.get_current_user(request) if plan.needs_user else None
    return statement.where(plan.where(entity, user=user, conditions=conditions))


async def filter_select(
    auth: Any,
    request: Request,
    statement: T,
    *,
    permissions: Iterable[SelectPerm],
    page: str | None = None,
    any_of: Iterable[Collection[str]] = (),
    entity: Any = None,
) -> T:
    """A select, update or delete statement, limited to the rows that the user of a request may see; root sees all.

    Args:
        auth: the :class:`~fastapi_user_auth_c.auth.Auth`.
        request: the request.
        statement: of a mapped class, an alias of one, or a table.
        permissions: sets of rows. Each one in force narrows the statement: those that the user has, and of those with
            ``reverse`` the ones that the user has not.
        page: the object of the rules that give them; default the name of the table.
        any_of: groups of names, of which one in force has to hold the row.
        entity: what the rows are of, where the statement selects from several; default its first.

    Raises:
        ValueError: a group names no permission, or the statement is of another kind, or does not say what it is about.
        AttributeError: there is no such column, or the user has no such attribute.
    """
    permissions, groups = list(permissions), [list(group) for group in any_of]
    check_groups(permissions, groups)
    if not isinstance(statement, (Select, Update, Delete)):
        raise ValueError(f"{type(statement).__name__} is neither a select, nor an update or delete statement")
    entity = _entity(statement) if entity is None else entity
    model = _base(entity)
    if await subject_of(auth, request) == f"u:{SystemUserEnum.ROOT}":
        return statement
    table: Any = model if isinstance(model, FromClause) else inspect(model).local_table
    forces = await in_force(auth, request, page or table.name, permissions)
    return await restrict(Page(model, _Site(auth)), request, statement, permissions, forces, groups, entity)


def _entity(statement: Any) -> Any:
    """The mapped class, alias or table that a statement selects from first, or changes.

    Raises:
        ValueError: it does not say.
    """
    if not isinstance(statement, Select):
        changed = statement.entity_description
        return changed["entity"] if "entity" in changed else changed["table"]
    for description in statement.column_descriptions:
        if description.get("entity") is not None:
            return description["entity"]
    for source in statement.get_final_froms():
        if isinstance(source, (Table, Alias)):
            return source
    raise ValueError("the statement selects from no mapped class or table: give its entity")
