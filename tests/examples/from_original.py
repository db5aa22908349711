"""Moving an application over from fastapi-user-auth: the imports are renamed, and its database is looked at.

    python from_original.py SOURCES --database URL           (a dry run: says what it would do)
    python from_original.py SOURCES --database URL --write

The database stays as it is: tables, accounts, passwords, roles, rules and stored tokens are those of the original.
What ``doctor`` finds in it (default passwords, rows that are no rules, rules of nobody) was there before; it is listed.
Exit code 0 for nothing to look after, 1 for places that a person has to look at, 2 for arguments that cannot be used.
"""

import argparse
import ast
import asyncio
import io
import re
import sys
import tokenize
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

OLD, NEW = "fastapi_user_auth", "fastapi_user_auth_c"
FIRST = f"import {NEW}  # before fastapi_amis_admin"
UNREADABLE = (SyntaxError, ValueError, LookupError, RecursionError, MemoryError, tokenize.TokenError)
"""What Python says to files that it cannot read: syntax, NUL or encoding, no encoding of text, nested too deeply."""


@dataclass
class Source:
    """A file, and what becomes of it."""

    path: Path
    content: bytes
    changes: list[str] = field(default_factory=list)
    """What is changed in ``content``, for people."""
    doubts: list[str] = field(default_factory=list)
    """What a person has to look at."""


def rename(path: Path) -> Source:
    """The text of a Python file as it has to be, and what is different in it."""
    content = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        old = content.decode(encoding)
        lines = list(io.StringIO(old, newline=""))  # splitlines() knows ends of lines that Python does not
        tokens = list(tokenize.generate_tokens(io.StringIO(old, newline="").readline))
        ast.parse(old)
    except UNREADABLE as error:
        return Source(path, content, doubts=[f"the file, which cannot be read: {error}"])
    source = Source(path, content)
    for token in reversed(tokens):
        row, column = token.start
        if token.type == tokenize.NAME:
            if token.string == OLD:
                line = lines[row - 1]
                lines[row - 1] = line[:column] + NEW + line[column + len(OLD) :]
                source.changes.insert(0, f"line {row}: {OLD} -> {NEW}")
        elif re.search(rf"\b{OLD}\b", token.string):
            source.doubts.insert(0, f"line {row}: the name stands in a text: {token.string.splitlines()[0]}")
    try:
        at = _first_import("".join(lines))
        if at is not None:  # fastapi_amis_admin does not load on current releases otherwise
            end = "\r\n" if lines[at - 1].endswith("\r\n") else "\n"
            lines.insert(at - 1, FIRST + end)
            source.changes.insert(0, f"line {at}: {FIRST}")
        compile("".join(lines), path, "exec", dont_inherit=True)
    except UNREADABLE as error:
        doubt = f"the file, which could not be read once it is changed: {error}"
        return Source(path, content, doubts=[doubt, *source.doubts])
    source.content = "".join(lines).encode(encoding)
    return source


def _first_import(text: str) -> int | None:
    """The line before which this package has to be imported; None where it is, or need not be."""
    first, end = 1, 0
    for statement in ast.parse(text).body:
        if statement.lineno > end:  # otherwise it shares a line with the one before
            first = min(node.lineno for node in [statement, *getattr(statement, "decorator_list", [])])
        end = statement.end_lineno or statement.lineno
        if _imported(statement)[:1] == [NEW]:
            return None
        if any("fastapi_amis_admin" in _imported(node) for node in ast.walk(statement)):
            return first
    return None


def _imported(node: ast.AST) -> list[str]:
    """Which of the two packages a statement itself imports from, in its order."""
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
    names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
    return [root for root in (name.partition(".")[0] for name in names) if root in (NEW, "fastapi_amis_admin")]


async def look_at(url: str) -> list[Any]:
    """What ``doctor`` finds in the database."""
    from fastapi_user_auth_c.db import close_database, open_database
    from fastapi_user_auth_c.policy.doctor import examine

    db = open_database(url)
    try:
        return await examine(db)
    finally:
        await close_database(db)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sources", type=Path, help="directory of the application, or a file")
    parser.add_argument("--database", metavar="URL", help="of the original")
    parser.add_argument("--write", action="store_true", help="change the files; otherwise only say how")
    args = parser.parse_args(argv)
    if not args.sources.exists():
        parser.error(f"there is no {args.sources}")
    files = sorted(args.sources.rglob("*.py")) if args.sources.is_dir() else [args.sources]
    sources = [rename(path) for path in files]
    for source in sources:
        for text in source.changes:
            print(f"{source.path}, {text}")
        for text in source.doubts:
            print(f"{source.path}, look at {text}")
        if args.write and source.changes:
            source.path.write_bytes(source.content)
    changed = sum(bool(source.changes) for source in sources)
    print(f"{changed} of {len(sources)} files {'changed' if args.write else 'would change'}")
    findings = asyncio.run(look_at(args.database)) if args.database else []
    for finding in findings:
        print(finding)
    return 1 if findings or any(source.doubts for source in sources) else 0


if __name__ == "__main__":
    sys.exit(main())
