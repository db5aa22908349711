"""Writes the ``.mo`` beside each ``.po``; ``msgfmt`` of GNU gettext would do, and is often not there.

Usage: ``python -m fastapi_user_auth_c.locale.compile``. Reads what these files hold: ``msgid`` and ``msgstr`` in one or
more quoted lines; no plural forms, no contexts. Entries marked fuzzy or without a translation are left out.
"""

from __future__ import annotations

import ast
import struct
from pathlib import Path

from . import HERE

_MAGIC = 0x950412DE
_HEADER = struct.Struct("<7I")


def parse(text: str) -> dict[str, str]:
    """msgid -> msgstr of a ``.po``; the header is under the empty msgid.

    Raises:
        ValueError: a line that is none of the above, or a msgid that is there twice.
    """
    catalog: dict[str, str] = {}
    for block in text.split("\n\n"):
        entry: dict[str, str] = {}
        key, fuzzy = "", False
        for line in block.splitlines():
            if line.startswith("#"):
                fuzzy = fuzzy or (line.startswith("#,") and "fuzzy" in line)
                continue
            if line.startswith(("msgid ", "msgstr ")):
                key, _, line = line.partition(" ")
                entry[key] = ""
            if not key or not line.startswith('"'):
                raise ValueError(f"not understood: {line!r}")
            entry[key] += ast.literal_eval(line)
        if not entry:
            continue
        if entry["msgid"] in catalog:
            raise ValueError(f"twice: {entry['msgid']!r}")
        if entry["msgstr"] and not fuzzy:
            catalog[entry["msgid"]] = entry["msgstr"]
    return catalog


def build(catalog: dict[str, str]) -> bytes:
    """The ``.mo``: header, offsets of the sorted msgids, offsets of their texts, then both as NUL-ended UTF-8."""
    pairs = sorted((msgid.encode(), msgstr.encode()) for msgid, msgstr in catalog.items())
    count = len(pairs)
    ids_at, texts_at = _HEADER.size, _HEADER.size + 8 * count
    offset = texts_at + 8 * count
    tables = b""
    strings = b""
    for column in (0, 1):
        for pair in pairs:
            tables += struct.pack("<2I", len(pair[column]), offset + len(strings))
            strings += pair[column] + b"\0"
    return _HEADER.pack(_MAGIC, 0, count, ids_at, texts_at, 0, offset) + tables + strings


def main() -> None:
    for po in sorted(Path(HERE).glob("*/LC_MESSAGES/*.po")):
        po.with_suffix(".mo").write_bytes(build(parse(po.read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
