"""Casbin's policy files: one rule per line, ``ptype, v0, v1, ...``, lines with ``#`` in front left out."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

_FIELD = re.compile(r'[ \t]*(?:"((?:[^"]|"")*)"|([^,\r\n]*?))[ \t]*(,|\r\n?|\n|\Z)')
_COMMENT = re.compile(r"[ \t]*#[^\r\n]*(?:\r\n?|\n|\Z)")
_LINE_END = re.compile(r"\r\n?|\n")
_PLAIN = re.compile(r'[^\s",#](?:[^",\r\n]*[^\s",])?')


def read_rules(text: str, strict: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Every rule with its line number, its policy type first.

    Spaces around a field do not count. A field in double quotes is taken as it is: ``"a, b"``; two quotes inside stand
    for one.

    Args:
        text: of the file.
        strict: refuse a quote at the start of a field that is never closed, or has something after its end. Otherwise
            the field then is what stands there, quotes included.

    Raises:
        ValueError: see ``strict``; the message starts with the line.
    """
    at, line = 0, 1
    while at < len(text):
        start, comment = at, _COMMENT.match(text, at)
        if comment:
            at = comment.end()
        else:
            fields, separator = [], ","
            while separator == ",":
                field = _FIELD.match(text, at)
                assert field is not None  # the second form of a field takes anything up to a separator
                if strict and (field[2] or "").startswith('"'):
                    raise ValueError(f"line {line}: a quote is not closed, or there is something after its end")
                fields.append(field[2] if field[1] is None else field[1].replace('""', '"'))
                separator, at = field[3], field.end()
            if fields != [""]:
                yield line, fields
        line += len(_LINE_END.findall(text, start, at))


def write_rule(fields: Sequence[str]) -> str:
    """One line, such that :func:`read_rules` gives back the same fields."""
    return ", ".join(field if _PLAIN.fullmatch(field) else '"{}"'.format(field.replace('"', '""')) for field in fields)


def write_file(path: str | Path, content: bytes) -> None:
    """Give the file at a path this content, all at once: whoever reads it finds the old or the new, also after a crash.

    Raises:
        OSError: it cannot be written; then it holds what it held.
    """
    target = Path(os.path.realpath(path))  # a link stays one
    if target.exists() and not target.is_file():  # a device or a pipe
        target.write_bytes(content)
        return
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class FileAdapter:
    """Rules in a Casbin policy file.

    As in Casbin, the file changes only with ``save_policy``; single changes stay in memory until then.

    Args:
        path: the file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    async def rows(self, filter_: Any = None) -> AsyncIterator[list[tuple[Any, ...]]]:
        """All rules as ``(line number, ptype, v0, ...)``.

        Raises:
            ValueError: there is a filter (``filter_``), which this adapter does not have.
        """
        if filter_ is not None:
            raise ValueError("filtered policies are not supported by this adapter")
        with self.path.open(encoding="utf-8", newline="") as file:
            yield [(line, *fields) for line, fields in read_rules(file.read())]

    async def save_policy(self, model: Any) -> None:
        """Write the rules of a model to the file."""
        lines = [
            write_rule([ptype, *rule]) + "\n"
            for section in ("p", "g")
            for ptype, assertion in (model.model.get(section) or {}).items()
            for rule in assertion.policy
        ]
        write_file(self.path, "".join(lines).encode())

    async def add_policy(self, sec: str, ptype: str, rule: Sequence[str]) -> None:
        """Nothing yet with the rule of that type; see ``save_policy``."""

    async def add_policies(self, sec: str, ptype: str, rules: Iterable[Sequence[str]]) -> None:
        """Nothing yet with the rules of that type; see ``save_policy``."""

    async def remove_policy(self, sec: str, ptype: str, rule: Sequence[str]) -> None:
        """Nothing yet with the rule of that type; see ``save_policy``."""

    async def remove_policies(self, sec: str, ptype: str, rules: Iterable[Sequence[str]]) -> None:
        """Nothing yet with the rules of that type; see ``save_policy``."""

    async def replace_policies(
        self, sec: str, ptype: str, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]
    ) -> None:
        """Nothing yet with the old and new rules of that type; see ``save_policy``."""
