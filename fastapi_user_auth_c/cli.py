"""Command line: ``python -m fastapi_user_auth_c``.

* ``run app:app`` serves an application that imports ``fastapi_user_auth``, unchanged, with this package;
* ``demo`` serves the documented example on a SQLite file in the working directory.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
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
    return top


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        args.command(args)
    except UsageError as error:
        print(f"fastapi_user_auth_c: {error}", file=sys.stderr)
        return 2
    return 0
