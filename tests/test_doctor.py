"""What the doctor finds in a database, and that what it removes changes no decision."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from datetime import datetime
from types import SimpleNamespace

import casbin
import pytest
from conftest import EVERY_DRIVER
from reference import decide, random_policy
from sqlalchemy import text
from test_enforcer import PLAIN_MODEL
from test_transfer import command, make_file, on, put, stored

from fastapi_user_auth_c import cli
from fastapi_user_auth_c.auth.models import Role, User
from fastapi_user_auth_c.db import close_database, open_database, run_committed
from fastapi_user_auth_c.passwords import PasswordHasher
from fastapi_user_auth_c.policy import AsyncEnforcer, doctor
from fastapi_user_auth_c.policy.doctor import examine, repair

DATABASES = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
HASHER = PasswordHasher(bcrypt_rounds=4)
ALLOW = ("page", "page", "allow")
SITE = """
import fastapi_user_auth_c
from fastapi import FastAPI
from fastapi_amis_admin.admin.settings import Settings
from fastapi_user_auth.site import AuthAdminSite

app = FastAPI()
site = AuthAdminSite(settings=Settings(database_url={url!r}))
"""


def people(db, users=(), roles=(), deleted=(), passwords=(), inactive=()):
    """Accounts and roles; the password of those in ``passwords`` is their name."""

    def work(session):
        for name in (*users, *deleted):
            hashed = HASHER.hash(name if name in passwords else "another")
            gone = datetime.now() if name in deleted else None
            session.add(User(username=name, password=hashed, delete_time=gone, is_active=name not in inactive))
        for key in roles:
            session.add(Role(key=key, name=key))

    return run_committed(db, work)


def told(findings):
    return [(finding.kind, [row[1:3] for row in finding.rows], finding.fixable) for finding in findings]


def sqlite(tmp_path):
    return f"sqlite:///{tmp_path / 'a.db'}"


@DATABASES
def test_a_database_with_every_fault(database_url):
    async def work(db):
        await people(db, ["al", "root"], ["x", "y"], deleted=["late"], passwords=["root"])
        await put(
            db,
            ("p", "u:al", "a", *ALLOW),
            ("g", "u:al", "r:x"),
            ("p", "u:al", "a", *ALLOW),
            ("p", "u:al", "short"),
            ("p", "u:root", "a", *ALLOW),
            ("p", "u:al", "b", "page", "page", "Allow"),
            ("q", "u:al", "b"),
            ("g", "r:x", "r:y"),
            ("g", "r:y", "r:x"),
            ("p", "u:ghost", "a", *ALLOW),
            ("g", "u:ghost", "r:x"),
            ("p", "r:none", "a", *ALLOW),
            ("g", "u:al", "r:nowhere"),
            ("p", "u:late", "a", *ALLOW),
            ("p", "u:guest", "a", *ALLOW),
            ("p", "somebody", "a", *ALLOW),
        )
        before = await stored(db)
        findings = await examine(db)
        assert await stored(db) == before, "looking changes nothing"
        removed = await repair(db, findings)
        return findings, removed, await examine(db), await stored(db)

    findings, removed, left, rows = on(database_url, work)
    assert told(findings) == [
        ("duplicate", [("p", "u:al")], True),
        ("misfit", [("p", "u:al")], True),
        ("misfit", [("p", "u:root")], True),
        ("misfit", [("p", "u:al")], True),
        ("misfit", [("q", "u:al")], True),
        ("cycle", [], False),
        ("unknown user", [("p", "u:ghost"), ("g", "u:ghost")], True),
        ("unknown role", [("p", "r:none")], True),
        ("deleted user", [("p", "u:late")], False),
        ("unknown role", [("g", "u:al")], False),
        ("default password", [], False),
    ]
    texts = [str(finding) for finding in findings]
    assert (
        "a repetition of row" in texts[0] and "\n    row " in texts[0] and ": p, u:al, a, page, page, allow" in texts[0]
    )
    assert "r:x -> r:y -> r:x" in texts[5] or "r:y -> r:x -> r:y" in texts[5]
    assert "rules of u:ghost" in texts[6] and "r:nowhere" in texts[9] and "user root" in texts[10]
    assert removed == 8 and told(left) == [told(findings)[i] for i in (5, 8, 9, 10)]
    assert len(rows) == 8 and len(set(rows)) == 8


def test_a_clean_database(tmp_path):
    async def work(db):
        await people(db, ["al"], ["x"])
        await put(db, ("g", "u:al", "r:x"), ("p", "r:x", "a", *ALLOW), ("g2", "s", "a"))
        assert await examine(db) == []
        assert await repair(db, []) == 0

    on(sqlite(tmp_path), work)


def test_missing_tables(tmp_path):
    make_file(sqlite(tmp_path))

    async def bare():
        db = open_database(sqlite(tmp_path))
        try:
            return await examine(db)
        finally:
            await close_database(db)

    findings = asyncio.run(bare())
    assert {finding.kind for finding in findings} == {"missing table"}
    names = [finding.message.rpartition(" ")[2] for finding in findings]
    assert names == ["auth_user", "auth_role", "auth_casbin_rule", "auth_login_history"]

    async def without_accounts(db):
        await put(db, ("g", "u:al", "r:x"), ("p", "r:x", "a"))
        await run_committed(
            db, lambda session: [session.execute(text(f"DROP TABLE auth_{t}")) for t in ("user", "role")]
        )
        return await examine(db)

    kinds = [finding.kind for finding in on(sqlite(tmp_path), without_accounts)]
    assert kinds == ["missing table", "missing table", "misfit"], "without accounts nobody is known to be gone"


def test_every_cycle_is_named(tmp_path):
    links = [
        ("r:a", "r:b"),
        ("r:b", "r:c"),
        ("r:c", "r:a"),
        ("r:s", "r:s"),
        ("u:al", "r:a"),
        ("r:m", "r:n"),
        ("r:n", "r:m"),
    ]

    async def work(db):
        await people(db, ["al"], ["a", "b", "c", "s", "m", "n"])
        await put(db, *(("g", *link) for link in links))
        return await examine(db)

    cycles = []
    for finding in on(sqlite(tmp_path), work):
        assert finding.kind == "cycle" and not finding.fixable
        path = finding.message.partition(": ")[2].split(" -> ")
        assert path[0] == path[-1] and all((a, b) in links for a, b in zip(path, path[1:]))  # noqa: B905, RUF007
        cycles.append(frozenset(path))
    assert sorted(map(sorted, cycles)) == [["r:a", "r:b", "r:c"], ["r:m", "r:n"], ["r:s"]]


def test_what_somebody_still_gets_by_a_role_link_stays(tmp_path):
    async def work(db):
        await people(db, ["al"])
        await put(
            db,
            ("g", "u:al", "r:code"),  # a role that only code knows
            ("p", "r:code", "a", *ALLOW),
            ("g", "r:code", "r:above"),
            ("p", "r:above", "b", *ALLOW),
            ("g", "u:gone", "u:was"),
            ("p", "u:was", "a", *ALLOW),
        )
        findings = await examine(db)
        await repair(db, findings)
        return findings, await stored(db)

    findings, rows = on(sqlite(tmp_path), work)
    kept = [row[1] for row in rows]
    assert sorted(kept) == ["r:above", "r:code", "r:code", "u:al"]
    fixable = {row[2] for finding in findings if finding.fixable for row in finding.rows}
    assert fixable == {"u:gone", "u:was"}
    assert any("somebody has them by a role link" in finding.message for finding in findings)


def test_a_link_that_lifts_a_role_stays(tmp_path):
    """Without u:gone r:low would be as low as r:high, and its deny would count."""

    async def work(db):
        await people(db, ["al", "bo"], ["high", "low", "own"])
        await put(
            db,
            ("g", "u:al", "r:high"),
            ("g", "u:al", "r:low"),
            ("g", "u:gone", "r:mid"),
            ("g", "r:mid", "r:low"),
            ("p", "r:high", "a", *ALLOW),
            ("p", "r:low", "a", "page", "page", "deny"),
            ("g", "u:gone", "r:own"),
            ("g", "u:bo", "r:own"),
        )
        findings = await examine(db)
        await repair(db, findings)
        return findings, await stored(db)

    findings, rows = on(sqlite(tmp_path), work)
    assert any("the level of a role depends on them" in finding.message for finding in findings)
    assert ("g", "u:gone", "r:own") not in [row[:3] for row in rows], "u:bo keeps r:own where it is"
    assert ("g", "r:mid", "r:low") in [row[:3] for row in rows]


def test_repairs_change_no_decision_of_anybody():
    """Random policies in which some users and roles do not exist."""
    rng = random.Random(20260301)
    removed = 0
    for _ in range(400):
        *policy, _requests = random_policy(rng, subjects=6)
        users = [f"u:{i}" for i in range(6) if rng.random() < 0.5]
        roles = [f"r:{i}" for i in range(6) if rng.random() < 0.5]
        accounts = doctor._Accounts(
            {user[2:]: SimpleNamespace(delete_time=None) for user in users}, {role[2:] for role in roles}
        )
        rules = [(ptype, *rule) for ptype, some in zip(("p", "g", "g2"), policy, strict=True) for rule in some]
        rng.shuffle(rules)
        rows = [(i, *rule, *[None] * (7 - len(rule))) for i, rule in enumerate(rules)]
        findings = doctor._examine_rules(rows, accounts, None, None)
        gone = {row[0] for finding in findings if finding.fixable for row in finding.rows}
        removed += len(gone)
        left = [rule for i, rule in enumerate(rules) if i not in gone]
        after = [{rule[1:] for rule in left if rule[0] == ptype} for ptype in ("p", "g", "g2")]
        for request in [(s, o, a, group) for s in users + roles for o in ("pg0", "pg1", "pg2")
                        for a in ("page", "page:list") for group in ("page", "page:list")]:  # fmt: skip
            assert decide(request, *policy) is decide(request, *after), (request, policy, after)
    assert removed > 500


def test_a_row_that_changed_meanwhile_stays(tmp_path):
    async def work(db):
        await put(db, ("p", "u:al", "short"), ("p", "u:al", "shorter"))
        findings = await examine(db)
        statement = text("UPDATE auth_casbin_rule SET v2 = 'page', v3 = 'page', v4 = 'allow' WHERE v1 = 'short'")
        await run_committed(db, lambda session: session.execute(statement))
        assert await repair(db, findings) == 1
        return await stored(db)

    assert on(sqlite(tmp_path), work) == [("p", "u:al", "short", "page", "page", "allow", None)]


def test_repairs_are_one_transaction(tmp_path, monkeypatch):
    async def work(db):
        await put(db, *(("p", "u:al", f"short {i}") for i in range(1200)))
        findings = await examine(db)
        with monkeypatch.context() as patch:
            from fastapi_user_auth_c.policy import adapter

            def some(items, size=500):
                yield items[:500]
                raise RuntimeError("on the way")

            patch.setattr(adapter, "chunks", some)
            with pytest.raises(RuntimeError, match="on the way"):
                await repair(db, findings)
        assert len(await stored(db)) == 1200
        assert await repair(db, findings) == 1200

    on(sqlite(tmp_path), work)


def test_default_passwords(tmp_path):
    async def work(db):
        everybody = ["root", "admin", "vip", "al", "guest"]
        await people(
            db, [*everybody, "off"], ["vip", "off", "late"], ["late"], [*everybody, "off", "late"], inactive=["off"]
        )
        await run_committed(db, lambda session: session.add(User(username="x", password="not a hash")))
        return await examine(db)

    names = [finding.message.split()[1] for finding in on(sqlite(tmp_path), work)]
    assert names == ["root", "admin", "vip", "guest"], "of system users and of role keys, and only who can log in"


def test_a_password_hasher_of_passlib(tmp_path):
    context = pytest.importorskip("passlib.context").CryptContext(schemes=["sha256_crypt"])

    class Site:
        class auth:
            pwd_context = context

    async def work(db):
        await run_committed(
            db,
            lambda session: [
                session.add(User(username="root", password=context.hash("root"))),
                session.add(User(username="admin", password="no hash")),
            ],
        )
        return await doctor._default_passwords(doctor._Accounts(users={}), context), await doctor._default_passwords(
            doctor._Accounts({row.username: row for row in await doctor._read(db, (*User.__table__.columns,))}, set()),
            context,
        )

    none, some = on(sqlite(tmp_path), work)
    assert none == [] and [finding.kind for finding in some] == ["default password"]


@pytest.mark.parametrize("kind", [AsyncEnforcer, casbin.AsyncEnforcer])
def test_the_model_of_the_sites_enforcer_counts(tmp_path, kind):
    model = tmp_path / "model.conf"
    model.write_text(PLAIN_MODEL)

    class auth:
        enforcer = kind(str(model), None)

    class Site(list):  # of no pages
        unique_id = "site"

        def register_router(self):
            return self

    Site.auth = auth

    async def work(db):
        await put(db, ("p", "al", "data", "read"), ("p", "al", "data", "read", "page", "allow"))
        return await examine(db, site=Site()), await examine(db), await examine(db, model=model)

    mine, builtin, given = on(sqlite(tmp_path), work)
    assert told(mine) == told(given)
    assert [finding.rows[0][0] for finding in mine] == [2] and [finding.rows[0][0] for finding in builtin] == [1]


# --- with a site, through the command line


@pytest.fixture
def site(tmp_path):
    url = sqlite(tmp_path)
    (tmp_path / "main.py").write_text(SITE.format(url=url))
    on(url, lambda db: people(db, ["root"], ["x"]))
    return url


def run_doctor(cwd, *args, stdin=b""):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "fastapi_user_auth_c", "doctor", *args],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=60,
    )


def test_pages_that_a_site_does_not_have(site, tmp_path):
    on(
        site,
        lambda db: put(
            db,
            ("p", "r:x", "AuthAdminSite", *ALLOW),
            ("p", "r:x", "Auth>UserAuthApp", "page:*", "page", "allow"),
            ("p", "r:x", "Gone", *ALLOW),
            ("p", "r:x", "Gone", "page:list:name", "page:list", "deny"),
            ("p", "r:x", "no page", "read", "documents", "allow"),
            ("g2", "AuthAdminSite", "Auth>UserAuthApp"),
            ("g2", "AuthAdminSite", "Gone too"),
        ),
    )
    done = run_doctor(tmp_path, "--app", "main:site", "--json")
    assert done.returncode == 1, done.stderr
    findings = json.loads(done.stdout)["findings"]
    assert [(f["kind"], f["rows"][0][1:4], f["fixable"]) for f in findings] == [
        ("unknown page", ["p", "r:x", "Gone"], False),
        ("unknown page", ["p", "r:x", "Gone"], False),
        ("unknown page", ["g2", "AuthAdminSite", "Gone too"], False),
    ]
    assert run_doctor(tmp_path, "--database", site).returncode == 0, "pages are known by the site alone"
    assert run_doctor(tmp_path, "--app", "main:site", "--database", site).returncode == 1
    done = run_doctor(tmp_path, "--app", "main:app")
    assert done.returncode == 2 and b"main:app is of type FastAPI" in done.stderr
    assert run_doctor(tmp_path, "--app", "main:none").returncode == 2


def test_fixing_shows_asks_and_looks_again(site, tmp_path):
    on(site, lambda db: put(db, ("p", "u:ghost", "a\n\x1b[2J", *ALLOW), ("g", "r:x", "r:none")))
    done = run_doctor(tmp_path, "--database", site, "--fix")
    assert done.returncode == 1 and b"nothing is changed" in done.stderr
    assert (
        rb"row 1: p, u:ghost, 'a\n\x1b[2J', page, page, allow" in done.stderr and b"--fix deletes 1 rows" in done.stderr
    )
    assert b"\x1b" not in done.stdout + done.stderr
    assert len(on(site, stored)) == 2
    done = run_doctor(tmp_path, "--database", site, "--fix", stdin=b"y\n")
    assert done.returncode == 1 and b"1 rows deleted; 1 findings are left" in done.stderr
    assert len(on(site, stored)) == 1
    on(site, lambda db: run_committed(db, lambda session: session.add(Role(key="none"))))
    done = run_doctor(tmp_path, "--database", site)
    assert (done.returncode, done.stdout) == (0, b"nothing found\n")


@pytest.mark.parametrize("database_url", ["aiosqlite", "psycopg", "asyncpg", "aiomysql", "pymysql"], indirect=True)
def test_the_command(database_url):
    on(database_url, lambda db: put(db, ("p", "u:al", "short"), ("g", "u:ghost", "r:none")))
    done = command("doctor", "--fix", "--yes", "--json", DATABASE_URL=database_url)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"findings": [], "removed": 2}), done.stderr
    assert on(database_url, stored) == []


def test_explain_as_a_command(tmp_path):
    url = sqlite(tmp_path)
    on(url, lambda db: put(db, ("g", "u:al", "r:x"), ("p", "r:x", "a", "page:*", "page", "allow"), ("p", "short", "x")))
    done = command(
        "explain", "--database", url.replace("sqlite:", "sqlite+aiosqlite:"), "u:al", "a", "page:list", "page"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == [
        "allowed: u:al, a, page:list, page",
        "why: the rule r:x, a, page:*, page, allow",
        "    level: 1",
        "    roles: u:al -> r:x",
    ]
    assert b"stored row 3 is left out" in done.stderr
    done = command("explain", "--json", "u:bo", "a", "page", "page", DATABASE_URL=url)
    answer = json.loads(done.stdout)
    assert done.returncode == 1 and (answer["allowed"], answer["why"], answer["rule"]) == (False, "no rule", None)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["explain", "u:al", "a", "page"], "explain needs 4 values: sub obj act group"),
        (["explain", "u:al", "a", "page", "page", "--database", "sqlite:///none.db"], "there is no file none.db"),
        (["explain", "u:al", "a", "page", "page", "--model", "none.conf"], "none.conf"),
        (["doctor", "--fix", "--json"], "--yes"),
        (["doctor", "--app", "json:loads"], "name the AuthAdminSite"),
        (["doctor", "--model", "bad.conf"], "line 1: definition not supported"),
    ],
)
def test_mistakes_are_told(argv, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    on(sqlite(tmp_path), lambda db: put(db))
    (tmp_path / "bad.conf").write_text("x = 1\n")
    monkeypatch.setenv("DATABASE_URL", sqlite(tmp_path))
    assert cli.main(argv) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("name", ["explain", "doctor", "export", "import"])
def test_help_has_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([name, "--help"])
    out = capsys.readouterr().out
    assert stop.value.code == 0 and "examples:\n  " in out and "DATABASE_URL" in out and f" {name} " in out
