"""The documented examples of the original, each in a process of its own: their tables would clash."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"


class Visitors:
    """Requests to one application by a guest (name "") and by users whose password is their name."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.tokens: dict[str, str] = {}

    def login(self, name: str, password: str = "") -> str:
        form = {"username": name, "password": password or name}
        out = self.client.post("/admin/auth/gettoken", data=form).json()
        assert out["status"] == 0, out
        self.tokens[name] = out["data"]["access_token"]
        return self.tokens[name]

    def __call__(self, name: str, method: str, path: str, json: Any = None) -> Any:
        if name and name not in self.tokens:
            self.login(name)
        self.client.cookies.clear()
        headers = {"Authorization": f"bearer {self.tokens[name]}"} if name else {}
        kwargs = {} if json is None else {"json": json}
        return self.client.request(method, path, headers=headers, follow_redirects=False, **kwargs)

    def statuses(self, path: str, *names: str) -> list[int]:
        return [self(name, "GET", path).status_code for name in names]

    def data(self, name: str, method: str, path: str, json: Any = None) -> Any:
        answer = self(name, method, path, json)
        assert answer.status_code == 200 and answer.json()["status"] == 0, answer.text
        return answer.json()["data"]


CHECKS: dict[str, Callable[[Any, Visitors], None]] = {}


def check(*names: str) -> Callable[[Callable[[Any, Visitors], None]], Callable[[Any, Visitors], None]]:
    def register(function: Callable[[Any, Visitors], None]) -> Callable[[Any, Visitors], None]:
        CHECKS.update(dict.fromkeys(names, function))
        return function

    return register


@check("simple", "simple_lifespan")
def simple(module: Any, ask: Visitors) -> None:
    assert ask.statuses("/auth/get_user", "", "admin", "root") == [403, 200, 200]
    body = ask("root", "GET", "/auth/get_user").json()
    assert body["username"] == "root" and "$2" not in str(body.get("password"))
    assert ask("", "GET", "/admin/auth/form/login").status_code == 200
    assert ask("", "GET", "/admin/").status_code == 307
    assert ask.data("root", "POST", "/admin/", {})["pages"]
    assert ask.data("root", "POST", "/admin/auth/UserAdmin/list", {})["total"] == 2
    allowed = module.auth.enforcer.enforce("u:admin", module.site.unique_id, "page", "page")
    assert allowed is (module.__name__ == "simple")


@check("decorators")
def decorators(module: Any, ask: Visitors) -> None:
    who = ("", "bob", "vip", "admin", "root")
    assert ask.statuses("/auth/user", *who) == [403, 200, 200, 200, 200]
    assert ask.statuses("/auth/admin_roles", *who) == [403, 403, 403, 200, 403]
    assert ask.statuses("/auth/vip_roles", *who) == [403, 403, 200, 403, 403]
    assert ask.statuses("/auth/admin_or_vip_roles", *who) == [403, 403, 200, 200, 403]
    assert ask("vip", "GET", "/auth/vip_roles").json()["username"] == "vip"


@check("dependencies")
def dependencies(module: Any, ask: Visitors) -> None:
    who = ("", "bob", "admin")
    assert ask("", "GET", "/auth/admin_roles_depend_1").json() is None
    assert ask("bob", "GET", "/auth/admin_roles_depend_1").json()["username"] == "bob"
    assert ask.statuses("/auth/admin_roles_depend_2", *who) == [403, 403, 200]
    assert ask.statuses("/admins/auth/admin_roles_depend_3", *who) == [403, 403, 200]
    assert ask("admin", "GET", "/admins/auth/admin_roles_depend_3").json()["username"] == "admin"


@check("middleware")
def middleware(module: Any, ask: Visitors) -> None:
    assert ask("", "GET", "/who").json() == {"name": None, "is_auth": True}
    assert ask("bob", "GET", "/who").json() == {"name": "bob", "is_auth": True}


@check("direct_call")
def direct_call(module: Any, ask: Visitors) -> None:
    for name, admin, anybody in [("", None, None), ("bob", None, "bob"), ("admin", "admin", "admin")]:
        assert ask(name, "GET", "/admin_or_nobody").json() == {"name": admin}
        assert ask(name, "GET", "/anybody_or_nobody").json() == {"name": anybody}


@check("jwt_store", "db_store", "redis_store")
def stores(module: Any, ask: Visitors) -> None:
    assert ask.statuses("/auth/get_user", "", "bob", "root") == [403, 200, 200]
    ask.tokens["nobody"] = ask.tokens["bob"][:-4] + "AAAA"
    assert ask.statuses("/auth/get_user", "nobody") == [403]
    assert (ask.tokens["bob"].count(".") == 2) is (module.__name__ == "jwt_store")
    assert ask.data("root", "POST", "/admin/auth/UserAdmin/list", {})["total"] == 4


@check("own_table")
def user_model(module: Any, ask: Visitors) -> None:
    answer = ask("bob", "GET", "/auth/get_user").json()
    assert (answer["name"], answer["point"]) == ("bob", 0)
    table = "/admin/auth/UserAdmin"
    made = ask.data("root", "POST", f"{table}/item", {"username": "carol", "password": "plum jam 3", "point": 2.5})
    assert made["point"] == 2.5
    ask.login("carol", "plum jam 3")
    assert ask("carol", "GET", "/auth/get_user").json()["point"] == 2.5
    assert ask.data("root", "PUT", f"{table}/item/{made['id']}", {"point": 3}) == 1
    assert ask.data("root", "GET", f"{table}/item/{made['id']}")["point"] == 3
    assert ask("bob", "POST", f"{table}/list", {}).json()["status"] != 0
    rows = ask.data("root", "POST", f"{table}/list", {})["items"]
    assert {row["username"] for row in rows} == {"root", "admin", "vip", "bob", "carol"}
    found = ask.data("root", "POST", f"{table}/list", {"username": "[~]car%"})["items"]
    assert [row["username"] for row in found] == ["carol"]
    logins = ask.data("root", "POST", "/admin/auth/LoginHistoryAdmin/list", {})["items"]
    assert {row["login_name"] for row in logins} >= {"root", "bob"}


@check("user_model")
def my_user(module: Any, ask: Visitors) -> None:
    user_model(module, ask)
    values = {"username": "dave", "password": "plum jam 4", "phone": "123", "birthday": "2000-01-02", "parent_id": 1}
    made = ask.data("root", "POST", "/admin/auth/UserAdmin/item", values)
    assert (made["phone"], made["birthday"], made["parent_id"], made["location"]) == ("123", "2000-01-02", 1, None)
    ask.login("dave", "plum jam 4")
    assert ask("dave", "GET", "/auth/get_user").json() == {"name": "dave", "point": 0, "phone": "123"}


@check("custom_site")
def custom_site(module: Any, ask: Visitors) -> None:
    page = "/admin/auth/MyRoleAdmin"
    assert ask("bob", "POST", f"{page}/list", {}).status_code in (307, 401, 403)
    made = ask.data("root", "POST", f"{page}/item", {"key": "editor", "name": "Editor", "icon": "fa fa-pencil"})
    assert (made["icon"], made["is_active"]) == ("fa fa-pencil", True)
    assert ask.data("root", "PUT", f"{page}/item/{made['id']}", {"is_active": False}) == 1
    row = next(row for row in ask.data("root", "POST", f"{page}/list", {})["items"] if row["id"] == made["id"])
    assert (row["key"], row["is_active"]) == ("editor", False)
    assert "User group management" in ask("root", "POST", "/admin/", {}).text
    bob = next(r for r in ask.data("root", "POST", "/admin/auth/UserAdmin/list", {})["items"] if r["username"] == "bob")
    action = f"/admin/auth/UserAdmin/UpdateSubRolesAction/api?item_id={bob['id']}"
    assert ask("root", "POST", action, {"role_keys": "editor"}).json()["status"] == 0
    assert ask.data("root", "GET", action) == {"role_keys": "editor"}


def grant(module: Any, ask: Visitors, *rules: tuple[str, ...]) -> None:
    ask.client.portal.call(module.auth.enforcer.add_policies, [("u:bob", *rule, "allow") for rule in rules])


@check("field_permissions")
def field_permissions(module: Any, ask: Visitors) -> None:
    url = "/admin/AuthFieldArticleAdmin"
    page = module.site.get_admin_or_create(module.AuthFieldArticleAdmin).unique_id
    values = {"title": "t", "description": "d", "content": "c", "status": 2, "is_published": True}
    assert ask("bob", "POST", f"{url}/item", values).json()["status"] != 0
    grant(module, ask, *[(page, f"page{name}", "page") for name in ("", ":list", ":create", ":update")])
    refused = ask("bob", "POST", f"{url}/item", values)
    assert refused.status_code == 403 and f"{page}#page:create:status#page:create" in refused.json()["msg"]
    open_ = {name: values[name] for name in ("title", "description", "content")}
    made = ask.data("bob", "POST", f"{url}/item", open_)
    assert made == {"id": 1, **open_}
    grant(module, ask, *[(page, f"page:create:{name}", "page:create") for name in ("status", "is_published")])
    assert ask.data("bob", "POST", f"{url}/item", values)["status"] == 2
    refused = ask("bob", "POST", f"{url}/list", {})
    assert refused.status_code == 403 and f"{page}#page:list:*#page:list" in refused.json()["msg"]
    grant(module, ask, (page, "page:list:title", "page:list"))
    assert ask.data("bob", "POST", f"{url}/list", {})["items"] == [{"id": 1, "title": "t"}, {"id": 2, "title": "t"}]
    assert ask.data("root", "POST", f"{url}/list", {})["items"][0]["content"] == "c"
    ask("bob", "PUT", f"{url}/item/{made['id']}", {"content": "changed"})
    assert ask.data("root", "GET", f"{url}/item/{made['id']}")["content"] == "c"
    grant(module, ask, (page, "page:update:*", "page:update"))
    assert ask.data("bob", "PUT", f"{url}/item/{made['id']}", {"content": "changed"}) == 1
    assert ask.data("root", "GET", f"{url}/item/{made['id']}")["content"] == "changed"


@check("data_permissions")
def data_permissions(module: Any, ask: Visitors) -> None:
    url = "/admin/AuthSelectArticleAdmin"
    page = module.site.get_admin_or_create(module.AuthSelectArticleAdmin).unique_id
    users = {row["username"]: row["id"] for row in ask.data("root", "POST", "/admin/auth/UserAdmin/list", {})["items"]}
    for title, user, status, published, made in [
        ("own", "bob", 0, False, None),
        ("own, old", "bob", 1, True, "2020-01-01 00:00:00"),
        ("other", "vip", 2, True, None),
        ("other, hidden", "vip", 5, False, None),
    ]:
        values = {"title": title, "user_id": users[user], "status": status, "is_published": published}
        ask.data("root", "POST", f"{url}/item", {**values, **({"create_time": made} if made else {})})

    def seen(name: str) -> list[str]:
        return sorted(row["title"] for row in ask.data(name, "POST", f"{url}/list", {})["items"])

    assert len(seen("root")) == 4
    grant(module, ask, (page, "page", "page"), (page, "page:list", "page"))
    assert seen("bob") == ["own"]
    grant(module, ask, (page, "page:select:recent7_create", "page:select"))
    assert seen("bob") == ["own", "own, old"]
    grant(module, ask, (page, "page:select:self_create", "page:select"))
    assert len(seen("bob")) == 4
    grant(module, ask, (page, "page:select:published", "page:select"))
    assert seen("bob") == ["other", "own, old"]
    grant(module, ask, (page, "page:select:status_1_2_3", "page:select"))
    assert seen("bob") == ["other", "own, old"]
    grant(module, ask, (page, "page:select:recent30_create", "page:select"))
    assert seen("bob") == ["other"]


def has_redis() -> bool:
    import socket

    if importlib.util.find_spec("redis") is None:
        return False
    with socket.socket() as connection:
        connection.settimeout(1)
        return connection.connect_ex(("127.0.0.1", 6379)) == 0


def run(name: str) -> None:
    """What each process does, in an empty working directory."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    from starlette.testclient import TestClient

    with TestClient(module.app) as client:
        CHECKS[name](module, Visitors(client))
    if name != "redis_store":  # its connections belong to the event loop of the first start
        with TestClient(module.app) as client:  # the second finds the database of the first
            assert Visitors(client).login("root")


def test_every_example_has_a_check() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(CHECKS)


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_example(name: str, tmp_path: Path) -> None:
    if name == "redis_store" and not has_redis():
        pytest.skip("no Redis server at its usual port")
    command = [sys.executable, "-W", "ignore", __file__, name]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


if __name__ == "__main__":
    run(sys.argv[1])
