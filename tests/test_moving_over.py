"""The example scripts that move an application over: from the original, from Casbin, from fastapi-users."""

from __future__ import annotations

import asyncio
import csv
import itertools
import os
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import argon2
import bcrypt
import casbin
import pytest
from conftest import empty_database
from sqlalchemy import (
    CHAR,
    Boolean,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    create_engine,
    make_url,
    select,
)
from starlette.testclient import TestClient
from test_auth import write_original_database
from test_cli import UNCHANGED, served

from fastapi_user_auth_c.auth.models import CasbinRule, Role, User
from fastapi_user_auth_c.policy import AsyncEnforcer, FileAdapter

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``example(name)``: the script as a module."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return import_module


@pytest.fixture
def script(
    example: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Done]:
    """``script(name, *args)``: what it does in the test's directory when it is called with these arguments."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *args: str) -> Done:
        capsys.readouterr()
        try:
            code = example(name).main(list(args))
        except SystemExit as stop:  # argparse
            code = stop.code
        return Done(code, *capsys.readouterr())

    return call


def engine_of(url: str) -> Engine:
    drivers = {"sqlite+aiosqlite": "sqlite", "postgresql+asyncpg": "postgresql+psycopg"}
    parsed = make_url(url)
    return create_engine(parsed.set(drivername=drivers[parsed.drivername]))


def ask(client: TestClient, token: str, path: str) -> int:
    client.cookies.clear()
    return client.get(path, headers={"Authorization": f"bearer {token}"} if token else {}).status_code


def login(client: TestClient, name: str, password: str) -> str:
    """The token; "" where the login is refused."""
    client.cookies.clear()
    answer = client.post("/auth/gettoken", data={"username": name, "password": password}).json()
    return answer["data"]["access_token"] if answer["status"] == 0 else ""


def test_they_are_commands(tmp_path: Path) -> None:
    for path in sorted(EXAMPLES.glob("from_*.py")):
        command = [sys.executable, "-W", "ignore", str(path)]
        env = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 2 and "the following arguments are required" in done.stderr, done.stderr


# --- from the original


def test_from_the_original(tmp_path: Path, script: Callable[..., Done]) -> None:
    app = tmp_path / "app"
    app.mkdir()
    (app / "main.py").write_text(UNCHANGED, encoding="utf-8")
    (app / "other.py").write_text(
        "import fastapi_user_auth.auth.models\r\n"
        "from json import dumps  # not of fastapi_user_auth\r\n"
        "users = fastapi_user_auth.auth.models.User\r\n"
        "fastapi_user_authority = 1\r\n",
        encoding="utf-8",
        newline="",
    )
    (app / "none.py").write_text("import json\n", encoding="utf-8")
    (app / "broken.py").write_text("import (\n", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in app.iterdir()}
    write_original_database(f"sqlite+aiosqlite:///{app}/amisadmin.db")
    database = "sqlite:///app/amisadmin.db"

    dry = script("from_original", "app", "--database", database)
    assert dry.returncode == 1, dry.stderr
    assert "2 of 4 files would change" in dry.stdout
    assert "main.py, line 3: import fastapi_user_auth_c  # before fastapi_amis_admin" in dry.stdout
    assert "other.py, look at line 2: the name stands in a text: # not of" in dry.stdout
    assert "broken.py, look at the file, which cannot be read" in dry.stdout
    assert "default password: user root" in dry.stdout and "default password: user admin" in dry.stdout
    assert {path.name: path.read_bytes() for path in app.glob("*.py")} == before

    written = script("from_original", "app", "--database", database, "--write")
    assert written.returncode == 1 and "2 of 4 files changed" in written.stdout
    text = (app / "main.py").read_text(encoding="utf-8")
    assert text.count("fastapi_user_auth_c") == 3 and "fastapi_user_auth." not in text
    assert (app / "other.py").read_bytes() == (
        b"import fastapi_user_auth_c.auth.models\r\n"
        b"from json import dumps  # not of fastapi_user_auth\r\n"
        b"users = fastapi_user_auth_c.auth.models.User\r\n"
        b"fastapi_user_authority = 1\r\n"
    )
    assert (app / "none.py").read_bytes() == before["none.py"]
    for name in ("other.py", "broken.py"):
        (app / name).unlink()
    again = script("from_original", "app")
    assert again.returncode == 0 and again.stdout == "0 of 2 files would change\n"
    assert script("from_original", "nothing").returncode == 2

    # "run" would answer imports of the old name as well: the sources must not need that
    (app / "renamed.py").write_text("import sys\nfrom main import app\nassert 'fastapi_user_auth' not in sys.modules\n")
    with served(app, "run", "renamed:app") as (http, _):
        assert http("GET", "/auth/get_user").status_code == 403
        http.login("root")
        assert http("GET", "/auth/get_user").json() == {"name": "root", "module": "fastapi_user_auth_c.auth.models"}
        rows = http("POST", "/admin/auth/UserAdmin/list", {}).json()["data"]["items"]
        assert {row["username"] for row in rows} == {"root", "admin", "ed"}
        http.login("admin")
        assert http("POST", "/admin/", {}).status_code == 200
        assert http("POST", "/admin/auth/UserAdmin/list", {}).status_code == 403
    with sqlite3.connect(app / "amisadmin.db") as db:
        rule = ("r:editor", "Auth>UserAdmin", "page:list", "page", "allow")
        assert rule in db.execute("SELECT v0, v1, v2, v3, v4 FROM auth_casbin_rule WHERE ptype = 'p'").fetchall()


IMPORT = "import fastapi_user_auth_c  # before fastapi_amis_admin\n"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(
            (
                f'first = "a{end}b"\n\nimport fastapi_user_auth  # {end}\nlast = fastapi_user_auth.auth\n',
                f'first = "a{end}b"\n\nimport fastapi_user_auth_c  # {end}\nlast = fastapi_user_auth_c.auth\n',
            )
            for end in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
        ),
        ("x = 1\r\n\x0c\r\nimport fastapi_user_auth\r\n", "x = 1\r\n\x0c\r\nimport fastapi_user_auth_c\r\n"),
        (
            "import os\ntry:\n    from fastapi_amis_admin import admin\nexcept ImportError:\n    admin = None\n"
            "from fastapi_user_auth import auth\n",
            f"import os\n{IMPORT}"
            "try:\n    from fastapi_amis_admin import admin\nexcept ImportError:\n    admin = None\n"
            "from fastapi_user_auth_c import auth\n",
        ),
        (
            "if True:\n    if True:\n        import fastapi_amis_admin.admin\n",
            f"{IMPORT}if True:\n    if True:\n        import fastapi_amis_admin.admin\n",
        ),
        (
            "import os\n@os.fspath\n@os.fsencode\ndef f():\n    import fastapi_amis_admin\n",
            f"import os\n{IMPORT}@os.fspath\n@os.fsencode\ndef f():\n    import fastapi_amis_admin\n",
        ),
        ('x = """\n"""; import fastapi_amis_admin\n', f'{IMPORT}x = """\n"""; import fastapi_amis_admin\n'),
        (
            "import fastapi_user_auth\nif True:\n    import fastapi_amis_admin\n",
            "import fastapi_user_auth_c\nif True:\n    import fastapi_amis_admin\n",
        ),
        (
            "import fastapi_amis_admin, fastapi_user_auth\n",
            f"{IMPORT}import fastapi_amis_admin, fastapi_user_auth_c\n",
        ),
        ("from .fastapi_amis_admin import x\n", "from .fastapi_amis_admin import x\n"),
    ],
)
def test_from_the_original_lines(old: str, new: str, tmp_path: Path, script: Callable[..., Done]) -> None:
    path = tmp_path / "app.py"
    path.write_bytes(old.encode())
    done = script("from_original", "app.py", "--write")
    assert done.returncode == 0, done.stdout
    assert path.read_bytes() == new.encode()
    assert script("from_original", "app.py").stdout == "0 of 1 files would change\n"


@pytest.mark.parametrize(
    "content",
    [
        b"import fastapi_user_auth\nx = '\0'\n",
        b"# coding: hex\nimport fastapi_user_auth\n",
        b"import fastapi_user_auth\nx = " + b"-" * 100_000 + b"1\n",
        b"from __future__ import annotations; import fastapi_amis_admin, fastapi_user_auth.auth\n",
    ],
)
def test_from_the_original_files_that_cannot_be_read_stay(
    content: bytes, tmp_path: Path, script: Callable[..., Done]
) -> None:
    path = tmp_path / "app.py"
    path.write_bytes(content)
    done = script("from_original", "app.py", "--write")
    assert done.returncode == 1 and "app.py, look at the file, which c" in done.stdout
    assert done.stdout.endswith("0 of 1 files changed\n") and path.read_bytes() == content


# --- from Casbin

MODEL = """
[request_definition]
r = sub, obj, act

[policy_definition]
p = sub, obj, act, eft

[role_definition]
g = _, _

[policy_effect]
e = some(where (p.eft == allow)) && !some(where (p.eft == deny))

[matchers]
m = g(r.sub, p.sub) && keyMatch(r.obj, p.obj) && (r.act == p.act || p.act == "*")
"""
POLICY = """
# everybody who is known
p, reader, docs/*, read, allow
p, editor, docs/*, write, allow
p, editor, docs/law, write, deny
p, ann, box, *, allow
p, auditor, log, read, allow
p, bob, docs/own, read, deny

g, bob, reader
g, ann, editor
g, editor, reader
"""


@pytest.mark.parametrize("driver", ["aiosqlite", "asyncpg"])
def test_from_casbin(driver: str, tmp_path: Path, example: Callable[[str], Any], script: Callable[..., Done]) -> None:
    (tmp_path / "model.conf").write_text(MODEL, encoding="utf-8")
    (tmp_path / "policy.csv").write_text(POLICY, encoding="utf-8")
    with empty_database(driver, tmp_path) as url:
        given = ["model.conf", "policy.csv", "--database", url, "--role", "auditor"]
        dry = script("from_casbin", *given)
        assert dry.returncode == 0, dry.stderr
        assert "added 9, already there 0" in dry.stdout and "this was a dry run" in dry.stdout
        assert "new accounts, without a password: ann, bob\n" in dry.stdout
        assert "new roles: auditor, editor, reader\n" in dry.stdout
        engine = engine_of(url)

        def count() -> list[int]:
            with engine.connect() as connection:
                return [len(connection.execute(select(model)).all()) for model in (User, Role, CasbinRule)]

        assert count() == [0, 0, 0]
        written = script("from_casbin", *given, "--write")
        assert written.returncode == 0, written.stderr
        assert count() == [2, 3, 9]
        again = script("from_casbin", *given, "--write")
        assert "added 0, already there 9" in again.stdout and "get these rules: ann, bob\n" in again.stdout
        assert count() == [2, 3, 9]
        engine.dispose()

        # somebody sets the passwords
        for name in ("ann", "bob"):
            command = ["-m", "fastapi_user_auth_c", "passwd", name, "--database", url, "--password-stdin"]
            done = subprocess.run([sys.executable, *command], input=f"plum jam of {name}\n", text=True, cwd=tmp_path)
            assert done.returncode == 0

        # every decision is the one that Casbin makes
        before = casbin.Enforcer(str(tmp_path / "model.conf"), str(tmp_path / "policy.csv"))
        app = example("from_casbin").create_app(url, tmp_path / "model.conf")
        allowed = 0
        with TestClient(app) as client:
            tokens = {name: login(client, name, f"plum jam of {name}") for name in ("ann", "bob")}
            assert all(tokens.values()) and ask(client, "", "/may/box/read") == 403
            for name, obj, act in itertools.product(tokens, ["box", "log", "docs"], ["read", "write"]):
                expected = before.enforce(name, obj, act)
                assert ask(client, tokens[name], f"/may/{obj}/{act}") == (200 if expected else 403), (name, obj, act)
            enforcer = app.state.auth.enforcer
            objects = ["docs/", "docs/law", "docs/own", "docs/x/y", "doc", "box", "log", ""]
            for name, obj, act in itertools.product(["ann", "bob", "eve"], objects, ["read", "write", "*", ""]):
                expected = before.enforce(name, obj, act)
                allowed += expected
                assert enforcer.enforce(f"u:{name}", obj, act) is expected, (name, obj, act)
            for role, obj in itertools.product(["reader", "editor", "auditor"], objects):
                assert enforcer.enforce(f"r:{role}", obj, "read") is before.enforce(role, obj, "read")
            assert client.portal.call(app.state.auth.has_role_for_user, "ann", "reader") is False
            assert client.portal.call(app.state.auth.has_role_for_user, "ann", "editor") is True
        assert allowed > 10


@pytest.mark.parametrize(
    ("model", "policy", "fault"),
    [
        (MODEL, "p, root, a, b, allow\n", "user 'root': this name has a meaning of its own here"),
        (MODEL, "p, Ann, a, b, allow\np, ann, a, b, allow\n", "user 'ann': people would take it for 'Ann'"),
        (MODEL, f"p, {'a' * 33}, a, b, allow\n", "a name has 32 characters at most"),
        (MODEL, "p, ann, a\n", "line 1: "),
        (MODEL, 'p, "ann, a, b, allow\n', "line 1: a quote is not closed"),
        (MODEL.replace("m = ", "m = myFunction(r.sub) && "), "", "myFunction"),
        (MODEL.replace("sub", "who"), "p, ann, a, b, allow\n", "no field 'sub'"),
    ],
)
def test_from_casbin_what_does_not_fit_is_refused(
    model: str, policy: str, fault: str, tmp_path: Path, script: Callable[..., Done]
) -> None:
    (tmp_path / "model.conf").write_text(model, encoding="utf-8")
    (tmp_path / "policy.csv").write_text(policy, encoding="utf-8")
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    done = script("from_casbin", "model.conf", "policy.csv", "--database", url, "--write")
    assert done.returncode == 1, done.stdout
    assert fault in done.stderr and done.stderr.endswith("nothing is stored\n") and not done.stdout
    if (tmp_path / "test.db").exists():
        with sqlite3.connect(tmp_path / "test.db") as db:
            for table in ("auth_user", "auth_casbin_rule", "auth_role"):
                there = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
                assert not there or not db.execute(f"SELECT * FROM {table}").fetchall()


def with_matcher(matcher: str, roles: str = "g = _, _") -> str:
    return MODEL.partition("[matchers]")[0].replace("g = _, _", roles) + f"[matchers]\nm = {matcher}\n"


SUBJECTS = ["ann", "bob", "reader", "guest"]
RULES = """
p, reader, ann, read, allow
p, ann, ann, write, allow
p, ann, guest, read, deny
p, guest, guest, read, allow
g, ann, reader
g, bob, guest
"""


@pytest.mark.parametrize(
    "matcher",
    [
        "g(r.sub, p.sub) && r.obj == p.obj",
        "g( r.sub ,\tp.sub ) && r.obj == p.obj",
        "r.sub == p.sub && r.obj == p.obj",
        "r.obj == p.obj && (p.sub==r.sub)",
        "r.act == p.act && \\\n    (r.sub  ==  p.sub || \\\n  g(r.sub,p.sub))",
        'r.act == p.act && g(r.sub, p.sub) && r.obj != "r.sub && g(x"',
    ],
)
def test_from_casbin_what_is_said_of_subjects_is_kept(
    matcher: str, tmp_path: Path, example: Callable[[str], Any]
) -> None:
    model, policy, moved = tmp_path / "model.conf", tmp_path / "policy.csv", tmp_path / "moved.csv"
    model.write_text(with_matcher(matcher), encoding="utf-8")
    policy.write_text(RULES, encoding="utf-8")
    plan = example("from_casbin").make_plan(with_matcher(matcher), RULES)
    assert plan.faults == []
    moved.write_text(plan.rules, encoding="utf-8")
    before = casbin.Enforcer(str(model), str(policy))
    after = AsyncEnforcer(plan.model, FileAdapter(moved))
    asyncio.run(after.load_policy())
    decisions = set()
    for name, obj, act in itertools.product(SUBJECTS, SUBJECTS, ["read", "write"]):
        expected = before.enforce(name, obj, act)
        subject = f"r:{name}" if name in plan.roles else f"u:{name}"
        assert after.enforce(subject, obj, act) is expected, (name, obj, act)
        decisions.add(expected)
    assert decisions == {True, False}


@pytest.mark.parametrize(
    ("roles", "matcher", "left"),
    [
        ("g = _, _", 'r.sub == "ann" || g(r.sub, p.sub)', 'r.sub == "ann"'),
        ("g = _, _", "'guest' == p.sub || r.sub == p.sub", "'guest' == p.sub"),
        ("g = _, _", "keyMatch(r.sub, p.sub)", "keyMatch(r.sub, p.sub)"),
        ("g = _, _", 'g(r.sub, "guest") || g(r.sub, p.sub)', 'g(r.sub, "guest")'),
        ("g = _, _", 'g("bob", "guest") && g(r.sub, p.sub)', 'g("bob", "guest")'),
        ("g = _, _", "g(r.obj, p.obj) && r.sub == p.sub", "g(r.obj, p.obj)"),
        ("g = _, _", 'g(r.sub, p.sub) || \\\n  r.sub == "guest"', 'r.sub == "guest"'),
        ("g = _, _", 'g(r.sub, p.sub) || g (r.sub, \\\n "guest")', 'g (r.sub, "guest")'),
        ("g = _, _", "r.sub != r.obj && g(r.sub, p.sub)", "r.sub != r.obj"),
        ("g = _, _", "g(r.sub, p.sub) || r.sub == r.obj", "r.sub == r.obj"),
        ("g = _, _", "r.obj == p.sub && g(r.sub, p.sub)", "r.obj == p.sub"),
        ("g = _, _\ng2 = _, _", "g2(r.sub, p.sub)", "g2(r.sub, p.sub)"),
        ("g = _, _\ng_own = _, _", "g_own(r.sub, p.sub)", "g_own(r.sub, p.sub)"),
        ("g = _, _, _", "g(r.sub, p.sub, r.sub) && r.obj == p.obj", "g(r.sub, p.sub, r.sub)"),
    ],
)
def test_from_casbin_what_else_is_said_of_subjects_is_refused(
    roles: str, matcher: str, left: str, tmp_path: Path, script: Callable[..., Done]
) -> None:
    (tmp_path / "model.conf").write_text(with_matcher(matcher, roles), encoding="utf-8")
    (tmp_path / "policy.csv").write_text("p, ann, box, read, allow\n", encoding="utf-8")
    done = script("from_casbin", "model.conf", "policy.csv", "--database", f"sqlite+aiosqlite:///{tmp_path}/test.db")
    assert done.returncode == 1 and not done.stdout
    told, end = done.stderr.splitlines()
    assert told.startswith(f"the matcher says {left}: ") and end == "nothing is stored"


def test_from_casbin_every_matcher_and_domains(example: Callable[[str], Any]) -> None:
    faults = example("from_casbin").matcher_faults
    assert list(faults("m = g(r.sub, p.sub, r.dom) && g(r.sub, p.sub, 'a b')\nm2 = p.sub == r.sub\n")) == []
    (fault,) = faults("m = r.sub == p.sub\nm2 = r.sub == p.sub && r.sub == p.owner\n")
    assert "says r.sub == p.owner: " in fault


# --- from fastapi-users


def users_table(ids: Any) -> Table:
    """The table that fastapi-users' adapter for SQLAlchemy has."""
    return Table(
        "user",
        MetaData(),
        Column("id", ids, primary_key=True),
        Column("email", String(320), unique=True, index=True, nullable=False),
        Column("hashed_password", String(1024), nullable=False),
        Column("is_active", Boolean, nullable=False),
        Column("is_superuser", Boolean, nullable=False),
        Column("is_verified", Boolean, nullable=False),
    )


def argon2_hash(password: str, **costs: int) -> str:
    """As pwdlib makes it: with the default costs of argon2-cffi unless others are given."""
    return argon2.PasswordHasher(**costs).hash(password)


def bcrypt_hash(password: str) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4)).decode()


PEOPLE = [  # address, hash, active, superuser, verified
    ("ann@example.com", argon2_hash("plum jam of ann"), True, True, True),
    ("bob@example.com", bcrypt_hash("plum jam of bob"), True, False, True),
    ("cy@example.com", argon2_hash("plum jam of cy", memory_cost=1024, time_cost=1), True, False, False),
    ("dan@example.com", bcrypt_hash("plum jam of dan"), False, False, True),
]
MISFITS = [
    ("Eve@example.com", bcrypt_hash("x"), True, True, True),
    ("eve@example.com", bcrypt_hash("x"), True, False, True),
    ("fay@example.com", "", True, False, True),
    ("gus@example.com", "md5$1$0123456789abcdef", True, False, True),
    (f"{'h' * 40}@example.com", bcrypt_hash("x"), True, False, True),
    ("ida@example.com", bcrypt_hash("x"), True, False, True),
    ("jo@example.com", bcrypt_hash("x"), True, False, True),
]


def fill(url: str, people: list[Any], with_uuids: bool) -> list[Any]:
    """Write the table of fastapi-users; the ids."""
    engine = engine_of(url)
    ids = [uuid.uuid4() if with_uuids else number for number in range(1, len(people) + 1)]
    kind: Any = Integer() if not with_uuids else Uuid() if engine.dialect.name == "postgresql" else CHAR(36)
    table = users_table(kind)
    table.metadata.create_all(engine)
    names = [column.name for column in table.columns]
    rows = [
        dict(zip(names, (str(id_) if isinstance(kind, CHAR) else id_, *person), strict=True))
        for id_, person in zip(ids, people, strict=True)
    ]
    with engine.begin() as connection:
        connection.execute(table.insert(), rows)
    engine.dispose()
    return ids


def accounts(url: str) -> dict[str, Any]:
    engine = engine_of(url)
    with engine.connect() as connection:
        columns = (User.id, User.username, User.password, User.email, User.is_active)
        rows = connection.execute(select(*columns)).all()
    engine.dispose()
    return {row.username: row for row in rows}


@pytest.mark.parametrize(("driver", "with_uuids"), [("aiosqlite", True), ("aiosqlite", False), ("asyncpg", True)])
def test_from_fastapi_users(
    driver: str, with_uuids: bool, tmp_path: Path, example: Callable[[str], Any], script: Callable[..., Done]
) -> None:
    with empty_database(driver, tmp_path) as url:
        ids = fill(url, PEOPLE, with_uuids)
        dry = script("from_fastapi_users", "--database", url)
        assert dry.returncode == 0, dry.stderr
        told = "4 accounts: 1 inactive, 1 with the role root, 3 with the role verified; 0 do not fit\n"
        assert dry.stdout == f"would move {told}this was a dry run; --write stores it\n"
        assert accounts(url) == {}

        done = script("from_fastapi_users", "--database", url, "--write", "--ids", "ids.csv")
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"moved {told}"
        before = accounts(url)
        assert {name: row.password.get_secret_value() for name, row in before.items()} == {
            name: stored for name, stored, *_ in PEOPLE
        }
        assert all(row.email == name for name, row in before.items())
        with (tmp_path / "ids.csv").open(newline="") as file:
            header, *pairs = csv.reader(file)
        assert header == ["old", "new"]
        assert dict(pairs) == {str(id_): str(before[email].id) for id_, (email, *_) in zip(ids, PEOPLE, strict=True)}

        with TestClient(example("from_fastapi_users").create_app(url)) as client:
            tokens = {}
            for email, *_ in PEOPLE:
                tokens[email[:-12]] = login(client, email, f"plum jam of {email[:-12]}")
                assert not login(client, email, "plum jam")
            assert [name for name, token in tokens.items() if token] == ["ann", "bob", "cy"]
            for path, expected in (("/me", "ann bob cy"), ("/members", "ann bob"), ("/settings", "ann")):
                assert {name for name in tokens if ask(client, tokens[name], path) == 200} == set(expected.split())
                assert ask(client, "", path) == 403
        after = {name[:-12]: row.password.get_secret_value() for name, row in accounts(url).items()}
        old = {name[:-12]: stored for name, stored, *_ in PEOPLE}
        # what is as strong as today's stays, the others were made anew when they logged in
        assert {name for name in old if after[name] == old[name]} == {"ann", "dan"}
        assert all(after[name].startswith("$argon2id$v=19$m=65536,t=3,p=4$") for name in ("ann", "bob", "cy"))
        with TestClient(example("from_fastapi_users").create_app(url)) as client:
            assert login(client, "bob@example.com", "plum jam of bob")

        again = script("from_fastapi_users", "--database", url, "--write")
        assert again.returncode == 1 and "there is an account 'ann@example.com' already" in again.stderr
        assert "nothing is stored" in again.stdout


def test_from_fastapi_users_what_does_not_fit_is_told(tmp_path: Path, script: Callable[..., Done]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    fill(url, [*PEOPLE, *MISFITS], True)
    assert script("from_fastapi_users", "--database", url).returncode == 1  # makes the tables
    with sqlite3.connect(tmp_path / "test.db") as db:
        time = "2024-03-01 10:00:00"
        db.execute(
            "INSERT INTO auth_user (username, password, create_time, is_active) VALUES ('IDA@example.com', '', ?, 1)",
            (time,),
        )
        db.execute("INSERT INTO auth_casbin_rule (ptype, v0, v1) VALUES ('g', 'u:jo@example.com', 'r:root')")

    refused = script("from_fastapi_users", "--database", url, "--write")
    assert refused.returncode == 1 and "nothing is stored" in refused.stdout
    told = dict(line.removeprefix("does not fit: ").split(": ", 1) for line in refused.stderr.splitlines())
    assert set(told) == {email for email, *_ in MISFITS}
    assert told["Eve@example.com"] == "several accounts would be called 'Eve@example.com'"
    assert told["fay@example.com"] == "it has no password hash"
    assert told["gus@example.com"] == "its password hash is none of Argon2 or bcrypt"
    assert "longer than 32 characters" in told[MISFITS[4][0]]
    assert told["ida@example.com"] == "there is an account 'IDA@example.com' already"
    assert told["jo@example.com"] == "there are rules for u:jo@example.com, which would be its own"
    assert not any(stored and stored in refused.stderr + refused.stdout for _, stored, *_ in MISFITS)
    assert set(accounts(url)) == {"IDA@example.com"}

    skipped = script("from_fastapi_users", "--database", url, "--write", "--skip")
    assert skipped.returncode == 1 and "moved 4 accounts: " in skipped.stdout and "; 7 do not fit" in skipped.stdout
    assert set(accounts(url)) == {"IDA@example.com", *(email for email, *_ in PEOPLE)}


def test_from_fastapi_users_short_names_and_wrong_tables(tmp_path: Path, script: Callable[..., Done]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    fill(url, [("ann@a.org", *PEOPLE[0][1:]), ("ann@b.org", *PEOPLE[1][1:]), ("root@a.org", *PEOPLE[1][1:])], False)
    local = script("from_fastapi_users", "--database", url, "--names", "local")
    assert local.returncode == 1 and local.stderr.count("several accounts would be called 'ann'") == 2
    assert "root@a.org: 'root'" in local.stderr
    assert "would move 0 accounts" in local.stdout
    for table, error in (("people", "there is no table 'people'"), ("auth_user", "no column hashed_password")):
        wrong = script("from_fastapi_users", "--database", url, "--table", table)
        assert wrong.returncode == 2 and error in wrong.stderr and not wrong.stdout


def test_from_fastapi_users_addresses_that_are_taken(tmp_path: Path, script: Callable[..., Done]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    fill(url, [("ann@example.com", *PEOPLE[0][1:]), ("Bob@EXAMPLE.com", *PEOPLE[1][1:]), PEOPLE[2]], False)
    assert script("from_fastapi_users", "--database", url).returncode == 0  # makes the tables
    with sqlite3.connect(tmp_path / "test.db") as db:
        db.executemany(
            "INSERT INTO auth_user (username, password, email, create_time, is_active) "
            "VALUES (?, '', ?, '2024-03-01 10:00:00', 1)",
            [("anna", "ann@example.com"), ("bobby", "Bob@example.com"), ("cyan", None), ("cyd", "")],
        )
    for names in ("email", "local"):
        refused = script("from_fastapi_users", "--database", url, "--write", "--names", names)
        assert refused.returncode == 1 and "nothing is stored" in refused.stdout
        assert set(refused.stderr.splitlines()) == {
            f"does not fit: {email}: an account has this mail address already"
            for email in ("ann@example.com", "Bob@EXAMPLE.com")
        }
    assert script("from_fastapi_users", "--database", url, "--write", "--skip").returncode == 1
    assert set(accounts(url)) == {"anna", "bobby", "cyan", "cyd", "cy@example.com"}


def test_from_fastapi_users_ids_that_cannot_be_written(tmp_path: Path, script: Callable[..., Done]) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path}/test.db"
    fill(url, PEOPLE, False)
    for path in ("none/ids.csv", "."):
        done = script("from_fastapi_users", "--database", url, "--write", "--ids", path)
        assert done.returncode == 2 and not done.stdout
        assert done.stderr.startswith(f"{path} cannot be written: ") and "nothing is stored" in done.stderr
        assert accounts(url) == {}
        with sqlite3.connect(tmp_path / "test.db") as db:
            for table in ("auth_role", "auth_casbin_rule"):
                assert not db.execute(f"SELECT * FROM {table}").fetchall()
    assert script("from_fastapi_users", "--database", url, "--write", "--ids", "ids.csv").returncode == 0
    assert len(accounts(url)) == len((tmp_path / "ids.csv").read_text().splitlines()) - 1 == 4
