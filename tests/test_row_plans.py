"""What the permissions in force come to: the statement that fastapi-amis-admin makes one by one, groups, aliases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import empty_database
from fastapi_amis_admin.admin import FilterSelectPerm, RecentTimeSelectPerm, SimpleSelectPerm, UserSelectPerm
from fastapi_amis_admin.admin.extensions.schemas import SelectPerm
from hypothesis import given, settings
from hypothesis import strategies as st
from row_models import RowArticle, RowTag, RowTagLink
from sqlalchemy import create_engine, delete, func, insert, select, table, update
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import Session, aliased
from starlette.requests import Request

from fastapi_user_auth_c.filters import column_of
from fastapi_user_auth_c.row_permissions import filter_select, restrict
from fastapi_user_auth_c.utils.casbin import enforce_once

DAY = 24 * 60 * 60
ME = 2
BOB = SimpleNamespace(id=ME, team=None)


class FakeAuth:
    """A user, and an enforcer that allows a set of names and counts."""

    def __init__(self, name: str = "bob", allowed: Any = (), user: Any = BOB) -> None:
        self.name, self.user, self.allowed = name, user, set(allowed)
        self.asked: list[Any] = []
        self.enforcer: Any = self

    async def get_current_user(self, request: Any) -> Any:
        return self.user

    async def get_current_user_identity(self, request: Any) -> str:
        return self.name

    def enforce(self, subject: str, page: str, action: str, group: str) -> bool:
        self.asked.append((subject, page, action, group))
        return action.removeprefix("page:select:") in self.allowed


def request_of() -> Request:
    return Request({"type": "http", "headers": [], "method": "GET", "path": "/"})


def page_of(auth: Any) -> Any:
    return SimpleNamespace(model=RowArticle, site=SimpleNamespace(auth=auth))


@pytest.fixture(scope="module", params=["sqlite", "psycopg", "pymysql"])
def session(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with empty_database(request.param, tmp_path_factory.mktemp("rows")) as url:
        engine = create_engine(url)
        RowArticle.metadata.create_all(engine, tables=[one.__table__ for one in (RowArticle, RowTag, RowTagLink)])
        with Session(engine) as session:
            session.execute(insert(RowArticle.__table__), articles())
            session.execute(insert(RowTag.__table__), [{"id": number, "name": "tag"} for number in (11, 12)])
            session.execute(insert(RowTagLink.__table__), [{"article_id": 1, "tag_id": number} for number in (11, 12)])
            session.commit()
            yield session
        engine.dispose()


def articles() -> list[dict[str, Any]]:
    now = datetime.now()
    return [
        {
            "title": f"{title}{number}",
            "status": status,
            "user_id": user,
            "is_published": published,
            "create_time": now - timedelta(days=days) if days else None,
        }
        for number, (title, status, user, published, days) in enumerate(
            (title, status, user, published, days)
            for title in "aB"
            for status in (None, 0, 1, 2, 3)
            for user in (None, 1, 2)
            for published in (True, False, None)
            for days in (0, 1, 5, 40)
        )
    ]


def ids(session: Session, statement: Any) -> list[int]:
    return sorted(session.scalars(statement).all())


class Even(SimpleSelectPerm):
    """A subclass with a way of its own."""

    async def _call(self, admin: Any, request: Any, sel: Any) -> Any:
        return sel.where(admin.model.status % 2 == 0)


class Renamed(SimpleSelectPerm):
    """A subclass that changes nothing; it is called all the same."""


def published(admin: Any, request: Any, sel: Any) -> Any:
    return sel.where(column_of(admin.model, "is_published") == True)  # noqa: E712


async def named(admin: Any, request: Any, sel: Any) -> Any:
    return sel.where(column_of(admin.model, "title").like("a%"))


values = st.lists(st.sampled_from([0, 1, 2, 3]), max_size=3) | st.just([None]) | st.none()
single: Any = st.one_of(
    st.builds(RecentTimeSelectPerm, name=st.just("r"), label=st.just(""), td=st.sampled_from([2, 10, 50]).map(
        lambda days: days * DAY)),
    st.builds(RecentTimeSelectPerm, name=st.just("d"), label=st.just(""), td=st.just(timedelta(days=3))),
    st.builds(UserSelectPerm, name=st.just("u"), label=st.just(""), user_attr=st.sampled_from(["id", "team"])),
    st.builds(SimpleSelectPerm, name=st.just("s"), label=st.just(""), values=values),
    st.builds(SimpleSelectPerm, name=st.just("p"), label=st.just(""), column=st.just("is_published"),
              values=st.lists(st.booleans(), max_size=2)),
    st.builds(FilterSelectPerm, name=st.just("f"), label=st.just(""), filters=st.sampled_from(
        [None, [], [RowArticle.status > 1], [RowArticle.status < 3, RowArticle.title != "a1"]])),
    st.builds(Even, name=st.just("e"), label=st.just(""), values=st.just([1])),
    st.builds(Renamed, name=st.just("n"), label=st.just(""), values=values),
    st.builds(SelectPerm, name=st.just("c"), label=st.just(""), call=st.sampled_from([published, named])),
    st.builds(SimpleSelectPerm, name=st.just("o"), label=st.just(""), values=values, call=st.just(published)),
)  # fmt: skip


async def one_by_one(page: Any, request: Any, statement: Any, permissions: Any) -> Any:
    """As fastapi-amis-admin does."""
    for permission in permissions:
        statement = permission.call(page, request, statement)
        if asyncio.iscoroutine(statement):
            statement = await statement
    return statement


USERS = st.sampled_from([None, SimpleNamespace(id=ME, team=None), SimpleNamespace(id=1, team=2)])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(single, st.booleans()), max_size=6), USERS)
def test_the_rows_are_those_of_one_call_after_the_other(session: Session, drawn: Any, user: Any) -> None:
    page, request = page_of(FakeAuth(user=user)), request_of()
    permissions, forces = [one for one, _ in drawn], [on for _, on in drawn]
    statement = select(RowArticle.id).select_from(RowArticle)
    found = asyncio.run(restrict(page, request, statement, permissions, forces))
    active = [permission for permission, on in drawn if on]
    expected = ids(session, asyncio.run(one_by_one(page, request, statement, active)))
    assert ids(session, found) == expected
    assert session.scalar(found.with_only_columns(func.count("*"))) == len(expected)
    # the same rows of an alias, in a statement with a join
    other = aliased(RowArticle)
    statement = select(other.id).join(RowArticle, RowArticle.id == other.id - 1)
    found = asyncio.run(restrict(page, request, statement, permissions, forces, entity=other))
    assert ids(session, found) == [one for one in expected if one > 1]


@settings(max_examples=100, deadline=None)
@given(st.lists(single, min_size=1, max_size=4, unique_by=lambda one: one.name), USERS, st.data())
def test_a_group_is_the_union_of_its_sets_in_force(session: Session, drawn: Any, user: Any, data: Any) -> None:
    page, request = page_of(FakeAuth(user=user)), request_of()
    forces = data.draw(st.lists(st.booleans(), min_size=len(drawn), max_size=len(drawn)))
    group = data.draw(st.lists(st.sampled_from([one.name for one in drawn]), unique=True))
    statement = select(RowArticle.id)
    found = asyncio.run(restrict(page, request, statement, drawn, forces, [group]))
    expected = set(ids(session, statement))
    union: set[int] = set()
    for permission, on in zip(drawn, forces, strict=True):
        if on:
            rows = set(ids(session, asyncio.run(one_by_one(page, request, statement, [permission]))))
            union |= rows if permission.name in group else set()
            expected &= rows if permission.name not in group else expected
    assert set(ids(session, found)) == expected & union


def where_of(statement: Any) -> str:
    try:
        return str(statement.whereclause.compile(compile_kwargs={"literal_binds": True}))
    except CompileError:  # no literals of that type
        return str(statement.whereclause)


def test_one_condition_and_a_plan_that_follows_its_permissions() -> None:
    page, request = page_of(FakeAuth()), request_of()
    status = SimpleSelectPerm(name="s", label="", values=[1, 2])
    more = SimpleSelectPerm(name="t", label="", values=[2, 3])

    def text() -> str:
        return where_of(asyncio.run(restrict(page, request, select(RowArticle), [status, more], [True, True])))

    assert text() == "row_article.status = 2"
    status.values.append(3)  # changed where it stands: as before, what it says now counts
    assert text() == "row_article.status IN (2, 3)"
    status.column = "user_id"
    assert text() == "row_article.user_id IN (1, 2, 3) AND row_article.status IN (2, 3)"
    status.call = more.call  # somebody else's
    assert text() == "row_article.status IN (2, 3) AND row_article.status IN (2, 3)"


def test_lists_with_none_hold_rows_without_a_value_too(session: Session) -> None:
    page, request = page_of(FakeAuth()), request_of()
    permission = SimpleSelectPerm(name="s", label="", values=[1, None])
    found = asyncio.run(restrict(page, request, select(RowArticle.status).distinct(), [permission], [True]))
    assert set(session.scalars(found)) == {1, None}


def test_columns_that_take_aware_times_only(session: Session) -> None:
    now = datetime.now().astimezone()
    for number, days in enumerate((1, 5, 20), 1):
        session.add(RowTag(id=number, name=f"{days}", seen_at=now - timedelta(days=days)))
    session.flush()
    page, request = SimpleNamespace(model=RowTag, site=SimpleNamespace(auth=FakeAuth())), request_of()
    permissions = [
        RecentTimeSelectPerm(name=name, label="", td=days * DAY, time_column="seen_at")
        for name, days in (("a", 10), ("b", 3))
    ]
    found = asyncio.run(restrict(page, request, select(RowTag.id), permissions, [True, True]))
    assert ids(session, found) == [1]
    assert ids(session, asyncio.run(one_by_one(page, request, select(RowTag.id), permissions))) == [1]
    session.rollback()


def apply(auth: Any, statement: Any, permissions: Any, **options: Any) -> Any:
    return asyncio.run(filter_select(auth, request_of(), statement, permissions=permissions, **options))


def test_outside_of_the_admin_site(session: Session) -> None:
    own = UserSelectPerm(name="own", label="", reverse=True)
    status = SimpleSelectPerm(name="status", label="", values=[1])
    both = [own, status]
    auth = FakeAuth()
    everything = session.scalar(select(func.count()).select_from(RowArticle))
    statement = apply(auth, select(RowArticle), both)
    assert where_of(statement) == "row_article.user_id = 2"
    assert auth.asked == [
        ("u:bob", "row_article", "page:select:own", "page:select"),
        ("u:bob", "row_article", "page:select:status", "page:select"),
    ]
    assert {row.user_id for row in session.scalars(statement)} == {ME}
    assert where_of(apply(FakeAuth(allowed={"own", "status"}), select(RowArticle), both)) == "row_article.status = 1"
    assert apply(FakeAuth(allowed={"own"}), select(RowArticle), both).whereclause is None
    # root sees all, a guest nothing of his own
    assert apply(FakeAuth("root"), select(RowArticle), both).whereclause is None
    guest = FakeAuth("", user=None)
    assert session.scalars(apply(guest, select(RowArticle), both)).all() == []
    assert guest.asked[0][0] == "u:guest"
    # the object of the rules, columns, counts, tables and aliases
    auth = FakeAuth()
    apply(auth, select(RowArticle), [own], page="articles")
    assert auth.asked[0][1] == "articles"
    count = session.scalar(apply(auth, select(func.count()).select_from(RowArticle), [own]))
    assert 0 < count < everything and auth.asked[-1][1] == "row_article"
    plain = RowArticle.__table__
    for entity in (plain, plain.alias("x"), aliased(RowArticle), RowArticle):
        statement = apply(FakeAuth(), select(entity), [own])
        assert len(session.execute(statement).all()) == count
        assert len(statement.get_final_froms()) == 1
        for permission in (published, named):  # called, but for the entity of the statement
            permission = SelectPerm(name="c", label="", call=permission, reverse=True)
            statement = apply(FakeAuth(), select(entity), [permission])
            assert 0 < len(session.execute(statement).all()) < everything
            assert len(statement.get_final_froms()) == 1
    joined = select(RowTag, RowArticle).join(RowArticle, RowArticle.user_id == RowTag.user_id)
    assert where_of(apply(FakeAuth(), joined, [own])) == "row_tag.user_id = 2"
    assert where_of(apply(FakeAuth(), joined, [own], entity=RowArticle)) == "row_article.user_id = 2"


@pytest.mark.parametrize("target", [RowArticle, RowArticle.__table__])
def test_statements_that_change_rows(session: Session, target: Any) -> None:
    own = UserSelectPerm(name="own", label="", reverse=True)
    called = SelectPerm(name="c", label="", call=published, reverse=True)
    count = session.scalar(apply(FakeAuth(), select(func.count()).select_from(target), [own, called]))
    assert count
    for statement in (update(target).values(title="changed"), delete(target)):
        assert session.execute(apply(FakeAuth(), statement, [own, called])).rowcount == count
    assert session.scalar(select(func.count()).where(RowArticle.title == "changed")) == 0
    session.rollback()
    with pytest.raises(ValueError, match="neither"):
        apply(FakeAuth(), insert(target), [own])


def test_rows_with_a_key_of_two_columns(session: Session) -> None:
    called = SelectPerm(name="c", label="", call=lambda admin, request, sel: sel.where(admin.model.tag_id == 12))
    other = aliased(RowTagLink)
    auth = FakeAuth(allowed={"c"})
    for entity in (RowTagLink, other):
        found = apply(auth, select(entity.article_id, entity.tag_id), [called], any_of=[["c"]], entity=entity)
        assert session.execute(found).all() == [(1, 12)]


def test_groups_of_unknown_sets_and_statements_of_nothing() -> None:
    own = UserSelectPerm(name="own", label="")
    for group in (["nothing"], "own"):
        with pytest.raises(ValueError, match="not a group"):
            apply(FakeAuth(), select(RowArticle), [own], any_of=[group])
    with pytest.raises(ValueError, match="give its entity"):
        apply(FakeAuth(), select(func.now()), [own])
    with pytest.raises(ValueError, match="no primary key"):
        called = SelectPerm(name="c", label="", call=published)
        apply(FakeAuth(allowed={"c"}), select(table("t")), [called], any_of=[["c"]], entity=table("t"))
    # a page that cannot be filtered shows nothing
    for permission in (SimpleSelectPerm(name="x", label="", column="nothing", values=[1]), UserSelectPerm(
            name="x", label="", user_attr="nothing")):  # fmt: skip
        with pytest.raises(AttributeError):
            apply(FakeAuth(allowed={"x"}), select(RowArticle), [permission])


def test_decisions_are_asked_for_once_per_request() -> None:
    auth, request = FakeAuth(allowed={"a"}), request_of()
    asked = [("p", "page:select:a", "page:select"), ("p", "page:select:b", "page:select")]
    assert enforce_once(request, auth, "u:bob", asked) == [True, False]
    assert enforce_once(request, auth, "u:bob", [*asked[::-1], asked[0]]) == [False, True, True]
    assert len(auth.asked) == 2
    enforce_once(request, auth, "u:eve", asked[:1])  # another subject, another request, another enforcer
    enforce_once(request_of(), auth, "u:bob", asked[:1])
    assert len(auth.asked) == 4
    other = FakeAuth()
    assert enforce_once(request, other, "u:bob", asked) == [False, False]


def test_a_change_of_the_policy_counts_within_a_request() -> None:
    from fastapi_user_auth_c.policy import Enforcer

    enforcer, request = Enforcer(), request_of()
    asked = [("p", "page", "page")]
    assert enforce_once(request, enforcer, "u:bob", asked) == [False]
    enforcer.add_policy("u:bob", "p", "page", "page", "allow")
    assert enforce_once(request, enforcer, "u:bob", asked) == [True]
    enforcer.remove_policy("u:bob", "p", "page", "page", "allow")
    assert enforce_once(request, enforcer, "u:bob", asked) == [False]
