"""Faults in a database of users, roles and rules: :func:`examine` finds them, :func:`repair` removes what is safe to.

Safe to remove is what no decision depends on: rows that repeat another one, rows that are left out when the policy is
loaded, and rules of accounts that are gone, unless somebody still gets them over a role link, or the level of a role
that others have depends on them. Everything else is for people to decide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from .._core import PolicyEngine
from ..db import AnyDatabase, run_read
from .adapter import Adapter
from .explain import shown
from .reader import model_of, read_model

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Finding:
    """One fault."""

    kind: str
    """``missing table``, ``misfit`` (a row that is no rule of the model), ``duplicate``, ``cycle``, ``unknown user``,
    ``unknown role``, ``deleted user``, ``unknown page`` or ``default password``."""
    message: str
    """What is wrong, in one line; ``str()`` of the finding lists the rows as well."""
    rows: list[Row] = field(default_factory=list)
    """The rows ``(id, ptype, v0 .. v5)`` of the rule table that it is about."""
    fixable: bool = False
    """Whether :func:`repair` removes these rows."""

    def __str__(self) -> str:
        rows = (f"\n    row {row[0]}: {shown([str(value) for value in _trimmed(row)])}" for row in self.rows)
        return f"{self.kind}: {self.message}{''.join(rows)}"


@dataclass
class _Accounts:
    """The tables of users and roles; None where there is no such table."""

    users: dict[str, Any] | None = None
    """By name: the columns ``username, password, is_active, delete_time``."""
    roles: set[str] | None = None
    """Keys."""

    def state(self, subject: str) -> str:
        """``known``, ``unknown user``, ``unknown role`` or ``deleted user``; subjects of other forms are known."""
        form, _, name = subject.partition(":")
        if form == "u" and self.users is not None and subject not in WITHOUT_ACCOUNT:
            if name not in self.users:
                return "unknown user"
            return "deleted user" if self.users[name].delete_time is not None else "known"
        if form == "r" and self.roles is not None and name not in self.roles:
            return "unknown role"
        return "known"


WITHOUT_ACCOUNT = ("u:root", "u:guest")
"""Subjects that ask without an account of that name."""


async def examine(db: AnyDatabase, *, site: Any = None, model: Any = None) -> list[Finding]:
    """Look for faults; nothing is changed.

    Args:
        db: the database.
        site: the :class:`~fastapi_user_auth_c.admin.AuthAdminSite` on it. With it rules for pages that the site lacks
            are found too, and its user model, token store, password hasher and policy model are the ones that count.
        model: of the policy, as an enforcer takes it; default that of the site's enforcer, else the built-in one.

    Raises:
        ModelError: the model cannot be read or evaluated.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be read.
    """
    from ..auth.backends.db import DbTokenStore, TokenStoreModel
    from ..auth.models import CasbinRule, LoginHistory, Role, User

    auth = getattr(site, "auth", None)
    user_model = getattr(auth, "user_model", None) or User
    enforcer = getattr(auth, "enforcer", None)
    if model is None and enforcer is not None:
        # what another engine decides by is read from its model, lest its rules are taken for none
        model = model_of(enforcer)
    tables = [table.__tablename__ for table in (user_model, Role, CasbinRule, LoginHistory)]
    if isinstance(getattr(getattr(auth, "backend", None), "token_store", None), DbTokenStore):
        tables.append(TokenStoreModel.__tablename__)
    there = await run_read(db, _table_names)
    findings = [
        Finding("missing table", f"there is no table {name}") for name in dict.fromkeys(tables) if name not in there
    ]
    accounts = _Accounts()
    if user_model.__tablename__ in there:
        columns = (user_model.username, user_model.password, user_model.is_active, user_model.delete_time)
        accounts.users = {row.username: row for row in await _read(db, columns)}
    if Role.__tablename__ in there:
        accounts.roles = {row.key for row in await _read(db, (Role.key,))}
    if CasbinRule.__tablename__ in there:
        rows = [row async for chunk in Adapter(db).rows() for row in chunk]
        findings += _examine_rules(rows, accounts, read_model(model), _page_ids(site) if site is not None else None)
    findings += await _default_passwords(accounts, getattr(auth, "pwd_context", None))
    return findings


async def repair(db: AnyDatabase, findings: Iterable[Finding]) -> int:
    """Remove the rows of those findings that are fixable from the database, in one transaction; returns how many went.

    A row that has changed since it was examined stays.
    """
    rows = {row[0]: row for finding in findings if finding.fixable for row in finding.rows}
    return await Adapter(db).remove_rows(rows.values()) if rows else 0


def _table_names(session: Session) -> set[str]:
    return set(inspect(session.connection()).get_table_names())


async def _read(db: AnyDatabase, columns: tuple[Any, ...]) -> list[Any]:
    return await run_read(db, lambda session: list(session.execute(select(*columns))))


def _page_ids(site: Any) -> set[str]:
    from ..admin.utils import get_admin_grouping

    site.register_router()  # makes the pages of a site that is not mounted yet
    return {site.unique_id, *(page for pair in get_admin_grouping(site) for page in pair)}


# --- rules


def _examine_rules(rows: list[Row], accounts: _Accounts, model: str | None, pages: set[str] | None) -> list[Finding]:
    engine = PolicyEngine()
    engine.define(model)
    reasons = dict(engine.load(rows))
    engine.settle()
    findings = []
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        if row[0] in reasons:
            findings.append(Finding("misfit", f"left out: {reasons[row[0]]}", [row], True))
            continue
        rule = row[1 : 2 + engine.types()[row[1]]]
        if rule in kept:
            findings.append(Finding("duplicate", f"a repetition of row {kept[rule][0]}", [row], True))
        else:
            kept[rule] = row
    if engine.types().get("g") == 2:
        findings += _cycles(engine)
        findings += _gone_accounts(engine, kept, accounts)
    if pages is not None and model is None:
        findings += _gone_pages(kept.values(), pages)
    return findings


def _trimmed(row: Row) -> Row:
    end = max((at + 1 for at, value in enumerate(row) if value is not None), default=0)
    return row[1:end]


def _cycles(engine: PolicyEngine) -> list[Finding]:
    """One finding a cycle; each is broken in a copy, so that the next one shows."""
    findings: list[Finding] = []
    if engine.cycle() is None:
        return findings
    copy = PolicyEngine()
    copy.add("g", [rule[:2] for rule in engine.rules("g")])
    while (subject := copy.cycle()) is not None:
        path = _way_back(copy, subject)
        findings.append(Finding("cycle", f"role links form a cycle: {shown([subject, *path], ' -> ')}"))
        copy.remove("g", [[path[-2] if len(path) > 1 else subject, subject]])
    return findings


def _way_back(engine: PolicyEngine, subject: str) -> list[str]:
    """A shortest path over role links from a subject to itself, without its start."""
    from_ = {subject: subject}
    found = [subject]
    for name in found:
        for _, role in engine.rules("g", 0, [name]):
            if role == subject:
                path = [subject]
                while name != subject:
                    path.append(name)
                    name = from_[name]
                return path[::-1]
            if role not in from_:
                from_[role] = name
                found.append(role)
    raise AssertionError(f"{subject!r} is on no cycle")


def _gone_accounts(engine: PolicyEngine, kept: dict[tuple[Any, ...], Row], accounts: _Accounts) -> list[Finding]:
    """Rules whose subject is gone, and role links to a role that is."""
    findings = []
    subjects: dict[str, list[tuple[Any, ...]]] = {}
    for rule in kept:
        if rule[0] in ("p", "g"):
            subjects.setdefault(rule[1], []).append(rule)
    states = {subject: accounts.state(subject) for subject in subjects}
    words = {
        "unknown user": "there is no such user",
        "unknown role": "there is no such role",
        "deleted user": "the user is marked as deleted; the rules hold again if the mark goes",
    }
    unused = {subject for subject, state in states.items() if state.startswith("unknown")}
    unused = {subject for subject in unused if _nobody_has(engine, subject, accounts)}
    free = _removable_links(engine, [rule for rule in kept if rule[0] == "g" and rule[1] in unused])
    for subject, rules in subjects.items():
        state = states[subject]
        if state == "known":
            continue
        safe = {rule for rule in rules if subject in unused and (rule[0] == "p" or rule in free)}
        why_kept = ""
        if state != "deleted user":
            why_kept = (
                "; the level of a role depends on them" if subject in unused else "; somebody has them by a role link"
            )
        for fixable, reason in ((True, ""), (False, why_kept)):
            some = [kept[rule] for rule in rules if (rule in safe) is fixable]
            if some:
                message = f"rules of {shown([subject])}: {words[state]}{reason}"
                findings.append(Finding(state, message, some, fixable))
    for rule, row in kept.items():
        # those of a subject that is gone itself are told of already
        if rule[0] == "g" and accounts.state(rule[2]) == "unknown role" and states[rule[1]] == "known":
            findings.append(Finding("unknown role", f"a link to {shown([rule[2]])}: there is no such role", [row]))
    return findings


def _nobody_has(engine: PolicyEngine, subject: str, accounts: _Accounts) -> bool:
    """Whether nobody who may ask has a subject as a role, over any number of links."""
    below = engine.reach("g", subject, None, True)
    return all(accounts.state(name).startswith("unknown") for name in below)


def _removable_links(engine: PolicyEngine, links: list[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    """The links that can go without moving the level of a role that still has a member.

    Which rule decides depends on the levels of the roles of whoever asks. ``engine`` loses the links.
    """
    gone: set[tuple[Any, ...]] = set()
    left = list(links)
    moved = True
    while moved and left:
        moved = False
        for link in list(left):
            pair = list(link[1:])
            roles = [pair[1], *engine.reach("g", pair[1])]
            before = [engine.level(role) for role in roles]
            engine.remove("g", [pair])
            members = [bool(engine.rules("g", 1, [role])) for role in roles]
            after = [engine.level(role) for role in roles]
            if any(has and old != new for has, old, new in zip(members, before, after, strict=True)):
                engine.add("g", [pair])
                continue
            gone.add(link)
            left.remove(link)
            moved = True
    return gone


def _gone_pages(rows: Iterable[Row], pages: set[str]) -> list[Finding]:
    """Rules and page links for pages that the site does not have. Rules of other groups are the application's own."""
    findings = []
    for row in rows:
        _, ptype, first, second, _, group, *_ = row
        if ptype == "p" and group is not None and (group == "page" or group.startswith("page:")):
            unknown = [second] if second not in pages else []
        elif ptype == "g2":
            unknown = [page for page in (first, second) if page not in pages]
        else:
            continue
        if unknown:
            findings.append(Finding("unknown page", f"the site has no page {shown(unknown)}", [row]))
    return findings


# --- passwords


async def _default_passwords(accounts: _Accounts, hasher: Any) -> list[Finding]:
    """Accounts whose password is their name, as ``create_role_user`` makes them: of system users and of role keys."""
    from ..auth.schemas import SystemUserEnum
    from ..passwords import PasswordHasher

    hasher = hasher or PasswordHasher()
    names = {*SystemUserEnum, *(accounts.roles or ())}
    findings = []
    for name, user in (accounts.users or {}).items():
        if name not in names or not user.is_active or user.delete_time is not None:
            continue
        stored = user.password
        text = stored.get_secret_value() if hasattr(stored, "get_secret_value") else stored
        if await asyncio.to_thread(_verifies, hasher, name, text):
            findings.append(
                Finding("default password", f"user {shown([name])} has the user name as password: change it")
            )
    return findings


def _verifies(hasher: Any, secret: str, stored: str) -> bool:
    try:
        return bool(hasher.verify(secret, stored))
    except ValueError:  # passlib's answer to text that is no hash
        return False
