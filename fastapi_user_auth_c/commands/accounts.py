"""``createuser``, ``passwd`` and ``logout``: what is done with accounts."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from typing import Any

from pydantic import SecretStr
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from ..auth.auth import Auth
from ..auth.exceptions import StorageUnavailable
from ..auth.names import find_alike, name_fault
from ..auth.revocations import DbRevocations, RedisRevocations
from ..auth.schemas import SystemUserEnum
from ..cli import Refused, UsageError
from ..db import AnyDatabase, run_committed, run_read
from ..policy.explain import shown
from ..policy.writer import resolved
from ..texts import plain_text
from .subjects import (
    auth_on,
    checked,
    find_account,
    find_role,
    forget_remains,
    insert,
    loaded_enforcer,
    role_model_of,
)
from .terminal import answer, confirmed, counted, new_password, remark


async def createuser(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Make an account, by the rules for names and passwords that hold for those who sign up."""
    auth, name = auth_on(db, app), args.name
    what = f"user {shown([name])}"
    if plain_text(name) in set(SystemUserEnum):
        raise Refused(f"{what}: this name is reserved; the application makes that account itself")
    if fault := name_fault(name):
        raise Refused(f"{what}: {fault}")
    given = {"email": args.email, "nickname": args.nickname}
    given = {key: value for key, value in given.items() if value is not None}
    user = checked(auth.user_model, username=name, password=SecretStr(""), **given)
    if (other := await find_alike(auth.db, auth.user_model.username, name)) is not None:
        raise Refused(f"{what}: there is one already" + (f", spelt {shown([other])}" if other != name else ""))
    if user.email and await _has_email(auth, user.email):
        raise Refused(f"{what}: somebody has this mail address already")
    keys = list(dict.fromkeys(args.role))
    for key in keys:
        await find_role(auth, role_model_of(app), key)
    enforcer = await loaded_enforcer(auth)
    password = new_password(args, shown([name]))
    email = user.email
    user.password = SecretStr("" if password is None else await auth.hash_password(password, name, email))
    if left := await forget_remains(enforcer, f"u:{name}"):
        remark(f"removed what another {what} left behind: {counted(left, 'rule')}")
    user_id = await insert(auth.db, user, auth.user_model.username, what)
    if keys:
        await resolved(enforcer.add_grouping_policies([[f"u:{name}", f"r:{key}"] for key in keys]))
    data = {"id": user_id, "username": name, "email": email, "roles": keys, "has_password": password is not None}
    roles = f", with the role{'s' * (len(keys) > 1)} {shown(keys)}" if keys else ""
    answer(args, data, f"made {what}{roles}" + ("" if password else "; nobody can log in until it has a password"))
    return 0


async def _has_email(auth: Auth[Any], email: str) -> bool:
    column = auth.user_model.email
    statement = select(auth.user_model.id).where(func.lower(column) == email.lower()).limit(1)
    return await run_read(auth.db, lambda session: session.scalar(statement)) is not None


async def passwd(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Give an account another password, or none; its tokens end."""
    auth = auth_on(db, app)
    user = await find_account(auth, args.name)
    what = f"user {shown([args.name])}"
    if user.delete_time is not None:
        raise Refused(f"{what} is marked as deleted")
    password = new_password(args, shown([args.name]))
    stored = SecretStr("" if password is None else await auth.hash_password(password, user.username, user.email))
    model = auth.user_model
    mine = update(model).where(model.id == user.id, model.username == user.username).values(password=stored)

    def work(session: Session) -> int:
        changed: Any = session.execute(mine, execution_options={"synchronize_session": False})
        return int(changed.rowcount)

    if not await run_committed(auth.db, work):
        raise Refused(f"there is no {what} any more")
    try:
        with suppress(NotImplementedError):  # tokens of such a store depend on nothing but their life
            await auth.logout_everywhere(user.id)
    except StorageUnavailable:
        raise UsageError(f"{what} has the new password, but the storage of tokens does not answer") from None
    if not user.is_active:
        remark(f"{what} is not active: nobody can log in with it")
    data = {"username": args.name, "has_password": password is not None}
    answer(args, data, f"{what} has {'another' if password else 'no'} password, and is logged out everywhere")
    return 0


async def logout(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """End all tokens of one account or of all."""
    if bool(args.name) is args.all:
        raise UsageError("who? Name a user, or say --all")
    auth = auth_on(db, app)
    try:
        if args.all:
            if not confirmed(args, "Log out everybody, everywhere?"):
                remark("nothing is changed")
                return 1
            await auth.logout_everybody()
        else:
            await auth.logout_everywhere(await find_account(auth, args.name))
    except NotImplementedError as error:
        raise Refused(str(error)) from None
    if app is None:
        remark("an application that keeps in Redis what has ended does not see this: name it with --app")
    kinds = {DbRevocations: "database", RedisRevocations: "Redis"}
    where = next((name for kind, name in kinds.items() if isinstance(auth.revocations, kind)), None)
    who = "everybody" if args.all else f"user {shown([args.name])}"
    answer(args, {"username": args.name, "all": args.all, "stored_in": where}, f"{who} is logged out everywhere")
    return 0
