"""``grant`` and ``revoke``: single rules."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from ..db import AnyDatabase
from ..policy.explain import shown
from ..policy.writer import resolved
from .subjects import auth_on, demand_room, loaded_enforcer, role_model_of, subject_of
from .terminal import answer, remark


async def grant(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Store a rule; 0 also when it is there already."""
    return await _change_rule(db, args, app, give=True)


async def revoke(db: AnyDatabase, args: Namespace, app: Any = None) -> int:
    """Remove a rule; 1 when there is no such rule."""
    return await _change_rule(db, args, app, give=False)


async def _change_rule(db: AnyDatabase, args: Namespace, app: Any, *, give: bool) -> int:
    auth = auth_on(db, app)
    subject = await subject_of(auth, role_model_of(app), args.subject, args.force)
    request = [subject, args.object, args.act, args.group]
    rule = [*request, "deny" if args.deny else "allow"]
    enforcer = await loaded_enforcer(auth)
    if give:
        await demand_room(enforcer, rule)
    changed = bool(await resolved(enforcer.add_policy(*rule) if give else enforcer.remove_policy(*rule)))
    allowed = bool(enforcer.enforce(*request))
    what = "granted" if give else "revoked"
    unchanged = "nothing changed: there is already" if give else "nothing changed: there is no"
    answer(
        args, {"rule": rule, "changed": changed, "allowed": allowed}, f"{what if changed else unchanged} {shown(rule)}"
    )
    if allowed is (give is args.deny):  # another rule decides
        remark(f"{shown(request)} is {'allowed' if allowed else 'denied'} all the same; 'explain' says why")
    return 0 if changed or give else 1
