"""The documented examples, each in a process of its own: their tables would clash."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
from conftest import empty_database, end
from test_cli import free_port

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
WITHOUT_SITE = {"plain_app"}
ON_POSTGRES = {"postgres"}
OTHERWISE = {
    "from_casbin": "test_moving_over.test_from_casbin",
    "from_fastapi_users": "test_moving_over.test_from_fastapi_users",
    "from_original": "test_moving_over.test_from_the_original",
    "workers": "test_examples.test_workers_example",
}
"""Examples that are no application of one process, and the tests that they have instead."""


class Visitors:
    """Requests to one application by a guest (name "") and by users whose password is their name."""

    def __init__(self, client: Any, prefix: str = "/admin") -> None:
        self.client = client
        self.prefix = prefix
        self.tokens: dict[str, str] = {}

    def login(self, name: str, password: str = "") -> str:
        form = {"username": name, "password": password or name}
        out = self.client.post(f"{self.prefix}/auth/gettoken", data=form).json()
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
    assert allowed is (module.__name__ != "simple_lifespan")


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


@check("plain_app")
def plain_app(module: Any, ask: Visitors) -> None:
    who = ("", "reader", "editor", "root")
    assert ask.statuses("/articles", *who) == [401, 200, 200, 200]
    writing = [ask(name, "POST", "/articles?title=News").status_code for name in who]
    assert writing == [401, 403, 200, 200]
    assert ask("editor", "POST", "/articles?title=More").json() == {"title": "More", "author": "editor"}
    assert ask("reader", "GET", "/articles").json() == ["Welcome", "News", "News", "More"]

    assert [ask(name, "POST", "/writers/reader").status_code for name in who] == [403, 403, 403, 200]
    assert ask("reader", "POST", "/articles?title=Mine").status_code == 200
    assert ask("root", "DELETE", "/writers/reader").json() == {"changed": True}
    assert ask("reader", "POST", "/articles?title=Mine").status_code == 403

    assert ask("reader", "GET", "/auth/userinfo").json()["data"]["username"] == "reader"
    wrong = ask.client.post("/auth/gettoken", data={"username": "reader", "password": "wrong"}).json()
    assert wrong["status"] == -1 and not wrong["data"]
    assert ask("reader", "GET", "/auth/logout").status_code == 307
    assert ask.statuses("/articles", "reader", "editor") == [401, 200]


@check("postgres")
def postgres(module: Any, ask: Visitors) -> None:
    simple(module, ask)
    assert module.site.db.engine.dialect.name == "postgresql"
    made = ask.data("root", "POST", "/admin/auth/UserAdmin/item", {"username": "carol", "password": "plum jam 3"})
    assert made["id"] == 3
    assert ask("admin", "POST", "/admin/auth/UserAdmin/list", {}).status_code == 403
    assert ask.data("root", "POST", "/admin/auth/RoleAdmin/list", {})["total"] == 2


@check("role_model")
def role_model(module: Any, ask: Visitors) -> None:
    page = "/admin/auth/TeamRoleAdmin"
    made = ask.data("root", "POST", f"{page}/item", {"key": "release", "name": "Releases", "contact": "ann"})
    assert (made["key"], made["contact"]) == ("release", "ann")
    assert ask("bob", "POST", f"{page}/item", {"key": "x", "name": "x"}).status_code == 403
    assert ask("bob", "POST", f"{page}/list", {}).status_code == 403
    assert ask("bob", "GET", "/my_roles").json() == {"bob": ""} and ask.statuses("/my_roles", "") == [403]
    assert ask("bob", "POST", "/releases").status_code == 403

    bob = next(r for r in ask.data("root", "POST", "/admin/auth/UserAdmin/list", {})["items"] if r["username"] == "bob")
    action = f"/admin/auth/UserAdmin/UpdateSubRolesAction/api?item_id={bob['id']}"
    assert ask("bob", "POST", action, {"role_keys": "bob,release"}).status_code == 403
    assert ask("root", "POST", action, {"role_keys": "bob,release"}).json()["status"] == 0
    assert ask("bob", "GET", "/my_roles").json() == {"bob": "", "release": "ann"}
    assert ask("bob", "POST", "/releases").json() == {"by": "bob"}

    permissions = f"{page}/UpdateSubPagePermsAction/api?item_id={made['id']}"  # what the page of roles has besides
    assert ask("root", "GET", permissions).json()["status"] == 0
    assert ask.data("root", "PUT", f"{page}/item/{made['id']}", {"contact": "eve"}) == 1
    assert ask("bob", "GET", "/my_roles").json()["release"] == "eve"
    assert ask("root", "DELETE", f"{page}/item/{made['id']}").json()["status"] == 0
    assert ask("bob", "POST", "/releases").status_code == 403


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
        CHECKS[name](module, Visitors(client, "" if name in WITHOUT_SITE else "/admin"))
    if name != "redis_store":  # its connections belong to the event loop of the first start
        with TestClient(module.app) as client:  # the second finds the database of the first
            assert Visitors(client, "" if name in WITHOUT_SITE else "/admin").login("root")


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE.parent), os.environ.get("PYTHONPATH", "")]), **more}


def test_every_example_has_a_check() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(CHECKS) | set(OTHERWISE)
    for test in OTHERWISE.values():
        module, _, function = test.partition(".")
        assert f"def {function}(" in (HERE / f"{module}.py").read_text(encoding="utf-8")


def test_the_readme_lists_every_example() -> None:
    readme = (HERE.parent / "README.md").read_text(encoding="utf-8")
    section = readme.partition("\n## Examples\n")[2].partition("\n## ")[0]
    named = re.findall(r"`tests/examples/(\w+)\.py`", section)
    assert sorted(named) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_example(name: str, tmp_path: Path) -> None:
    if name == "redis_store" and not has_redis():
        pytest.skip("no Redis server at its usual port")
    with empty_database("asyncpg", tmp_path) if name in ON_POSTGRES else nullcontext("") as url:
        command = [sys.executable, "-W", "ignore", __file__, name]
        env = environment(DATABASE_URL=url)
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


# --- several processes


@contextmanager
def two_workers(url: str, folder: Path, watcher: str) -> Iterator[list[httpx.Client]]:
    """The example under uvicorn, with a connection to each of its two processes that is kept alive."""
    port = free_port()
    command = [sys.executable, "-W", "ignore", "-m", "uvicorn", "workers:app", "--workers", "2", "--port", str(port)]
    command += ["--log-level", "warning", "--app-dir", str(EXAMPLES)]
    log = folder / "log"
    found: dict[str, httpx.Client] = {}
    with log.open("w") as out:
        server = subprocess.Popen(
            command, cwd=folder, env=environment(DATABASE_URL=url, WATCHER=watcher), stdout=out, stderr=out
        )
        try:
            deadline = time.monotonic() + 60
            while len(found) < 2:
                assert time.monotonic() < deadline and server.poll() is None, log.read_text()
                client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
                try:
                    worker = client.get("/worker").text
                except httpx.TransportError:
                    worker = ""
                if worker and worker not in found:
                    found[worker] = client
                else:
                    client.close()
                    time.sleep(0.05)
            yield list(found.values())
        finally:
            for client in found.values():
                client.close()
            end(server)
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.mark.parametrize("watcher", ["", "postgres", "redis"])
def test_workers_example(watcher: str, tmp_path: Path) -> None:
    if watcher == "redis" and not has_redis():
        pytest.skip("no Redis server at its usual port")
    # with a watcher well before anybody would have asked the database again
    patience = 0.5 if watcher else 1.0
    with empty_database("asyncpg", tmp_path) as url, two_workers(url, tmp_path, watcher) as workers:
        tokens = {}
        for name in ("root", "bob"):
            out = workers[0].post("/auth/gettoken", data={"username": name, "password": name}).json()
            workers[0].cookies.clear()
            tokens[name] = {"Authorization": f"bearer {out['data']['access_token']}"}
        first, second = workers

        def answers(client: httpx.Client) -> int:
            return client.get("/report", headers=tokens["bob"]).status_code

        assert first.get("/report").status_code == 403
        assert first.put("/readers/bob", headers=tokens["bob"]).status_code == 403
        assert [answers(worker) for worker in workers] == [403, 403]
        for one, other in ((first, second), (second, first)):
            assert one.put("/readers/bob", headers=tokens["root"]).json() == {"changed": True}
            time.sleep(patience)
            assert [answers(one), answers(other)] == [200, 200]
            assert one.delete("/readers/bob", headers=tokens["root"]).json() == {"changed": True}
            assert answers(one) == 403  # there at once
            time.sleep(patience)
            assert [answers(one), answers(other)] == [403, 403]


if __name__ == "__main__":
    run(sys.argv[1])
