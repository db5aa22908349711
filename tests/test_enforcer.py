"""``AsyncEnforcer`` and ``Enforcer``: Casbin's API, storage and memory in step, the faults of the policy table."""

from __future__ import annotations

import asyncio
import inspect
import logging
import random
import threading

import casbin
import pytest
from casbin.persist.adapters import FileAdapter as CasbinFileAdapter
from casbin.persist.adapters.asyncio import AsyncFileAdapter as CasbinAsyncFileAdapter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import CASBIN_MODEL, SAME_PAGES
from sqlalchemy import Column, Integer, MetaData, String, event, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy_database import AsyncDatabase, Database

from fastapi_user_auth_c import _core
from fastapi_user_auth_c.policy import (
    Adapter,
    AsyncEnforcer,
    CycleError,
    Enforcer,
    FileAdapter,
    Filter,
    ModelError,
    RuleError,
)
from fastapi_user_auth_c.policy.adapter import AdapterException

MODEL = CASBIN_MODEL.format(pages=SAME_PAGES)

PLAIN_MODEL = """
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""

DOMAIN_MODEL = """
[request_definition]
r = sub, dom, obj, act

[policy_definition]
p = sub, dom, obj, act

[role_definition]
g = _, _, _

[policy_effect]
e = some(where (p.eft == allow))

[matchers]
m = g(r.sub, p.sub, r.dom) && r.dom == p.dom && r.obj == p.obj && r.act == p.act
"""


class Base(DeclarativeBase):
    metadata = MetaData()


class Row(Base):
    __tablename__ = "rules_of_test"

    id = Column(Integer, primary_key=True)
    ptype = Column(String(255))
    v0 = Column(String(255))
    v1 = Column(String(255))
    v2 = Column(String(255))
    v3 = Column(String(255))
    v4 = Column(String(255))
    v5 = Column(String(255))


class Store:
    """A database with the table of rules, looked at from outside the enforcer."""

    def __init__(self, path, asynchronous: bool) -> None:
        self.outside = Database.create(f"sqlite:///{path}")
        Base.metadata.create_all(self.outside.engine)
        self.db = AsyncDatabase.create(f"sqlite+aiosqlite:///{path}") if asynchronous else self.outside

    def adapter(self) -> Adapter:
        return Adapter(self.db, Row)

    def rows(self) -> list[tuple]:
        with self.outside.session_maker() as session:
            columns = (Row.ptype, Row.v0, Row.v1, Row.v2, Row.v3, Row.v4, Row.v5)
            return [tuple(row) for row in session.execute(select(*columns).order_by(Row.id))]

    def rules(self) -> list[tuple]:
        """The rows as ``(ptype, v0, ...)`` without the columns after their last value."""
        return [row[: row.index(None)] if None in row else row for row in self.rows()]

    def put(self, *rows) -> None:
        with self.outside.session_maker() as session:
            for ptype, *values in rows:
                session.add(Row(ptype=ptype, **{f"v{i}": value for i, value in enumerate(values)}))
            session.commit()

    def clear(self) -> None:
        with self.outside.session_maker() as session:
            session.query(Row).delete()
            session.commit()

    def fail_on(self, word: str) -> None:
        """Statements with this word raise from now on."""
        engine = self.db.engine.sync_engine if isinstance(self.db, AsyncDatabase) else self.db.engine

        @event.listens_for(engine, "before_cursor_execute")
        def refuse(conn, cursor, statement, *_):
            if word in statement:
                raise OperationalError(statement, None, Exception("disk I/O error"))

        self.heal = lambda: event.remove(engine, "before_cursor_execute", refuse)


@pytest.fixture(params=["async enforcer, async driver", "async enforcer, sync driver", "sync enforcer, sync driver"])
def kind(request):
    return request.param


@pytest.fixture
def store(tmp_path, kind):
    return Store(tmp_path / "rules.db", asynchronous="async driver" in kind)


class Driver:
    """Calls either enforcer in the same way: every call is synchronous and runs in one event loop."""

    def __init__(self, kind: str, store: Store | None = None, loop=None, model=None) -> None:
        self.loop = loop or asyncio.new_event_loop()
        adapter = store and store.adapter()
        self.enforcer = (AsyncEnforcer if kind.startswith("async") else Enforcer)(model, adapter)

    def __getattr__(self, name):
        target = getattr(self.enforcer, name)
        if not callable(target):
            return target

        def call(*args, **kwargs):
            result = target(*args, **kwargs)
            return self.loop.run_until_complete(result) if inspect.isawaitable(result) else result

        return call


@pytest.fixture
def enforcer(kind, store):
    driver = Driver(kind, store)
    driver.load_policy()
    yield driver
    if isinstance(store.db, AsyncDatabase):
        driver.loop.run_until_complete(store.db.engine.dispose())
    driver.loop.close()


def memory(enforcer) -> set[tuple]:
    return {(ptype, *rule) for ptype in enforcer.types() for rule in enforcer.rules(ptype)}


def assert_in_step(enforcer, store) -> None:
    assert memory(enforcer) == set(store.rules())
    assert len(store.rules()) == len(set(store.rules()))


ALLOW = ("u:al", "page", "page:list", "page", "allow")
DENY = ("u:al", "page", "page:list", "page", "deny")

# --- the methods of Casbin


def public_methods(cls):
    return {name: value for name, value in inspect.getmembers(cls, callable) if not name.startswith("_")}


PAIRS = [(casbin.AsyncEnforcer, AsyncEnforcer), (casbin.Enforcer, Enforcer)]


@pytest.mark.parametrize("theirs, ours", PAIRS, ids=["async", "sync"])
def test_every_method_of_casbin_is_there_sync_or_async_as_there(theirs, ours):
    for name, method in public_methods(theirs).items():
        own = getattr(ours, name, None)
        assert own is not None, name
        assert inspect.iscoroutinefunction(own) is inspect.iscoroutinefunction(method), name
        if name in ("enforce", "enforce_ex", "batch_enforce"):  # in C, by position
            continue
        parameters = inspect.signature(method).parameters.values()
        own_parameters = inspect.signature(own).parameters.values()
        assert [(p.name, p.kind) for p in own_parameters] == [(p.name, p.kind) for p in parameters], name
        for theirs_, ours_ in zip(parameters, own_parameters, strict=True):
            assert theirs_.default is inspect.Parameter.empty or ours_.default == theirs_.default, name


@pytest.mark.parametrize("name", ["enforce", "enforce_ex", "batch_enforce"])
def test_decisions_have_no_layer_of_python(name):
    for enforcer in (AsyncEnforcer, Enforcer):
        assert getattr(enforcer, name) is getattr(_core.PolicyEngine, name)
    assert inspect.isbuiltin(getattr(AsyncEnforcer(), name))


def test_both_enforcers_have_every_coroutine():
    coroutines = {name for name, value in public_methods(AsyncEnforcer).items() if inspect.iscoroutinefunction(value)}
    assert len(coroutines) >= 60
    assert coroutines <= set(public_methods(Enforcer))
    assert not any(inspect.iscoroutinefunction(getattr(Enforcer, name)) for name in coroutines)


REFUSED = {
    "add_function": ("f", len),
    "add_named_matching_func": ("g", len),
    "add_named_domain_matching_func": ("g", len),
    "add_named_link_condition_func": ("g", "u", "r", len),
    "add_named_domain_link_condition_func": ("g", "u", "r", "d", len),
    "set_named_link_condition_func_params": ("g", "u", "r"),
    "set_named_domain_link_condition_func_params": ("g", "u", "r", "d"),
    "set_role_manager": (None,),
    "set_named_role_manager": ("g", None),
    "set_effector": (None,),
    "new_enforce_context": ("2",),
}


@pytest.mark.parametrize("name", REFUSED)
def test_python_inside_decisions_is_refused_in_words(name):
    with pytest.raises(NotImplementedError, match="the policy engine takes no"):
        getattr(AsyncEnforcer(), name)(*REFUSED[name])


# --- the same answers as Casbin

USERS, ROLES, PAGES = ["u:1", "u:2", "u:3"], ["r:1", "r:2", "r:3"], ["pg1", "pg2", "pg3"]
p_rule = st.tuples(
    st.sampled_from(USERS + ROLES),
    st.sampled_from(PAGES),
    st.sampled_from(["page", "page:*", ""]),
    st.sampled_from(["page", "list"]),
    st.sampled_from(["allow", "deny"]),
)
upward = [(a, b) for i, a in enumerate(ROLES) for b in ROLES[i + 1 :]]
g_rule = st.sampled_from([(user, role) for user in USERS for role in ROLES] + upward)
p_filter = st.one_of(
    st.tuples(st.just(0), st.sampled_from([*USERS, *ROLES, ""])),
    st.tuples(st.just(0), st.sampled_from(USERS), st.sampled_from([*PAGES, ""])),
    st.tuples(st.just(1), st.sampled_from(PAGES), st.just(""), st.just("page")),
    st.tuples(st.just(4), st.sampled_from(["allow", "deny"])),
)
g_filter = st.one_of(st.tuples(st.just(0), st.sampled_from(USERS)), st.tuples(st.just(1), st.sampled_from(ROLES)))


def some(rule):
    return st.lists(rule, min_size=1, max_size=3, unique=True)


operations = st.one_of(
    st.tuples(st.just("add_policy"), p_rule),
    st.tuples(st.just("add_named_policy"), st.just("p"), p_rule),
    st.tuples(st.just("add_policies"), some(p_rule)),
    st.tuples(st.just("remove_policy"), p_rule),
    st.tuples(st.just("remove_policies"), some(p_rule)),
    st.tuples(st.just("remove_filtered_policy"), p_filter),
    st.tuples(st.just("update_policy"), p_rule, p_rule),
    st.tuples(st.just("update_policies"), some(p_rule), some(p_rule)),
    st.tuples(st.just("update_filtered_policies"), some(p_rule), p_filter),
    st.tuples(st.just("add_grouping_policy"), g_rule),
    st.tuples(st.just("add_grouping_policies"), some(g_rule)),
    st.tuples(st.just("add_named_grouping_policy"), st.just("g2"), st.sampled_from([("pg1", "pg2"), ("pg2", "pg3")])),
    st.tuples(st.just("remove_grouping_policy"), g_rule),
    st.tuples(st.just("remove_grouping_policies"), some(g_rule)),
    st.tuples(st.just("remove_filtered_grouping_policy"), g_filter),
    st.tuples(st.just("add_role_for_user"), g_rule),
    st.tuples(st.just("delete_role_for_user"), g_rule),
    st.tuples(st.just("delete_roles_for_user"), st.sampled_from(USERS)),
    st.tuples(st.just("delete_user"), st.sampled_from(USERS)),
    st.tuples(st.just("delete_role"), st.sampled_from(ROLES)),
    st.tuples(st.just("delete_permission"), st.sampled_from(PAGES)),
    st.tuples(st.just("add_permission_for_user"), p_rule),
    st.tuples(st.just("delete_permission_for_user"), p_rule),
    st.tuples(st.just("delete_permissions_for_user"), st.sampled_from(USERS)),
    st.tuples(st.just("load_policy")),
    st.tuples(st.just("save_policy")),
)

SPREAD = {  # these take the fields of a rule or filter one by one
    "add_role_for_user",
    "delete_role_for_user",
    "add_permission_for_user",
    "delete_permission_for_user",
    "remove_filtered_policy",
    "remove_filtered_grouping_policy",
}


def where_casbin_is_clear(operation, p, g) -> bool:
    """False where Casbin itself leaves memory and storage different, or keeps a rule twice."""
    name, *args = operation
    lists = {"remove_policies": p, "add_grouping_policies": g, "remove_grouping_policies": g}
    if name in lists:  # with some rules present and some not it stops half-way, or links roles without a rule
        present = [rule in lists[name] for rule in args[0]]
        return all(present) or (name != "add_grouping_policies" and not present[0]) or not any(present)
    if name == "update_policy":
        return args[1] not in p
    if name == "update_policies":
        return not set(args[1]) & p
    if name == "update_filtered_policies":
        return not set(args[0]) & p
    return True


def arguments(operation, as_lists: bool):
    """For Casbin rules are lists: it takes tuples for something else."""
    name, *args = operation
    if name in SPREAD:
        return list(args[0])
    if name == "update_filtered_policies":
        args = [args[0], *args[1]]
    convert = (lambda rule: list(rule)) if as_lists else (lambda rule: rule)
    return [
        [convert(rule) for rule in arg] if isinstance(arg, list) else convert(arg) if isinstance(arg, tuple) else arg
        for arg in args
    ]


def reads(call):
    """What every look-up answers, in a form that does not depend on the order of rules."""
    answers = {}

    def note(name, *args):
        value = call(name, *args)
        if isinstance(value, list):
            value = sorted(tuple(item) if isinstance(item, list) else item for item in value)
        answers[name, args] = value

    for kind in ("subjects", "objects", "actions", "roles"):
        note(f"get_all_{kind}")
    for name in ("get_policy", "get_grouping_policy"):
        note(name)
    note("get_named_grouping_policy", "g2")
    note("get_all_named_roles", "g2")
    note("get_filtered_policy", 1, "pg1", "", "page")
    note("get_filtered_grouping_policy", 1, "r:2")
    note("get_filtered_named_policy", "p", 0, "", "pg2")
    note("has_policy", "u:1", "pg1", "page", "page", "allow")
    note("has_named_policy", "p9", "u:1")
    note("has_grouping_policy", "u:1", "r:1")
    note("get_implicit_users_for_resource", "pg1")
    note("get_field_index", "p", "act")
    for subject in USERS + ROLES:
        for name in ("get_roles_for_user", "get_permissions_for_user", "get_users_for_role"):
            note(name, subject)
        note("get_implicit_roles_for_user", subject)
        note("get_implicit_permissions_for_user", subject)
        note("has_role_for_user", subject, "r:2")
        note("has_permission_for_user", subject, "pg1", "page", "page", "allow")
    return answers


@pytest.fixture
def compared(kind, store):
    loop = asyncio.new_event_loop()
    yield kind, store, loop
    if isinstance(store.db, AsyncDatabase):
        loop.run_until_complete(store.db.engine.dispose())
    loop.close()


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(operations, min_size=1, max_size=12))
def test_any_sequence_of_calls_answers_as_casbin(compared, sequence):
    kind, store, loop = compared
    store.clear()
    ours = Driver(kind, store, loop)
    theirs = casbin.Enforcer(casbin.Enforcer.new_model(text=MODEL))
    for operation in sequence:
        name = operation[0]
        if name in ("load_policy", "save_policy"):
            getattr(ours, name)()
            continue
        p, g = ({tuple(rule) for rule in ours.rules(ptype)} for ptype in ("p", "g"))
        if not where_casbin_is_clear(operation, p, g):
            continue
        expected = getattr(theirs, name)(*arguments(operation, as_lists=True))
        answer = getattr(ours, name)(*arguments(operation, as_lists=False))
        assert type(answer) is type(expected) or name.startswith(("delete_", "update_")), operation
        assert bool(answer) is bool(expected), operation
        assert_in_step(ours, store)
    assert reads(lambda name, *args: getattr(ours, name)(*args)) == reads(
        lambda name, *args: getattr(theirs, name)(*args)
    )


def test_domains_answer_as_casbin():
    theirs, ours = casbin.Enforcer(casbin.Enforcer.new_model(text=DOMAIN_MODEL)), Enforcer(DOMAIN_MODEL)
    calls = [
        ("add_policy", "admin", "d1", "data", "read"),
        ("add_policy", "admin", "d2", "data", "write"),
        ("add_policy", "al", "d2", "data", "read"),
        ("add_role_for_user_in_domain", "al", "admin", "d1"),
        ("add_role_for_user_in_domain", "bo", "admin", "d2"),
        ("add_role_for_user_in_domain", "admin", "root", "d1"),
        ("add_role_for_user_in_domain", "bo", "admin", "d2"),
        ("get_roles_for_user_in_domain", "al", "d1"),
        ("get_roles_for_user_in_domain", "al", "d2"),
        ("get_users_for_role_in_domain", "admin", "d2"),
        ("get_permissions_for_user_in_domain", "al", "d2"),
        ("get_all_roles_by_domain", "d1"),
        ("get_implicit_roles_for_user", "al", "d1"),
        ("get_implicit_permissions_for_user", "al", "d1"),
        ("get_implicit_permissions_for_user", "bo", "d2"),
        ("get_implicit_permissions_for_user", "bo", "d2", False),
        ("get_implicit_users_for_resource_by_domain", "data", "d2"),
        ("get_field_index", "p", "dom"),
        ("enforce", "al", "d1", "data", "read"),
        ("enforce", "al", "d2", "data", "write"),
        ("enforce", "bo", "d2", "data", "write"),
        ("delete_roles_for_user_in_domain", "bo", "admin", "d2"),
        ("delete_roles_for_user_in_domain", "bo", "admin", "d2"),
        ("enforce", "bo", "d2", "data", "write"),
    ]
    for name, *args in calls:
        expected, answer = getattr(theirs, name)(*args), getattr(ours, name)(*args)
        if isinstance(expected, list):
            expected, answer = sorted(expected), sorted(answer)
        assert answer == expected, (name, *args)


def test_users_of_a_permission_are_those_allowed_to():
    enforcer = Enforcer(PLAIN_MODEL)
    theirs = casbin.Enforcer(casbin.Enforcer.new_model(text=PLAIN_MODEL))
    for e in (enforcer, theirs):
        e.add_policies([["admin", "data", "read"], ["bo", "data", "read"], ["cy", "data", "write"]])
        e.add_grouping_policy("al", "admin")
        e.add_policy("al", "/x/1", "get")
        e.add_policy("al", "/x/2", "get")
    asked = ("data", "read")
    assert sorted(enforcer.get_implicit_users_for_permission(*asked)) == ["al", "bo"]
    assert sorted(theirs.get_implicit_users_for_permission(*asked)) == ["al", "bo"]
    for args in [("al", "get", "/x/"), ("al", "read", "/x/"), ("al", "none", ""), ("bo", "read", "")]:
        assert enforcer.get_allowed_object_conditions(*args) == theirs.get_allowed_object_conditions(*args)


# --- models, files, adapters of Casbin

CSV = (
    'p, alice, data1, read\np, bob, "data, 2", write\n# p, alice, all, write\n\np,admin,data1,write\ng, alice, admin\n'
)


@pytest.fixture
def files(tmp_path):
    model, policy = tmp_path / "model.conf", tmp_path / "policy.csv"
    model.write_text(PLAIN_MODEL)
    policy.write_text(CSV)
    return str(model), str(policy)


def test_model_and_policy_files(files):
    enforcer = Enforcer(*files)
    assert enforcer.enforce("alice", "data1", "write") is True
    assert enforcer.enforce("bob", "data, 2", "write") is True
    assert enforcer.enforce("bob", "data1", "write") is False
    enforcer.add_policy("carol", 'say "hi", ', "# x")
    assert Enforcer(*files).has_policy("carol", 'say "hi", ', "# x") is False, "the file changes with save_policy"
    enforcer.save_policy()
    again = Enforcer(*files)
    assert again.get_policy() == enforcer.get_policy()
    assert again.get_grouping_policy() == [["alice", "admin"]]
    enforcer.load_model()
    assert enforcer.get_policy() == []


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(st.tuples(*[st.text(st.characters(codec="utf-8"), max_size=6)] * 3), unique=True, max_size=5))
def test_P8_any_text_survives_a_policy_file(rules, tmp_path):
    path = tmp_path / "policy.csv"
    path.write_text("")
    enforcer = Enforcer(PLAIN_MODEL, str(path))
    enforcer.add_policies(rules)
    enforcer.save_policy()
    assert {tuple(rule) for rule in Enforcer(PLAIN_MODEL, str(path)).get_policy()} == set(rules)


def test_adapters_and_models_of_casbin(files):
    model = casbin.Enforcer.new_model(path=files[0])
    policy = [line for line in CSV.splitlines() if "bob" not in line]
    with open(files[1], "w") as file:
        file.write("\n".join(policy))
    enforcer = Enforcer(model, CasbinFileAdapter(files[1]))
    assert enforcer.enforce("alice", "data1", "write") is True
    enforcer.add_policy("dora", "data1", "read")
    enforcer.save_policy()
    assert ["dora", "data1", "read"] in casbin.Enforcer(*files).get_policy()

    async def asynchronous():
        enforcer = AsyncEnforcer(files[0], CasbinAsyncFileAdapter(files[1]))
        assert enforcer.get_policy() == []
        await enforcer.load_policy()
        return enforcer.get_policy()

    assert asyncio.run(asynchronous()) == enforcer.get_policy()


def test_a_model_of_casbin_brings_its_rules():
    theirs = casbin.Enforcer(casbin.Enforcer.new_model(text=PLAIN_MODEL))
    theirs.add_policy("al", "data", "read")
    theirs.add_grouping_policy("bo", "al")
    enforcer = Enforcer()
    enforcer.set_model(theirs.get_model())
    assert enforcer.enforce("bo", "data", "read") is True


@pytest.mark.parametrize("text", [None, PLAIN_MODEL])
def test_a_model_handed_out_can_be_handed_back(text):
    enforcer = Enforcer(text)
    enforcer.add_policy(*ALLOW[: enforcer.types()["p"]])
    before = enforcer.get_policy()
    model = enforcer.get_model()
    assert model.get_policy("p", "p") == before
    assert next(list(section) for section in model.values()) == ["p"]
    enforcer.set_model(model)
    assert enforcer.get_policy() == before
    assert Enforcer(model).get_policy() == before


def test_the_adapter_serves_an_enforcer_of_casbin(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=False)

    async def run():
        theirs = casbin.AsyncEnforcer(casbin.AsyncEnforcer.new_model(text=MODEL))
        theirs.set_adapter(store.adapter())
        await theirs.add_policy(*ALLOW)
        await theirs.add_policies([list(DENY), ["u:bo", "page", "", "page", "allow"]])
        await theirs.add_grouping_policy("u:bo", "r:x")
        await theirs.update_policy(list(DENY), ["u:cy", *DENY[1:]])
        await theirs.update_filtered_policies([["u:dy", *ALLOW[1:]]], 0, "u:cy")
        await theirs.remove_filtered_policy(0, "u:bo")
        expected = {("p", *rule) for rule in theirs.get_policy()} | {("g", "u:bo", "r:x")}
        assert set(store.rules()) == expected
        await theirs.load_policy()
        assert {("p", *rule) for rule in theirs.get_policy()} | {("g", "u:bo", "r:x")} == expected
        await theirs.save_policy()
        assert set(store.rules()) == expected

    asyncio.run(run())


def test_model_problems_are_told():
    with pytest.raises(ModelError):
        Enforcer("[request_definition]\nr = sub\n")
    with pytest.raises(FileNotFoundError):
        Enforcer("no/such/model.conf")
    with pytest.raises(TypeError, match="model must be"):
        Enforcer(5)
    with pytest.raises(ModelError, match="f"):
        Enforcer(PLAIN_MODEL.replace("r.act == p.act", "f(r.act, p.act)"))


def test_a_table_without_the_columns_is_refused():
    class Other:
        __name__ = "Other"
        id = ptype = v0 = v1 = v2 = v3 = v4 = 1

    with pytest.raises(AdapterException, match="v5"):
        Adapter(Database.create("sqlite://"), Other)


def test_an_enforcer_refuses_what_it_would_have_to_wait_for(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=True)
    with pytest.raises(RuntimeError, match="synchronous adapter"):
        Enforcer(adapter=store.adapter())


def test_an_adapter_that_waits_is_refused():
    class Slow(FileAdapter):
        async def add_policy(self, *args):
            await asyncio.sleep(0)

    enforcer = Enforcer()
    enforcer.set_adapter(Slow("unused"))
    with pytest.raises(RuntimeError, match="synchronous adapter"):
        enforcer.add_policy(ALLOW)
    assert enforcer.get_policy() == []


def test_a_synchronous_enforcer_works_inside_an_event_loop(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=False)

    async def run():
        return Enforcer(adapter=store.adapter()).add_policy(*ALLOW)

    assert asyncio.run(run()) is True
    assert store.rules() == [("p", *ALLOW)]


def test_views_in_the_shape_of_casbin():
    enforcer = Enforcer()
    enforcer.add_policy(*ALLOW)
    enforcer.add_grouping_policies([("u:al", "r:x"), ("r:x", "r:y")])
    model = enforcer.get_model()
    assert model["p"]["p"].policy == [list(ALLOW)]
    assert enforcer.model.model["g"]["g"].rm.get_roles("u:al") == ["r:x"]
    assert set(model.keys()) == {"p", "g"}
    assert set(dict(model.items())["g"]) == {"g", "g2"}
    assert model["nothing"] is None
    manager = enforcer.get_role_manager()
    assert manager.get_users("r:x") == ["u:al"]
    assert manager.has_link("u:al", "r:y") is True
    assert manager.has_link("u:al", "u:al") is True
    assert manager.has_link("r:y", "u:al") is False
    assert enforcer.get_named_role_manager("g2").get_roles("page") == []
    with pytest.raises(ValueError, match="ptype not found"):
        enforcer.get_named_role_manager("p")
    model["p"]["p"].policy.clear()
    assert enforcer.has_policy(*ALLOW), "a view is a snapshot"


def test_settings_of_casbin(tmp_path):
    enforcer = Enforcer()
    enforcer.enable_enforce(False)
    assert enforcer.enforce(*ALLOW[:4]) is True
    enforcer.enable_enforce(True)
    assert enforcer.enforce(*ALLOW[:4]) is False
    enforcer.enable_auto_build_role_links(False)
    enforcer.add_grouping_policy("u:al", "r:x")
    enforcer.build_role_links()
    assert enforcer.get_roles_for_user("u:al") == ["r:x"]
    enforcer.set_field_index("p", "owner", 0)
    assert enforcer.get_field_index("p", "owner") == 0
    with pytest.raises(ValueError, match="nothing"):
        enforcer.get_field_index("p", "nothing")
    enforcer.clear_policy()
    assert memory(enforcer) == set()
    assert enforcer.batch_enforce([("u:root", "a", "b", "c"), ALLOW[:4]]) == [True, False]
    assert enforcer.is_filtered() is False


def test_rules_kept_in_memory_until_saved(kind, store, enforcer):
    enforcer.enable_auto_save(False)
    enforcer.add_policy(*ALLOW)
    assert store.rules() == []
    enforcer.save_policy()
    assert store.rules() == [("p", *ALLOW)]


def test_filtered_loading(store, enforcer):
    store.put(("p", *ALLOW), ("p", "u:bo", *ALLOW[1:]), ("g", "u:al", "r:x"))
    wanted = Filter()
    wanted.v0 = ["u:al"]
    enforcer.load_filtered_policy(wanted)
    assert memory(enforcer) == {("p", *ALLOW), ("g", "u:al", "r:x")}
    assert enforcer.is_filtered() is True
    with pytest.raises(RuntimeError, match="filtered"):
        enforcer.save_policy()
    wanted.v0 = ["u:bo"]
    enforcer.load_increment_filtered_policy(wanted)
    assert memory(enforcer) == set(store.rules())
    enforcer.load_policy()
    assert enforcer.is_filtered() is False
    enforcer.save_policy()
    assert_in_step(enforcer, store)


# --- the faults of the policy table


def test_P1_root_is_allowed_on_an_empty_table_and_beside_a_deny(store, enforcer):
    assert enforcer.enforce("u:root", "any", "any", "any") is True
    store.put(("p", "u:bo", "page", "page", "page", "deny"))
    enforcer.load_policy()
    assert enforcer.enforce("u:root", "any", "any", "any") is True


def test_P1_rules_of_root_are_refused_and_ignored(store, enforcer, caplog):
    with pytest.raises(RuleError, match="u:root"):
        enforcer.add_policy("u:root", "page", "page", "page", "deny")
    assert store.rules() == []
    store.put(("p", "u:root", "page", "page", "page", "deny"))
    enforcer.load_policy()
    assert enforcer.enforce("u:root", "page", "page", "page") is True
    assert "stored rule 1 is left out" in caplog.text


def test_P2_a_live_deny_holds_as_after_a_reload(store, enforcer):
    enforcer.add_policies([("r:x", *ALLOW[1:]), ("r:y", *DENY[1:])])
    enforcer.add_grouping_policies([("u:al", "r:x"), ("u:bo", "r:y")])
    assert enforcer.enforce(*ALLOW[:4]) is True
    assert enforcer.enforce("u:bo", *ALLOW[1:4]) is False
    enforcer.add_policy(*DENY)
    enforcer.add_policy("u:bo", *ALLOW[1:])
    for _ in range(2):
        assert enforcer.enforce(*ALLOW[:4]) is False
        assert enforcer.enforce("u:bo", *ALLOW[1:4]) is True
        enforcer.load_policy()


def test_P4_a_rule_is_there_once(store, enforcer):
    assert enforcer.add_policy(ALLOW) is True
    assert enforcer.add_policy(list(ALLOW)) is False
    assert enforcer.add_policy(*ALLOW) is False
    assert enforcer.add_policies([ALLOW, ALLOW]) is False
    assert store.rules() == [("p", *ALLOW)]
    assert enforcer.add_policies([DENY, DENY]) is True
    assert_in_step(enforcer, store)


def test_P4_a_duplicated_row_can_be_revoked(store, enforcer):
    store.put(("p", *ALLOW), ("p", *ALLOW), ("p", *DENY))
    enforcer.load_policy()
    assert len(enforcer.get_policy()) == 2
    assert enforcer.remove_policy(ALLOW) is True
    assert store.rules() == [("p", *DENY)]
    enforcer.load_policy()
    assert enforcer.get_policy() == [list(DENY)]


def test_P5_lists_are_all_or_nothing(store, enforcer):
    enforcer.add_policy(ALLOW)
    assert enforcer.remove_policies([ALLOW, DENY]) is False
    assert_in_step(enforcer, store)
    assert enforcer.has_policy(ALLOW)
    assert enforcer.add_policies([DENY, ALLOW]) is False
    assert_in_step(enforcer, store)
    assert not enforcer.has_policy(DENY)
    assert enforcer.update_policies([ALLOW, DENY], [DENY, ALLOW]) is False
    assert enforcer.update_policies([ALLOW], [DENY, ALLOW]) is False
    assert enforcer.add_policies([]) is enforcer.remove_policies([]) is enforcer.update_policies([], []) is False
    assert_in_step(enforcer, store)


CHANGES = {
    "add_policy": [DENY],
    "add_policies": [[DENY, ("u:bo", *DENY[1:])]],
    "remove_policy": [ALLOW],
    "remove_policies": [[ALLOW]],
    "remove_filtered_policy": [0, "u:al"],
    "update_policy": [ALLOW, DENY],
    "update_filtered_policies": [[DENY], 0, "u:al"],
    "replace_filtered_policies": ["p", [DENY], 0, "u:al"],
    "save_policy": [],
}


@pytest.mark.parametrize("word", ["INSERT", "DELETE", "SELECT", "UPDATE"])
@pytest.mark.parametrize("name", CHANGES)
def test_P6_what_storage_refuses_is_not_in_memory(store, enforcer, name, word):
    enforcer.add_policy(ALLOW)
    before = memory(enforcer)
    store.fail_on(word)
    try:
        getattr(enforcer, name)(*CHANGES[name])
        changed = True
    except OperationalError as error:
        assert "disk I/O" in str(error)
        changed = False
    finally:
        store.heal()
    assert_in_step(enforcer, store)
    assert changed or memory(enforcer) == before


def test_P6_a_locked_database_reaches_the_caller(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=False)
    impatient = Database.create(f"sqlite:///{tmp_path / 'rules.db'}", connect_args={"timeout": 0.05})
    enforcer = Enforcer(adapter=Adapter(impatient, Row))
    with store.outside.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseError, match="locked"):
            enforcer.add_policy(ALLOW)
        connection.exec_driver_sql("ROLLBACK")
    assert enforcer.get_policy() == []
    assert enforcer.add_policy(ALLOW) is True


def test_P6_an_adapter_that_answers_false_changes_nothing():
    class Refusing(FileAdapter):
        async def add_policy(self, *args):
            return False

        remove_policies = add_policies = replace_policies = add_policy

    enforcer = Enforcer()
    enforcer.add_policy(ALLOW)
    enforcer.set_adapter(Refusing("unused"))
    assert enforcer.add_policy(DENY) is False
    assert enforcer.remove_filtered_policy(0, "u:al") is False
    assert enforcer.update_policy(ALLOW, DENY) is False
    assert enforcer.get_policy() == [list(ALLOW)]
    enforcer.set_adapter(object())
    with pytest.raises(NotImplementedError, match="object has no add_policy"):
        enforcer.add_policy(DENY)


@pytest.mark.parametrize("name", sorted(CHANGES))
@pytest.mark.parametrize("after", range(6))
def test_P6_a_cancelled_change_is_made_or_not_made(tmp_path, name, after):
    store = Store(tmp_path / "rules.db", asynchronous=True)

    async def run():
        enforcer = AsyncEnforcer(adapter=store.adapter())
        await enforcer.add_policy(ALLOW)
        change = asyncio.create_task(getattr(enforcer, name)(*CHANGES[name]))
        for _ in range(after):
            await asyncio.sleep(0.0005)
        for _ in range(3):
            change.cancel()
            await asyncio.sleep(0)
        await asyncio.wait([change])
        assert_in_step(enforcer, store)
        assert await enforcer.add_policy("u:zoe", *ALLOW[1:]) is True, "nothing stays locked"
        assert_in_step(enforcer, store)
        await store.db.engine.dispose()

    asyncio.run(run())


def test_P7_replacing_roles_is_one_step(store, enforcer):
    enforcer.add_grouping_policies([("u:al", "r:x"), ("u:al", "r:y"), ("u:bo", "r:x")])
    before = memory(enforcer)
    store.fail_on("INSERT")
    with pytest.raises(OperationalError):
        enforcer.replace_filtered_policies("g", [("u:al", "r:z")], 0, "u:al")
    store.heal()
    assert memory(enforcer) == before == set(store.rules())
    assert enforcer.replace_filtered_policies("g", [("u:al", "r:y"), ("u:al", "r:z")], 0, "u:al") is True
    assert enforcer.get_roles_for_user("u:al") == ["r:y", "r:z"]
    assert enforcer.get_roles_for_user("u:bo") == ["r:x"]
    assert enforcer.replace_filtered_policies("g", [("u:al", "r:z"), ("u:al", "r:y")], 0, "u:al") is False
    assert_in_step(enforcer, store)


ODD = ["bob, r:admin", "a)", "x[y", "root ", " root", "#", '"q"', "new\nline", "\r\n", "", "é", "%", "_", "'; --", "名"]


@pytest.mark.parametrize("text", ODD)
def test_P8_values_survive_save_and_load(store, enforcer, text):
    rule = (f"u:{text}", text, text, text, "allow")
    assert enforcer.add_policy(rule) is True
    assert enforcer.add_grouping_policy(f"u:{text}", text) is True
    for _ in range(2):
        assert_in_step(enforcer, store)
        assert enforcer.has_policy(rule)
        assert enforcer.get_roles_for_user(f"u:{text}") == [text]
        assert enforcer.get_roles_for_user("u:bob") == []
        enforcer.load_policy()
    enforcer.save_policy()
    assert_in_step(enforcer, store)
    assert enforcer.remove_policy(rule) is True
    assert enforcer.delete_role_for_user(f"u:{text}", text) is True
    assert store.rules() == []


def test_P9_rows_that_do_not_fit_are_skipped_and_named(store, enforcer, caplog):
    store.put(
        ("p", "u:al", "page"),
        ("p", *ALLOW),
        ("q", *ALLOW),
        ("p", *ALLOW[:4], "perhaps"),
        ("g", "u:al", "r:x", "more"),
        ("g", "u:al", "r:x"),
        (None, "u:al"),
    )
    with caplog.at_level(logging.WARNING):
        enforcer.load_policy()
    named = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert [message.split(" is left out")[0] for message in named] == [f"stored rule {i}" for i in (1, 3, 4, 5, 7)]
    assert enforcer.enforce(*ALLOW[:4]) is True
    assert memory(enforcer) == {("p", *ALLOW), ("g", "u:al", "r:x")}


def test_P10_cycles_are_refused_by_name_and_do_not_stop_a_start(store, enforcer, caplog):
    enforcer.add_grouping_policy("r:a", "r:b")
    enforcer.add_grouping_policy("r:b", "r:c")
    for call in (
        lambda: enforcer.add_grouping_policy("r:c", "r:a"),
        lambda: enforcer.add_role_for_user("r:c", "r:a"),
        lambda: enforcer.add_grouping_policies([("u:x", "r:a"), ("r:c", "r:a")]),
        lambda: enforcer.replace_filtered_policies("g", [("r:c", "r:a")], 0, "r:c"),
    ):
        with pytest.raises(CycleError, match="r:c -> r:a -> r:b -> r:c"):
            call()
        assert_in_step(enforcer, store)
        assert enforcer.count("g") == 2
    store.put(("g", "r:c", "r:a"), ("p", "r:c", *ALLOW[1:]), ("g", "u:al", "r:b"))
    enforcer.load_policy()
    assert "cycle" in caplog.text
    assert enforcer.enforce(*ALLOW[:4]) is True
    assert sorted(enforcer.get_implicit_roles_for_user("u:al")) == ["r:a", "r:b", "r:c"]
    enforcer.remove_grouping_policy("r:c", "r:a")
    assert enforcer.cycle() is None


def test_P11_long_chains_agree(store, enforcer):
    chain = [("u:al", "r:0")] + [(f"r:{i}", f"r:{i + 1}") for i in range(14)]
    enforcer.add_grouping_policies(chain)
    enforcer.add_policy("r:14", *ALLOW[1:])
    assert enforcer.enforce(*ALLOW[:4]) is True
    assert enforcer.get_implicit_roles_for_user("u:al") == [f"r:{i}" for i in range(15)]
    assert enforcer.get_implicit_permissions_for_user("u:al") == [["r:14", *ALLOW[1:]]]


def test_P12_the_order_of_rows_does_not_matter(store, enforcer):
    rows = [("g", "u:al", "r:x"), ("g", "u:al", "r:y"), ("g", "r:x", "r:z"), ("g2", "site", "page")]
    rows += [
        ("p", sub, "page", "page*", "page", eft) for sub, eft in [("r:x", "allow"), ("r:y", "deny"), ("r:z", "deny")]
    ]
    rows += [("p", "u:al", "page", "page:list", "page", "allow")]
    rng, answers = random.Random(12), set()
    for _ in range(20):
        rng.shuffle(rows)
        store.clear()
        store.put(*rows)
        enforcer.load_policy()
        requests = [("u:al", obj, act, "page") for obj in ("site", "page") for act in ("page", "page:list")]
        answers.add(tuple(enforcer.batch_enforce(requests)))
    assert answers == {(True, True, False, True)}


def test_P13_deny_wins_between_two_roles(store, enforcer):
    roles = [("r:x", "allow"), ("r:y", "deny")]
    for order in (roles, roles[::-1]):
        store.clear()
        enforcer.load_policy()
        enforcer.add_grouping_policies([("u:al", role) for role, _ in order])
        for role, effect in order:
            enforcer.add_policy(role, *ALLOW[1:4], effect)
        assert enforcer.enforce(*ALLOW[:4]) is False


def test_P14_a_deny_on_a_child_page_leaves_the_site_open(enforcer):
    enforcer.add_named_grouping_policy("g2", "site", "home")
    enforcer.add_policies([("u:al", "site", "page", "page", "allow"), ("u:al", "home", "page", "page", "deny")])
    assert enforcer.enforce("u:al", "site", "page", "page") is True
    assert enforcer.enforce("u:al", "home", "page", "page") is False


def test_P15_an_empty_field_is_a_value(store, enforcer):
    hollow, full = ("u:al", "", "page", "", "allow"), ("u:al", "page", "page", "page", "allow")
    enforcer.add_policies([hollow, full])
    assert enforcer.remove_policy(hollow) is True
    assert store.rules() == [("p", *full)]
    assert_in_step(enforcer, store)
    enforcer.add_grouping_policy("u:al", "")
    assert enforcer.remove_grouping_policy("u:al", "") is True
    assert_in_step(enforcer, store)


def test_P15_a_row_that_does_not_fit_is_no_stand_in_for_a_rule(store, enforcer):
    store.put(("g", "u:al", None))
    enforcer.load_policy()
    enforcer.add_grouping_policy("u:al", "")
    enforcer.load_policy()
    assert enforcer.get_grouping_policy() == [["u:al", ""]]


def test_P15_updates_replace_and_say_so(store, enforcer):
    other = ("u:bo", *ALLOW[1:])
    enforcer.add_policies([ALLOW, DENY, other])
    assert enforcer.update_policy(("u:no", *ALLOW[1:]), ALLOW) is False
    assert enforcer.update_filtered_policies([("u:cy", *ALLOW[1:])], 0, "u:al") is True
    assert memory(enforcer) == {("p", *other), ("p", "u:cy", *ALLOW[1:])}
    assert_in_step(enforcer, store)
    assert enforcer.update_filtered_policies([ALLOW], 0, "u:al") is False
    assert enforcer.update_policy(other, ("u:cy", *ALLOW[1:])) is True, "two rules become one"
    assert store.rules() == [("p", "u:cy", *ALLOW[1:])]
    assert_in_step(enforcer, store)
    if inspect.iscoroutinefunction(enforcer.enforcer.add_policy):
        replaced = enforcer._update_filtered_policies("p", "p", [ALLOW], 0, "u:cy")
        assert replaced == [["u:cy", *ALLOW[1:]]]


def test_P16_a_rule_added_during_a_reload_stays(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=True)
    store.put(*[("p", f"u:{i}", *ALLOW[1:]) for i in range(5000)])

    async def run():
        enforcer = AsyncEnforcer(adapter=store.adapter())
        await enforcer.load_policy()
        reload = asyncio.create_task(enforcer.load_policy())
        await asyncio.sleep(0)
        added, _ = await asyncio.gather(enforcer.add_policy(ALLOW), reload)
        assert added is True
        assert enforcer.enforce(*ALLOW[:4]) is True
        await enforcer.load_policy()
        assert enforcer.count("p") == 5001
        store.fail_on("SELECT")
        with pytest.raises(OperationalError):
            await enforcer.load_policy()
        assert enforcer.enforce(*ALLOW[:4]) is True
        await store.db.engine.dispose()

    asyncio.run(run())


def test_threads_share_a_synchronous_enforcer(tmp_path):
    store = Store(tmp_path / "rules.db", asynchronous=False)
    enforcer = Enforcer(adapter=store.adapter())
    failures = []

    def work(number):
        try:
            for i in range(10):
                assert enforcer.add_policy(f"u:{number}:{i}", *ALLOW[1:]) is True
                assert enforcer.enforce(f"u:{number}:{i}", *ALLOW[1:4]) is True
                if i % 2:
                    assert enforcer.remove_policy(f"u:{number}:{i}", *ALLOW[1:]) is True
                enforcer.load_policy()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_in_step(enforcer, store)
    assert enforcer.count("p") == 20


class Heard:
    """A watcher with only ``update``, as Casbin's interface has it."""

    def __init__(self, asynchronous: bool) -> None:
        self.calls = []
        if asynchronous:

            async def update():
                self.calls.append("update")

        else:

            def update():
                self.calls.append("update")

        self.update = update


def test_P19_a_watcher_hears_once_of_each_change(kind, store, enforcer):
    watcher = Heard(asynchronous=kind.startswith("async"))
    enforcer.set_watcher(watcher)
    changes = [
        lambda: enforcer.add_policy(ALLOW),
        lambda: enforcer.add_policies([DENY, ("u:bo", *DENY[1:])]),
        lambda: enforcer.update_policy(ALLOW, ("u:cy", *ALLOW[1:])),
        lambda: enforcer.update_filtered_policies([ALLOW], 0, "u:cy"),
        lambda: enforcer.remove_policy(ALLOW),
        lambda: enforcer.remove_filtered_policy(0, "u:al"),
        lambda: enforcer.add_grouping_policy("u:al", "r:x"),
        lambda: enforcer.replace_filtered_policies("g", [("u:al", "r:y")], 0, "u:al"),
        lambda: enforcer.delete_roles_for_user("u:al"),
        lambda: enforcer.save_policy(),
    ]
    for number, change in enumerate(changes, 1):
        change()
        assert len(watcher.calls) == number
    assert enforcer.remove_policy(ALLOW) is False
    with pytest.raises(RuleError):
        enforcer.add_policy("u:al")
    enforcer.enable_auto_notify_watcher(False)
    enforcer.add_policy(ALLOW)
    assert len(watcher.calls) == len(changes)


def test_P19_a_watcher_with_more_methods_hears_what_changed():
    class Detailed:
        def __init__(self):
            self.calls = []

        def __getattr__(self, name):
            return lambda *args: self.calls.append((name, *args))

    enforcer, watcher = Enforcer(), Detailed()
    enforcer.set_watcher(watcher)
    rule, other = list(ALLOW), list(DENY)
    enforcer.add_policy(rule)
    enforcer.add_grouping_policies([["u:al", "r:x"]])
    enforcer.update_policy(rule, other)
    enforcer.remove_policy(other)
    enforcer.remove_filtered_grouping_policy(0, "u:al")
    assert watcher.calls == [
        ("update_for_add_policy", "p", "p", rule),
        ("update_for_add_policies", "g", "g", [["u:al", "r:x"]]),
        ("update_for_update_policy", "p", "p", rule, other),
        ("update_for_remove_policy", "p", "p", other),
        ("update_for_remove_filtered_policy", "g", "g", 0, "u:al"),
    ]


def test_rules_that_do_not_fit_change_nothing(store, enforcer):
    enforcer.add_policy(ALLOW)
    for call in (
        lambda: enforcer.add_policy("u:al", "page"),
        lambda: enforcer.add_policies([DENY, ("u:al",)]),
        lambda: enforcer.add_policy(*ALLOW[:4], "maybe"),
        lambda: enforcer.add_named_policy("p7", *ALLOW),
        lambda: enforcer.update_policy(ALLOW, ("u:al",)),
        lambda: enforcer.update_filtered_policies([("u:al",)], 0, "u:al"),
    ):
        with pytest.raises(RuleError):
            call()
    for call in (
        lambda: enforcer.add_policy("u:al", None, "page", "page", "allow"),
        lambda: enforcer.add_policies(["text"]),
        lambda: enforcer.enforce("u:al", "page", "page", None),
    ):
        with pytest.raises(TypeError):
            call()
    assert memory(enforcer) == {("p", *ALLOW)}
    assert_in_step(enforcer, store)
