"""Questions, remarks, answers, passwords and progress: how the commands talk to whoever runs them."""

from __future__ import annotations

import getpass
import json
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from ..cli import Refused, UsageError
from ..policy.adapter import counting_rows


def remark(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def answer(args: Namespace, data: Any, text: str) -> None:
    """Tell the outcome: the data where JSON is asked for, else the text."""
    print(json.dumps(data, indent=2) if args.json else text)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl+C end a question: the event loop would only take note of it and go on waiting for the answer."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


def confirmed(args: Namespace, question: str) -> bool:
    """Whether to go on: ``--yes``, or the word of whoever sits there. Nobody there means no."""
    if args.yes:
        return True
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    with _interruptible():
        return sys.stdin.readline().strip().lower() in ("y", "yes")


def new_password(args: Namespace, name: str) -> str | None:
    """The password that an account is to have: typed twice, or a line of standard input; None for none.

    Args:
        args: with ``password_stdin`` and ``no_password``.
        name: of the account, as it is shown.

    Raises:
        UsageError: there is nobody to type it.
        Refused: there is none, or it was typed differently.
    """
    if args.no_password:
        return None
    if args.password_stdin:
        with _interruptible():
            line = sys.stdin.buffer.readline()
        try:
            password = line.rstrip(b"\r\n").decode()
        except UnicodeDecodeError:
            raise Refused("the password is not UTF-8") from None
    else:
        if not sys.stdin.isatty():
            raise UsageError("there is no terminal to ask for the password: --password-stdin or --no-password")
        with _interruptible():
            password = getpass.getpass(f"Password for {name}: ")
            if password and getpass.getpass("Once more: ") != password:
                raise Refused("the two passwords differ")
    if not password:
        raise Refused("the password is empty; --no-password is for an account that nobody can log in to")
    return password


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Within: show how many rows are read and written, on a terminal and with what the application has for it."""
    if not sys.stderr.isatty():
        yield
    elif find_spec("rich"):
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        text = TextColumn("{task.description}: {task.completed:,.0f} rows")
        with Progress(SpinnerColumn(), text, TimeElapsedColumn(), console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=None)
            with counting_rows(lambda rows: bar.advance(task, rows)):
                yield
    elif find_spec("tqdm"):
        from tqdm import tqdm

        with tqdm(desc=what, unit=" rows", leave=False, file=sys.stderr) as bar, counting_rows(bar.update):
            yield
    else:
        yield
