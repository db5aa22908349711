"""Random policies: the engine against the plain reference, and against casbin 1.43.

Casbin's own subject priority and the engine's rules give the same decision when four things hold, and the policies
here are made so that they do:

* nobody asks as ``u:root``, whom the engine always allows;
* a deny rule applies to its own page only. The engine never lets a deny climb to the containers above; to Casbin it is
  said in the matcher (``CLIMBING``), or no deny is put on a page that has a container (``PLAIN``, the usual matcher);
* within one level of subjects deny comes first. Casbin sorts rules by level, keeps the order of rows within one, and
  takes the first that applies; so it is handed the deny rules first. The engine does not look at the order;
* role links have no cycle (Casbin refuses to load one) and no chain over ten (where Casbin stops looking).
"""

from __future__ import annotations

import random

import casbin
import pytest
from reference import CASBIN_MODEL, SAME_PAGES, decide, random_policy

from fastapi_user_auth_c._core import PolicyEngine
from fastapi_user_auth_c.policy import Enforcer

PLAIN = CASBIN_MODEL.format(pages=SAME_PAGES)
CLIMBING = CASBIN_MODEL.format(pages='(r.obj == p.obj || (p.eft == "allow" && g2(r.obj, p.obj)))')


class Rows:
    """An adapter of Casbin that hands over rows from memory."""

    def load_policy(self, model):
        p, g, g2 = self.rules
        model["p"]["p"].policy = sorted(map(list, p), key=lambda rule: rule[4] != "deny")
        model["g"]["g"].policy = list(map(list, g))
        model["g"]["g2"].policy = list(map(list, g2))


def casbin_enforcer(text):
    enforcer = casbin.Enforcer(casbin.Enforcer.new_model(text=text))
    enforcer.set_adapter(Rows())
    return enforcer


def policies(seed, count):
    rng = random.Random(seed)
    for _ in range(count):
        p, g, g2, requests = random_policy(rng)
        rows = [("p", *rule) for rule in p] + [("g", *rule) for rule in g] + [("g2", *rule) for rule in g2]
        rng.shuffle(rows)
        engine = PolicyEngine()
        assert engine.load([(i, *row) for i, row in enumerate(rows)]) == []
        engine.settle()
        yield engine, p, g, g2, requests


def test_ten_thousand_policies_equal_the_reference_and_casbin():
    theirs = casbin_enforcer(CLIMBING)
    allowed = 0
    for engine, p, g, g2, requests in policies(20260101, 10_000):
        for request in requests[:3]:
            assert engine.enforce(*request) is decide(request, p, g, g2), (p, g, g2, request)
        theirs.adapter.rules = p, g, g2
        theirs.load_policy()
        answer = engine.enforce(*requests[0])
        allowed += answer
        assert answer is theirs.enforce(*requests[0]), (p, g, g2, requests[0])
    assert 1000 < allowed < 9000, "both answers are frequent"


def test_policies_under_the_usual_matcher_of_casbin():
    theirs = casbin_enforcer(PLAIN)
    for engine, p, g, g2, requests in policies(20260102, 1500):
        contained = {page for _, page in g2}
        barred = [rule for rule in p if rule[4] == "deny" and rule[1] in contained]
        engine.remove("p", barred)
        theirs.adapter.rules = p - set(barred), g, g2
        theirs.load_policy()
        for request in requests[:2]:
            assert engine.enforce(*request) is theirs.enforce(*request), (p, g, g2, request)


@pytest.mark.parametrize("text", [PLAIN, CLIMBING], ids=["plain", "climbing"])
def test_a_model_file_keeps_the_meaning_of_casbin(text):
    """With the text given as a model, and not built in, decisions are Casbin's: rows in order, root like anybody."""
    theirs, ours = casbin_enforcer(text), Enforcer(text)
    rng = random.Random(3)
    for _ in range(400):
        p, g, g2, requests = random_policy(rng)
        requests.append(("u:root", *requests[0][1:]))
        theirs.adapter.rules = p, g, g2
        theirs.load_policy()
        ours.clear_policy()
        for ptype, rules in (("p", p), ("g", g), ("g2", g2)):
            ours.add(ptype, sorted(rules, key=lambda rule: rule[-1] != "deny") if ptype == "p" else list(rules))
        for request in requests:
            assert ours.enforce(*request) is theirs.enforce(*request), (p, g, g2, request)


EFFECTS = [
    "some(where (p.eft == allow))",
    "!some(where (p.eft == deny))",
    "some(where (p.eft == allow)) && !some(where (p.eft == deny))",
    "priority(p.eft) || deny",
]
MATCHERS = [
    "g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act",
    "(r.sub == p.sub || g(r.sub, p.sub)) && keyMatch(r.obj, p.obj) && !(r.act != p.act)",
    'r.sub == "root" || (g(r.sub, p.sub) && r.obj == p.obj && (r.act == p.act || p.act == "*"))',
]


@pytest.mark.parametrize("effect", EFFECTS)
@pytest.mark.parametrize("matcher", MATCHERS)
def test_other_models_answer_as_casbin(effect, matcher):
    text = (
        "[request_definition]\nr = sub, obj, act\n[policy_definition]\np = sub, obj, act, eft\n"
        f"[role_definition]\ng = _, _\n[policy_effect]\ne = {effect}\n[matchers]\nm = {matcher}\n"
    )
    rng = random.Random(effect + matcher)
    subjects, objects, actions = ["root", "al", "bo", "r1", "r2"], ["/a", "/a/b", "/a*", ""], ["get", "put", "*"]
    for _ in range(60):
        theirs, ours = casbin.Enforcer(casbin.Enforcer.new_model(text=text)), Enforcer(text)
        for _ in range(rng.randint(0, 8)):
            rule = (rng.choice(subjects), rng.choice(objects), rng.choice(actions), rng.choice(["allow", "deny"]))
            assert ours.add_policy(*rule) is theirs.add_policy(*rule)
        for link in [("al", "r1"), ("r1", "r2"), ("bo", "r2")]:
            if rng.random() < 0.5:
                assert ours.add_grouping_policy(*link) is theirs.add_grouping_policy(*link)
        for _ in range(6):
            request = rng.choice(subjects), rng.choice(objects), rng.choice(actions)
            assert ours.enforce(*request) is theirs.enforce(*request), (request, ours.get_policy())


CONTINUED = """[request_definition]
r = sub, obj
[policy_definition]
p = sub, obj
# what follows is a definition, whatever this ends with \\
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
"""


@pytest.mark.parametrize(
    "matcher",
    [
        "m = g(r.sub, p.sub) && \\\n    r.obj == p.obj",
        "m = g(r.sub, p.sub) && \\\n    r.obj == p.obj \\\n && r.sub != 'bo'",
        "m = g(r.sub, p.sub) && r.obj == p.obj \\\n# a comment ends it \\\n",
        "m = g(r.sub, p.sub) && r.obj == p.obj \\\n\n; so does an empty line\n",
        "m = g(r.sub, p.sub) \\\n[other_section]",
        "m = g(r.sub, p.sub) && r.obj \\\n== \\\n \\\n p.obj \\",
        "; nothing \\\nm = r.sub == p.sub",
    ],
)
def test_lines_of_a_model_go_on_as_in_casbin(matcher):
    text = CONTINUED + matcher
    ours, theirs = Enforcer(text), casbin.Enforcer(casbin.Enforcer.new_model(text=text))
    for enforcer in (ours, theirs):
        enforcer.add_policy("admin", "page")
        enforcer.add_policy("bo", "own")
        enforcer.add_grouping_policy("al", "admin")
        enforcer.add_grouping_policy("bo", "admin")
    for request in [(sub, obj) for sub in ("al", "bo", "admin", "cy") for obj in ("page", "own", "else")]:
        assert ours.enforce(*request) is theirs.enforce(*request), request
