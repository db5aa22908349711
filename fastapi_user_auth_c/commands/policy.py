"""``explain``, ``doctor``, ``export`` and ``import``: what is asked of all rules together."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..cli import UsageError
from ..db import AnyDatabase
from ..policy.csv_file import read_rules, write_file
from ..policy.doctor import Finding, examine, repair
from ..policy.explain import explain as explain_request
from ..policy.explain import shown
from ..policy.transfer import TransferError, apply, export_rules, plan_import, stored_policy
from .terminal import answer, confirmed, progress, remark


def _tell_of(skipped: list[tuple[Any, str]]) -> None:
    for row_id, reason in skipped:
        remark(f"stored row {row_id} is left out: {reason}")


async def explain(db: AnyDatabase, args: Namespace, site: Any = None) -> int:
    """0 for an allowed request, 1 for a denied one."""
    with progress("reading"):
        engine, skipped = await stored_policy(db, args.model)
    _tell_of(skipped)
    names, _ = engine.fields()
    if len(args.request) != len(names):
        raise UsageError(f"explain needs {len(names)} values: {' '.join(names)}")
    explanation = explain_request(engine, args.request, custom=args.model is not None)
    answer(args, asdict(explanation), str(explanation))
    return 0 if explanation.allowed else 1


async def doctor(db: AnyDatabase, args: Namespace, site: Any = None) -> int:
    """0 when nothing is wrong (any more), 1 when something is."""
    with progress("examining"):
        findings = await examine(db, site=site, model=args.model)
    removed = 0
    if not args.json:
        _list(findings)
    fixable = [finding for finding in findings if finding.fixable]
    if args.fix and fixable:
        rows = {row[0]: row for finding in fixable for row in finding.rows}
        remark(f"--fix deletes {len(rows)} rows of the rule table, on which no decision depends:")
        for row in rows.values():
            remark(f"    row {row[0]}: {shown([str(value) for value in row[1:] if value is not None])}")
        if confirmed(args, "Delete them?"):
            removed = await repair(db, fixable)
            with progress("looking again"):
                findings = await examine(db, site=site, model=args.model)
            remark(
                f"{removed} rows deleted; " + (f"{len(findings)} findings are left." if findings else "all is well.")
            )
        else:
            remark("nothing is changed")
    if args.json:
        print(json.dumps({"findings": [asdict(finding) for finding in findings], "removed": removed}, indent=2))
    return 1 if findings else 0


def _list(findings: list[Finding]) -> None:
    for finding in findings:
        head, newline, rows = str(finding).partition("\n")
        print(f"{head}{' (--fix deletes)' if finding.fixable else ''}{newline}{rows}")
    if not findings:
        print("nothing found")


async def export(db: AnyDatabase, args: Namespace, site: Any = None) -> int:
    with progress("reading"):
        text, skipped = await export_rules(db, args.model)
    _tell_of(skipped)
    content = text.encode()
    if args.file == "-":
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        write_file(args.file, content)
        remark(f"{len(list(read_rules(text)))} rules written to {args.file}")
    return 0


async def import_(db: AnyDatabase, args: Namespace, site: Any = None) -> int:
    """0 when the rules are stored, 1 when whoever was asked said no."""
    content = sys.stdin.buffer.read() if args.file == "-" else Path(args.file).read_bytes()
    try:
        with progress("comparing"):
            change = await plan_import(db, content, replace=args.replace, model=args.model)
    except TransferError as error:
        problems = [f"{args.file}: {problem}" for problem in error.problems]
        raise TransferError([*problems, "nothing is stored"]) from None
    if change.removed:
        remark("--replace removes:")
        for ptype, rules in change.removed.items():
            for rule in rules:
                remark(f"    {shown([ptype, *rule])}")
        if not confirmed(args, "Go on?"):
            remark("nothing is changed")
            return 1
    with progress("storing"):
        await apply(db, change)
    answer(args, change.counts, change.summary)
    return 0
