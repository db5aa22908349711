"""``role``: the roles, and who has them."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from sqlalchemy import select

from ..auth.names import find_alike
from ..cli import Refused
from ..db import AnyDatabase, run_committed, run_read
from ..policy.explain import shown
from ..policy.transfer import ATTEMPTS
from ..policy.writer import resolved
from ..utils.casbin import forget_subject
from .subjects import (
    auth_on,
    checked,
    demand_room,
    find,
    find_role,
    forget_remains,
    insert,
    loaded_enforcer,
    role_model_of,
    rules_of,
    subject_of,
)
from .terminal import answer, confirmed, counted, remark


async def role_list(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """All roles; 1 when there are none."""
    auth, model = auth_on(db, app), role_model_of(app)
    enforcer = await loaded_enforcer(auth)
    members: dict[str, int] = {}
    for link in enforcer.get_grouping_policy():
        members[link[1]] = members.get(link[1], 0) + 1
    statement = select(model.key, model.name).order_by(model.key)
    rows = await run_read(auth.db, lambda session: list(session.execute(statement)))
    data = [{"key": key, "name": name, "members": members.get(f"r:{key}", 0)} for key, name in rows]
    lines = (f"{shown([key])} ({shown([name])}): {counted(members.get(f'r:{key}', 0), 'member')}" for key, name in rows)
    answer(args, data, "\n".join(lines) or "there are no roles")
    return 0 if data else 1


async def role_create(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Make a role, which nobody has and which may do nothing yet."""
    auth, model, key = auth_on(db, app), role_model_of(app), args.key
    what = f"role {shown([key])}"
    if not key.strip() or not key.isprintable():
        raise Refused(f"{what}: this is no key of a role")
    role = checked(model, key=key, name=args.name if args.name is not None else key[:40])
    if (other := await find_alike(auth.db, model.key, key)) is not None:
        raise Refused(f"{what}: there is one already" + (f", spelt {shown([other])}" if other != key else ""))
    if left := await forget_remains(await loaded_enforcer(auth), f"r:{key}"):
        remark(f"removed what another {what} left behind: {counted(left, 'rule')}")
    data = {"key": key, "name": role.name}
    await insert(auth.db, role, model.key, what)
    answer(args, data, f"made {what}")
    return 0


async def role_delete(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Delete a role, with its links and rules; also what is left of one that is gone."""
    auth, model, key = auth_on(db, app), role_model_of(app), args.key
    what, subject = f"role {shown([key])}", f"r:{key}"
    role = await find(auth.db, model.key, key)
    enforcer = await loaded_enforcer(auth)
    rules = rules_of(enforcer, subject)
    if role is None and not rules:
        raise Refused(f"there is no {what}")
    remark(f"{what} {'is gone' if role is None else 'goes'}, with {counted(len(rules), 'rule')}:")
    for rule in rules:
        remark(f"    {shown(rule)}")
    if not confirmed(args, "Delete that?"):
        remark("nothing is changed")
        return 1
    if role is not None:
        await run_committed(auth.db, lambda session: session.delete(session.get(model, role.id)))
    await forget_subject(enforcer, subject)
    answer(args, {"key": key, "removed": rules}, f"deleted {what}, with {counted(len(rules), 'rule')}")
    return 0


async def role_members(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """The subjects that have a role by a link of their own; 1 when there are none."""
    auth = auth_on(db, app)
    await find_role(auth, role_model_of(app), args.key)
    enforcer = await loaded_enforcer(auth)
    members = sorted(link[0] for link in enforcer.get_filtered_grouping_policy(1, f"r:{args.key}"))
    lines = "\n".join(shown([member]) for member in members)
    answer(args, members, lines or f"nobody has the role {shown([args.key])}")
    return 0 if members else 1


async def role_assign(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Give roles to a user, or sub-roles to a role; those that are there stay."""
    return await _change_links(db, args, app, give=True)


async def role_withdraw(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Take roles from a user, or sub-roles from a role; 1 when there were none of them."""
    return await _change_links(db, args, app, give=False)


async def _change_links(db: AnyDatabase, args: Namespace, app: Any, *, give: bool) -> int:
    auth, model = auth_on(db, app), role_model_of(app)
    text = args.user if args.user.startswith("r:") else f"u:{args.user.removeprefix('u:')}"
    subject = await subject_of(auth, model, text)
    keys = list(dict.fromkeys(args.key))
    if give:
        for key in keys:
            await find_role(auth, model, key)
    enforcer = await loaded_enforcer(auth)
    links: list[list[str]] = []
    for _ in range(ATTEMPTS):  # others may give or take one of them meanwhile
        held = {link[1] for link in enforcer.get_filtered_grouping_policy(0, subject)}
        links = [[subject, f"r:{key}"] for key in keys if (f"r:{key}" in held) is not give]
        for link in links:
            await demand_room(enforcer, link)
        change = enforcer.add_grouping_policies if give else enforcer.remove_grouping_policies
        if not links or await resolved(change(links)):
            break
    else:
        raise Refused("others change the policy all the time; nothing is stored")
    done = [link[1][2:] for link in links]
    data = {"subject": subject, "assigned" if give else "withdrawn": done}
    if done:
        text = f"{shown([subject])}: {'assigned' if give else 'withdrawn'} {shown(done)}"
    else:
        text = f"nothing changed: {shown([subject])} {'has' if give else 'does not have'} {shown(keys)}"
    answer(args, data, text)
    return 0 if done or give else 1
