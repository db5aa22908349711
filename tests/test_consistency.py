"""Memory, database and the reference agree after any sequence of changes, failures and threads (P6, P16, P17, P20)."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import decide
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy_database import AsyncDatabase, Database
from test_enforcer import Driver, Row, Store, assert_in_step

from fastapi_user_auth_c.policy import Adapter, AsyncEnforcer, CycleError, Enforcer

USERS, ROLES, PAGES = ["u:a", "u:b"], ["r:x", "r:y", "r:z"], ["site", "page"]
ACTS = ["page", "page:list", "page:*"]

permission = st.tuples(
    st.sampled_from(USERS + ROLES), st.sampled_from(PAGES), st.sampled_from(ACTS), st.just("page"),
    st.sampled_from(["allow", "deny"]),
)  # fmt: skip
link = st.tuples(st.sampled_from(USERS + ROLES), st.sampled_from(ROLES))
some = lambda rules: st.lists(rules, min_size=1, max_size=3, unique=True)  # noqa: E731

operation = st.one_of(
    st.tuples(st.just("add_policy"), permission),
    st.tuples(st.just("add_policies"), some(permission)),
    st.tuples(st.just("remove_policy"), permission),
    st.tuples(st.just("remove_policies"), some(permission)),
    st.tuples(st.just("update_policy"), permission, permission),
    st.tuples(st.just("update_filtered_policies"), some(permission), st.just(0), st.sampled_from(USERS + ROLES)),
    st.tuples(st.just("remove_filtered_policy"), st.just(0), st.sampled_from(USERS + ROLES)),
    st.tuples(
        st.just("replace_filtered_policies"), st.just("p"), some(permission), st.just(0), st.sampled_from(USERS + ROLES)
    ),
    st.tuples(st.just("add_grouping_policy"), link),
    st.tuples(st.just("add_grouping_policies"), some(link)),
    st.tuples(st.just("remove_grouping_policy"), link),
    st.tuples(st.just("replace_filtered_policies"), st.just("g"), some(link), st.just(0), st.sampled_from(USERS)),
    st.tuples(st.just("delete_user"), st.sampled_from(USERS)),
    st.tuples(st.just("delete_role"), st.sampled_from(ROLES)),
    st.tuples(st.just("delete_roles_for_user"), st.sampled_from(USERS)),
    st.tuples(st.just("delete_permission"), st.sampled_from(PAGES), st.sampled_from(ACTS)),
    st.tuples(st.just("load_policy")),
    st.tuples(st.just("save_policy")),
)
REQUESTS = [(sub, obj, act, "page") for sub in USERS for obj in PAGES for act in ("page", "page:list", "other")]


class Failing:
    """Lets the statement of a given number, counted from :meth:`at`, raise instead of run."""

    def __init__(self, db: Any) -> None:
        self.left = -1
        engine = db.engine.sync_engine if isinstance(db, AsyncDatabase) else db.engine

        @event.listens_for(engine, "before_cursor_execute")
        def count(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
            if self.left == 0:
                self.left = -1
                raise OperationalError(statement, None, Exception("disk I/O error"))
            self.left -= self.left > 0

    def at(self, number: int) -> None:
        self.left = number


@pytest.fixture(params=["async enforcer, async driver", "sync enforcer, sync driver"])
def sides(request: pytest.FixtureRequest, tmp_path: Any) -> Any:
    store = Store(tmp_path / "rules.db", asynchronous="async driver" in request.param)
    store.put(("g2", "site", "page"))
    loop = asyncio.new_event_loop()
    ours = Driver(request.param, store, loop)
    ours.load_policy()
    other = Enforcer(adapter=Adapter(Database.create(f"sqlite:///{tmp_path / 'rules.db'}?other"), Row))
    yield ours, other, store, Failing(store.db)
    if isinstance(store.db, AsyncDatabase):
        loop.run_until_complete(store.db.engine.dispose())
    loop.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(operation, st.sampled_from([-1, -1, -1, 0, 1, 2, 3, 4]), st.booleans()), min_size=1, max_size=10
    )
)
def test_P6_memory_database_and_reference_agree_after_every_step(sides: Any, steps: list[Any]) -> None:
    """Some steps meet a storage failure at one of their statements, some are made by another process."""
    ours, other, store, failing = sides
    for (name, *args), failure, elsewhere in steps:
        try:
            if elsewhere and name not in ("load_policy", "save_policy"):
                getattr(other, name)(*args)
            else:
                failing.at(failure)
                getattr(ours, name)(*args)
        except (CycleError, OperationalError, RuntimeError) as error:
            assert isinstance(error, CycleError) or failure >= 0 or "has changed since" in str(error)
        finally:
            failing.at(-1)
        ours.refresh(at_once=True)
        assert_in_step(ours, store)
        sets = [{rule[1:] for rule in store.rules() if rule[0] == ptype} for ptype in ("p", "g", "g2")]
        expected = [decide(request, *sets) for request in REQUESTS]
        answers = [ours.enforce(*request) for request in REQUESTS]
        assert answers == expected
        fresh = Enforcer(adapter=Adapter(store.outside, Row))
        assert [fresh.enforce(*request) for request in REQUESTS] == expected
        for subject in USERS:
            mine = [request for request in REQUESTS if request[0] == subject]
            assert ours.enforce_each(subject, [request[1:] for request in mine]) == [
                ours.enforce(*request) for request in mine
            ]


def test_P17_threads_ask_while_others_reload_and_change(tmp_path: Any) -> None:
    store = Store(tmp_path / "rules.db", asynchronous=False)
    always = [("p", f"u:{i}", "page", "page", "page", "allow") for i in range(40)]
    store.put(*always)
    enforcer = Enforcer(adapter=store.adapter())
    stop, failures, asked = threading.Event(), [], [0] * 4

    def ask(number: int) -> None:
        while not stop.is_set():
            for i in range(40):
                try:
                    if not enforcer.enforce(f"u:{i}", "page", "page", "page") or enforcer.enforce(
                        "u:no", "page", "page", "page"
                    ):
                        failures.append(i)
                    enforcer.enforce("u:now and then", "page", "page", "page")
                    asked[number] += 1
                except Exception as error:
                    failures.append(error)

    def change() -> None:
        rule = ("u:now and then", "page", "page", "page", "allow")
        while not stop.is_set():
            try:
                if not enforcer.add_policy(*rule) or not enforcer.enforce(*rule[:4]):
                    failures.append("not added")
                if not enforcer.remove_policy(*rule) or enforcer.enforce(*rule[:4]):
                    failures.append("not removed")
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    threads.append(threading.Thread(target=change))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0002)
    try:
        for thread in threads:
            thread.start()
        for _ in range(60):
            enforcer.load_policy()
        stop.set()
        for thread in threads:
            thread.join()
    finally:
        stop.set()
        sys.setswitchinterval(interval)
    assert failures == []
    assert min(asked) > 0
    assert_in_step_with(enforcer, store)


def assert_in_step_with(enforcer: Enforcer, store: Store) -> None:
    stored = set(store.rules())
    assert {(ptype, *rule) for ptype in enforcer.types() for rule in enforcer.rules(ptype)} == stored


def test_P20_a_load_lets_requests_run(tmp_path: Any) -> None:
    """20,000 rows: the best of a few loads, since other programs stall this one too."""
    store = Store(tmp_path / "rules.db", asynchronous=True)
    store.put(*[("p", f"u:{i % 500}", f"page{i}", "page:list", "page", "allow") for i in range(20_000)])

    async def check() -> float:
        enforcer = AsyncEnforcer(adapter=store.adapter())
        worst, done = 0.0, False

        async def watch() -> None:
            nonlocal worst
            last = time.perf_counter()
            while not done:
                await asyncio.sleep(0.001)  # a loop that never rests would starve the driver's thread
                now = time.perf_counter()
                worst, last = max(worst, now - last), now

        watching = asyncio.ensure_future(watch())
        await asyncio.sleep(0)
        await enforcer.load_policy()
        done = True
        await watching
        assert enforcer.count("p") == 20_000
        await store.db.engine.dispose()
        return worst

    assert min(asyncio.run(check()) for _ in range(5)) < 0.05


def test_a_load_settles_in_pieces() -> None:
    from fastapi_user_auth_c._core import PolicyEngine

    rows = [(i, "p", f"u:{i}", "page", "page", "page", "allow") for i in range(1000)]
    engine = PolicyEngine()
    engine.load(rows)
    assert [engine.settle(400) for _ in range(4)] == [False, False, True, True]
    assert all(engine.enforce(f"u:{i}", "page", "page", "page") for i in range(1000))
    engine.load([(0, "p", "u:new", "page", "page", "page", "allow")])
    assert engine.settle(400) is False
    engine.remove("p", [("u:0", "page", "page", "page", "allow")])  # begins it anew
    assert [engine.settle(400) for _ in range(3)] == [False, False, True]
    assert not engine.enforce("u:0", "page", "page", "page")
    assert engine.enforce("u:999", "page", "page", "page")
    assert engine.enforce("u:new", "page", "page", "page")
    for bad in (0, -1):
        with pytest.raises(ValueError):
            engine.settle(bad)
    with pytest.raises(TypeError):
        engine.settle("1")  # type: ignore[arg-type]


def test_enforce_each_takes_what_enforce_takes() -> None:
    from fastapi_user_auth_c._core import PolicyEngine

    engine = PolicyEngine()
    engine.add("p", [("u:a", "page", "page:*", "page", "allow")])
    asked = [("page", "page:list", "page"), ["page", "other", "page"], ("\udc80", "page:x", "page")]
    assert engine.enforce_each("u:a", iter(asked)) == [True, False, False]
    assert engine.enforce_each("u:root", asked) == [True] * 3
    assert engine.enforce_each("u:nobody", asked) == [False] * 3
    assert engine.enforce_each("u:a", []) == []
    engine.enabled = False
    assert engine.enforce_each("u:nobody", asked) == [True] * 3
    engine.enabled = True
    for bad in (["abc"], [("page", "page")], [("page", 1, "page")], 5, [None]):
        with pytest.raises(TypeError):
            engine.enforce_each("u:a", bad)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        engine.enforce_each(None, [])  # type: ignore[arg-type]
    engine.define("[request_definition]\nr = sub, obj\n[policy_definition]\np = sub, obj\n[policy_effect]\n"
                  "e = some(where (p.eft == allow))\n[matchers]\nm = r.sub == p.sub && r.obj == p.obj\n")  # fmt: skip
    engine.add("p", [("al", "data")])
    assert engine.enforce_each("al", [("data",), ("other",)]) == [True, False]
