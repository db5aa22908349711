"""The command line, with real servers on free ports of the loopback address."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fastapi_user_auth_c import cli

UNCHANGED = """
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth.site import AuthAdminSite
from fastapi_user_auth.auth.models import User
from sqlmodel import SQLModel
from starlette.requests import Request

app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url="sqlite:///amisadmin.db?check_same_thread=False"))
auth = site.auth
site.mount_app(app)

@app.on_event("startup")
async def startup():
    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    await auth.create_role_user("root")
    await site.router.startup()

@app.get("/auth/get_user")
@auth.requires()
def get_user(request: Request):
    return {"name": request.user.username, "module": type(request.user).__module__}

def make():
    return app

class nested:
    app = app
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class Answer:
    def __init__(self, response: Any) -> None:
        self.status_code = response.status
        self.headers = response.headers
        self.text = response.read().decode()

    def json(self) -> Any:
        return json.loads(self.text)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


class Server:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.headers: dict[str, str] = {}
        self.opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        headers = dict(self.headers)
        if isinstance(body, dict):
            headers["Content-Type"] = "application/json"
            body = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        try:
            return Answer(self.opener.open(request, timeout=10))
        except urllib.error.HTTPError as error:
            return Answer(error)

    def login(self, name: str) -> None:
        form = urllib.parse.urlencode({"username": name, "password": name}).encode()
        self.headers = {}
        answer = self("POST", "/admin/auth/gettoken", form).json()
        assert answer["status"] == 0, answer
        self.headers = {"Authorization": f"bearer {answer['data']['access_token']}"}


@contextlib.contextmanager
def served(cwd: Path, *args: str) -> Iterator[tuple[Server, Path]]:
    """``python -m fastapi_user_auth_c`` with these arguments, once it answers; and the file with its output."""
    port, log = free_port(), cwd / "log.txt"
    command = [sys.executable, "-m", "fastapi_user_auth_c", *args, "--port", str(port)]
    with log.open("w") as out, subprocess.Popen(command, cwd=cwd, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            for _ in range(300):
                assert process.poll() is None, log.read_text()
                try:
                    Server(port)("GET", "/openapi.json")
                    break
                except OSError:
                    time.sleep(0.1)
            else:
                raise AssertionError(f"no answer: {log.read_text()}")
            yield Server(port), log
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def test_demo(tmp_path: Path) -> None:
    with served(tmp_path, "demo") as (http, log):
        text = log.read_text()
        assert f"{http.url}/admin/" in text and "password root" in text and "change them" in text
        assert str(tmp_path / "amisadmin.db") in text
        assert http("GET", "/").headers["location"] == "/admin/"
        assert http("GET", "/admin/auth/form/login").status_code == 200
        assert http("GET", "/auth/get_user").status_code == 403
        by_field, by_row = "/admin/AuthFieldArticleAdmin", "/admin/AuthSelectArticleAdmin"
        assert http("POST", f"{by_row}/list", {}).json()["status"] != 0

        http.login("root")
        assert http("GET", "/auth/get_user").json()["username"] == "root"
        assert len(http("POST", f"{by_row}/list", {}).json()["data"]["items"]) == 10  # a page of the 12
        assert http("POST", "/admin/auth/RoleAdmin/list", {}).json()["data"]["total"] == 4
        menu = http("POST", "/admin/", {}).json()["data"]["pages"]
        assert "Articles by data set" in json.dumps(menu)

        http.login("admin")
        rows = http("POST", f"{by_row}/list", {}).json()["data"]
        assert rows["total"] == 8 and all(row["is_published"] for row in rows["items"])
        row = http("POST", f"{by_field}/list", {}).json()["data"]["items"][0]
        assert row["id"] and row["title"] and not {"content", "user_id"} & row.keys()
        mine = {"title": "mine", "content": "c"}
        refused = http("POST", f"{by_field}/item", {**mine, "is_published": True}).json()
        assert refused["status"] == 403 and "page:create:is_published" in refused["msg"]
        made = http("POST", f"{by_field}/item", mine).json()["data"]
        assert made["title"] == "mine" and made["content"] == "c" and made["is_published"] is False
        assert http("POST", "/admin/auth/UserAdmin/list", {}).json()["status"] != 0

        made = http("POST", f"{by_row}/item", {"title": "own"}).json()["data"]
        assert made["user_id"] == 1
    script = tmp_path / "packages" / "amis" / "sdk" / "sdk.js"
    script.parent.mkdir(parents=True)
    script.write_text("amis")
    with served(tmp_path, "demo", "--amis-assets", "packages") as (http, _):  # a second start changes nothing
        assert http("GET", "/admin/amis-assets/amis/sdk/sdk.js").text == "amis"
        http.login("root")
        assert http("POST", f"{by_row}/list", {}).json()["data"]["total"] == 14


@pytest.mark.parametrize("target", [["unchanged:app"], ["unchanged:nested.app"], ["unchanged:make", "--factory"]])
def test_run_serves_an_unchanged_application(tmp_path: Path, target: list[str]) -> None:
    (tmp_path / "unchanged.py").write_text(UNCHANGED)
    with served(tmp_path, "run", *target) as (http, _):
        http.login("root")
        answer = http("GET", "/auth/get_user").json()
        assert answer == {"name": "root", "module": "fastapi_user_auth_c.auth.models"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["run", "nothing_of_that_name:app"], "no module 'nothing_of_that_name'"),
        (["run", "unchanged"], "module:application"),
        (["run", "unchanged:"], "module:application"),
        (["run", "json:nothing"], "module 'json' has no 'nothing'"),
    ],
)
def test_mistakes_are_named(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    assert cli.main(argv) == 2
    assert message in capsys.readouterr().err


def test_an_error_inside_the_application_is_shown_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "broken_app.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(ModuleNotFoundError, match="nothing_of_that_name"):
        cli.load("broken_app:app")


def test_a_folder_without_amis_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--amis-assets", "packages"]) == 2
    assert "packages has no amis/sdk/sdk.js" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["demo"], ["run", "x:app"]])
def test_a_missing_server_names_the_extra(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(command) == 2
    text = capsys.readouterr().err
    assert "uvicorn" in text and "fastapi-user-auth-c[demo]" in text


@pytest.mark.parametrize("command", [[], ["dance"], ["run"]])
def test_usage(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main(command)
    assert stop.value.code == 2 and "usage" in capsys.readouterr().err


def test_the_module_and_the_script_are_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fastapi_user_auth_c", "--help"], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0 and "demo" in done.stdout and "run" in done.stdout
