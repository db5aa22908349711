"""Compiled row filters: the same rows as the terms they are made of, and texts that no name or value breaks out of."""

from __future__ import annotations

import contextlib
import gc
import itertools
import math
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    TIMESTAMP,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    create_engine,
    select,
)
from sqlalchemy.dialects import sqlite

from fastapi_user_auth_c._core import filter_simplify, filter_sql
from fastapi_user_auth_c.filters import Filter, ago, compile_filter, user_attribute

NOW = datetime(2026, 3, 1, 12)
TABLE = Table(
    "t",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("i", Integer),
    Column("r", Float),
    Column("s", String(collation="NOCASE")),
    Column("c", DateTime),
)
COLUMNS = ("i", "r", "s", "c")


@dataclass
class User:
    id: Any = 2
    name: Any = "ann"
    team: Any = None


def unsimplified(terms: list[Any], user: Any) -> tuple[str, list[Any]]:
    """Terms as SQL for sqlite3, word by word."""
    texts, values = [], []
    for term in terms:
        if isinstance(term, list):
            found = [unsimplified(alternative, user) for alternative in term]
            texts.append("(" + (" OR ".join(f"({text})" for text, _ in found) or "0") + ")")
            values += [value for _, more in found for value in more]
            continue
        column, op, given = term
        many = list(given) if op in ("in", "not in") else [given]
        if user is None and any(one == user_attribute(name) for one in many for name in ("id", "name", "team")):
            texts.append("0")
            continue
        many = [resolved(one, user) for one in many]
        if op in ("<", "<=", ">", ">="):
            texts.append(f"{column} {op} ?")
            values.append(many[0])
            continue
        kind = {"=": "in", "!=": "not in"}.get(op, op)
        some = [one for one in many if one is not None]
        marks = f"{column} {kind} ({', '.join('?' * len(some))})"
        if kind == "in":
            texts.append(f"({marks}{f' OR {column} IS NULL' if len(some) < len(many) else ''})")
        else:
            texts.append(f"({marks}{f' AND {column} IS NOT NULL' if many else ''})")
        values += some
    return " AND ".join(texts) or "1", values


def resolved(value: Any, user: Any) -> Any:
    if hasattr(value, "span"):
        value = NOW - value.span
    elif type(value).__name__ == "UserAttribute":
        value = getattr(user, value.name)
    # as SQLAlchemy keeps them in SQLite
    return value.strftime("%Y-%m-%d %H:%M:%S.%f") if isinstance(value, datetime) else value


integers = st.integers(-2, 4) | st.sampled_from([2**53, 2**53 + 1, 2**62, True, False])
reals = st.sampled_from([-1.5, 0.0, -0.0, 0.5, 1.0, 2.5, 2.0**53, 1e300, math.inf])
texts = st.sampled_from(["a", "A", "b", "a ", "", "é", "x'y", "0", "%"])
moments = st.integers(-5, 5).map(lambda days: NOW + timedelta(days=days)) | st.integers(-5, 5).map(
    lambda days: ago(days=days)
)
users = st.sampled_from(["id", "name", "team"]).map(user_attribute)
VALUES: dict[str, Any] = {"i": integers | reals | users, "r": integers | reals, "s": texts | users, "c": moments}


@st.composite
def any_terms(draw: Any, depth: int = 1) -> list[Any]:
    found: list[Any] = []
    for _ in range(draw(st.integers(0, 4))):
        column = draw(st.sampled_from(COLUMNS))
        op = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "in", "in", "not in"]))
        value = VALUES[column]
        if op in ("in", "not in"):
            found.append((column, op, draw(st.lists(value | st.none(), max_size=4))))
        else:
            found.append((column, op, draw(value | st.none() if op in ("=", "!=") else value)))
    for _ in range(draw(st.integers(0, 2)) if depth else 0):
        found.append(draw(st.lists(any_terms(depth=0), max_size=3)))
    return found


ROWS = [
    *itertools.product(
        (None, -1, 0, 1, 2, 3),
        (None, 0.5, 1.0),
        (None, "a", "A", "b"),
        (None, *(NOW + timedelta(days=days) for days in (-3, 0, 2))),
    )
]
ROWS += [(2**53 + offset, 2.5, "a ", NOW) for offset in (-1, 0, 1, 2)] + [(2**62, 1e300, "", NOW), (1, 2, "0", NOW)]


@pytest.fixture(scope="module")
def engine() -> Any:
    engine = create_engine("sqlite://")
    TABLE.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(TABLE.insert(), [dict(zip(COLUMNS, row, strict=True)) for row in ROWS])
        yield connection


def size(terms: list[Any]) -> int:
    return sum(sum(map(size, term)) if isinstance(term, list) else 1 for term in terms)


def is_mixed(terms: list[Any]) -> bool:
    """Whether there is a list of values of several types: SQLAlchemy takes all for what the first one is."""
    return any(
        any(map(is_mixed, term)) if isinstance(term, list) else isinstance(term[2], list) and len(kinds(term[2])) > 1
        for term in terms
    )


def kinds(values: list[Any]) -> set[type[Any]]:
    return {type(value) for value in values if value is not None}


def ids(connection: Any, condition: str, values: list[Any]) -> set[int]:
    raw = connection.connection.driver_connection
    values = [resolved(value, None) for value in values]
    return {row[0] for row in raw.execute(f"SELECT id FROM t WHERE {condition}", values)}


@settings(max_examples=400, deadline=None)
@given(any_terms(), st.sampled_from([None, User(), User(id=None, name="B", team=1)]))
def test_the_simplified_filter_is_true_of_the_same_rows(engine: Any, terms: list[Any], user: Any) -> None:
    plan = compile_filter(terms, model=TABLE)
    text, values = unsimplified(terms, user)
    expected = ids(engine, text, values)
    text, values = plan.sql(now=NOW, user=user)  # type: ignore[assignment]
    assert ids(engine, text, values) == expected, plan
    if not is_mixed(terms):
        statement = select(TABLE.c.id).where(plan.where(TABLE, now=NOW, user=user))
        assert set(engine.execute(statement).scalars()) == expected, plan
    assert size(plan.terms) <= size(terms)
    text, values = compile_filter(plan.terms, model=TABLE).sql(now=NOW, user=user)  # type: ignore[assignment]
    assert ids(engine, text, values) == expected, plan


def simple(*terms: Any, **options: Any) -> list[Any]:
    return compile_filter(list(terms), **options).terms


def test_bounds_lists_and_contradictions() -> None:
    assert simple(("a", ">", 3), ("a", ">=", 5), ("a", "<", 9), ("a", "<=", 9)) == [("a", ">=", 5), ("a", "<", 9)]
    assert simple(("a", "in", [1, 2, 3]), ("a", "in", [2, 3, 4]), ("a", "!=", 3)) == [("a", "=", 2)]
    assert simple(("a", "=", 1), ("a", "=", 2)) == simple(("a", "in", [])) == [[]]
    assert simple(("a", ">", ago(days=7)), ("a", ">", ago(days=3))) == [("a", ">", ago(days=3))]
    assert simple(("a", "in", [1, None]), ("a", "in", [None, 2])) == [("a", "=", None)]
    assert simple(("a", "in", [1, None]), ("a", ">", 0)) == [("a", "=", 1)]
    assert simple(("a", "in", [1, True, 1.0])) == [("a", "=", 1)]
    assert simple(("a", "not in", [])) == simple() == []
    assert simple(("a", "=", date(2026, 1, 1)), ("a", "=", date(2026, 1, 2))) == [[]]
    assert simple([[("a", "=", 1)], [("a", "=", 2)]]) == [("a", "in", [1, 2])]
    plan = compile_filter([("a", "=", 1), ("a", "=", 2)])
    assert plan.never and not plan.always and plan.sql() == ("1 = 0", []) and repr(plan) == "Filter(never)"
    plan = compile_filter([])
    assert plan.always and not plan.never and plan.sql() == ("1 = 1", [])


def test_nothing_is_concluded_that_a_database_may_see_differently() -> None:
    class Colour(str, Enum):
        RED = "red"

    utc, cet = timezone.utc, timezone(timedelta(hours=1))
    pairs: list[tuple[Any, Any]] = [
        ("a", "b"),
        ("a", "A"),
        (b"a", b"b"),
        (Decimal("1.0"), Decimal("1.00")),
        (Decimal(1), 1),
        (datetime(2026, 1, 1, tzinfo=utc), datetime(2026, 1, 1, 1, tzinfo=cet)),  # equal in Python
        (datetime(2026, 1, 1), date(2026, 1, 1)),
        (2**53 + 1, 2**53 + 2),
        (2**70, 2**71),
        (math.nan, 1.0),
        (math.inf, 1.0),
        (2.0**60, 2**60 + 1),
        (0.1, 0.2),  # a float column may hold them as one
        (UUID(int=1), UUID(int=2)),
        (Colour.RED, "red"),
        (object(), object()),
        (1, "1"),
    ]
    for left, right in pairs:
        assert simple(("a", "=", left), ("a", "=", right)) == [("a", "=", left), ("a", "=", right)], (left, right)
        assert simple(("a", "=", left), ("a", "=", left)) == [("a", "=", left)]
        assert simple(("a", "=", left), ("a", "!=", left)) == [[]]
    assert simple(("a", ">", "a"), ("a", ">", "b")) == [("a", ">", "a"), ("a", ">", "b")]
    huge = timedelta.max
    assert simple(("a", ">", ago(huge)), ("a", ">", ago(1)))[0] == ("a", ">", ago(huge))


def test_columns_whose_type_does_not_order_as_python_does() -> None:
    class Backwards(TypeDecorator[Any]):
        impl, cache_ok = Integer, True

        def process_bind_param(self, value: Any, dialect: Any) -> Any:
            return -value

    kinds = {"text": String, "own": Backwards, "number": Numeric, "day": Date, "whole": Integer, "time": DateTime}
    table = Table("u", MetaData(), *(Column(name, kind) for name, kind in kinds.items()))
    both = [[(name, ">", 1), (name, ">", 2)] for name in ("text", "own", "number", "whole")]
    left = [len(simple(*terms, model=table)) for terms in both]
    assert left == [2, 2, 1, 1]
    assert len(simple(("whole", ">", 1.5), ("whole", ">", 2), model=table)) == 2  # a driver may round it first
    moments = [datetime(2026, 1, 1, 1), datetime(2026, 1, 1, 2)]
    assert [len(simple((n, ">", moments[0]), (n, ">", moments[1]), model=table)) for n in ("day", "time")] == [2, 1]
    spans = [ago(days=1), ago(days=2)]
    zoned = [
        DateTime(timezone=True),
        TIMESTAMP(),
        DateTime().with_variant(String(), "sqlite"),
        sqlite.DATETIME(),
        Date(),
    ]
    for column_type, left_over in [(DateTime(), 1), *((one, 2) for one in zoned)]:
        table = Table("v", MetaData(), Column("c", column_type))
        assert len(simple(("c", ">", spans[0]), ("c", ">", spans[1]), model=table)) == left_over, column_type
    assert len(simple(("text", ">", 1), ("text", ">", 2), loose=["text"])) == 2
    # what only turns out later: the terms before count too
    whole = Table("w", MetaData(), Column("whole", Integer))
    assert len(simple(("whole", "=", 1), ("whole", "=", 2), ("whole", "=", 1.5), model=whole)) == 3
    for model in (table, type("Model", (), {})):
        with pytest.raises(AttributeError):
            compile_filter([("nothing", "=", 1)], model=model)


def test_permissions_in_force_and_groups() -> None:
    permissions: dict[str, Any] = {
        "recent": [("time", ">", ago(days=7))],
        "own": [("user_id", "=", user_attribute("id"))],
        "open": [("status", "in", [1, 2])],
        "all": [],
    }
    assert compile_filter(permissions, []).always
    assert compile_filter(permissions, ["open", "recent"]).terms == [
        ("time", ">", ago(days=7)),
        ("status", "in", [1, 2]),
    ]
    group = [["own", "open"]]
    assert compile_filter(permissions, [], any_of=group).never
    assert compile_filter(permissions, ["own"], any_of=group).terms == permissions["own"]
    assert compile_filter(permissions, ["own", "open"], any_of=group).terms == [
        [permissions["own"], permissions["open"]]
    ]
    assert compile_filter(permissions, ["own", "all"], any_of=[["own", "all"]]).always
    for unknown in (["nothing"], "own"):
        with pytest.raises(ValueError, match="unknown permissions"):
            compile_filter(permissions, unknown)
    with pytest.raises(ValueError, match="unknown permissions: 'nothing'"):
        compile_filter(permissions, any_of=[["nothing"]])
    with pytest.raises(ValueError, match="names"):
        compile_filter([], ["own"])


def test_users_without_a_value_and_guests() -> None:
    plan = compile_filter([("team", "=", user_attribute("team"))])
    assert plan.needs_user
    assert plan.sql(user=User(team=3)) == ('"team" = ?', [3])
    assert plan.sql(user={"team": 3}) == ('"team" = ?', [3])
    assert plan.sql(user=User()) == ('"team" IS NULL', [])  # as column == None
    assert plan.sql() == ("1 = 0", [])
    for user in (object(), {"id": 1}):
        with pytest.raises(AttributeError):
            plan.sql(user=user)
    for terms in ([("team", "!=", user_attribute("team"))], [("team", "not in", [1, user_attribute("team")])]):
        plan = compile_filter(terms)
        assert plan.sql()[0] == "1 = 0"  # a guest never sees more
        assert compile_filter([[terms, [("a", "=", 1)]]]).sql() == ('"a" = ?', [1])
    assert compile_filter([("team", ">", user_attribute("team"))]).sql(user=User())[0] == "1 = 0"
    assert compile_filter([("team", "in", [1, user_attribute("team")])]).sql(user=User()) == (
        '("team" = ? OR "team" IS NULL)',
        [1],
    )


NAMES = ['a"b', "a`b", "a%b", "a%sb", "a'b", "a;--", "a:b", "a?b", "é", "a b", "%(x)s", '"', '""', "`", "select"]
STRINGS = ["'", "''; DROP TABLE t; --", '"', "%", "%s", "a\0b", "\\", "é\U0001f600", "?", ":p1", "$1"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_quoted_and_values_stay_outside(name: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        quoted = '"' + name.replace('"', '""') + '"'
        connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {quoted} TEXT)")
        connection.executemany(f"INSERT INTO t ({quoted}) VALUES (?)", [(text,) for text in STRINGS])
        for number, text in enumerate(STRINGS, 1):
            plan = compile_filter([(name, "=", text), (name, "!=", "other")])
            condition, values = plan.sql("qmark", table="t")
            assert condition == f'"t".{quoted} = ? AND "t".{quoted} <> ?' and values == [text, "other"]
            found = connection.execute(f"SELECT id FROM t WHERE {condition}", values).fetchall()
            assert found == [(number,)]
            condition, values = plan.sql("named")
            assert connection.execute(f"SELECT id FROM t WHERE {condition}", values).fetchall() == [(number,)]
            for style in ("format", "pyformat"):  # what such a driver does
                condition, values = plan.sql(style, dialect="mysql")
                filled = condition % (tuple(values) if style == "format" else values)
                quoted_mysql = "`" + name.replace("`", "``") + "`"
                assert filled == f"{quoted_mysql} = {text} AND {quoted_mysql} <> other"


def test_parameter_styles() -> None:
    plan = compile_filter([("a", "in", [3, 4]), ("b", ">", 5)])
    assert plan.sql("numeric") == ('"a" IN (:1, :2) AND "b" > :3', [3, 4, 5])
    assert plan.sql("dollar", start=7) == ('"a" IN ($7, $8) AND "b" > $9', [3, 4, 5])
    assert plan.sql("format", dialect="mysql+pymysql") == ("`a` IN (%s, %s) AND `b` > %s", [3, 4, 5])
    assert plan.sql("named", prefix="x", start=2) == (
        '"a" IN (:x2, :x3) AND "b" > :x4',
        {"x2": 3, "x3": 4, "x4": 5},
    )
    assert plan.sql("pyformat", table="t") == (
        '"t"."a" IN (%(p1)s, %(p2)s) AND "t"."b" > %(p3)s',
        {"p1": 3, "p2": 4, "p3": 5},
    )


@pytest.mark.parametrize("name", ["", "a\0b", "\0", "\ud800", "a\udfff"])
def test_names_that_no_database_has(name: str) -> None:
    with pytest.raises(ValueError):
        compile_filter([(name, "=", 1)])
    plan = compile_filter([("a", "=", 1)])
    if name:
        with pytest.raises(ValueError):
            plan.sql(table=name)


def test_a_lone_surrogate_in_a_value_is_the_drivers_business() -> None:
    text, values = compile_filter([("a", "=", "\ud800")]).sql()
    assert (text, values) == ('"a" = ?', ["\ud800"])


@pytest.mark.parametrize(
    "terms",
    [
        [("a", "~", 1)],
        [("a", "=")],
        [("a", "=", 1, 2)],
        [(1, "=", 1)],
        ["a = 1"],
        [None],
        [("a", "<", None)],
        [("a", "in", 1)],
        [("a", "in", "text")],
        [("a", "in", None)],
        [[[[("a", "=", 1)]]]],
        [["abc"]],
    ],
)
def test_malformed_terms_are_value_errors(terms: Any) -> None:
    with pytest.raises(ValueError):
        compile_filter(terms)


def test_malformed_calls_of_sql_are_value_errors() -> None:
    plan = compile_filter([("a", "=", 1)])
    for options in ({"paramstyle": "other"}, {"prefix": "1a"}, {"prefix": "a b"}, {"prefix": ""}, {"start": -1}):
        with pytest.raises(ValueError):
            plan.sql(**options)
    with pytest.raises(ValueError, match="does not evaluate"):
        compile_filter([TABLE.c.i == 1]).sql()


def test_the_core_refuses_other_shapes() -> None:
    good = ("a", "in", False, (("integer", 1, 0),))
    assert filter_simplify([good, [[good], []]]) == [("a", "in", False, (0,))]
    bad: list[Any] = [
        None,
        (),
        [None],
        [()],
        [("a", "in", False)],
        [("a", "in", False, [])],
        [("a", "is", False, ())],
        [("a", "<", False, ())],
        [("a", "<", False, (("integer", 1, 0), ("integer", 2, 1)))],
        [(1, "in", False, ())],
        [("a", 1, False, ())],
        [("a", "in", False, (1,))],
        [("a", "in", False, (("integer", 1),))],
        [("a", "in", False, (("number", 1, 0),))],
        [("a", "in", False, (("integer", 1.5, 0),))],
        [("a", "in", False, (("integer", 2**80, 0),))],
        [("a", "in", False, (("integer", 2**60, 0),))],
        [("a", "in", False, (("real", math.nan, 0),))],
        [("a", "in", False, (("real", 1, 0),))],
        [("a", "in", False, (("opaque", 0, -1),))],
        [("a", "in", False, (("opaque", 0, 2**32),))],
        [("a", "in", False, (("opaque", 0, "0"),))],
        [("a", "clause", False, ())],
        [(0, "clause", False, (("opaque", 0, 0),))],
        [[()]],
        [[good]],
        [[[good], None]],
        [[[[good]]]],
        [good] * 9000,
    ]
    for items in bad:
        with pytest.raises((TypeError, ValueError, OverflowError)):
            filter_simplify(items)
        with pytest.raises((TypeError, ValueError, OverflowError)):
            filter_sql(items, "qmark", '"', "", "p", 1)
    for form in (
        ("x", '"', "", "p", 1),
        ("qmark", "", "", "p", 1),
        ("qmark", '"', "", "p", -1),
        ("qmark", 1, "", "p", 1),
    ):
        with pytest.raises((TypeError, ValueError)):
            filter_sql([good], *form)


def test_conditions_of_sqlalchemy() -> None:
    condition = TABLE.c.s.like("a%")
    plan = compile_filter({"x": [condition, ("i", ">", 1)], "y": [condition, ("i", ">", 0)]})
    assert isinstance(plan, Filter) and plan.terms == [condition, ("i", ">", 1)]
    assert str(plan.where(TABLE)) == "t.s LIKE :s_1 AND t.i > :i_1"


def test_many_values_take_no_time() -> None:
    many = list(range(100_000))
    plan = compile_filter([("a", "in", many), ("a", "in", many[::-1]), ("a", "not in", many)])
    assert len(plan.sql()[1]) <= 300_000


def test_no_object_is_left_behind() -> None:
    """Neither by what is read and written, nor by what is refused half-way."""
    term = ("a", "in", True, (("integer", 1000, 1000), ("opaque", 0, 1001)))
    good: list[Any] = [term, [[term], [("b", "<", False, (("real", 1.5, 1002),))]]]
    bad: list[Any] = [
        [term, ("b", "<", False, ())],
        [term, [[term], [("c\0", "in", False, ())]]],
        [term, ("\ud800", "in")],
    ]

    def use() -> None:
        filter_simplify(good)
        filter_sql(good, "named", '"', "t", "p", 1)
        for items in bad:
            with contextlib.suppress(ValueError, TypeError):
                filter_simplify(items)
            with contextlib.suppress(ValueError, TypeError):
                filter_sql(items, "qmark", '"', "t", "p", 1)

    for _ in range(50):
        use()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        use()
    gc.collect()
    assert sys.getallocatedblocks() < before + 500
