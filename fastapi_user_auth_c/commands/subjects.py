"""What the commands for accounts, roles and rules look up and check before they change anything."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from ..auth import Auth
from ..auth.backends.db import DbTokenStore
from ..auth.models import Role
from ..cli import Refused, first_line
from ..db import AnyDatabase, run_committed, run_read
from ..db_errors import is_outage
from ..policy import Adapter, AsyncEnforcer
from ..policy.adapter import COLUMNS, room_fault
from ..policy.doctor import WITHOUT_ACCOUNT
from ..policy.explain import shown
from ..policy.reader import model_of
from ..policy.transfer import text_fault
from ..policy.writer import resolved
from ..utils.casbin import forget_subject


def auth_on(db: AnyDatabase, app: Any) -> Auth[Any]:
    """The ``Auth`` to work by: the application's own, or one with what a database says by itself.

    Args:
        db: the database.
        app: the site or ``Auth`` of the application, or None. On another database than its own its user model, password
            hasher, settings and policy model count there too, its token store does not.
    """
    own = getattr(app, "auth", app)
    if own is not None and own.db is db:
        return own  # type: ignore[no-any-return]
    # nobody can tell how long the application's tokens live, so what ends them is kept for good
    store: DbTokenStore[Any] = DbTokenStore(db, None)
    if own is None:
        return Auth(db, token_store=store)
    return Auth(
        db,
        token_store=store,
        user_model=own.user_model,
        pwd_context=own.pwd_context,
        settings=own.settings,
        enforcer=AsyncEnforcer(model_of(own.enforcer), Adapter(db)),
    )


async def loaded_enforcer(auth: Auth[Any]) -> Any:
    """The enforcer, with the policy that is stored now."""
    await resolved(auth.enforcer.load_policy())
    return auth.enforcer


def role_model_of(app: Any) -> Any:
    """The class that roles are mapped to: that of the site's page of roles, which may have more columns."""
    page = getattr(getattr(app, "UserAuthApp", None), "RoleAdmin", None)
    return getattr(page, "model", None) or Role


# --- accounts and roles


async def find(db: AnyDatabase, column: Any, name: str) -> Any:
    """The row with a name, or None. Some databases take other spellings for equal, and none holds a NUL."""
    if text_fault(name):
        return None
    model = column.class_
    rows = await run_read(db, lambda session: list(session.scalars(select(model).where(column == name))))
    return next((row for row in rows if getattr(row, column.key) == name), None)


async def find_account(auth: Auth[Any], name: str) -> Any:
    """The account of that name.

    Raises:
        Refused: there is none.
    """
    user = await find(auth.db, auth.user_model.username, name)
    if user is None:
        raise Refused(f"there is no user {shown([name])}")
    return user


async def find_role(auth: Auth[Any], role_model: Any, key: str) -> Any:
    """The role with that key; Refused when there is none."""
    role = await find(auth.db, role_model.key, key)
    if role is None:
        raise Refused(f"there is no role {shown([key])}")
    return role


def checked(model: type[Any], **values: Any) -> Any:
    """A new object of a model, with its values in the form and within the limits that the model has.

    Raises:
        Refused: they are not; each fault is told, but no value.
    """
    for name, value in values.items():
        if isinstance(value, str) and (fault := text_fault(value)):
            raise Refused(f"{name}: there is {fault} in it")
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise Refused("; ".join(faults)) from None


async def insert(db: AnyDatabase, row: Any, column: Any, what: str) -> int:
    """Store a new row; returns its id.

    Args:
        db: the database.
        row: the object.
        column: the column of its name, which others may not have.
        what: it is, such as ``user bob``.

    Raises:
        Refused: the database does not take it.
    """
    name = getattr(row, column.key)

    def work(session: Session) -> int:
        session.add(row)
        session.flush()
        return int(row.id)

    try:
        return await run_committed(db, work)
    except DBAPIError as error:
        if is_outage(error):
            raise
        if isinstance(error, IntegrityError) and await find(db, column, name) is not None:  # another one was faster
            raise Refused(f"{what}: there is one already") from None
        raise Refused(f"{what}: {first_line(error)}; a model of the application's own is known with --app") from None


# --- subjects and rules


async def subject_of(auth: Auth[Any], role_model: Any, text: str, force: bool = False) -> str:
    """The subject that a text means: ``u:name``, ``r:key``, or a name or key that only one of them has.

    Args:
        auth: the accounts.
        role_model: the class of the roles.
        text: what was typed.
        force: take ``u:name`` and ``r:key`` as they are, also where nobody is called that.

    Raises:
        Refused: there is no such account or role, the account is marked as deleted, or both have that name.
    """
    form, _, name = text.partition(":")
    explicit = form in ("u", "r") and bool(name)
    if explicit and (force or text in WITHOUT_ACCOUNT):
        return text
    user: Any = None
    role: Any = None
    if not explicit or form == "u":
        user = await find(auth.db, auth.user_model.username, name if explicit else text)
    if not explicit or form == "r":
        role = await find(auth.db, role_model.key, name if explicit else text)
    if user is None and role is None:
        which = {"u": "user", "r": "role"}[form] if explicit else "user or role"
        raise Refused(f"there is no {which} {shown([name if explicit else text])}")
    if user is not None and role is not None:
        raise Refused(f"there are a user and a role of that name: say {shown([f'u:{text}'])} or {shown([f'r:{text}'])}")
    if user is not None and user.delete_time is not None:
        raise Refused(f"user {shown([user.username])} is marked as deleted")
    return f"u:{user.username}" if user is not None else f"r:{role.key}"


def rules_of(enforcer: Any, subject: str) -> list[list[str]]:
    """All rules that go when a subject does, each with its policy type first: its roles, its members, its rules."""
    links = [*enforcer.get_filtered_grouping_policy(0, subject), *enforcer.get_filtered_grouping_policy(1, subject)]
    rules = enforcer.get_filtered_policy(0, subject)
    return [["g", *link] for link in links] + [["p", *rule] for rule in rules]


async def forget_remains(enforcer: Any, subject: str) -> int:
    """Remove what another subject of that name left behind; returns how many rules that were."""
    remains = rules_of(enforcer, subject)
    if remains:
        await forget_subject(enforcer, subject)
    return len(remains)


async def demand_room(enforcer: Any, rule: list[str]) -> None:
    """See to it that a rule can be stored as it is.

    A server that is not strict would cut it, which makes it another rule.

    Raises:
        Refused: a field is empty, holds what no database stores, or is longer than its column, which is named.
    """
    adapter = getattr(enforcer, "adapter", None)
    widths = await adapter.widths() if isinstance(adapter, Adapter) else {}
    for column, value in zip(COLUMNS, rule, strict=False):
        if not value:
            raise Refused(f"column {column} of a rule cannot be empty")
        if fault := text_fault(value):
            raise Refused(f"column {column}: there is {fault} in it")
    if fault := room_fault(rule, widths):
        raise Refused(fault)
