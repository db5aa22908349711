"""Command line: ``python -m fastapi_user_auth_c``.

* ``run app:app`` serves an application that imports ``fastapi_user_auth``, unchanged, with this package;
* ``demo`` serves the documented example on a SQLite file in the working directory;
* ``explain`` says why a request is allowed or denied, ``doctor`` looks for faults in a database, ``export`` and
  ``import`` move rules to and from policy files of Casbin; see :mod:`fastapi_user_auth_c.commands`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import sys
import textwrap
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class UsageError(Exception):
    """What is wrong with the command, in words for the person who typed it."""


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

    app = create_app()
    print(
        f"Open http://127.0.0.1:{args.port}/admin/\n"
        "On a new database log in as root (password root), who may do everything, or as admin (password admin).\n"
        "Anybody can guess these passwords: change them before anybody else can reach this server.\n"
        f"Database: {os.path.abspath('amisadmin.db')}. Stop with Ctrl+C.",
        flush=True,
    )
    serve(app, "127.0.0.1", args.port, log_level="warning")


def load_site(target: str) -> Any:
    """The site that ``module:attribute`` names; its imports of ``fastapi_user_auth`` are answered too."""
    from . import install

    install()
    from .admin import AuthAdminSite

    site = load(target)
    if not isinstance(site, AuthAdminSite):
        raise UsageError(f"{target} is of type {type(site).__name__}: name the AuthAdminSite, such as main:site")
    return site


def on_database(args: argparse.Namespace) -> int:
    """Run a command of :mod:`.commands` on the database that the arguments name."""
    from sqlalchemy.exc import SQLAlchemyError

    from . import commands
    from .db import close_database, open_database
    from .policy import ModelError, StalePolicy
    from .policy.transfer import TransferError

    url = args.database or os.environ.get("DATABASE_URL", "")
    site = load_site(args.app) if getattr(args, "app", None) else None
    if site is None and not url:
        raise UsageError("which database? Give --database URL, or set DATABASE_URL")
    if getattr(args, "fix", False) and args.json and not args.yes:
        raise UsageError("--json leaves nobody to ask: --fix then needs --yes")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may have what the terminal has not

    async def work() -> int:
        try:
            db = site.auth.db if site is not None and not args.database else open_database(url)
        except ValueError as error:
            raise UsageError(str(error)) from error
        try:
            return await getattr(commands, args.action)(db, args, site)  # type: ignore[no-any-return]
        finally:
            await close_database(db)

    try:
        return asyncio.run(work())
    except SQLAlchemyError as error:
        raise UsageError(f"the database says: {getattr(error, 'orig', None) or error}") from error
    except (OSError, ModelError, StalePolicy, TransferError) as error:
        raise UsageError(str(error)) from error


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
    demo_.set_defaults(command=demo)

    def add(name: str, action: str, help: str, examples: str, usage: str | None = None) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            epilog="examples:\n" + textwrap.indent(textwrap.dedent(examples).strip(), "  "),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            usage=usage,
        )
        command.add_argument("--database", metavar="URL", help="URL of SQLAlchemy; default is DATABASE_URL")
        command.add_argument("--model", type=Path, metavar="FILE", help="Casbin model file, if not the built-in model")
        command.set_defaults(command=on_database, action=action)
        return command

    explain = add(
        "explain",
        "explain",
        "say why a request is allowed (exit code 0) or denied (1)",
        """
        %(prog)s --database sqlite:///amisadmin.db u:admin AuthAdminSite page page
        %(prog)s --json u:admin AuthAdminSite page page
        """,
        "%(prog)s [--database URL] [--model FILE] [--json] SUB OBJ ACT GROUP",
    )
    explain.add_argument("request", nargs="+", metavar="SUB OBJ ACT GROUP", help="u:NAME or r:KEY, page, action, group")
    explain.add_argument("--json", action="store_true", help="answer in JSON")

    doctor = add(
        "doctor",
        "doctor",
        "look for faults in a database; exit code 1 when there are any",
        """
        %(prog)s --database postgresql+asyncpg://app@db/app
        %(prog)s --app main:site            (also finds rules for pages that are gone)
        %(prog)s --app main:site --fix      (asks before it deletes anything)
        """,
    )
    doctor.add_argument("--app", metavar="MODULE:SITE", help="the AuthAdminSite; its database unless one is named")
    doctor.add_argument("--fix", action="store_true", help="delete rows on which no decision depends, after asking")
    doctor.add_argument("--yes", action="store_true", help="do not ask")
    doctor.add_argument("--json", action="store_true", help="answer in JSON")

    export = add(
        "export",
        "export",
        "write all rules to a policy file of Casbin",
        """
        %(prog)s --database sqlite:///amisadmin.db policy.csv
        %(prog)s > policy.csv
        """,
    )
    export.add_argument("file", nargs="?", default="-", help="default is standard output")

    import_ = add(
        "import",
        "import_",
        "store the rules of a policy file, all or none",
        """
        %(prog)s --database sqlite:///amisadmin.db policy.csv
        %(prog)s --replace policy.csv       (asks before it removes anything)
        """,
    )
    import_.add_argument("file", help="- is standard input")
    import_.add_argument("--replace", action="store_true", help="remove the stored rules that the file lacks")
    import_.add_argument("--yes", action="store_true", help="do not ask")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        return args.command(args) or 0
    except UsageError as error:
        print(f"fastapi_user_auth_c: {error}", file=sys.stderr)
        return 2
