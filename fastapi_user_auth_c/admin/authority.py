"""Who may act on whom, and who may give what: the one place that the pages and their actions ask.

Root may do everything to everybody, and nobody else anything to root.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request

from ..mixins.admin import subject_of
from ..policy.enforcer import resolved
from ..utils.casbin import ROOT, covers, enforce_each, permission_enforce, permission_fields
from .access import refuse
from .permission_rows import get_admin_select_permission_rows


async def is_root(site: Any, request: Request) -> bool:
    return await subject_of(site, request) == ROOT


async def may_touch(site: Any, request: Request, subjects: Iterable[str]) -> bool:
    """Whether a user may change these accounts or roles at all."""
    return ROOT not in set(subjects) or await is_root(site, request)


async def may_take_over(site: Any, request: Request, subjects: Iterable[str]) -> bool:
    """Whether a user has all that these accounts or roles have: who sets a password, or makes a login link, becomes
    them, and who deletes a role takes it from everybody.
    """
    caller = await subject_of(site, request)
    enforcer = site.auth.enforcer
    return all([subject == caller or await covers(enforcer, caller, subject) for subject in subjects])


async def is_own(site: Any, request: Request, subject: str) -> bool:
    """Whether what is given to a subject is given to the user: it is theirs, or a role that they have."""
    caller = await subject_of(site, request)
    if subject == caller or caller == ROOT:
        return subject == caller
    return subject in await resolved(site.auth.enforcer.get_implicit_roles_for_user(caller))


async def roles_to_store(site: Any, request: Request, subject: str, roles: list[str]) -> list[str]:
    """The direct roles of a subject once a user has chosen these. Nobody gives or takes a role that they lack.

    Raises:
        HTTPException: one is new to the subject, and the user does not have it.
    """
    caller = await subject_of(site, request)
    if caller == ROOT:
        return roles
    linked = await resolved(site.auth.enforcer.get_roles_for_user(subject))
    held = await resolved(site.auth.enforcer.get_implicit_roles_for_user(caller))
    if not set(roles) <= {*held, *linked}:
        refuse(request)
    return [role for role in roles if role in held] + [role for role in linked if role not in held]


def granted(present: Iterable[str]) -> list[str]:
    """Of a subject's own page permissions, as texts with their effect, those that its rules allow: what a form shows
    as checked.
    """
    texts = dict.fromkeys(present)
    bases = [text.removesuffix("#allow") for text in texts if text.endswith("#allow")]
    return [base for base in bases if f"{base}#deny" not in texts]


async def permissions_to_store(
    site: Any, request: Request, subject: str, present: list[str], chosen: list[str]
) -> list[str]:
    """The page permissions of a subject once a user has chosen these in the form that :func:`granted` fills.

    What the form does not show, or its user does not hold, stays as it is.

    Args:
        site: the site.
        request: the user's.
        subject: whose permissions they are.
        present: those of now, as texts with their effect.
        chosen: texts ``page id#action#group``.

    Raises:
        ValueError: a text is malformed.
        HTTPException: one is new to the subject, and not the user's to give; it is named.
    """
    for text in chosen:
        permission_fields(text)
    caller = await subject_of(site, request)
    checked = granted(present)
    new = [text for text in chosen if text not in checked]
    if caller != ROOT and (lacking := [text for text in new if not _may_give(site, caller, text, subject)]):
        refuse(request, f"{_('Missing permission')}: {', '.join(lacking)}")
    kept = []
    for text in present:
        base, _hash, effect = text.rpartition("#")
        if effect == "allow" and base in checked:
            if base not in chosen and caller != ROOT and not _holds(site, caller, base):
                kept.append(text)
        elif base not in new:  # a denial is lifted by giving what it denies
            kept.append(text)
    return [*chosen, *kept]


def _holds(site: Any, caller: str, permission: str) -> bool:
    """Whether somebody other than root holds a permission. A pattern covers more than can be told."""
    return "*" not in permission and permission_enforce(site.auth.enforcer, caller, permission)


def _may_give(site: Any, caller: str, permission: str, subject: str) -> bool:
    """Whether the caller holds a permission, and the subject would see the same rows with it."""
    if not _holds(site, caller, permission):
        return False
    enforcer = site.auth.enforcer
    admin, _parent = site.get_page_schema_child(permission_fields(permission)[0])
    rows = [permission_fields(row["rol"]) for row in get_admin_select_permission_rows(admin)]
    return enforce_each(enforcer, caller, rows) == enforce_each(enforcer, subject, rows)
