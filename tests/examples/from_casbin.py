"""Moving an application over from plain Casbin: its model is kept, its policy file is imported, its users get accounts.

    python from_casbin.py model.conf policy.csv --database URL           (a dry run: says what it would do)
    python from_casbin.py model.conf policy.csv --database URL --write

The model goes on deciding, by this engine. What changes is how subjects are called: users are ``u:NAME`` in rules and
roles ``r:KEY``, so that no account can take the name of a role. Whoever has members is taken for a role, everybody else
for a user; ``--role`` names roles that nobody is in. The accounts have no password until somebody sets one
(``python -m fastapi_user_auth_c passwd NAME``).

Afterwards the application asks as ``create_app`` below does. A dry run makes the tables where they are missing, and
nothing else. Exit code 1 for what does not fit; nothing is stored then.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI, HTTPException
from fastapi_user_auth_c.auth import Auth, AuthRouter
from fastapi_user_auth_c.auth.models import Role, User
from fastapi_user_auth_c.auth.names import name_fault
from fastapi_user_auth_c.auth.schemas import SystemUserEnum
from fastapi_user_auth_c.policy import Adapter, AsyncEnforcer, ModelError
from fastapi_user_auth_c.policy.csv_file import read_rules, write_rule
from fastapi_user_auth_c.policy.transfer import Change, TransferError, apply, plan_import
from fastapi_user_auth_c.texts import plain_text
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy_database import AsyncDatabase
from sqlmodel import SQLModel
from starlette.requests import Request


@dataclass
class Plan:
    """What becomes of a model and a policy file."""

    model: str
    rules: str
    """The policy file, with the subjects renamed."""
    users: list[str]
    roles: list[str]
    faults: list[str]
    """Why it cannot be done."""


def make_plan(model: str, policy: str, more_roles: Iterable[str] = ()) -> Plan:
    """Work out users, roles and rules.

    Args:
        model: text of the model file.
        policy: text of the policy file.
        more_roles: roles that nobody is in yet.

    Raises:
        ModelError: the model has something that the engine does not take.
        ValueError: a line of the policy file cannot be read.
    """
    request, fields = AsyncEnforcer(model).fields()
    rules = [rule for _, rule in read_rules(policy, strict=True)]
    if "sub" not in fields or "sub" not in request:
        return Plan(model, policy, [], [], ["the model has no field 'sub' in its rules and requests"])
    at = 1 + fields.index("sub")
    links = [rule for rule in rules if rule[0] == "g"]
    roles = {link[2] for link in links} | set(more_roles)
    names = {link[1] for link in links} | {rule[at] for rule in rules if rule[0] == "p"}
    users = sorted(names - roles)

    for rule in rules:
        if rule[0] == "p":
            rule[at] = f"r:{rule[at]}" if rule[at] in roles else f"u:{rule[at]}"
        elif rule[0] == "g":  # other links are about objects
            rule[1:3] = [f"r:{name}" if name in roles else f"u:{name}" for name in rule[1:3]]
    faults = [*matcher_faults(model), *name_faults(users)]
    faults += [f"role {key!r}: a key has 40 characters at most" for key in sorted(roles) if len(key) > 40]
    return Plan(model, "".join(f"{write_rule(rule)}\n" for rule in rules), users, sorted(roles), faults)


TEXT = r""""[^"]*"|'[^']*'"""
"""A text in a matcher; the engine takes no backslashes in them."""
KEPT = re.compile(
    rf"""(?P<text>{TEXT})
    | (?<![\w.]) (?:
        g \s*\( \s*r\.sub \s*,\s* p\.sub \s* (?: , \s*(?:{TEXT}|[rp]\.(?!sub\b)\w+)\s* )? \)
        | r\.sub \s*==\s* p\.sub \b
        | p\.sub \s*==\s* r\.sub \b
    )""",
    re.VERBOSE,
)
"""Texts, and the conditions that hold as before when the subjects of requests, rules and links are renamed alike."""


def matcher_faults(model: str) -> Iterator[str]:
    """What may not decide as before once subjects are called otherwise: all that is said of them but ``KEPT``."""
    joined = re.sub(r"\\[ \t\r]*\n[ \t\r]*", "", model)  # a backslash continues a line
    for matcher in re.findall(r"^[ \t\r]*m\w*[ \t\r]*=(.*)$", joined, re.MULTILINE):
        rest = KEPT.sub(lambda found: found["text"] or "", matcher)
        for condition in re.findall(rf"(?:{TEXT}|[^&|\"'])+", rest):
            if re.search(r"\.sub\b|(?<![\w.])g\s*\(", re.sub(TEXT, "", condition)):
                yield (
                    f"the matcher says {condition.strip()}: of subjects, which get other names, "
                    "it may say g(r.sub, p.sub) and r.sub == p.sub"
                )


def name_faults(users: list[str]) -> Iterator[str]:
    plain: dict[str, str] = {}
    for user in users:
        if user in set(SystemUserEnum):
            yield f"user {user!r}: this name has a meaning of its own here; rename it in the policy file"
        elif fault := name_fault(user):
            yield f"user {user!r}: {fault}"
        elif len(user) > 32:
            yield f"user {user!r}: a name has 32 characters at most"
        elif (other := plain.setdefault(plain_text(user), user)) != user:
            yield f"user {user!r}: people would take it for {other!r}"


@dataclass
class Done:
    """What is stored, or would be."""

    rules: Change
    users: list[str]
    known: list[str]
    """Users of the policy file that have an account already."""
    roles: list[str]


async def store(db: AsyncDatabase, plan: Plan, write: bool) -> Done:
    """Store accounts and roles, then the rules. What is there already stays, so it may be repeated.

    Raises:
        TransferError: the rules do not fit; nothing is stored.
    """
    await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)  # also in a dry run
    change = await plan_import(db, plan.rules, model=plan.model)
    async with db():
        there = {plain_text(name): name for name in await db.session.scalars(select(User.username))}
        keys = set(await db.session.scalars(select(Role.key)))
        users = [name for name in plan.users if plain_text(name) not in there]
        roles = [key for key in plan.roles if key not in keys]
        known = [name for name in plan.users if name in there.values()]
        if others := set(plan.users) - set(users) - set(known):
            raise TransferError([f"user {name!r}: there is {there[plain_text(name)]!r}" for name in sorted(others)])
        if write:
            db.session.add_all([User(username=name, password=SecretStr("")) for name in users])
            db.session.add_all([Role(key=key, name=key) for key in roles])
            await db.session.commit()
    if write:
        await apply(db, change)
    return Done(change, users, known, roles)


def create_app(url: str, model: Path) -> FastAPI:
    """An application that decides by the model that it has always had."""
    db = AsyncDatabase.create(url)
    auth: Auth[User] = Auth(db, enforcer=AsyncEnforcer(model, Adapter(db)))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        await auth.enforcer.load_policy()
        yield
        await db.engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.state.auth = auth
    app.include_router(AuthRouter(auth).router)

    @app.get("/may/{obj}/{act}")
    @auth.requires()
    async def may(request: Request, obj: str, act: str) -> dict[str, str]:
        if not auth.enforcer.enforce(f"u:{request.user.username}", obj, act):  # was: enforce(name, obj, act)
            raise HTTPException(403)
        return {"obj": obj, "act": act}

    return app


async def run(args: argparse.Namespace) -> int:
    db = AsyncDatabase.create(args.database)
    try:
        plan = make_plan(args.model.read_text(encoding="utf-8"), args.policy.read_text(encoding="utf-8"), args.role)
        if plan.faults:
            raise TransferError(plan.faults)
        done = await store(db, plan, args.write)
    except (ModelError, ValueError) as error:
        print(f"{error}\nnothing is stored", file=sys.stderr)
        return 1
    finally:
        await db.engine.dispose()
    print(f"rules: {done.rules.summary}")
    print(f"new accounts, without a password: {', '.join(done.users) or 'none'}")
    print(f"accounts that are there already, and get these rules: {', '.join(done.known) or 'none'}")
    print(f"new roles: {', '.join(done.roles) or 'none'}")
    if not args.write:
        print("this was a dry run; --write stores it")
    return 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path, help="Casbin's model file")
    parser.add_argument("policy", type=Path, help="Casbin's policy file")
    parser.add_argument("--database", metavar="URL", required=True, help="with an asynchronous driver")
    parser.add_argument("--role", action="append", default=[], metavar="NAME", help="a role that nobody is in")
    parser.add_argument("--write", action="store_true", help="store it; otherwise only say what would be stored")
    return asyncio.run(run(parser.parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
