"""The C engine against the plain reference: decisions, changes in any order, errors."""

from __future__ import annotations

import random
import sys
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import decide, levels, random_policy, reachable

from fastapi_user_auth_c._core import CycleError, ModelError, PolicyEngine, RuleError

USERS = ["u:a", "u:b", "u:root", "r:x"]
ROLES = ["r:x", "r:y", "r:z", "r:w", "u:b"]
PAGES = ["site", "app", "page", "home", ""]
ACTIONS = ["page", "page:list", "page:list:name", "page:create", "", "page:*x"]
PATTERNS = [*ACTIONS, "page:*", "page:list:*", "*", "pag*", "page:*y"]
GROUPS = ["page", "page:list"]

p_rules = st.tuples(
    st.sampled_from([*USERS, *ROLES]).filter(lambda sub: sub != "u:root"),
    st.sampled_from(PAGES),
    st.sampled_from(PATTERNS),
    st.sampled_from(GROUPS),
    st.sampled_from(["allow", "deny"]),
)
g_rules = st.tuples(st.sampled_from([*USERS, *ROLES]), st.sampled_from(ROLES))
g2_rules = st.tuples(st.sampled_from(PAGES), st.sampled_from(PAGES))
REQUESTS = [(s, o, a, g) for s in [*USERS, "r:y"] for o in PAGES for a in ACTIONS for g in GROUPS]


def built(p=(), g=(), g2=()):
    engine = PolicyEngine()
    engine.add("p", p)
    engine.add("g", g)
    engine.add("g2", g2)
    return engine


def check_all(engine, p, g, g2, requests):
    for request in requests:
        expected = decide(request, p, g, g2)
        assert engine.enforce(*request) is expected, request
        allowed, rule = engine.enforce_ex(*request)
        assert allowed is expected
        if rule:
            assert tuple(rule) in p
            assert (rule[4] == "allow") is expected
        elif request[0] != "u:root":
            assert not expected


@settings(max_examples=150, deadline=None)
@given(st.sets(p_rules, max_size=12), st.sets(g_rules, max_size=8), st.sets(g2_rules, max_size=6), st.data())
def test_decisions_equal_the_reference_live_and_loaded(p, g, g2, data):
    requests = data.draw(st.lists(st.sampled_from(REQUESTS), min_size=20, max_size=20))
    typed = [("p", *rule) for rule in p] + [("g", *rule) for rule in g] + [("g2", *rule) for rule in g2]
    rows = [(i, *row) for i, row in enumerate(typed)]
    random.shuffle(rows)
    loaded = PolicyEngine()
    assert loaded.load(rows) == []
    loaded.settle()
    check_all(loaded, p, g, g2, requests)
    live = PolicyEngine()
    for _, ptype, *rule in rows:
        live.add(ptype, [rule])
    check_all(live, p, g, g2, requests)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.one_of(
                st.tuples(st.just("p"), p_rules), st.tuples(st.just("g"), g_rules), st.tuples(st.just("g2"), g2_rules)
            ),
        ),
        max_size=40,
    )
)
def test_changes_in_any_order_equal_the_reference(changes):
    engine = PolicyEngine()
    sets = {"p": set(), "g": set(), "g2": set()}
    sample = random.Random(1).sample(REQUESTS, 30)
    for adding, (ptype, rule) in changes:
        present = rule in sets[ptype]
        if adding:
            assert engine.add(ptype, [rule]) == (not present)
            sets[ptype].add(rule)
        else:
            assert engine.remove(ptype, [rule]) == present
            sets[ptype].discard(rule)
        for request in sample:
            assert engine.enforce(*request) is decide(request, sets["p"], sets["g"], sets["g2"]), request
    for ptype, rules in sets.items():
        assert {tuple(rule) for rule in engine.rules(ptype)} == rules
        assert engine.count(ptype) == len(rules)


def test_levels_follow_the_longest_chain():
    links = {("u:a", "r:1"), ("r:1", "r:2"), ("u:a", "r:2"), ("r:2", "r:3"), ("u:b", "r:3")}
    assert levels(links) == {"u:a": 0, "u:b": 0, "r:1": 1, "r:2": 2, "r:3": 3}
    engine = built({("r:1", "o", "a", "g", "deny"), ("r:2", "o", "a", "g", "allow")}, links)
    assert engine.enforce("u:a", "o", "a", "g") is False
    engine.remove("g", [("r:1", "r:2")])  # both roles are now at level 1: deny still beats allow
    assert engine.enforce("u:a", "o", "a", "g") is False
    engine.add("g", [("u:c", "r:0"), ("r:0", "r:1")])  # r:1 rises to 2, so r:2 at 1 decides
    assert engine.enforce("u:a", "o", "a", "g") is True


def test_P1_root_is_always_allowed():
    for p in [(), [("u:bob", "o", "a", "g", "deny")]]:
        engine = built(p)
        assert engine.enforce("u:root", "anything", "at", "all") is True
        assert engine.enforce_ex("u:root", "o", "a", "g") == (True, [])
    with pytest.raises(RuleError, match="u:root"):
        engine.add("p", [("u:root", "o", "a", "g", "deny")])
    skipped = engine.load([(7, "p", "u:root", "o", "a", "g", "deny", None)])
    assert [row for row, _ in skipped] == [7]
    assert engine.enforce("u:root", "o", "a", "g") is True
    assert engine.add("g", [("u:root", "r:root")]) == 1


def test_P2_user_rule_beats_role_rule_live_and_loaded():
    engine = built([("r:x", "page", "page:list", "page", "allow")], [("u:al", "r:x")])
    assert engine.enforce("u:al", "page", "page:list", "page") is True
    engine.add("p", [("u:al", "page", "page:list", "page", "deny")])
    assert engine.enforce("u:al", "page", "page:list", "page") is False
    engine.remove("p", [("u:al", "page", "page:list", "page", "deny")])
    engine.remove("p", [("r:x", "page", "page:list", "page", "allow")])
    engine.add("p", [("r:x", "page", "page:list", "page", "deny")])
    engine.add("p", [("u:al", "page", "page:list", "page", "allow")])
    assert engine.enforce("u:al", "page", "page:list", "page") is True


def test_P10_cycles_are_refused_and_loaded():
    engine = built(g=[("r:a", "r:b"), ("r:b", "r:c")])
    with pytest.raises(CycleError, match="r:c -> r:a -> r:b -> r:c"):
        engine.check("g", [("r:c", "r:a")])
    with pytest.raises(CycleError, match="r:a -> r:a"):
        engine.check("g", [("r:a", "r:a")])
    with pytest.raises(CycleError):
        engine.check("g", [("r:x", "r:y"), ("r:y", "r:z"), ("r:z", "r:x")])
    engine.check("g", [("r:c", "r:a")], [("r:a", "r:b")])
    assert engine.count("g") == 2
    loaded = PolicyEngine()
    rows = [
        (1, "g", "r:a", "r:b"),
        (2, "g", "r:b", "r:a"),
        (3, "g", "u:x", "r:a"),
        (4, "p", "r:b", "o", "a", "g", "allow"),
    ]
    assert loaded.load(rows) == []
    loaded.settle()
    assert loaded.cycle() in ("r:a", "r:b")
    assert loaded.enforce("u:x", "o", "a", "g") is True
    loaded.remove("g", [("r:b", "r:a")])
    assert loaded.cycle() is None


def test_P11_chain_of_fifteen_roles():
    chain = [("u:a", "r:0")] + [(f"r:{i}", f"r:{i + 1}") for i in range(14)]
    engine = built([("r:14", "o", "a", "g", "allow")], chain)
    assert engine.enforce("u:a", "o", "a", "g") is True
    assert engine.reach("g", "u:a") == [f"r:{i}" for i in range(15)]
    assert set(engine.reach("g", "u:a")) == reachable("u:a", chain) - {"u:a"}


def test_P12_order_of_rows_does_not_matter():
    rng = random.Random(3)
    p, g, g2, requests = random_policy(rng)
    rows = [("p", *rule) for rule in p] + [("g", *rule) for rule in g] + [("g2", *rule) for rule in g2]
    answers = set()
    for _ in range(20):
        rng.shuffle(rows)
        engine = PolicyEngine()
        engine.load([(i, *row) for i, row in enumerate(rows)])
        engine.settle()
        answers.add(tuple(engine.enforce(*request) for request in requests))
    assert len(answers) == 1


def test_P13_deny_wins_within_a_level():
    rules = [("r:a", "o", "a", "g", "allow"), ("r:b", "o", "a", "g", "deny")]
    for p in (rules, rules[::-1]):
        assert built(p, [("u:x", "r:a"), ("u:x", "r:b")]).enforce("u:x", "o", "a", "g") is False


def test_P14_deny_on_a_child_page_leaves_the_site_open():
    engine = built(
        [("u:x", "site", "page", "page", "allow"), ("u:x", "home", "page", "page", "deny")], g2=[("site", "home")]
    )
    assert engine.enforce("u:x", "site", "page", "page") is True
    assert engine.enforce("u:x", "home", "page", "page") is False


def test_a_right_on_a_page_opens_the_containers_above():
    engine = built([("u:x", "page", "page", "page", "allow")], g2=[("site", "app"), ("app", "page")])
    assert engine.enforce("u:x", "site", "page", "page") is True
    assert engine.enforce_ex("u:x", "site", "page", "page")[1] == ["u:x", "page", "page", "page", "allow"]
    engine.remove("g2", [("site", "app")])
    assert engine.enforce("u:x", "site", "page", "page") is False
    assert engine.enforce("u:x", "app", "page", "page") is True


def test_rings_of_containers_are_walked_once():
    engine = built([("u:x", "c", "page", "page", "allow")], g2=[("a", "b"), ("b", "c"), ("c", "a")])
    assert all(engine.enforce("u:x", page, "page", "page") for page in "abc")
    engine.remove("g2", [("b", "c")])
    assert [engine.enforce("u:x", page, "page", "page") for page in "abc"] == [False, False, True]


ODD = [
    "bob, r:admin",
    "a)",
    "x[y",
    "root ",
    "#",
    "a#b",
    '"q"',
    "new\nline",
    "",
    " ",
    "é",
    "\0",
    "\ud800",
    "名前",
    "x" * 5000,
]


@pytest.mark.parametrize("text", ODD)
def test_P8_any_string_is_itself_and_nobody_else(text):
    rule = [f"u:{text}", text, text, text, "allow"]
    engine = built([rule], [(f"u:{text}", text)])
    assert engine.rules("p") == [rule]
    assert engine.enforce(f"u:{text}", text, text, text) is True
    assert engine.enforce("u:bob", text, text, text) is False
    assert engine.reach("g", f"u:{text}") == [text]
    assert engine.reach("g", "u:bob") == []
    loaded = PolicyEngine()
    assert loaded.load([(1, "p", *rule), (2, "g", f"u:{text}", text)]) == []
    assert loaded.rules("p") == [rule]


def test_P9_rows_that_do_not_fit_are_left_out_and_named():
    engine = PolicyEngine()
    rows = [
        (1, "p", "u:a", "o", None, None, None, None),
        (2, "p", "u:a", "o", "a", "g", "allow", None),
        (3, "q", "u:a", "o", "a", "g", "allow", None),
        (4, "p", "u:a", "o", "a", "g", "maybe", None),
        (5, "g", "u:a", "r:x", "extra", None),
        (6, "g", "u:a", "r:x", "", None),
        (7, None, "u:a", "r:x"),
        (8, "g", "u:a", 5),
    ]
    skipped = dict(engine.load(rows))
    engine.settle()
    assert sorted(skipped) == [1, 3, 4, 5, 7, 8]
    assert engine.enforce("u:a", "o", "a", "g") is True
    assert engine.reach("g", "u:a") == ["r:x"]


def test_wrong_arguments_name_the_argument():
    engine = PolicyEngine()
    with pytest.raises(TypeError, match="'act' must be str, not int"):
        engine.enforce("a", "b", 1, "d")
    with pytest.raises(TypeError, match="4 arguments"):
        engine.enforce("a", "b", "c")
    with pytest.raises(TypeError, match="'rules'"):
        engine.add("p", "text")
    with pytest.raises(TypeError, match="'rules'"):
        engine.add("p", [("a", "b", "c", "d", None)])
    with pytest.raises(TypeError, match="'ptype'"):
        engine.add(1, [])
    with pytest.raises(RuleError, match=r"\('a', 'b'\)"):
        engine.add("p", [("u:ok", "o", "a", "g", "allow"), ("a", "b")])
    assert engine.count("p") == 0, "nothing half-applied"
    with pytest.raises(RuleError, match="p3"):
        engine.rules("p3")
    with pytest.raises(ValueError, match="fields"):
        engine.rules("p", 3, ["a", "b", "c"])
    with pytest.raises(TypeError, match="'rows'"):
        engine.load([["a"]])


def test_filters_follow_casbin():
    rules = [["u:a", "o1", "a", "g", "allow"], ["u:a", "o2", "a", "g", "deny"], ["u:b", "o1", "a", "h", "allow"]]
    engine = built(rules)
    assert engine.rules("p", 0, ["u:a"]) == rules[:2]
    assert engine.rules("p", 0, ["u:a", "", "", "", "deny"]) == [rules[1]]
    assert engine.rules("p", 1, ["o1"]) == [rules[0], rules[2]]
    assert engine.rules("p", 3, ["h"]) == [rules[2]]
    assert engine.rules("p", 0, ["nobody"]) == []
    assert engine.rules("p", 0, []) == rules


def test_answers_kept_for_reuse_end_with_every_change():
    engine = PolicyEngine()
    request = ("u:a", "o", "a", "g")
    for _ in range(50):
        assert engine.enforce(*request) is False
        engine.add("p", [(*request, "allow")])
        assert engine.enforce(*request) is True
        engine.remove("p", [(*request, "allow")])
    other = built([(*request, "allow")])
    assert engine.enforce(*request) is False
    engine.exchange(other)
    assert engine.enforce(*request) is True
    assert other.enforce(*request) is False
    engine.exchange(other)
    assert engine.enforce(*request) is False
    engine.enabled = False
    assert engine.enforce(*request) is True


def test_answers_are_kept_within_bounds():
    engine = built([(f"u:{i}", "o", "a", "g", "allow") for i in range(0, 150_000, 2)])
    subjects = [f"u:{i}" for i in range(150_000)]
    for _ in range(2):
        for i, subject in enumerate(subjects):
            assert engine.enforce(subject, "o", "a", "g") is (i % 2 == 0)
    kept = sum(sys.getrefcount(subject) > 3 for subject in subjects)
    assert 0 < kept <= 65536
    engine.add("p", [("u:1", "o", "a", "g", "allow")])
    assert engine.enforce("u:1", "o", "a", "g") is True
    long = "x" * 5000
    before = sys.getrefcount(long)
    assert engine.enforce(long, "o", "a", "g") is engine.enforce(long, "o", "a", "g") is False
    assert sys.getrefcount(long) == before
    first = subjects[0]
    assert engine.enforce(first, "o", "a", "g") is True
    before = sys.getrefcount(first)
    del engine
    assert sys.getrefcount(first) == before - 1


def test_places_of_ended_answers_are_used_again():
    subjects, rng = [f"u:{i}" for i in range(3000)], random.Random(5)
    allowed = set(subjects[::3])
    engine = built([(subject, "o", "a", "g", "allow") for subject in subjects[::3]])
    for turn in range(12):
        changed = f"u:{turn * 7}"
        rule = (changed, "o", "a", "g", "allow")
        assert (engine.remove if changed in allowed else engine.add)("p", [rule]) == 1
        allowed ^= {changed}
        for subject in rng.sample(subjects, 2000) * 2:
            assert engine.enforce(subject, "o", "a", "g") is (subject in allowed)


def test_equal_texts_in_other_objects_get_the_kept_answer():
    engine = built([("u:é", "o", "a", "g", "allow")])
    for _ in range(3):
        fresh = ["".join(["u:", "é"]), "".join(["o"]), "".join(["a"]), "".join(["g"])]
        assert engine.enforce(*fresh) is True

    class Name(str):
        pass

    assert engine.enforce(Name("u:é"), Name("o"), "a", "g") is True


def test_P17_threads_ask_while_the_policy_is_exchanged():
    allow = [(i, "p", f"u:{i}", "o", "a", "g", "allow") for i in range(50)]
    engine = PolicyEngine()
    engine.load(allow)
    engine.settle()
    stop = threading.Event()
    failures = []

    def ask():
        while not stop.is_set():
            for i in range(50):
                try:
                    if engine.enforce(f"u:{i}", "o", "a", "g") is not True:
                        failures.append(i)
                except Exception as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(500):
        fresh = PolicyEngine()
        fresh.load(allow)
        fresh.settle()
        engine.exchange(fresh)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_memory_plateaus_when_rules_come_and_go():
    import tracemalloc

    engine = PolicyEngine()

    def cycle(round_):
        rules = [(f"u:{round_}:{i}", f"o{i}", f"a:{i}*", "g", "allow") for i in range(500)]
        engine.add("p", rules)
        for rule in rules[:50]:
            assert engine.enforce(rule[0], rule[1], rule[2], "g") is True
        assert engine.remove("p", rules) == 500

    tracemalloc.start()
    for round_ in range(3):
        cycle(round_)
    for round_ in range(3, 40):
        cycle(round_)
    tracemalloc.stop()
    assert engine.count("p") == 0
    assert engine.rules("p") == []


BAD_MODELS = {
    "": "lacks the section",
    "[request_definition]\nr = sub\n": "policy_definition",
    "[nope]\nx = 1\n": "not supported",
    "[request_definition]\nr sub\n": "line 2",
}


@pytest.mark.parametrize("text", BAD_MODELS)
def test_model_text_that_cannot_be_read_is_refused(text):
    engine = built([("u:a", "o", "a", "g", "allow")])
    with pytest.raises(ModelError, match=BAD_MODELS[text]):
        engine.define(text)
    assert engine.enforce("u:a", "o", "a", "g") is True, "the old model stays"
