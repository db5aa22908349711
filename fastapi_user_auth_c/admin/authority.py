"""Who may act on whom, and who may give what: the one place that the pages and their actions ask.

Root may do everything to everybody, and nobody else anything to root.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request

from ..auth.schemas import SystemUserEnum
from ..mixins.admin import subject_of
from ..policy.writer import resolved
from ..utils.casbin import ROOT, ROWS, covers, enforce_each, permission_encode, permission_fields
from .access import refuse
from .permission_rows import get_admin_select_permission_rows

ROOT_ROLE = f"r:{SystemUserEnum.ROOT.value}"


async def is_root(site: Any, request: Request) -> bool:
    return await subject_of(site, request) == ROOT


async def may_touch(site: Any, request: Request, subjects: Iterable[str]) -> bool:
    """Whether a user may change these accounts or roles at all."""
    return ROOT not in set(subjects) or await is_root(site, request)


async def may_take_over(site: Any, request: Request, subjects: Iterable[str]) -> bool:
    """Whether a user has all that these have: who sets an account's password, or makes a login link, can be it."""
    caller = await subject_of(site, request)
    enforcer = site.auth.enforcer
    return all([subject == caller or await covers(enforcer, caller, subject) for subject in subjects])


async def is_own(site: Any, request: Request, subject: str) -> bool:
    """Whether what is given to a subject is given to the user: it is theirs, or a role that they have."""
    caller = await subject_of(site, request)
    if subject == caller or caller == ROOT:
        return subject == caller
    return subject in await resolved(site.auth.enforcer.get_implicit_roles_for_user(caller))


async def may_delete_roles(site: Any, request: Request, roles: Iterable[str]) -> bool:
    """Whether a user may delete these roles, and so take them from everybody: root all but its own, others those that
    they have and that allow nothing they lack, and keep nobody from anything.
    """
    roles = list(roles)
    caller, enforcer = await subject_of(site, request), site.auth.enforcer
    if caller == ROOT:
        return True
    held = await resolved(enforcer.get_implicit_roles_for_user(caller))
    for role in roles:
        has_members = bool(await resolved(enforcer.get_users_for_role(role)))
        if role == ROOT_ROLE or (has_members and role not in held) or await _restricts(enforcer, role):
            return False
    return await may_take_over(site, request, roles)


async def _restricts(enforcer: Any, role: str) -> bool:
    """Whether a role denies something or narrows the rows that are seen: who loses it may do more."""
    rules = await resolved(enforcer.get_implicit_permissions_for_user(role))
    return any(rule[-1] == "deny" or rule[3] == ROWS for rule in rules)


async def roles_to_store(site: Any, request: Request, subject: str, roles: list[str]) -> list[str]:
    """The direct roles of a subject once a user has chosen these. Nobody gives or takes a role that they lack.

    Nor gives one that allows more than they may do themselves, since something else denies it to them, nor takes one
    that keeps its members from something.

    Raises:
        HTTPException: one is new to the subject, and not the user's to give.
    """
    caller, enforcer = await subject_of(site, request), site.auth.enforcer
    if caller == ROOT:
        return roles
    linked = await resolved(enforcer.get_roles_for_user(subject))
    held = await resolved(enforcer.get_implicit_roles_for_user(caller))
    if not set(roles) <= {*held, *linked}:
        refuse(request)
    for role in roles:
        if role not in linked and not await covers(enforcer, caller, role):
            refuse(request)
    kept = [role for role in linked if role not in roles and (role not in held or await _restricts(enforcer, role))]
    return [*roles, *kept]


Permission = tuple[str, str, str]
"""Object, action and group."""


def granted(rules: Iterable[Sequence[str]]) -> list[Permission]:
    """Of page permissions in rules those that are allowed and not denied by others of them."""
    effects = dict.fromkeys((_permission(rule), rule[-1]) for rule in rules)
    return [permission for permission, effect in effects if effect == "allow" and (permission, "deny") not in effects]


def shown(permissions: Iterable[Permission]) -> list[str]:
    """The permissions as texts of a form, as far as they can be one."""
    return [permission_encode(*permission) for permission in permissions if not any("#" in part for part in permission)]


async def rules_to_store(site: Any, request: Request, subject: str, chosen: list[str]) -> list[list[str]]:
    """The rules of a subject for pages once a user has chosen these in the form that shows what is granted.

    What the form does not show, or its user does not hold, stays as it is.

    Args:
        site: the site.
        request: the user's.
        subject: whose rules they are.
        chosen: texts ``page id#action#page``.

    Raises:
        ValueError: a text is malformed.
        HTTPException: one is new to the subject, and not the user's to give; it is named.
    """
    wanted = [permission_fields(text) for text in chosen]
    for permission in wanted:
        if permission[2] != "page":
            raise ValueError(f"{permission_encode(*permission)!r} is not a page permission")
    enforcer, caller = site.auth.enforcer, await subject_of(site, request)
    rules = enforcer.get_filtered_policy(0, subject, "", "", "page")
    checked = granted(rules)
    new = [permission for permission in wanted if permission not in checked]
    if caller != ROOT and (lacking := [each for each in new if not _may_give(site, caller, each, subject)]):
        refuse(request, f"{_('Missing permission')}: {', '.join(shown(lacking))}")

    def stays(rule: Sequence[str]) -> bool:
        permission = _permission(rule)
        if rule[-1] != "allow" or permission not in checked:
            return permission not in new  # a denial is lifted by giving what it denies
        may_take = caller == ROOT or _holds(site, caller, permission)
        return permission not in wanted and not (may_take and shown([permission]))

    return [[subject, *permission, "allow"] for permission in wanted] + [list(rule) for rule in rules if stays(rule)]


def _permission(rule: Sequence[str]) -> Permission:
    return rule[1], rule[2], rule[3]


def _holds(site: Any, caller: str, permission: Permission) -> bool:
    """Whether somebody other than root holds a permission. A pattern covers more than can be told."""
    return not any("*" in part for part in permission) and bool(site.auth.enforcer.enforce(caller, *permission))


def _may_give(site: Any, caller: str, permission: Permission, subject: str) -> bool:
    """Whether the caller holds a permission, and the subject would see the same rows with it."""
    if not _holds(site, caller, permission):
        return False
    enforcer = site.auth.enforcer
    admin, _parent = site.get_page_schema_child(permission[0])
    rows = [permission_fields(row["rol"]) for row in get_admin_select_permission_rows(admin)]
    return enforce_each(enforcer, caller, rows) == enforce_each(enforcer, subject, rows)
