"""Permissions as pages exchange them, ``page id#action#group``, and the rules of subjects as lists of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from ..auth.models import CasbinRule
from ..auth.schemas import SystemUserEnum
from ..policy.adapter import COLUMNS
from ..policy.writer import resolved

ROOT = f"u:{SystemUserEnum.ROOT}"


def permission_encode(*field_values: str | None) -> str:
    """The text of a rule's fields (``field_values``) from the object on; None is left out."""
    return "#".join(value for value in field_values if value is not None)


def permission_decode(permission: str) -> list[str]:
    """The fields in a permission text, as many as there are; see :func:`permission_fields` for a strict reading."""
    return permission.strip("#").split("#")


def permission_fields(permission: str) -> tuple[str, str, str]:
    """Object, action and group of a permission text.

    Raises:
        ValueError: the text is not three fields with something in each.
    """
    fields = permission.split("#")
    if len(fields) != 3 or not all(fields):
        raise ValueError(f"{permission!r} is not a permission: 'page id#action#group' is expected")
    return fields[0], fields[1], fields[2]


def permission_enforce(enforcer: Any, subject: str, permission: str) -> bool:
    """Whether a subject holds a permission text, by the decision of an enforcer.

    Raises:
        ValueError: see :func:`permission_fields`.
    """
    return bool(enforcer.enforce(subject, *permission_fields(permission)))


def enforce_each(enforcer: Any, subject: str, requests: Sequence[tuple[str, str, str]]) -> list[bool]:
    """The decisions for one subject on many requests ``(object, action, group)``, in one call where the enforcer has
    it.
    """
    together = getattr(enforcer, "enforce_each", None)
    if together is not None:
        return list(together(subject, requests))
    return [bool(enforcer.enforce(subject, *request)) for request in requests]


DECIDED = "__user_auth_decided__"
"""Where the scope of a request keeps the decisions made for it."""


def enforce_once(
    request: HTTPConnection, enforcer: Any, subject: str, asked: Sequence[tuple[str, str, str]]
) -> list[bool]:
    """As :func:`enforce_each` (``enforcer``, ``subject``, ``asked``), but once for each question of a request.

    A change of the policy ends what was decided before it. Enforcers of Casbin do not tell of one: there it counts from
    the next request on.
    """
    state = (getattr(enforcer, "generation", None), getattr(enforcer, "enabled", None))
    known = request.scope.setdefault(DECIDED, {}).setdefault((id(enforcer), state, subject), {})
    missing = [one for one in dict.fromkeys(asked) if one not in known]
    if missing:
        known.update(zip(missing, enforce_each(enforcer, subject, missing), strict=True))
    return [known[one] for one in asked]


ROWS = "page:select"
"""The group of the rules for sets of rows."""


async def covers(enforcer: Any, subject: str, other: str) -> bool:
    """Whether, as an enforcer decides, a subject has every role and may do everything that an ``other`` has and may do.

    Of patterns, such as ``page:*``, nobody but root can be told to hold all.
    """
    if ROOT in (subject, other):
        return subject == ROOT
    held = await resolved(enforcer.get_implicit_roles_for_user(subject))
    if not set(await resolved(enforcer.get_implicit_roles_for_user(other))) <= set(held):
        return False
    rules = await resolved(enforcer.get_implicit_permissions_for_user(other))
    allowed: list[Any] = [tuple(rule[1:4]) for rule in rules if rule[-1] != "deny" and rule[3] != ROWS]
    if any("*" in field for fields in allowed for field in fields):
        return False
    rules += await resolved(enforcer.get_implicit_permissions_for_user(subject))
    sets: list[Any] = [tuple(rule[1:4]) for rule in rules if rule[3] == ROWS]  # these narrow: having one is no more
    if enforce_each(enforcer, subject, sets) != enforce_each(enforcer, other, sets):
        return False
    return all(enforce_each(enforcer, subject, allowed))


async def get_subject_page_permissions(enforcer: Any, *, subject: str, implicit: bool = False) -> list[str]:
    """The page permissions in a subject's rules, each as ``page id#action#page#effect``.

    Args:
        enforcer: the enforcer.
        subject: the subject, such as ``u:name`` or ``r:key``.
        implicit: also those of its roles.
    """
    if implicit:
        rules = await resolved(enforcer.get_implicit_permissions_for_user(subject))
        rules = [rule for rule in rules if rule[-2] == "page"]
    else:
        rules = enforcer.get_filtered_policy(0, subject, "", "", "page")
    return [permission_encode(*rule[1:]) for rule in rules]


async def replace_rules(enforcer: Any, ptype: str, new_rules: list[list[str]], field_index: int, *values: str) -> None:
    """Make the rules that match be just the new ones; in one step where the enforcer can.

    Args:
        enforcer: the enforcer.
        ptype: policy type of the rules.
        new_rules: what is there afterwards in place of those that match.
        field_index: the first field that is compared.
        values: what the fields from there on have to be; ``""`` stands for any.
    """
    replace = getattr(enforcer, "replace_filtered_policies", None)
    if replace is not None:
        await resolved(replace(ptype, new_rules, field_index, *values))
        return
    section = "_grouping" if ptype.startswith("g") else ""  # an enforcer of Casbin
    old_rules = getattr(enforcer, f"get_filtered_named{section}_policy")(ptype, field_index, *values)
    gone = [rule for rule in old_rules if rule not in new_rules]
    fresh = [rule for rule in new_rules if rule not in old_rules]
    for rule in gone:
        await resolved(getattr(enforcer, f"remove_named{section}_policy")(ptype, *rule))
    for rule in fresh:
        await resolved(getattr(enforcer, f"add_named{section}_policy")(ptype, *rule))


async def forget_subject(enforcer: Any, subject: str) -> None:
    """Take a subject out of the policy of an enforcer: its roles, its members, its rules.

    For an account or role that goes, and for a new one, whose name may have been somebody else's before.
    """
    await resolved(enforcer.remove_filtered_grouping_policy(0, subject))
    await resolved(enforcer.remove_filtered_grouping_policy(1, subject))
    await resolved(enforcer.remove_filtered_policy(0, subject))


async def update_subject_roles(enforcer: Any, *, subject: str, role_keys: list[str]) -> None:
    """Make these the direct roles of a subject.

    Args:
        enforcer: the enforcer.
        subject: the subject.
        role_keys: roles as subjects, such as ``r:key``; the subject itself and empty ones are passed over.

    Raises:
        CycleError: one of the roles has the subject as its role, over any number of links. Nothing is changed.
    """
    roles = [role for role in dict.fromkeys(role_keys) if role and role != subject]
    await replace_rules(enforcer, "g", [[subject, role] for role in roles], 0, subject)


async def update_subject_page_permissions(enforcer: Any, *, subject: str, permissions: list[str]) -> list[str]:
    """Make these the page permissions of a subject; returns them.

    Args:
        enforcer: the enforcer.
        subject: the subject.
        permissions: texts ``page id#action#page``, optionally with ``#allow`` or ``#deny``; allow is the default.

    Raises:
        ValueError: a text is malformed. Nothing is changed.
    """
    rules = []
    for permission in permissions:
        base, hash_, effect = permission.rpartition("#")
        if not hash_ or effect not in ("allow", "deny"):
            base, effect = permission, "allow"
        fields = permission_fields(base)
        if fields[2] != "page":
            raise ValueError(f"{permission!r} is not a page permission")
        rules.append([subject, *fields, effect])
    await replace_rules(enforcer, "p", rules, 0, subject, "", "", "page")
    return permissions


def get_subject_policy_matrix(
    enforcer: Any, *, subject: str, permission: str, rows: list[dict[str, Any]]
) -> list[list[dict[str, Any]]]:
    """What a subject's own rules say of each row: columns default (nothing), allow, deny.

    Args:
        enforcer: the enforcer.
        subject: the subject.
        permission: the permission whose details the rows are.
        rows: of :func:`~fastapi_user_auth_c.admin.actions.get_admin_field_permission_rows` or the like.
    """
    object_, action, _group = permission_fields(permission)
    effects: dict[str, set[str]] = {"allow": set(), "deny": set()}
    for rule in enforcer.get_filtered_policy(0, subject, object_, "", _details_group(action), ""):
        effects["allow" if rule[-1] == "allow" else "deny"].add(permission_encode(*rule[1:-1]))
    columns: list[list[dict[str, Any]]] = [[], [], []]
    for row in rows:
        reverse = bool(row.get("reverse", False))
        if row["rol"] in effects["deny" if reverse else "allow"]:
            checked = 1
        elif row["rol"] in effects["allow" if reverse else "deny"]:
            checked = 2
        else:
            checked = 0
        for index, column in enumerate(columns):
            column.append({**row, "checked": index == checked})
    return columns


def get_subject_effect_matrix(enforcer: Any, *, subject: str, rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """What an enforcer decides for a subject and each of the rows: columns allow, deny."""
    columns: list[list[dict[str, Any]]] = [[], []]
    decided = enforce_each(enforcer, subject, [permission_fields(row["rol"]) for row in rows])
    for row, effect in zip(rows, decided, strict=True):
        allowed = bool(row.get("reverse", False)) ^ effect
        columns[0].append({**row, "checked": allowed})
        columns[1].append({**row, "checked": not allowed})
    return columns


def _details_group(action: str) -> str:
    """The group of the rules below a permission: data sets below the page itself, fields below its actions."""
    return "page:select" if action == "page" else action


async def update_subject_data_permissions(
    enforcer: Any,
    *,
    subject: str,
    permission: str,
    policy_matrix: list[list[dict[str, Any]]],
    super_subject: str = ROOT,
) -> str:
    """Make a matrix of the form :func:`get_subject_policy_matrix` the rules of a subject below one permission.

    Args:
        enforcer: the enforcer.
        subject: the subject.
        permission: the permission whose details the rows are.
        policy_matrix: columns default, allow, deny; rows with ``checked`` count.
        super_subject: who is changing it. Nobody but root gives a wider view than their own, or a whole (``*``) one.

    Returns:
        ``"success"``, or why nothing was changed.

    Raises:
        ValueError: a permission text is malformed, or the matrix does not have three columns.
    """
    if not policy_matrix:
        return "success"
    if len(policy_matrix) != 3:
        raise ValueError("a policy matrix has the columns default, allow and deny")
    object_, action, group = permission_fields(permission)
    is_root = super_subject == ROOT
    if not is_root and not enforcer.enforce(super_subject, object_, action, group):
        return str(_("No update permission"))
    details = _details_group(action)
    rules = []
    if not is_root:  # what they could not give they do not take, and with it whatever it keeps closed
        rows = {item["rol"]: item for column in policy_matrix for item in column}
        for rule in enforcer.get_filtered_policy(0, subject, object_, "", details, ""):
            text = permission_encode(*rule[1:-1])
            row = rows.get(text)
            if row is None or not _may_give(
                enforcer, super_subject, permission_fields(text), _opening(details, row), row
            ):
                rules.append(list(rule))
    for column, allow in ((policy_matrix[1], True), (policy_matrix[2], False)):
        for item in column:
            if not item.get("checked"):
                continue
            reverse = bool(item.get("reverse", False))
            fields = permission_fields(item["rol"])
            if fields[0] != object_ or fields[2] != details:
                raise ValueError(f"{item['rol']!r} is not below {permission!r}")
            effect = "allow" if allow ^ reverse else "deny"
            rule = [subject, *fields, effect]
            if not is_root and rule not in rules and not _may_give(enforcer, super_subject, fields, effect, item):
                return str(_("No update permission"))
            if rule not in rules:
                rules.append(rule)
    await replace_rules(enforcer, "p", rules, 0, subject, object_, "", details, "")
    return "success"


def _opening(group: str, row: dict[str, Any]) -> str:
    """The effect that widens what a subject sees: a data set in force narrows it, but one of a group widens it."""
    if group != "page:select":
        return "allow"
    return "allow" if bool(row.get("reverse", False)) is not bool(row.get("any_of", False)) else "deny"


def _may_give(enforcer: Any, giver: str, fields: tuple[str, str, str], effect: str, row: dict[str, Any]) -> bool:
    """Whether a rule leaves its subject with no wider view than the giver's.

    A field is opened by allow. A data set is a restriction while it is in force: allow puts it in force, or lifts it
    where it is reversed. Of a group of data sets (``any_of``) each one in force adds rows.
    """
    opens = _opening(fields[2], row)
    if effect != opens:
        return True
    if "*" in fields[1]:
        return False
    return bool(enforcer.enforce(giver, *fields)) is (opens == "allow")


def delete_duplicate_rule(session: Session) -> None:
    """Delete rows of policy rules that repeat another one, and commit the session; the oldest row stays."""
    columns: list[Any] = [getattr(CasbinRule, name) for name in ("ptype", *COLUMNS)]
    oldest = select(func.min(CasbinRule.id).label("id")).group_by(*columns).subquery()
    session.execute(
        delete(CasbinRule).where(CasbinRule.id.not_in(select(oldest.c.id))),  # type: ignore[union-attr]
        execution_options={"synchronize_session": False},
    )
    session.commit()
