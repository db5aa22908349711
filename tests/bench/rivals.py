"""Other engines with the rules of the benchmarks, each asked in the quickest way it has."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from reference import CASBIN_MODEL, SAME_PAGES, key_match

Request = tuple[str, str, str, str]
Decide = Callable[[Request], bool]


def casbin_engine(rows: Sequence[tuple[str, ...]]) -> Decide:
    """casbin with the built-in model, which is what the original runs.

    It takes the first rule of a level, we take a deny before an allow: the same, if it gets the denies first.

    Raises:
        ImportError: it is not installed.
    """
    import casbin

    class Rows:
        def load_policy(self, model) -> None:
            for ptype, *rule in sorted(rows, key=lambda row: row[-1] != "deny"):
                model[ptype[0]][ptype].policy.append(rule)

    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=CASBIN_MODEL.format(pages=SAME_PAGES)))
    enforcer.set_adapter(Rows())
    enforcer.load_policy()
    return lambda request: enforcer.enforce(*request)


def allows(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What Cedar can express of the rules: there a deny always wins, whatever its level, so denies stay out."""
    return [row for row in rows if row[-1] != "deny"]


def cedar_engine(rows: Sequence[tuple[str, ...]], actions: Iterable[str]) -> tuple[Callable[[Request], object], Decide]:
    """cedarpy with those of the rules that allow, policies and entities parsed beforehand.

    Roles and containers are parents of entities, and an action is in the patterns that it matches. Returns what makes
    a request of Cedar, which is not timed, and what decides one.

    Raises:
        ImportError: cedarpy is not installed, or too old to keep what it has parsed.
    """
    from cedarpy import Entities, PolicySet, is_authorized

    def uid(kind: str, name: str) -> dict[str, str]:
        return {"type": kind, "id": name}

    above: dict[tuple[str, str], set[tuple[str, str]]] = {}
    policies, patterns = [], set()
    for ptype, *rule in rows:
        if ptype == "p":
            sub, obj, act, group, effect = rule
            assert effect == "allow"
            patterns.add(f"{group}:{act}")
            scope = f'principal in S::"{sub}", action in Action::"{group}:{act}", resource in Page::"{obj}"'
            policies.append(f"permit({scope});")
            above.setdefault(("S", sub), set())
            above.setdefault(("Page", obj), set())
        else:
            kind = "S" if ptype == "g" else "Page"
            above.setdefault((kind, rule[0]), set()).add((kind, rule[1]))
            above.setdefault((kind, rule[1]), set())
    for name in {*patterns, *(f"page:{action}" for action in actions)}:
        matched = {("Action", pattern) for pattern in patterns if pattern != name and key_match(name, pattern)}
        above[("Action", name)] = matched
    entities = [
        {"uid": uid(*name), "attrs": {}, "parents": [uid(*parent) for parent in sorted(parents)]}
        for name, parents in above.items()
    ]
    kept, graph = PolicySet.from_str("\n".join(policies)), Entities.from_json_str(json.dumps(entities))

    def made(request: Request) -> dict[str, dict[str, str]]:
        sub, obj, act, group = request
        return {"principal": uid("S", sub), "action": uid("Action", f"{group}:{act}"), "resource": uid("Page", obj)}

    return made, lambda request: is_authorized(request, kept, graph).allowed
