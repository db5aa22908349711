"""The decision rules of the built-in model in plain Python, written for reading, not for speed.

A request ``(sub, obj, act, group)`` is decided over three sets of rules: ``p`` rules ``(sub, obj, act, group, eft)``,
``g`` links ``(subject, role)`` and ``g2`` links ``(container page, page)``.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from functools import cache

Rule = tuple[str, ...]


#: Casbin's terms for the built-in model, apart from root; ``{pages}`` says which pages a rule is for.
CASBIN_MODEL = """
[request_definition]
r = sub, obj, act, group

[policy_definition]
p = sub, obj, act, group, eft

[role_definition]
g = _, _
g2 = _, _

[policy_effect]
e = subjectPriority(p.eft) || deny

[matchers]
m = g(r.sub, p.sub) && {pages} && keyMatch(r.act, p.act) && r.group == p.group
"""
SAME_PAGES = "g2(r.obj, p.obj)"


def key_match(text: str, pattern: str) -> bool:
    """Casbin's keyMatch: a ``*`` ends the pattern, which then matches everything with that beginning."""
    star = pattern.find("*")
    return text == pattern if star < 0 else text.startswith(pattern[:star])


def reachable(start: str, links: Iterable[Rule]) -> set[str]:
    """Everything that ``start`` leads to over ``links``, itself included."""
    found = {start}
    while True:
        more = {to for of, to in links if of in found} - found
        if not more:
            return found
        found |= more


def levels(links: Iterable[Rule]) -> dict[str, int]:
    """Leaves are 0, a role is one above its highest member; members of a cycle share a level."""
    links = set(links)
    names = {name for link in links for name in link}
    above = {name: reachable(name, links) for name in names}
    ring = {name: frozenset(other for other in above[name] if name in above[other]) for name in names}

    @cache
    def level(group: frozenset[str]) -> int:
        members = {ring[member] for member, role in links if role in group and member not in group}
        return 1 + max(map(level, members)) if members else 0

    return {name: level(ring[name]) for name in names}


def decide(request: Rule, p: Iterable[Rule], g: Iterable[Rule], g2: Iterable[Rule]) -> bool:
    sub, obj, act, group = request
    if sub == "u:root":
        return True
    subjects = reachable(sub, g)
    pages = reachable(obj, g2)
    level = levels(g)
    relevant = [
        (level.get(rule_sub, 0), effect)
        for rule_sub, rule_obj, rule_act, rule_group, effect in p
        if rule_sub in subjects
        and rule_sub != "u:root"
        and key_match(act, rule_act)
        and rule_group == group
        and (rule_obj == obj or (effect == "allow" and rule_obj in pages))
    ]
    if not relevant:
        return False
    lowest = min(level for level, _ in relevant)
    return "deny" not in {effect for level, effect in relevant if level == lowest}


def random_policy(
    rng: random.Random, subjects: int = 4, roles: int = 6, pages: int = 3
) -> tuple[set[Rule], set[Rule], set[Rule], list[Rule]]:
    """Random ``p``, ``g`` and ``g2`` rules without cycles, small enough to meet often, and ten requests."""
    users = [f"u:{i}" for i in range(subjects)]
    role_names = [f"r:{i}" for i in range(roles)]
    page_names = [f"pg{i}" for i in range(pages)]
    g = {(rng.choice(users), rng.choice(role_names)) for _ in range(rng.randint(0, 10))}
    for _ in range(rng.randint(0, 6)):  # acyclic by construction: lower numbers below higher ones
        low, high = sorted(rng.sample(range(roles), 2))
        g.add((role_names[low], role_names[high]))
    g2 = set()
    for _ in range(rng.randint(0, 6)):
        low, high = sorted(rng.sample(range(pages), 2))
        g2.add((page_names[low], page_names[high]))
    p = {
        (
            rng.choice(users + role_names),
            rng.choice(page_names),
            rng.choice(["page", "page:list", "page:*", "page*", "*", "page:list:*"]),
            rng.choice(["page", "page:list"]),
            rng.choice(["allow", "allow", "deny"]),
        )
        for _ in range(rng.randint(0, 25))
    }
    requests = [
        (rng.choice(users), rng.choice(page_names), rng.choice(["page", "page:list", "page:list:a"]),
         rng.choice(["page", "page:list"]))
        for _ in range(10)
    ]  # fmt: skip
    return p, g, g2, requests
