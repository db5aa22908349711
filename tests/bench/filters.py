"""Speed of row permissions, as ratios within one run, so that the machine does not matter.

    python -m tests.bench.filters [--original PYTHON] [--quick]

A page with the seven permissions of the documentation, 1,000 rules, and a user with two roles: ``filter_select`` on the
statement of a request whose user is known, the same without what earlier requests left behind, the compiler alone,
and a request for the list end to end.  ``PYTHON`` is an interpreter that has the original (fastapi_user_auth and
fastapi_amis_admin 0.7.3) on releases that it runs on; it does the same, its processes in turn with ours, and has to
show the same rows.  Ends with status 1 when a bar is missed.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .report import Note, Options, Result, Row, alone, middle, ratios, worker

FILTER_BAR = 20  # times faster than the original, per request

SCRIPT = Path(__file__).parent / "apps" / "filter_app.py"
MEASURED = {
    "filter": "filter of one request, 7 row permissions",
    "cold": "the same, its plan not kept",
    "compile": "compile 7 terms and write their SQL",
    "list": "list request, end to end",
}


def rows(options: Options) -> Iterator[Result]:
    quick = ["quick"] if options.quick else []
    here: list[dict[str, Any]] = []
    theirs: list[dict[str, Any]] = []
    note = Note("row permissions against the original, as no --original PYTHON was given")
    python = options.original
    for _ in range(1 if options.quick else 3):
        here.append(worker(sys.executable, SCRIPT, "fastapi_user_auth_c", *quick))
        if python:
            try:
                theirs.append(worker(python, SCRIPT, "fastapi_user_auth", *quick))
            except RuntimeError as error:
                python, note = None, Note(f"row permissions against the original: {error}")
                theirs.clear()
    assert here[0]["titles"], "no row is seen"
    if not theirs:
        yield note
    for key, what in MEASURED.items():
        times = [each[key] for each in here]
        if theirs and key in theirs[0]:
            old = [each[key] for each in theirs]
            bar = FILTER_BAR if key == "filter" else None
            detail = f"{middle(times)}, the original {middle(old)}"
            yield Row(f"{what}, against the original", ratios(old, times), "times faster", bar, True, detail)
        else:
            yield Row(what, [each * 1e3 for each in times], "ms")
    if theirs:
        same = statistics.mean(a["titles"] == b["titles"] for a, b in zip(here, theirs, strict=True))
        yield Row("requests that see the same rows as in the original", [same], "of them", 1, True)


if __name__ == "__main__":
    sys.exit(alone(rows, __doc__))
