"""Why a request is decided as it is: the decision and rule of the engine, and the way to them."""

from __future__ import annotations

import dataclasses
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import decide, key_match, levels, random_policy, reachable
from test_enforcer import DOMAIN_MODEL
from test_policy_engine import REQUESTS, g2_rules, g_rules, p_rules

from fastapi_user_auth_c.policy import AsyncEnforcer, Enforcer, Explanation, OtherRule

EVERYTHING_BUT = """
[request_definition]
r = who, act
[policy_definition]
p = who, act, eft
[policy_effect]
e = !some(where (p.eft == deny))
[matchers]
m = r.who == p.who && r.act == p.act
"""


def built(p=(), g=(), g2=(), model=None):
    enforcer = Enforcer(model)
    for ptype, rules in (("p", p), ("g", g), ("g2", g2)):
        if rules:
            enforcer.load([(None, ptype, *rule) for rule in rules])
    enforcer.settle()
    return enforcer


def relevant_rules(request, p, g, g2):
    """The reference's: every relevant rule with the level of its subject."""
    sub, obj, act, group = request
    subjects, pages, level = reachable(sub, g), reachable(obj, g2), levels(g)
    return {
        (rule, level.get(rule[0], 0))
        for rule in p
        if rule[0] in subjects
        and key_match(act, rule[2])
        and rule[3] == group
        and (rule[1] == obj or (rule[4] == "allow" and rule[1] in pages))
    }


def check_path(path, start, end, links):
    assert (path[0], path[-1]) == (start, end)
    assert all(pair in links for pair in itertools.pairwise(path))
    assert len(set(path)) == len(path)


def check_explanation(enforcer, request, p, g, g2):
    why = enforcer.explain(*request)
    assert why.request == list(request)
    assert why.allowed is enforcer.enforce(*request) is decide(request, p, g, g2)
    assert enforcer.enforce_ex(*request) == (why.allowed, why.rule or [])
    others = {(tuple(other.rule), other.level) for other in why.others}
    assert len(others) == len(why.others)
    if request[0] == "u:root":
        assert (why.why, why.rule, why.others) == ("root", None, [])
    elif why.rule is None:
        assert (why.why, why.allowed, why.level, others) == ("no rule", False, None, set())
        assert relevant_rules(request, p, g, g2) == set()
    else:
        assert why.why == "rule"
        mine = (tuple(why.rule), why.level)
        assert mine not in others and others | {mine} == relevant_rules(request, p, g, g2)
        for one in [why, *why.others]:
            check_path(one.role_path, request[0], one.rule[0], g)
            if one.rule[1] == request[1]:
                assert one.page_path == []
            else:
                check_path(one.page_path, request[1], one.rule[1], g2)
        for other in why.others:
            assert other.level >= why.level
            if other.why_not == "overruled by deny":
                assert (other.level, other.rule[4], why.rule[4]) == (why.level, "allow", "deny")
            elif other.why_not == "same decision":
                assert (other.level, other.rule[4]) == (why.level, why.rule[4])
            else:
                assert other.why_not == "higher level" and other.level > why.level
    text = str(why)
    assert text.startswith("allowed" if why.allowed else "denied") and text.count("also relevant") == len(why.others)


@settings(max_examples=200, deadline=None)
@given(st.sets(p_rules, max_size=14), st.sets(g_rules, max_size=9), st.sets(g2_rules, max_size=7), st.data())
def test_explanations_equal_the_reference(p, g, g2, data):
    """Role links at random hold cycles, and so do the containers."""
    enforcer = built(list(p) + list(p)[:3], g, g2)
    for request in data.draw(st.lists(st.sampled_from(REQUESTS), min_size=10, max_size=10)):
        check_explanation(enforcer, request, p, g, g2)


def test_explanations_of_many_policies():
    rng = random.Random(20260201)
    decided = 0
    for _ in range(500):
        p, g, g2, requests = random_policy(rng)
        enforcer = built(p, g, g2)
        for request in requests:
            check_explanation(enforcer, request, p, g, g2)
            decided += enforcer.explain(*request).rule is not None
    assert decided > 1000


def test_what_an_explanation_says():
    enforcer = built(
        [
            ("r:editor", "page", "page:*", "page", "allow"),
            ("r:guest", "page", "page:list", "page", "allow"),
            ("r:staff", "site", "page:list", "page", "deny"),
            ("r:guest", "site", "*", "page", "allow"),
        ],
        [("u:al", "r:editor"), ("u:al", "r:guest"), ("r:editor", "r:staff")],
        [("site", "app"), ("app", "page")],
    )
    why = enforcer.explain("u:al", "site", "page:list", "page")
    assert why == Explanation(
        request=["u:al", "site", "page:list", "page"],
        allowed=True,
        why="rule",
        rule=["r:editor", "page", "page:*", "page", "allow"],
        level=1,
        role_path=["u:al", "r:editor"],
        page_path=["site", "app", "page"],
        others=[
            OtherRule(
                ["r:guest", "page", "page:list", "page", "allow"],
                1,
                ["u:al", "r:guest"],
                ["site", "app", "page"],
                "same decision",
            ),
            OtherRule(["r:guest", "site", "*", "page", "allow"], 1, ["u:al", "r:guest"], [], "same decision"),
            OtherRule(
                ["r:staff", "site", "page:list", "page", "deny"],
                2,
                ["u:al", "r:editor", "r:staff"],
                [],
                "higher level",
            ),
        ],
    )
    assert str(why).splitlines()[:5] == [
        "allowed: u:al, site, page:list, page",
        "why: the rule r:editor, page, page:*, page, allow",
        "    level: 1",
        "    roles: u:al -> r:editor",
        "    pages: site -> app -> page",
    ]
    enforcer.add("p", [("r:guest", "site", "page:list", "page", "deny")])
    why = enforcer.explain("u:al", "site", "page:list", "page")
    assert (why.allowed, why.rule) == (False, ["r:guest", "site", "page:list", "page", "deny"])
    assert [other.why_not for other in why.others] == ["overruled by deny"] * 3 + ["higher level"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        why.allowed = True


def test_decisions_that_no_rule_made():
    enforcer = built([("u:al", "o", "a", "g", "allow")])
    assert enforcer.explain("u:root", "o", "a", "g") == Explanation(["u:root", "o", "a", "g"], True, "root")
    assert enforcer.explain("u:bo", "o", "a", "g") == Explanation(["u:bo", "o", "a", "g"], False, "no rule")
    assert "no rule is relevant" in str(enforcer.explain("u:bo", "o", "a", "g"))
    enforcer.enable_enforce(False)
    why = enforcer.explain("u:bo", "o", "a", "g")
    assert why.allowed is enforcer.enforce("u:bo", "o", "a", "g") is True
    assert (why.why, why.rule) == ("disabled", None) and "switched off" in str(why)


def test_odd_texts_stay_on_their_line():
    subject = "u:\x1b[31mal\nallowed, ok"
    enforcer = built([(subject, "", "a b", "g", "deny")])
    why = enforcer.explain(subject, "", "a b", "g")
    assert str(why).splitlines() == [
        r"denied: 'u:\x1b[31mal\nallowed, ok', '', 'a b', g",
        r"why: the rule 'u:\x1b[31mal\nallowed, ok', '', 'a b', g, deny",
        "    level: 0",
    ]
    surrogate = "u:\ud800"
    enforcer.add("p", [(surrogate, "o", "a", "g", "allow")])
    why = enforcer.explain(surrogate, "o", "a", "g")
    assert why.role_path == [surrogate] and str(why).encode().startswith(b"allowed")


@pytest.mark.parametrize("request_", [(), ("u:al", "o", "a"), ("u:al", "o", "a", "g", "x"), ("u:al", "o", "a", 1)])
def test_requests_that_are_none(request_):
    with pytest.raises(TypeError):
        built().explain(*request_)


def test_models_of_ones_own():
    enforcer = built(
        [("admin", "d1", "data", "read"), ("admin", "d2", "data", "read")],
        [("al", "lead", "d1"), ("lead", "admin", "d1"), ("bo", "admin", "d2")],
        model=DOMAIN_MODEL,
    )
    why = enforcer.explain("al", "d1", "data", "read")
    assert (why.allowed, why.why, why.rule) == (True, "rule", ["admin", "d1", "data", "read"])
    assert why.role_path == ["al", "lead", "admin"]
    assert (why.level, why.page_path, why.others) == (None, [], [])
    assert "level" not in str(why)
    for request in [("al", "d2", "data", "read"), ("bo", "d1", "data", "read"), ("bo", "d2", "data", "read")]:
        why = enforcer.explain(*request)
        assert (why.allowed, why.rule or []) == enforcer.enforce_ex(*request)
        assert why.role_path == (["bo", "admin"] if why.allowed else [])

    enforcer = built([("al", "go", "deny")], model=EVERYTHING_BUT)
    why = enforcer.explain("al", "go")
    assert (why.allowed, why.rule, why.role_path) == (False, ["al", "go", "deny"], [])
    why = enforcer.explain("al", "stay")
    assert (why.allowed, why.why, why.rule) == (True, "no rule", None)


def test_levels_are_those_of_the_decision():
    links = {("u:a", "r:1"), ("r:1", "r:2"), ("u:b", "r:2"), ("r:x", "r:y"), ("r:y", "r:x")}
    enforcer = built(g=links)
    for subject, level in levels(links).items():
        assert enforcer.level(subject) == level
    assert enforcer.level("nobody") == 0
    with pytest.raises(TypeError):
        enforcer.level(1)


@pytest.mark.parametrize("kind", [Enforcer, AsyncEnforcer])
def test_both_enforcers_explain(kind):
    enforcer = kind()
    enforcer.add("p", [("u:al", "o", "a", "g", "allow")])
    assert enforcer.explain("u:al", "o", "a", "g").rule == ["u:al", "o", "a", "g", "allow"]
