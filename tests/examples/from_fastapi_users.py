"""Moving the accounts of fastapi-users over: its table of users (SQLAlchemy, with UUID or integer ids) is copied.

    python from_fastapi_users.py --database URL           (a dry run: says what it would do)
    python from_fastapi_users.py --database URL --write --ids ids.csv

Passwords go on working, Argon2 and bcrypt, and are hashed anew at the next login where their scheme or cost is not that
of ``pwd_context`` below. What fastapi-users asks for by ``current_user(...)`` becomes

    current_user(active=True)       auth.requires()             inactive accounts stay inactive
    current_user(verified=True)     auth.requires("verified")   a role of those whose address is verified
    current_user(superuser=True)    auth.requires("root")       a role of the superusers

The name of an account is its mail address, as in the login form of fastapi-users; ``--names local`` takes what stands
before the ``@``. Ids are new: ``--ids`` writes which became which, for the keys of other tables.

Accounts that do not fit are listed. With ``--write`` nothing is stored while there are any, unless ``--skip`` leaves
them out. Exit code 1 for those, 2 for arguments that cannot be used.
"""

import argparse
import asyncio
import csv
import io
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastapi_user_auth_c  # noqa: F401  (before fastapi_amis_admin)
from fastapi import FastAPI
from fastapi_user_auth_c.auth import Auth, AuthRouter
from fastapi_user_auth_c.auth.models import Role, User
from fastapi_user_auth_c.auth.names import name_fault
from fastapi_user_auth_c.passwords import PasswordHasher
from fastapi_user_auth_c.policy.csv_file import write_file
from fastapi_user_auth_c.texts import plain_text
from pydantic import SecretStr
from sqlalchemy import MetaData, Table, select
from sqlalchemy.exc import NoSuchTableError
from sqlalchemy_database import AsyncDatabase
from sqlmodel import SQLModel
from starlette.requests import Request

COLUMNS = ("id", "email", "hashed_password", "is_active", "is_superuser", "is_verified")
ROLES = {"root": "is_superuser", "verified": "is_verified"}

pwd_context = PasswordHasher(["argon2id", "bcrypt"], default="argon2id")  # both of fastapi-users


@dataclass
class Plan:
    """What becomes of the accounts."""

    accounts: list[tuple[Any, User, list[str]]] = field(default_factory=list)
    """Old id, new account and its roles."""
    misfits: list[str] = field(default_factory=list)
    """Accounts that cannot be moved, and why."""

    @property
    def summary(self) -> str:
        inactive = sum(not user.is_active for _, user, _ in self.accounts)
        held = ", ".join(
            f"{sum(role in roles for _, _, roles in self.accounts)} with the role {role}" for role in ROLES
        )
        return f"{len(self.accounts)} accounts: {inactive} inactive, {held}"


async def read_rows(db: AsyncDatabase, name: str) -> list[Any]:
    """The rows of the table of fastapi-users.

    Raises:
        ValueError: there is no such table, or it lacks a column.
    """

    def read(connection: Any) -> list[Any]:
        try:
            table = Table(name, MetaData(), autoload_with=connection)
        except NoSuchTableError:
            raise ValueError(f"there is no table {name!r}") from None
        if missing := [column for column in COLUMNS if column not in table.c]:
            raise ValueError(f"table {name!r} has no column {', '.join(missing)}: it is not one of fastapi-users")
        return list(connection.execute(select(*(table.c[column] for column in COLUMNS)).order_by(table.c.email)))

    return list(await db.async_run_sync(read, is_session=False))


def make_plan(
    rows: list[Any], taken: set[str], emails: set[str], subjects: set[str], local_names: bool = False
) -> Plan:
    """Work out the new accounts.

    Args:
        rows: of the old table.
        taken: names of the accounts that are there already.
        emails: mail addresses of those.
        subjects: of the rules that are there already.
        local_names: whether an account is called by what stands before the ``@``.
    """
    plan = Plan()
    names = [row.email.partition("@")[0] if local_names else row.email for row in rows]
    count = Counter(map(plain_text, names))
    there = {plain_text(name): name for name in taken}
    for row, name in zip(rows, names, strict=True):
        fault = misfit(row, name)
        if not fault and count[plain_text(name)] > 1:
            fault = f"several accounts would be called {name!r}"
        if not fault and plain_text(name) in there:
            fault = f"there is an account {there[plain_text(name)]!r} already"
        if not fault and signed_up(row.email) in emails:
            fault = "an account has this mail address already"
        if not fault and f"u:{name}" in subjects:
            fault = f"there are rules for u:{name}, which would be its own"
        if fault:
            plan.misfits.append(f"{row.email}: {fault}")
            continue
        user = User(
            username=name, email=row.email, password=SecretStr(row.hashed_password), is_active=bool(row.is_active)
        )
        plan.accounts.append((row.id, user, [role for role, column in ROLES.items() if getattr(row, column)]))
    return plan


def signed_up(email: str) -> str:
    """A mail address as the sign-up form would compare it: the domain without case."""
    name, at, domain = email.rpartition("@")
    return name + at + domain.lower()


def misfit(row: Any, name: str) -> str:
    """Why an account cannot be moved; "" when it can."""
    if len(name) > 32:
        return f"the name {name!r} is longer than 32 characters"
    if fault := name_fault(name):
        return f"{name!r}: {fault}"
    if not row.hashed_password:
        return "it has no password hash"
    if pwd_context.identify(row.hashed_password) is None or len(row.hashed_password) > 128:
        return "its password hash is none of Argon2 or bcrypt"
    return ""


async def store(db: AsyncDatabase, auth: Auth[User], plan: Plan, ids: Path | None) -> None:
    """Store accounts, roles and who has them, in one transaction, and write which id became which.

    Raises:
        ValueError: the file of ids cannot be written; nothing is stored.
    """
    links = [(f"u:{user.username}", f"r:{role}") for _, user, roles in plan.accounts for role in roles]
    async with db():
        keys = set(await db.session.scalars(select(Role.key)))
        db.session.add_all([Role(key=key, name=key) for key in ROLES if key not in keys])
        db.session.add_all([user for _, user, _ in plan.accounts])
        await db.session.flush()
        if ids:  # before the commit: the accounts can be stored again, the ids not be told afterwards
            write_ids(ids, [(old, user.id) for old, user, _ in plan.accounts])
        if links:
            await auth.enforcer.add_grouping_policies(links)  # commits the accounts along
        await db.session.commit()


def write_ids(path: Path, ids: list[tuple[Any, int | None]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([("old", "new"), *ids])
    try:
        write_file(path, text.getvalue().encode())
    except OSError as error:
        raise ValueError(f"{path} cannot be written: {error.strerror}; nothing is stored") from error


async def run(args: argparse.Namespace) -> int:
    db = AsyncDatabase.create(args.database)
    auth = Auth(db, pwd_context=pwd_context)
    try:
        rows = await read_rows(db, args.table)
        await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)  # also in a dry run
        await auth.enforcer.load_policy()
        async with db():
            taken = set(await db.session.scalars(select(User.username)))
            emails = {signed_up(email) for email in await db.session.scalars(select(User.email)) if email}
        rules = [*auth.enforcer.get_policy(), *auth.enforcer.get_grouping_policy()]
        plan = make_plan(rows, taken, emails, {rule[0] for rule in rules}, args.names == "local")
        summary = plan.summary
        for text in plan.misfits:
            print(f"does not fit: {text}", file=sys.stderr)
        written = args.write and (args.skip or not plan.misfits)
        if written:
            await store(db, auth, plan, args.ids)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        await db.engine.dispose()
    print(f"{'moved' if written else 'would move'} {summary}; {len(plan.misfits)} do not fit")
    if not written:
        print("nothing is stored" if args.write else "this was a dry run; --write stores it")
    return 1 if plan.misfits else 0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--database", metavar="URL", required=True, help="with an asynchronous driver")
    parser.add_argument("--table", default="user", help="of fastapi-users; default is user")
    parser.add_argument("--names", choices=["email", "local"], default="email", help="what accounts are called")
    parser.add_argument("--write", action="store_true", help="store it; otherwise only say what would be stored")
    parser.add_argument("--skip", action="store_true", help="leave out accounts that do not fit")
    parser.add_argument("--ids", type=Path, metavar="FILE", help="write a CSV file of old and new ids")
    return asyncio.run(run(parser.parse_args(argv)))


def create_app(url: str) -> FastAPI:
    """An application on the moved accounts."""
    db = AsyncDatabase.create(url)
    auth = Auth(db, pwd_context=pwd_context)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        await auth.enforcer.load_policy()
        yield
        await db.engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.include_router(AuthRouter(auth).router)

    @app.get("/me")
    @auth.requires()
    async def me(request: Request) -> dict[str, str]:
        return {"name": request.user.username}

    @app.get("/members")
    @auth.requires("verified")
    async def members(request: Request) -> dict[str, str]:
        return {"name": request.user.username}

    @app.get("/settings")
    @auth.requires("root")
    async def settings(request: Request) -> dict[str, str]:
        return {"name": request.user.username}

    return app


if __name__ == "__main__":
    sys.exit(main())
