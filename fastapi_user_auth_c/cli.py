"""Command line: ``python -m fastapi_user_auth_c``.

* ``run app:app`` serves an application that imports ``fastapi_user_auth``, unchanged, with this package;
* ``demo`` serves the documented example on a SQLite file in the working directory;
* ``createuser``, ``passwd`` and ``logout`` are for accounts, ``role`` for roles, ``grant`` and ``revoke`` for rules;
* ``explain`` says why a request is allowed or denied, ``doctor`` looks for faults in a database, ``export`` and
  ``import`` move rules to and from policy files of Casbin.

What these do is in :mod:`fastapi_user_auth_c.commands`. They end with exit code 0 for done or yes, 1 for no, nothing
found or refused, 2 for a command or database that cannot be used.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import logging
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

logger = logging.getLogger("fastapi_user_auth_c.cli")


class UsageError(Exception):
    """What is wrong with the command or the database, in words for the person who typed it; exit code 2."""


class Refused(Exception):
    """Why something is not done, in words for the person who asked for it; exit code 1."""


def first_line(error: BaseException) -> str:
    """An error in one line. PostgreSQL's further ones may have the whole row in them, and with it a password hash."""
    return str(getattr(error, "orig", None) or error).partition("\n")[0]


def need(*modules: str) -> None:
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} missing: pip install 'fastapi-user-auth-c[demo]'")


def load(target: str) -> Any:
    """The application that ``module:attribute`` names; modules of the working directory are found."""
    module_name, _, attributes = target.partition(":")
    if not module_name or not attributes:
        raise UsageError(f"{target!r} is not of the form module:application")
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            raise UsageError(f"no module {error.name!r} (looked in the working directory as well)") from error
        raise
    for name in attributes.split("."):
        if not hasattr(found, name):
            raise UsageError(f"module {module_name!r} has no {attributes!r}")
        found = getattr(found, name)
    return found


def serve(app: Any, host: str, port: int, **options: Any) -> None:
    import uvicorn

    uvicorn.run(app, host=host, port=port, **options)


def run(args: argparse.Namespace) -> None:
    need("uvicorn")
    from . import install

    install()
    serve(load(args.app), args.host, args.port, factory=args.factory)


def demo(args: argparse.Namespace) -> None:
    need("uvicorn", "aiosqlite")
    from .demo import create_app
    from .web.assets import Assets

    if args.amis_assets:
        try:
            Assets(args.amis_assets)
        except ValueError as error:
            raise UsageError(str(error)) from error
    app = create_app(amis_assets=args.amis_assets)
    print(
        f"Open http://127.0.0.1:{args.port}/admin/\n"
        "On a new database log in as root (password root), who may do everything, or as admin (password admin).\n"
        "Anybody can guess these passwords: change them before anybody else can reach this server.\n"
        f"Database: {os.path.abspath('amisadmin.db')}. Stop with Ctrl+C.",
        flush=True,
    )
    serve(app, "127.0.0.1", args.port, log_level="warning")


def load_site(target: str, auth_will_do: bool = False) -> Any:
    """The site that ``module:attribute`` names; its imports of ``fastapi_user_auth`` are answered too.

    Args:
        target: the name.
        auth_will_do: take an ``Auth`` as well.
    """
    from . import install

    install()
    from .admin import AuthAdminSite
    from .auth import Auth

    site = load(target)
    if isinstance(site, AuthAdminSite) or (auth_will_do and isinstance(site, Auth)):
        return site
    kinds = "the AuthAdminSite or Auth" if auth_will_do else "the AuthAdminSite"
    raise UsageError(f"{target} is of type {type(site).__name__}: name {kinds}, such as main:site")


def on_database(args: argparse.Namespace) -> int:
    """Run a command of :mod:`.commands` on the database that the arguments name.

    Raises:
        UsageError: the arguments, the application or the database cannot be used.
        Refused: what is asked for is not done.
    """
    url = args.database or os.environ.get("DATABASE_URL", "")
    if not getattr(args, "app", None) and not url:
        raise UsageError("which database? Give --database URL, or set DATABASE_URL")
    if getattr(args, "json", False) and not getattr(args, "yes", True) and getattr(args, args.asks, True):
        what = "--" + args.asks if hasattr(args, args.asks) else args.asks
        raise UsageError(f"--json leaves nobody to ask: {what} then needs --yes")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have what the terminal has not
    try:
        return _on_database(args, url)
    except (UsageError, Refused):
        raise
    except Exception as error:  # of a driver, the application, its models: no traceback, which shows nobody the way
        raise _translated(error) from error


def _on_database(args: argparse.Namespace, url: str) -> int:
    from . import commands
    from .db import close_database, hide_values, open_database

    app = load_site(args.app, args.action != "doctor") if getattr(args, "app", None) else None
    own = getattr(getattr(app, "auth", app), "db", None)

    async def work() -> int:
        db = own if own is not None and not args.database else open_database(url)
        hide_values(db)
        try:
            return await getattr(commands, args.action)(db, args, app)  # type: ignore[no-any-return]
        finally:
            await close_database(db)
            for client in _redis_clients(getattr(app, "auth", app)):
                await client.connection_pool.disconnect()

    return asyncio.run(work())


def _redis_clients(auth: Any) -> list[Any]:
    """The clients of Redis that an ``Auth`` has; their connections belong to the event loop that made them."""
    parts = [] if auth is None else [auth.backend.token_store, auth.revocations]
    return [part.redis for part in parts if hasattr(part, "redis")]


def _translated(error: Exception) -> UsageError | Refused:
    """What to tell of an error instead of a traceback."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError
    from starlette.exceptions import HTTPException

    from ._core import RuleError
    from .policy import ModelError, StalePolicy
    from .policy.transfer import TransferError

    if isinstance(error, HTTPException):
        return UsageError("the storage does not answer") if error.status_code == 503 else Refused(error.detail)
    if isinstance(error, RuleError):
        return Refused(first_line(error))
    if isinstance(error, SQLAlchemyError):
        return UsageError(f"the database says: {first_line(error)}")
    if isinstance(error, (OSError, ModelError, StalePolicy, TransferError)) or type(error) is ValueError:
        return UsageError(str(error))
    if isinstance(error, ValidationError):  # its text shows the values
        faults = (f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        return UsageError(f"{error.title}: {'; '.join(faults)}")
    logger.debug("a command failed", exc_info=error)
    return UsageError(f"{type(error).__name__}: {first_line(error)}")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m fastapi_user_auth_c", description=__doc__.split("\n")[0])
    commands = top.add_subparsers(required=True, metavar="command")

    run_ = commands.add_parser("run", help="serve an application that imports fastapi_user_auth, with this package")
    run_.add_argument("app", help="module:application, such as main:app")
    run_.add_argument("--host", default="127.0.0.1")
    run_.add_argument("--port", type=int, default=8000)
    run_.add_argument("--factory", action="store_true", help="the application is what calling it returns")
    run_.set_defaults(command=run)

    demo_ = commands.add_parser("demo", help="serve the documented example on SQLite in the working directory")
    demo_.add_argument("--port", type=int, default=8000)
    demo_.add_argument("--amis-assets", metavar="FOLDER", help="of npm packages, to serve amis from instead of a CDN")
    demo_.set_defaults(command=demo)

    _add_account_commands(commands)
    _add_role_commands(commands)
    _add_rule_commands(commands)
    _add_policy_commands(commands)
    return top


def _add(
    commands: Any, name: str, action: str, help: str, examples: str, usage: str | None = None
) -> argparse.ArgumentParser:
    """A command that works on a database."""
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=help,
        description=f"{help[0].upper()}{help[1:]}.",
        epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=usage,
    )
    command.add_argument("--database", metavar="URL", help="URL of SQLAlchemy; default is DATABASE_URL")
    command.set_defaults(command=on_database, action=action, asks="")
    return command


def _add_for_app(commands: Any, name: str, action: str, help: str, examples: str) -> argparse.ArgumentParser:
    """A command that works on a database as the application does."""
    command = _add(commands, name, action, help + "; exit code 0 for done, 1 for refused", examples)
    command.add_argument(
        "--app",
        metavar="MODULE:SITE",
        help="the application's AuthAdminSite or Auth, whose models, settings and token store then count; "
        "its database unless one is named",
    )
    command.add_argument("--json", action="store_true", help="answer in JSON")
    return command


def _add_password(command: argparse.ArgumentParser) -> None:
    ways = command.add_mutually_exclusive_group()
    ways.add_argument("--password-stdin", action="store_true", help="the password is a line of standard input")
    ways.add_argument("--no-password", action="store_true", help="no password, so that nobody can log in")


def _add_yes(command: argparse.ArgumentParser, asks: str) -> None:
    """A command that asks before it destroys something: always, or with the option of that name."""
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(asks=asks)


def _add_account_commands(commands: Any) -> None:
    createuser = _add_for_app(
        commands,
        "createuser",
        "createuser",
        "make an account; its password is typed twice unless an option says otherwise",
        """
        %(prog)s --database sqlite:///amisadmin.db ann --email ann@example.com
        %(prog)s --app main:site ann --role editor --role author --password-stdin < password.txt
        """,
    )
    createuser.add_argument("name", metavar="NAME")
    createuser.add_argument("--role", metavar="KEY", nargs="+", action="extend", default=[], help="roles that it has")
    createuser.add_argument("--email")
    createuser.add_argument("--nickname")
    _add_password(createuser)

    passwd = _add_for_app(
        commands,
        "passwd",
        "passwd",
        "give an account another password, which ends its tokens",
        """
        %(prog)s --database sqlite:///amisadmin.db ann
        %(prog)s --app main:site ann --password-stdin < password.txt
        """,
    )
    passwd.add_argument("name", metavar="NAME")
    _add_password(passwd)

    logout = _add_for_app(
        commands,
        "logout",
        "logout",
        "end all tokens of an account, or of all",
        """
        %(prog)s --database sqlite:///amisadmin.db ann
        %(prog)s --app main:site --all      (asks first)

        That is stored where the application keeps what has ended: in the database, as it does by default, also with
        JwtTokenStore and RedisTokenStore; in Redis with RedisRevocations, which needs --app. A token store of its own
        that does not bind tokens cannot end them, which is refused.
        """,
    )
    logout.add_argument("name", metavar="NAME", nargs="?")
    logout.add_argument("--all", action="store_true", help="of every account, after asking")
    _add_yes(logout, "all")


def _add_role_commands(commands: Any) -> None:
    role = commands.add_parser("role", help="list, make and delete roles; say who has them")
    roles = role.add_subparsers(required=True, metavar="command")
    _add_for_app(roles, "list", "role_list", "list the roles", "%(prog)s --database sqlite:///amisadmin.db")

    create = _add_for_app(roles, "create", "role_create", "make a role", "%(prog)s editor --name Editors")
    create.add_argument("key", metavar="KEY")
    create.add_argument("--name", help="as people are shown it; default is the key")

    delete = _add_for_app(
        roles,
        "delete",
        "role_delete",
        "delete a role, its links and its rules, after showing them and asking",
        "%(prog)s editor\n%(prog)s editor --yes --json",
    )
    delete.add_argument("key", metavar="KEY")
    _add_yes(delete, "role delete")

    members = _add_for_app(
        roles, "members", "role_members", "list who has a role by a link of their own", "%(prog)s editor"
    )
    members.add_argument("key", metavar="KEY")

    for name, help, example in (
        ("assign", "give roles to a user, or sub-roles to a role (r:KEY)", "%(prog)s r:chief editor"),
        ("withdraw", "take roles from a user, or sub-roles from a role (r:KEY)", "%(prog)s r:chief editor"),
    ):
        command = _add_for_app(roles, name, f"role_{name}", help, f"%(prog)s ann editor author\n{example}")
        command.add_argument("user", metavar="USER")
        command.add_argument("key", metavar="KEY", nargs="+")


def _add_rule_commands(commands: Any) -> None:
    for name, help in (("grant", "let a user or role do something"), ("revoke", "take such a rule back")):
        command = _add_for_app(
            commands,
            name,
            name,
            help,
            """
            %(prog)s u:ann ArticleAdmin                     (to open the page)
            %(prog)s r:editor ArticleAdmin page:list page   (an action of it)
            %(prog)s r:editor ArticleAdmin page:delete page --deny
            """,
        )
        command.add_argument("subject", metavar="SUBJECT", help="u:NAME or r:KEY; a name alone if only one has it")
        command.add_argument("object", metavar="OBJECT", help="page id, or a thing of the application's own")
        command.add_argument("act", metavar="ACTION", nargs="?", default="page", help="default is page")
        command.add_argument("group", metavar="GROUP", nargs="?", default="page", help="default is page")
        command.add_argument("--deny", action="store_true", help="the rule forbids it")
        command.add_argument("--force", action="store_true", help="u:NAME or r:KEY need not exist")


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument("--model", type=Path, metavar="FILE", help="Casbin model file, if not the built-in model")


def _add_policy_commands(commands: Any) -> None:
    explain = _add(
        commands,
        "explain",
        "explain",
        "say why a request is allowed (exit code 0) or denied (1)",
        """
        %(prog)s --database sqlite:///amisadmin.db u:admin AuthAdminSite page page
        %(prog)s --json u:admin AuthAdminSite page page
        """,
        "%(prog)s [--database URL] [--model FILE] [--json] SUB OBJ ACT GROUP",
    )
    _add_model(explain)
    explain.add_argument("request", nargs="+", metavar="SUB OBJ ACT GROUP", help="u:NAME or r:KEY, page, action, group")
    explain.add_argument("--json", action="store_true", help="answer in JSON")

    doctor = _add(
        commands,
        "doctor",
        "doctor",
        "look for faults in a database; exit code 1 when there are any",
        """
        %(prog)s --database postgresql+asyncpg://app@db/app
        %(prog)s --app main:site            (also finds rules for pages that are gone)
        %(prog)s --app main:site --fix      (asks before it deletes anything)
        """,
    )
    _add_model(doctor)
    doctor.add_argument("--app", metavar="MODULE:SITE", help="the AuthAdminSite; its database unless one is named")
    doctor.add_argument("--fix", action="store_true", help="delete rows on which no decision depends, after asking")
    _add_yes(doctor, "fix")
    doctor.add_argument("--json", action="store_true", help="answer in JSON")

    export = _add(
        commands,
        "export",
        "export",
        "write all rules to a policy file of Casbin",
        """
        %(prog)s --database sqlite:///amisadmin.db policy.csv
        %(prog)s > policy.csv
        """,
    )
    _add_model(export)
    export.add_argument("file", nargs="?", default="-", help="default is standard output")

    import_ = _add(
        commands,
        "import",
        "import_",
        "store the rules of a policy file, all or none",
        """
        %(prog)s --database sqlite:///amisadmin.db policy.csv
        %(prog)s --replace policy.csv       (asks before it removes anything)
        """,
    )
    _add_model(import_)
    import_.add_argument("file", help="- is standard input")
    import_.add_argument("--replace", action="store_true", help="remove the stored rules that the file lacks")
    _add_yes(import_, "replace")
    import_.add_argument("--json", action="store_true", help="answer in JSON")


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        return args.command(args) or 0
    except (UsageError, Refused) as error:
        print(f"fastapi_user_auth_c: {error}", file=sys.stderr)
        return 1 if isinstance(error, Refused) else 2
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 130
