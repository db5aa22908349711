"""The commands for accounts, roles and rules, on databases that others have open meanwhile."""

from __future__ import annotations

import asyncio
import getpass
import io
import json
import os
import signal
import subprocess
import sys

import pytest
from app_for_tests import Client, example_app
from sqlalchemy import text
from sqlalchemy_database import AsyncDatabase, Database
from starlette.testclient import TestClient
from test_transfer import command, make_file, on, put, stored

from fastapi_user_auth_c import cli
from fastapi_user_auth_c.auth.models import Role, User
from fastapi_user_auth_c.db import close_database, open_database, run_committed, run_read
from fastapi_user_auth_c.passwords import PasswordHasher
from fastapi_user_auth_c.policy import Adapter, AsyncEnforcer
from fastapi_user_auth_c.settings import AuthSettings

SECRET = "correct horse"


class Typed(io.TextIOWrapper):
    """Standard input."""


@pytest.fixture
def run(monkeypatch, capsys):
    """``run(*arguments)``: the output and errors of a command, whose exit code is checked."""

    def call(*argv, code=0, stdin=b"", tty=False):
        # one object per URL in a process; a command is a process of its own
        AsyncDatabase._instances = Database._instances = None
        typed = Typed(io.BytesIO(stdin))
        monkeypatch.setattr(typed, "isatty", lambda: tty, raising=False)
        monkeypatch.setattr(sys, "stdin", typed)
        capsys.readouterr()
        got = cli.main(list(argv))
        out = capsys.readouterr()
        assert got == code, (argv, got, out)
        told = out.out + out.err
        assert "Traceback" not in told and "$2b$" not in told and SECRET not in told, told
        return out

    return call


@pytest.fixture
def database(request, tmp_path, monkeypatch):
    """A database on SQLite, named in the environment: users al and bo, roles x and y, and twin, which is both."""
    url = f"sqlite:///{tmp_path / 'a.db'}"

    def add(session):
        session.add_all(User(username=name, password="") for name in ("al", "bo", "twin"))
        session.add_all(Role(key=key, name=key.upper()) for key in ("x", "y", "twin"))

    on(url, lambda db: run_committed(db, add))
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.chdir(tmp_path)
    return url


def read(url, *columns):
    from sqlalchemy import select

    return on(url, lambda db: run_read(db, lambda session: [tuple(row) for row in session.execute(select(*columns))]))


def rules(url):
    return sorted(tuple(value for value in row if value is not None) for row in on(url, stored))


COMMANDS_IN_ONE_PROCESS = """
import contextlib, io, json, sys
from fastapi_user_auth_c import cli
done = []
print("commands:", flush=True)
for argv, given in json.load(sys.stdin):
    sys.stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = cli.main(argv)
    done.append((code, out.getvalue(), err.getvalue()))
json.dump(done, sys.__stdout__)
"""


def run_each(cwd, commands, *, before="", **env):
    """What came of commands, each ``(arguments, standard input)``: exit code, output, errors. A start takes long."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", before + COMMANDS_IN_ONE_PROCESS],
        cwd=cwd,
        env={**os.environ, **env},
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.partition("commands:\n")[2])  # fails if there is anything else, as of a log


# --- on a running application


@pytest.mark.parametrize("database_url", ["aiosqlite", "psycopg", "aiomysql"], indirect=True)
def test_an_account_over_http(database_url, tmp_path, monkeypatch, run):
    make_file(database_url)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    app = example_app(database_url, settings=AuthSettings(poll_seconds=0))
    stdin = f"{SECRET}\n".encode()
    with TestClient(app) as client:
        out = run("createuser", "ann", "--email", "ann@example.com", "--nickname", "A", "--password-stdin", stdin=stdin)
        assert out.out == "made user ann\n" and out.err == ""
        ann = Client(client, "ann", SECRET)
        assert ann("GET", "/sync").json() == {"name": "ann"} and ann("GET", "/async").status_code == 403
        run("role", "assign", "ann", "root")
        assert ann("GET", "/async").status_code == 200
        run("role", "withdraw", "ann", "root")
        assert ann("GET", "/async").status_code == 403

        other = Client(client, "admin", "admin")
        run("passwd", "ann", "--password-stdin", stdin=b"another " + stdin)
        assert ann("GET", "/sync").status_code == 403 and other("GET", "/sync").status_code == 200
        login = {"username": "ann", "password": SECRET}
        assert client.post("/admin/auth/gettoken", data=login).json()["status"] != 0
        ann = Client(client, "ann", f"another {SECRET}")
        run("logout", "ann")
        assert ann("GET", "/sync").status_code == 403 and other("GET", "/sync").status_code == 200
        ann = Client(client, "ann", f"another {SECRET}")
        assert json.loads(run("logout", "--all", "--yes", "--json").out)["all"] is True
        assert ann("GET", "/sync").status_code == 403 and other("GET", "/sync").status_code == 403
        assert Client(client, "ann", f"another {SECRET}")("GET", "/sync").status_code == 200
        run("passwd", "ann", "--no-password")
        login["password"] = f"another {SECRET}"
        assert client.post("/admin/auth/gettoken", data=login).json()["status"] != 0
        assert run("createuser", "ANN", "--no-password", code=1).err.endswith("there is one already, spelt ann\n")


@pytest.mark.parametrize("database_url", ["sqlite", "asyncpg", "pymysql"], indirect=True)
def test_a_running_enforcer_sees_rules(database_url, monkeypatch, run):
    monkeypatch.setenv("DATABASE_URL", database_url)
    make_file(database_url)

    async def work():
        db = open_database(database_url)
        try:
            await db.async_run_sync(User.metadata.create_all, is_session=False)
            await run_committed(db, lambda session: session.add_all([User(username="al", password=""), Role(key="x")]))
            enforcer = AsyncEnforcer(adapter=Adapter(db))
            enforcer.poll_seconds = 0
            await enforcer.load_policy()
            asked = ("u:al", "Page", "page", "page")
            seen = []
            for argv in (
                ["grant", "al", "Page"],
                ["grant", "u:al", "Page", "--deny"],
                ["revoke", "al", "Page", "--deny"],
                ["revoke", "al", "Page"],
                ["grant", "r:x", "Page", "page", "page"],
                ["role", "assign", "al", "x"],
                ["role", "delete", "x", "--yes"],
            ):
                await asyncio.to_thread(run, *argv)
                await enforcer.refresh()
                seen.append(enforcer.enforce(*asked))
            assert seen == [True, False, True, False, False, True, False]
            done = await asyncio.to_thread(command, "grant", "al", "Page", DATABASE_URL=database_url)
            assert done.stdout == b"granted u:al, Page, page, page, allow\n", done.stderr
            await enforcer.refresh()
            assert enforcer.enforce(*asked)
        finally:
            await close_database(db)

    asyncio.run(work())
    assert rules(database_url) == [("p", "u:al", "Page", "page", "page", "allow")]


# --- accounts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["root"], "reserved"),
        ([" ＡＤＭＩＮ"], "reserved"),
        (["al"], "there is one already\n"),
        (["AL"], "there is one already, spelt al\n"),
        ([" ａｌ"], "This is no user name\n"),
        ([""], "no user name"),
        (["c\u200bd"], "no user name"),
        (["c\nd"], "no user name"),
        (["c\udcffd"], "no user name"),
        (["c" * 33], "username: "),
        (["cy", "--email", "nonsense"], "email: "),
        (["cy", "--nickname", "c" * 41], "nickname: "),
        (["cy", "--nickname", "\0"], "nickname: there is a NUL"),
        (["cy", "--role", "x", "none"], "there is no role none"),
        (["cy", "--role", "X"], "there is no role X"),
    ],
)
def test_accounts_that_are_refused(database, arguments, message, run):
    error = run("createuser", "--no-password", *arguments, code=1).err
    assert message in error and error.count("\n") == 1
    assert len(read(database, User.id)) == 3 and rules(database) == []


def test_an_account_with_roles_starts_without_the_rules_of_another_one(database, run):
    on(database, lambda db: put(db, ("g", "u:cy", "r:y"), ("p", "u:cy", "Page", "page", "page", "allow")))
    out = run(
        "createuser", "cy", "--role", "x", "--role", "twin", "--no-password", "--json", "--email", "c@example.com"
    )
    answer = json.loads(out.out)
    assert answer.pop("id") > 0
    assert answer == {"username": "cy", "email": "c@example.com", "roles": ["x", "twin"], "has_password": False}
    assert out.err == "removed what another user cy left behind: 2 rules\n"
    assert rules(database) == [("g", "u:cy", "r:twin"), ("g", "u:cy", "r:x")]
    assert "mail address" in run("createuser", "di", "--email", "C@example.com", "--no-password", code=1).err


@pytest.mark.parametrize("arguments", [["createuser", "cy"], ["passwd", "al"]])
def test_ways_to_give_a_password(database, arguments, run, monkeypatch):
    name = arguments[1]
    before = read(database, User.username, User.password)

    def typed(*answers):
        left = list(answers)
        monkeypatch.setattr(getpass, "getpass", lambda prompt: left.pop(0))

    typed()
    assert "--password-stdin" in run(*arguments, code=2).err  # nobody there
    for answers, message in (([SECRET, "something else"], "differ"), ([""], "is empty"), (["a", "a"], "at least 8")):
        typed(*answers)
        assert message in run(*arguments, code=1, tty=True).err
    for stdin, message in (
        (b"", "is empty"),
        (b"\xff\xfe12345678\n", "not UTF-8"),
        (b"password\n", "too easy"),
        (f"{name}\n".encode() * 2, "at least 8"),
        (b"abcdefghi" * 9 + b"\n", "too long"),
        (b"a\0bcdefgh\n", "NUL"),
    ):
        assert message in run(*arguments, "--password-stdin", code=1, stdin=stdin).err
    with pytest.raises(SystemExit) as stop:
        run(*arguments, "--password-stdin", "--no-password")
    assert stop.value.code == 2 and read(database, User.username, User.password) == before

    typed(SECRET, SECRET)
    run(*arguments, tty=True)
    (stored_hash,) = (row[1] for row in read(database, User.username, User.password) if row[0] == name)
    assert PasswordHasher().verify(SECRET, stored_hash.get_secret_value())
    if arguments[0] == "passwd":
        run(*arguments, "--password-stdin", stdin=b"second password\r\nmore\n")
        (stored_hash,) = (row[1] for row in read(database, User.username, User.password) if row[0] == name)
        assert PasswordHasher().verify("second password", stored_hash.get_secret_value())


def test_accounts_that_are_not_there(database, run):
    def change(session):
        session.execute(text("UPDATE auth_user SET delete_time = '2020-01-01 00:00:00' WHERE username = 'bo'"))
        session.execute(text("UPDATE auth_user SET is_active = 0 WHERE username = 'al'"))

    on(database, lambda db: run_committed(db, change))
    for argv in (["passwd", "AL", "--no-password"], ["logout", "AL"], ["logout", "a\0"], ["role", "assign", "AL", "x"]):
        assert "there is no user" in run(*argv, code=1).err
    assert "marked as deleted" in run("passwd", "bo", "--no-password", code=1).err
    assert "marked as deleted" in run("grant", "bo", "Page", code=1).err
    assert "there is one already" in run("createuser", "bo", "--no-password", code=1).err
    assert "not active" in run("passwd", "al", "--no-password").err
    assert "who?" in run("logout", code=2).err and "who?" in run("logout", "al", "--all", code=2).err
    assert "nothing is changed" in run("logout", "--all", code=1).err


# --- roles and rules


def test_roles(database, run):
    assert run("role", "create", "ed").out == "made role ed\n"
    for key, message in (("ed", "already\n"), (" ED", "already, spelt ed"), ("", "no key"), ("a\tb", "no key")):
        assert message in run("role", "create", key, code=1).err
    assert "key: " in run("role", "create", "k" * 41, code=1).err
    assert run("role", "members", "ed", code=1).out == "nobody has the role ed\n"
    assert "no role none" in run("role", "members", "none", code=1).err

    assert run("role", "assign", "u:al", "ed", "x").out == "u:al: assigned ed, x\n"
    assert json.loads(run("role", "assign", "al", "x", "y", "--json").out) == {"subject": "u:al", "assigned": ["y"]}
    assert run("role", "assign", "al", "y").out == "nothing changed: u:al has y\n"
    assert "no role none" in run("role", "assign", "bo", "y", "none", code=1).err
    run("role", "assign", "r:ed", "y")
    assert "close a cycle: r:y -> r:ed -> r:y" in run("role", "assign", "r:y", "ed", code=1).err
    assert json.loads(run("role", "members", "y", "--json").out) == ["r:ed", "u:al"]
    run("grant", "r:ed", "Page")
    assert run("role", "list").out == "ed (ed): 1 member\ntwin (TWIN): 0 members\nx (X): 1 member\ny (Y): 2 members\n"
    assert {"key": "y", "name": "Y", "members": 2} in json.loads(run("role", "list", "--json").out)

    assert run("role", "withdraw", "al", "x", "y", "none").out == "u:al: withdrawn x, y\n"
    assert run("role", "withdraw", "al", "x", code=1).out == "nothing changed: u:al does not have x\n"

    before = rules(database)
    refused = run("role", "delete", "ed", code=1)
    told = "role ed goes, with 3 rules:\n    g, r:ed, r:y\n    g, u:al, r:ed\n    p, r:ed, Page, page, page, allow\n"
    assert refused.err.startswith(told) and refused.err.endswith("nothing is changed\n")
    assert "--yes" in run("role", "delete", "ed", "--json", code=2).err
    assert rules(database) == before and ("ed",) in read(database, Role.key)
    run("role", "delete", "ed", stdin=b"y\n")
    assert rules(database) == [] and ("ed",) not in read(database, Role.key)
    assert "no role ed" in run("role", "delete", "ed", "--yes", code=1).err

    on(database, lambda db: put(db, ("g", "u:al", "r:ed"), ("g", "u:al", "r:gone")))
    assert "left behind: 1 rule\n" in run("role", "create", "ed", "--name", "Editors").err
    assert read(database, Role.key, Role.name)[-1] == ("ed", "Editors")
    assert json.loads(run("role", "delete", "gone", "--yes", "--json").out)["removed"] == [["g", "u:al", "r:gone"]]
    assert rules(database) == []
    on(database, lambda db: run_committed(db, lambda session: session.execute(text("DELETE FROM auth_role"))))
    assert run("role", "list", code=1).out == "there are no roles\n"


def test_rules(database, run):
    assert run("grant", "al", "Page").out == "granted u:al, Page, page, page, allow\n"
    assert run("grant", "u:al", "Page").out == "nothing changed: there is already u:al, Page, page, page, allow\n"
    out = run("grant", "x", "Page", "page:list", "--deny", "--json")
    rule = ["r:x", "Page", "page:list", "page", "deny"]
    assert json.loads(out.out) == {"rule": rule, "changed": True, "allowed": False}
    run("grant", "r:twin", "doc 1", "read", "documents")
    assert "denied all the same" in run("grant", "r:x", "Page", "page:list").err
    run("revoke", "r:x", "Page", "page:list")
    assert rules(database) == [
        ("p", "r:twin", "doc 1", "read", "documents", "allow"),
        ("p", "r:x", "Page", "page:list", "page", "deny"),
        ("p", "u:al", "Page", "page", "page", "allow"),
    ]
    assert run("revoke", "x", "Page", "page:list", code=1).out.startswith("nothing changed: there is no r:x, Page")
    run("revoke", "x", "Page", "page:list", "--deny")
    run("role", "assign", "bo", "twin")
    out = run("revoke", "bo", "doc 1", "read", "documents", "--json", code=1)
    assert json.loads(out.out)["changed"] is False and "allowed all the same" in out.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["twin", "Page"], "say u:twin or r:twin"),
        (["none", "Page"], "no user or role none"),
        (["u:none", "Page"], "no user none"),
        (["r:none", "Page"], "no role none"),
        (["r:al", "Page"], "no role al"),
        (["none", "Page", "--force"], "no user or role none"),
        (["u:root", "Page", "--deny"], "root"),
        (["al", ""], "column v1 of a rule cannot be empty"),
        (["al", "Page", "", "page"], "column v2 of a rule cannot be empty"),
        (["al", "a\0b"], "column v1: there is a NUL"),
        (["al", "Page", "a\udcff"], "column v2: there is a lone surrogate"),
    ],
)
def test_rules_that_are_refused(database, arguments, message, run):
    error = run("grant", *arguments, code=1).err
    assert message in error and error.count("\n") == 1 and rules(database) == []


def test_subjects_that_need_not_be_there(database, run):
    run("grant", "u:guest", "Page")
    run("grant", "u:none", "Page", "--force")
    run("grant", "r:none", "Page", "--force")
    assert [rule[1] for rule in rules(database)] == ["r:none", "u:guest", "u:none"]
    assert "no user none" in run("revoke", "u:none", "Page", code=1).err
    run("revoke", "u:none", "Page", "--force")


@pytest.mark.parametrize("database_url", ["sqlite", "psycopg", "pymysql"], indirect=True)
def test_a_rule_that_does_not_fit_its_column(database_url, run, monkeypatch):
    """Not even where the server would cut it: what is left would be another rule."""
    narrow = "CREATE TABLE auth_casbin_rule (id INTEGER PRIMARY KEY, ptype VARCHAR(9), v0 VARCHAR(30), v1 VARCHAR(30),"
    narrow += " v2 VARCHAR(10), v3 VARCHAR(20), v4 VARCHAR(9), v5 VARCHAR(9))"
    if not database_url.startswith("sqlite"):
        narrow = narrow.replace("INTEGER", "SERIAL" if "postgres" in database_url else "INTEGER AUTO_INCREMENT")

    def prepare(session):
        for statement in ("DROP TABLE auth_casbin_rule", narrow):
            session.execute(text(statement))
        session.add(User(username="al", password=""))

    on(database_url, lambda db: run_committed(db, prepare))
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert "column v1 has room for 30 characters" in run("grant", "al", "P" * 31, code=1).err
    assert "column v2 has room for 10 characters" in run("grant", "al", "Page", "page:delete", "page", code=1).err
    run("grant", "al", "é" * 30)
    assert rules(database_url) == [("p", "u:al", "é" * 30, "page", "page", "allow")]


# --- an application of one's own

OWN = """
import fastapi_user_auth_c
from fastapi import FastAPI
from fastapi_amis_admin import admin
from fastapi_amis_admin.admin.settings import Settings
from fastapi_amis_admin.models.fields import Field
from fastapi_user_auth.admin import UserAuthApp
from fastapi_user_auth.auth import Auth
from fastapi_user_auth.auth.backends.jwt import JwtTokenStore
from fastapi_user_auth.auth.models import BaseUser, Role
from fastapi_user_auth.site import AuthAdminSite
from fastapi_user_auth_c.db import close_database
from fastapi_user_auth_c.passwords import PasswordHasher
from fastapi_user_auth_c.settings import AuthSettings

class MyUser(BaseUser, table=True):
    phone: str = Field("none yet", max_length=15, nullable=False)

class MyRole(Role, table=True):
    icon: str = Field("star", nullable=False)

class MyRoleAdmin(admin.ModelAdmin):
    model = MyRole

class MyUserAuthApp(UserAuthApp):
    RoleAdmin = MyRoleAdmin

class MySite(AuthAdminSite):
    UserAuthApp = MyUserAuthApp

settings = Settings({key}={url!r}, debug=True)
first = AuthAdminSite(settings)
auth = Auth(
    db=first.db, user_model=MyUser, pwd_context=PasswordHasher("pbkdf2_sha256", default="pbkdf2_sha256"),
    token_store=JwtTokenStore("0123456789abcdef0123456789abcdef"), settings=AuthSettings(password_min_length=12),
)
site = MySite(settings, auth=auth)
broken = None

def make():
    import asyncio
    from sqlalchemy import create_engine
    MyUser.metadata.create_all(create_engine("sqlite:///other.db"))
    async def here():
        await site.db.async_run_sync(MyUser.metadata.create_all, is_session=False)
        await close_database(site.db)
    asyncio.run(here())
"""


@pytest.mark.parametrize("database_url", ["aiosqlite", "psycopg"], indirect=True)
def test_the_applications_own_models_and_settings(database_url, tmp_path):
    key = "database_url_async" if "aiosqlite" in database_url else "database_url"
    (tmp_path / "own.py").write_text(OWN.format(url=database_url, key=key))
    (tmp_path / "bad.py").write_text("raise RuntimeError('out of\\norder')\n")
    make_file(database_url)
    before = "import fastapi_user_auth_c as c; c.install(); import own; own.make()\n"

    given, correct = ("ann", "--password-stdin", "--json"), "a horse, correct\n"
    own, other = ("--app", "own:site"), "sqlite:///other.db"
    away = (*own, "--database", other)
    done = run_each(
        tmp_path,
        [
            (("createuser", *given, *own), "a horse\n"),
            (("createuser", *given, *own), correct),
            (("role", "create", "ed", *own), ""),
            (("logout", "ann", "--app", "own:auth", "--database", database_url), ""),
            (("role", "list", "--app", "bad:site"), ""),
            (("role", "list", "--app", "own:broken"), ""),
            (("createuser", *given, *away), correct),
            (("passwd", *given, *away), f"another {correct}"),
            (("grant", "ann", "Page", *away), ""),
        ],
        before=before,
        DATABASE_URL=database_url,
    )
    without = [
        (("createuser", "bo", "--password-stdin"), correct),
        (("role", "create", "x"), ""),
        (("logout", "ann"), ""),
    ]
    done += run_each(tmp_path, without, DATABASE_URL=database_url)
    assert [code for code, _, _ in done] == [1, 0, 0, 0, 2, 2, 0, 0, 0, 1, 1, 0], done
    told = "".join(out + error for _, out, error in done)
    assert not any(word in told for word in ("Traceback", "$2b$", "$pbkdf2", "horse", "SELECT"))
    errors = [error for _, _, error in done]
    assert [error.count("\n") for error in errors] == [1, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 1], errors
    assert "at least 12" in errors[0] and json.loads(done[1][1])["username"] == "ann"
    assert errors[4] == "fastapi_user_auth_c: RuntimeError: out of\n"
    assert "name the AuthAdminSite or Auth" in errors[5]
    assert "phone" in errors[9] and "--app" in errors[9] and "icon" in errors[10] and "--app" in errors[10]

    ((stored_hash, phone),) = read(database_url, text("password, phone FROM auth_user"))
    assert stored_hash.startswith("$pbkdf2-sha256$") and phone == "none yet"
    assert read(database_url, text("key, icon FROM auth_role")) == [("ed", "star")]
    ended = text("expires FROM auth_token_revocation WHERE number > 0 ORDER BY number")
    (known,), (unknown,) = read(database_url, ended)
    assert unknown is None and known > 0  # without --app nobody can tell how long tokens live
    other = f"sqlite:///{tmp_path / 'other.db'}"
    ((stored_hash,),) = read(other, text("password FROM auth_user"))
    assert PasswordHasher("pbkdf2_sha256", default="pbkdf2_sha256").verify(f"another {correct[:-1]}", stored_hash)
    assert read(other, ended) == [(None,)] and len(rules(other)) == 1 and rules(database_url) == []


def test_redis_has_what_ended(database, tmp_path, monkeypatch, run):
    redis = pytest.importorskip("redis")
    key = f"{{fua-test-{os.getpid()}}}"
    client = redis.Redis()
    try:
        client.ping()
    except redis.ConnectionError:
        pytest.skip("no Redis server")
    (tmp_path / "with_redis.py").write_text(
        "from redis.asyncio import Redis\n"
        "from fastapi_user_auth_c.auth import Auth\n"
        "from fastapi_user_auth_c.auth.backends.redis import RedisTokenStore\n"
        "from fastapi_user_auth_c.auth.revocations import RedisRevocations\n"
        "from fastapi_user_auth_c.auth.backends.base import BaseTokenStore\n"
        "from fastapi_user_auth_c.db import open_database\n"
        f"db = open_database({database!r})\n"
        "redis = Redis()\n"
        f"auth = Auth(db, token_store=RedisTokenStore(redis), revocations=RedisRevocations(redis, key={key!r}))\n"
        f"down = Redis(port=1, retry=None)\n"
        f"away = Auth(db, token_store=RedisTokenStore(down), revocations=RedisRevocations(down))\n"
        "plain = Auth(db, token_store=BaseTokenStore())\n"
    )
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    try:
        out = run("logout", "al", "--json", "--app", "with_redis:auth")
        assert json.loads(out.out)["stored_in"] == "Redis" and out.err == ""
        (entry,) = client.zrange(key, 0, -1)
        assert entry.startswith(b"u:1 ")
        assert "does not answer" in run("logout", "al", "--app", "with_redis:away", code=2).err
        assert (
            "has the new password, but" in run("passwd", "al", "--no-password", "--app", "with_redis:away", code=2).err
        )
        assert "cannot end all tokens" in run("logout", "al", "--app", "with_redis:plain", code=1).err
        run("passwd", "al", "--no-password", "--app", "with_redis:plain")
        assert "name it with --app" in run("logout", "al").err
    finally:
        sys.modules.pop("with_redis", None)
        client.delete(key, f"{key}:expires", f"{key}:last")


# --- what all commands have in common


@pytest.mark.parametrize(
    "name",
    [
        *(["createuser"], ["passwd"], ["logout"], ["grant"], ["revoke"]),
        *(["role", name] for name in ("list", "create", "delete", "members", "assign", "withdraw")),
    ],
    ids=" ".join,
)
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*name, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and f"examples:\n  python -m fastapi_user_auth_c {' '.join(name)} " in out
    assert "DATABASE_URL" in out and "--json" in out and "--app" in out and "exit code 0" in " ".join(out.split())


def test_outages_are_one_line(tmp_path, run, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert "--database" in run("role", "list", code=2).err
    for url in (f"sqlite:///{tmp_path}/none.db", "postgresql+asyncpg://u:pw12345@127.0.0.1:1/x"):
        error = run("createuser", "ann", "--no-password", "--database", url, code=2).err
        assert error.count("\n") == 1 and "pw12345" not in error
    make_file(f"sqlite:///{tmp_path}/empty.db")
    error = run("role", "list", "--database", f"sqlite:///{tmp_path}/empty.db", code=2).err
    assert "the database says: no such table" in error and error.count("\n") == 1
    monkeypatch.setenv("USER_AUTH_LOGIN_ATTEMPTS", "many")
    error = run("role", "list", "--database", f"sqlite:///{tmp_path}/empty.db", code=2).err
    assert error == "fastapi_user_auth_c: AuthSettings: login_attempts: Input should be a valid integer, " + (
        "unable to parse string as an integer\n"
    )


@pytest.mark.parametrize("where", ["question", "password"])
def test_a_question_ends_with_ctrl_c(database, where, run, monkeypatch):
    def interrupted(*args):
        signal.raise_signal(signal.SIGINT)
        raise AssertionError("went on")

    given = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background are started without
    try:
        if where == "password":
            monkeypatch.setattr(getpass, "getpass", interrupted)
            run("passwd", "al", code=130, tty=True)
        else:
            monkeypatch.setattr(Typed, "readline", interrupted)
            run("role", "delete", "x", code=130)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, given)
    assert ("x",) in read(database, Role.key)


@pytest.mark.parametrize("tool", ["tqdm", "rich", None])
def test_progress(database, tool, tmp_path, run, monkeypatch):
    """Rows are counted with what is installed, on a terminal alone."""
    import importlib.util

    from fastapi_user_auth_c.commands import terminal

    counts = []

    class Bar:
        def __init__(self, *args, **options):
            counts.append(options.get("desc"))

        def __enter__(self):
            return self

        def __exit__(self, *error):
            counts.append("end")

        def update(self, rows):
            counts.append(rows)

        def add_task(self, what, total):
            counts.append(what)

        def advance(self, task, rows):
            counts.append(rows)

    stubs = {"tqdm": {"tqdm": Bar}, "rich": {}, "rich.console": {"Console": lambda stderr: None}}
    stubs["rich.progress"] = {"Progress": Bar} | dict.fromkeys(
        ("SpinnerColumn", "TextColumn", "TimeElapsedColumn"), lambda *text: None
    )
    for name, content in stubs.items():
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, None))
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(terminal, "find_spec", lambda name: True if name == tool else None)
    file = tmp_path / "rules.csv"
    file.write_text("".join(f"p, u:{n}, Page, page, page, allow\n" for n in range(1200)))

    assert run("import", str(file), "--json").out == '{\n  "added": 1200,\n  "present": 0,\n  "removed": 0\n}\n'
    assert counts == []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    run("import", str(file), "--replace", "--yes")
    run("export", str(tmp_path / "out.csv"))
    run("doctor", code=1)
    titles = [each for each in counts if isinstance(each, str) and each != "end"]
    if tool is None:
        assert counts == []
    else:
        assert titles == ["comparing", "storing", "reading", "examining"]
        assert sum(each for each in counts if isinstance(each, int)) == 3 * 1200
