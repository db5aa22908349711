"""Managers who may give rights, and what they may not: rights they lack, to themselves, or by taking."""

from __future__ import annotations

from typing import Any

import pytest
from app_for_tests import DATA, PAGES, RA, ROLES, UA, Client
from starlette.testclient import TestClient
from test_site import make_role, make_user

from fastapi_user_auth_c.admin import actions
from fastapi_user_auth_c.policy import Adapter, AsyncEnforcer

USERS, ROLE_PAGE, HISTORY = "Auth>UserAdmin", "Auth>RoleAdmin", "Auth>LoginHistoryAdmin"
LIST = f"{USERS}#page:list#page"


class Place:
    """A manager al, a user bo, roles ``mine`` (al has it) and ``other``."""

    def __init__(self, app: Any, client: TestClient) -> None:
        self.client, self.enforcer, self.site = client, app.state.site.auth.enforcer, app.state.site
        self.root = Client(client, "root")
        self.bo, self.mine = make_user(self.root, "bo"), make_role(self.root, "mine")
        self.other = make_role(self.root, "other")
        self.al_id = make_user(self.root, "al")
        manage = ("page", "page:list", *(f"page:update_subject_{what}" for what in
                  ("page_permissions", "data_permissions", "roles")))  # fmt: skip
        for page in (USERS, ROLE_PAGE):
            self.rules("u:al", *((page, action, "page") for action in manage))
        self.call(self.enforcer.add_role_for_user, "u:al", "r:mine")
        self.al = Client(client, "al")

    def call(self, what: Any, *args: Any) -> Any:
        return self.client.portal.call(what, *args)

    def rules(self, subject: str, *rules: tuple[str, str, str], effect: str = "allow") -> None:
        self.call(self.enforcer.add_policies, [[subject, *rule, effect] for rule in rules])

    def of(self, subject: str) -> set[tuple[str, ...]]:
        return {tuple(rule[1:]) for rule in self.enforcer.get_filtered_policy(0, subject)}

    def shown(self, who: Client, page: str, item_id: int) -> set[str]:
        text = who.data("GET", f"{page}/{PAGES}/api?item_id={item_id}")["permissions"]
        return set(filter(None, text.split(",")))

    def save(self, who: Client, page: str, item_id: int, permissions: set[str]) -> Any:
        return who.act(page, PAGES, item_id, {"permissions": ",".join(sorted(permissions))})


@pytest.fixture
def place(app: Any, client: TestClient) -> Place:
    return Place(app, client)


@pytest.mark.parametrize("database_url", ["aiosqlite", "asyncpg", "pymysql"], indirect=True)
def test_S1_page_permissions_that_one_lacks_are_refused_by_name(place: Place) -> None:
    before = place.enforcer.get_policy()
    for lacking in (f"{HISTORY}#page#page", f"{USERS}#page:delete#page", f"{USERS}#page:*#page", "*#page#page"):
        for page, item in ((UA, place.bo), (RA, place.other)):
            answer = place.save(place.al, page, item, {LIST, lacking})
            assert answer.status_code == 403 and lacking in answer.json()["msg"], answer.text
    assert place.save(place.al, UA, place.bo, {LIST, "nonsense"}).status_code == 422
    assert place.save(place.al, UA, place.bo, {f"{LIST}#deny"}).status_code == 422
    assert place.enforcer.get_policy() == before
    assert place.save(place.al, UA, place.bo, {LIST}).json()["status"] == 0
    assert place.of("u:bo") == {(USERS, "page:list", "page", "allow")}


def test_S1_data_permissions_that_one_lacks_are_refused(place: Place) -> None:
    query = f"item_id={place.bo}&permission={LIST.replace('#', '%23')}"
    rows = place.root.data("GET", f"{UA}/get_admin_action_perm_options?{query}")["rows"]
    everything, field = f"{USERS}#page:list:*#page:list", f"{USERS}#page:list:email#page:list"
    assert {row["rol"] for row in rows} == {everything, field}

    def give(who: Client, page: str, item: int, *chosen: str) -> Any:
        table = [{**row, "checked": row["rol"] in chosen} for row in rows]
        table += [{"rol": each, "checked": True} for each in chosen if each not in [row["rol"] for row in rows]]
        blank = [{**row, "checked": False} for row in rows]
        return who.act(page, DATA, item, {"permissions": LIST, "policy_matrix": [blank, table, blank]})

    before = place.enforcer.get_policy()
    for page, item in ((UA, place.bo), (RA, place.other)):
        assert give(place.al, page, item, field).status_code == 403, "not held"
        for forged in (f"{HISTORY}#page:list:x#page:list", f"{USERS}#page:list:x#page:list", "#", ""):
            assert give(place.al, page, item, forged).status_code in (403, 422), forged
            assert give(place.root, page, item, forged).status_code == 422, "out of the list, whoever asks"
    assert place.enforcer.get_policy() == before
    place.rules("u:al", (USERS, "page:list:*", "page:list"))
    before = place.enforcer.get_policy()
    for chosen in ((everything,), (field, everything)):
        assert give(place.al, UA, place.bo, *chosen).status_code == 403, "patterns are root's to give"
    assert place.enforcer.get_policy() == before
    for page, item, subject in ((UA, place.bo, "u:bo"), (RA, place.other, "r:other")):
        assert give(place.al, page, item, field).json()["status"] == 0, "held by the pattern"
        assert place.of(subject) == {(USERS, "page:list:email", "page:list", "allow")}
    assert give(place.root, UA, place.bo, everything).json()["status"] == 0
    assert place.of("u:bo") == {(USERS, "page:list:*", "page:list", "allow")}


def test_S1_nobody_gives_to_themselves(place: Place) -> None:
    before = place.enforcer.get_policy(), place.enforcer.get_grouping_policy()
    rows = place.root.data(
        "GET", f"{UA}/get_admin_action_perm_options?item_id={place.bo}&permission={LIST.replace('#', '%23')}"
    )["rows"]
    blank = [{**row, "checked": False} for row in rows]
    data = {"permissions": LIST, "policy_matrix": [blank, blank, [{**row, "checked": True} for row in rows]]}
    for page, item in ((UA, place.al_id), (RA, place.mine)):
        for action, form in ((PAGES, {"permissions": LIST}), (DATA, data), (ROLES, {"role_keys": ""})):
            answer = place.al.act(page, action, item, form).json()
            assert answer["status"] != 0 and "own" in answer["msg"], (page, action, answer)
    # a role that comes with another one is had too
    place.call(place.enforcer.add_grouping_policy, "r:mine", "r:other")
    assert place.save(place.al, RA, place.other, {LIST}).json()["status"] != 0
    place.call(place.enforcer.remove_grouping_policy, "r:mine", "r:other")
    assert (place.enforcer.get_policy(), place.enforcer.get_grouping_policy()) == before
    # root has no less to say about the roles that root has
    place.call(place.enforcer.add_role_for_user, "u:root", "r:other")
    assert place.save(place.root, RA, place.other, {LIST}).json()["status"] == 0


@pytest.mark.parametrize("database_url", ["aiosqlite", "asyncpg", "pymysql"], indirect=True)
def test_S18_the_form_shows_what_is_granted_and_saving_keeps_what_is_not_seen(place: Place) -> None:
    place.rules("u:bo", (HISTORY, "page", "page"), (USERS, "page", "page"), (USERS, "page:list", "page"))
    place.rules("u:bo", (USERS, "page:x*", "page"), ("gone page", "page", "page"))
    place.rules("u:bo", (USERS, "page:list:email", "page:list"))  # of another form
    place.rules("u:bo", (USERS, "page:read", "page"), (ROLE_PAGE, "page", "page"), effect="deny")
    place.rules("u:bo", (USERS, "page:read", "page"))  # which the denial outdoes
    place.rules("r:other", (ROLE_PAGE, "page:list", "page"))
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:other")
    before = place.of("u:bo")
    granted = {f"{HISTORY}#page#page", f"{USERS}#page#page", LIST, f"{USERS}#page:x*#page", "gone page#page#page"}
    for who in (place.al, place.root):
        assert place.shown(who, UA, place.bo) == granted
        assert place.save(who, UA, place.bo, granted).json()["status"] == 0
        assert place.of("u:bo") == before, "as it was shown, so it stays"
    # what al takes away is taken; what al does not hold, or does not see, stays, posted back or not
    assert place.save(place.al, UA, place.bo, {f"{USERS}#page#page"}).json()["status"] == 0
    assert place.of("u:bo") == before - {(USERS, "page:list", "page", "allow")}
    assert place.save(place.al, UA, place.bo, set()).json()["status"] == 0
    assert place.of("u:bo") == before - {(USERS, action, "page", "allow") for action in ("page:list", "page")}
    # a denial goes when what it denies is given, by somebody who may
    assert place.save(place.al, UA, place.bo, {f"{USERS}#page:read#page"}).status_code == 403
    assert place.save(place.al, UA, place.bo, {f"{ROLE_PAGE}#page#page"}).json()["status"] == 0
    assert place.enforcer.enforce("u:bo", ROLE_PAGE, "page", "page")
    assert (ROLE_PAGE, "page", "page", "deny") not in place.of("u:bo")
    # root sees and takes everything that is granted, and nothing else
    assert place.save(place.root, UA, place.bo, set()).json()["status"] == 0
    assert place.of("u:bo") == {
        (USERS, "page:list:email", "page:list", "allow"),
        (USERS, "page:read", "page", "allow"),
        (USERS, "page:read", "page", "deny"),
    }


def test_S18_the_form_of_fields_keeps_what_its_user_may_not_give(place: Place) -> None:
    place.rules("u:al", (USERS, "page:list:email", "page:list"))
    query = f"item_id={place.bo}&permission={LIST.replace('#', '%23')}"
    place.rules("u:bo", (USERS, "page:list:*", "page:list"))
    before = place.of("u:bo")
    shown = place.al.data("GET", f"{UA}/get_admin_action_perm_options?{query}")["value"]
    assert [row["rol"].split("#")[1] for row in shown[1] if row["checked"]] == ["page:list:*"]
    form = {"permissions": LIST, "policy_matrix": shown}
    assert place.al.act(UA, DATA, place.bo, form).json()["status"] == 0, "as it was shown, so it can be saved"
    assert place.of("u:bo") == before
    for column in shown:
        for row in column:
            if "email" in row["rol"]:
                row["checked"] = column is shown[1]
    assert place.al.act(UA, DATA, place.bo, form).json()["status"] == 0
    assert place.of("u:bo") == before | {(USERS, "page:list:email", "page:list", "allow")}
    assert place.al.act(RA, DATA, place.other, form).status_code == 403, "new to somebody, it is refused"
    assert place.of("r:other") == set()


def test_S18_rules_that_no_text_can_say_stay(place: Place) -> None:
    odd = {("a#b", "page", "page"), ("a", "page:#", "page"), ("a,b", "page", "page")}
    place.rules("u:bo", *odd)
    place.rules("u:bo", ("x#y", "page", "page"), effect="deny")
    before = place.of("u:bo")
    for who in (place.al, place.root):
        assert place.save(who, UA, place.bo, {LIST}).json()["status"] == 0
        assert place.of("u:bo") >= {rule for rule in before if "#" in rule[0] + rule[1]} | {
            (USERS, "page:list", "page", "allow")
        }


def test_S18_a_row_that_is_not_there_shows_nobodys_rights(place: Place) -> None:
    for page in (UA, RA):
        for action in (PAGES, ROLES):
            assert place.al("GET", f"{page}/{action}/api?item_id=99").status_code == 404
            assert place.al("GET", f"{page}/{action}/api?item_id=x").status_code == 422
            assert not any(place.al.data("GET", f"{page}/{action}/api").values())


def test_S5_a_role_that_one_lacks_is_not_taken_from_everybody(place: Place) -> None:
    place.rules("u:al", (ROLE_PAGE, "page:delete", "page"), (ROLE_PAGE, "page:update", "page"))
    place.rules("r:other", (HISTORY, "page", "page"))
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:other")
    assert place.al("DELETE", f"{RA}/item/{place.other}").status_code == 403
    assert place.al("DELETE", f"{RA}/item/{place.mine},{place.other}").status_code == 403
    assert place.enforcer.enforce("u:bo", HISTORY, "page", "page")
    assert place.al("PUT", f"{RA}/item/{place.other}", {"desc": "x"}).json()["status"] == 0
    place.rules("u:al", (HISTORY, "page", "page"))
    assert place.al("DELETE", f"{RA}/item/{place.other}").status_code == 403, "there is more to a role than its rules"
    place.call(place.enforcer.add_role_for_user, "u:al", "r:other")
    assert place.al("DELETE", f"{RA}/item/{place.other}").json()["status"] == 0


def roles_of(place: Place, subject: str) -> set[str]:
    return set(place.call(place.enforcer.get_roles_for_user, subject))


def test_S5_roles_are_given_and_taken_without_more_than_one_has(place: Place) -> None:
    """A role of one's own may allow what something else denies to oneself, or keep others from something."""
    for key in ("editors", "narrow"):
        make_role(place.root, key)
        place.call(place.enforcer.add_role_for_user, "u:al", f"r:{key}")
    place.rules("r:editors", ("P", "page:update", "page"))
    place.rules("r:narrow", ("P", "page:update", "page"), effect="deny")
    assert not place.enforcer.enforce("u:al", "P", "page:update", "page")
    answer = place.al.act(UA, ROLES, place.bo, {"role_keys": "editors"})
    assert answer.status_code == 403, answer.text
    assert not place.enforcer.enforce("u:bo", "P", "page:update", "page")
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:editors")
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:narrow")
    assert place.al.act(UA, ROLES, place.bo, {"role_keys": ""}).json()["status"] == 0
    assert roles_of(place, "u:bo") == {"r:narrow"}, "what narrows stays"


def test_S4_roles_are_deleted_by_those_who_have_them_and_lose_nothing_by_it(place: Place) -> None:
    place.rules("u:al", (ROLE_PAGE, "page:delete", "page"))
    ids = {key: make_role(place.root, key) for key in ("narrow", "power", "empty", "held")}
    ids |= {row["key"]: row["id"] for row in place.root.data("POST", f"{RA}/list?perPage=100", {})["items"]}
    for user, key in (("u:al", "narrow"), ("u:bo", "power"), ("u:al", "held"), ("u:bo", "held")):
        place.call(place.enforcer.add_role_for_user, user, f"r:{key}")
    place.rules("r:narrow", ("P", "page:update", "page"), effect="deny")
    for key in ("narrow", "power", "admin", "root"):
        assert place.al("DELETE", f"{RA}/item/{ids[key]}").status_code == 403, key
    assert roles_of(place, "u:bo") == {"r:power", "r:held"} and "r:root" in roles_of(place, "u:root")
    for key in ("empty", "held"):
        answer = place.al("DELETE", f"{RA}/item/{ids[key]}")
        assert answer.status_code == 200, (key, answer.text)
    assert roles_of(place, "u:bo") == {"r:power"}
    assert place.root.data("DELETE", f"{RA}/item/{ids['narrow']}") == 1


def test_P18_what_another_worker_took_away_does_not_come_back_by_a_form(
    app: Any, client: TestClient, place: Place, database_url: str
) -> None:
    """The roles and rules that a form leaves alone are those that are stored."""
    place.rules("u:bo", (HISTORY, "page", "page"))
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:other")
    place.enforcer.poll_seconds = 3600  # else it would look by itself
    place.call(place.enforcer.refresh, True)

    async def another_worker() -> None:
        other = AsyncEnforcer(None, Adapter(place.site.auth.db))
        await other.load_policy()
        assert await other.delete_role_for_user("u:bo", "r:other")
        assert await other.remove_policy("u:bo", HISTORY, "page", "page", "allow")

    place.call(another_worker)
    assert place.al.act(UA, ROLES, place.bo, {"role_keys": "mine"}).json()["status"] == 0
    assert roles_of(place, "u:bo") == {"r:mine"}
    assert place.save(place.al, UA, place.bo, {LIST}).json()["status"] == 0
    assert place.of("u:bo") == {(USERS, "page:list", "page", "allow")}


@pytest.mark.parametrize("database_url", ["aiosqlite", "asyncpg", "pymysql"], indirect=True)
def test_P18_a_change_that_comes_while_a_form_is_worked_out_stays(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.rules("u:bo", (HISTORY, "page", "page"))
    place.call(place.enforcer.add_role_for_user, "u:bo", "r:other")
    place.enforcer.poll_seconds = 3600
    left = 2

    async def another_worker() -> None:
        other = AsyncEnforcer(None, Adapter(place.site.auth.db))
        await other.load_policy()
        if left:
            assert await other.remove_policy("u:bo", HISTORY, "page", "page", "allow")
        else:
            assert await other.delete_role_for_user("u:bo", "r:other")

    def between(name: str) -> None:
        worked_out = getattr(actions, name)

        async def slow(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            found = await worked_out(*args, **kwargs)
            if left % 2 == 0:
                await another_worker()
            left -= 1
            return found

        monkeypatch.setattr(actions, name, slow)

    between("rules_to_store")
    assert place.save(place.al, UA, place.bo, {LIST}).json()["status"] == 0
    assert place.of("u:bo") == {(USERS, "page:list", "page", "allow")} and left == 0
    between("roles_to_store")
    assert place.al.act(UA, ROLES, place.bo, {"role_keys": "mine"}).json()["status"] == 0
    assert roles_of(place, "u:bo") == {"r:mine"} and left == -2
