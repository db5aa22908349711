"""Rules to policy files of Casbin and back: exact for any text, all or none."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys

import casbin
import pytest
from conftest import EVERY_DRIVER
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import CASBIN_MODEL, SAME_PAGES
from sqlalchemy import event
from sqlmodel import SQLModel

from fastapi_user_auth_c import cli
from fastapi_user_auth_c.auth.models import CasbinRule
from fastapi_user_auth_c.db import close_database, open_database, run_committed, run_read
from fastapi_user_auth_c.policy import StalePolicy, transfer
from fastapi_user_auth_c.policy.adapter import Adapter
from fastapi_user_auth_c.policy.csv_file import read_rules, write_file, write_rule
from fastapi_user_auth_c.policy.transfer import TransferError, export_rules, import_rules, parse, plan_import

ODD = [
    ["p", "u:al, r:admin", 'say "hi"', " x ", "page", "allow"],
    ["p", "u:\n# not a comment", "", "\ttab\r\n", "#", "deny"],
    ["p", "u:ａｄｍｉｎ\u2028\x85", "\ufeff", '"', '""', "allow"],
    ["g", "u:al", "r:\x0bx\u00a0"],
    ["g2", "", ","],
]
DATABASES = pytest.mark.parametrize("database_url", EVERY_DRIVER, indirect=True)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8) | st.sampled_from(
    ["", " ", "#", ",", '"', '""', "\n", "\r", "\r\n", "\ufeff", "a#b", "# a", '"a', 'a"', "a, b", "\\", "'"]
)


def make_file(url):
    if url.startswith("sqlite"):
        open(url.partition(":///")[2].partition("?")[0], "a").close()


def on(url, work):
    """The result of ``await work(db)`` on a database with all tables."""
    make_file(url)

    async def run():
        db = open_database(url)
        try:
            await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
            return await work(db)
        finally:
            await close_database(db)

    return asyncio.run(run())


def put(db, *rows):
    def work(session):
        for ptype, *values in rows:
            session.add(CasbinRule(ptype=ptype, **{f"v{i}": value for i, value in enumerate(values)}))

    return run_committed(db, work)


async def stored(db):
    return [row[1:] async for chunk in Adapter(db).rows() for row in chunk]


def content_of(rules):
    return "".join(write_rule(rule) + "\n" for rule in rules).encode()


def padded(rules):
    return sorted((*rule, *[None] * (7 - len(rule))) for rule in rules)


# --- the text


@given(st.lists(st.lists(texts, min_size=1, max_size=7).filter(lambda rule: rule != [""]), max_size=5))
@settings(max_examples=400, deadline=None)
def test_what_is_written_is_read(rules):
    text = "".join(write_rule(rule) + "\n" for rule in rules)
    assert [rule for _, rule in read_rules(text)] == rules
    assert [rule for _, rule in read_rules(text, strict=True)] == rules
    assert [rule for _, rule in read_rules(text.removesuffix("\n"))] == rules


def test_lines_are_counted_as_editors_count_them():
    text = '# one\r\np, a\rp, b\n\n p , "c\nd\r\ne"\r\np, f\n'
    assert list(read_rules(text)) == [
        (2, ["p", "a"]),
        (3, ["p", "b"]),
        (5, ["p", "c\nd\r\ne"]),
        (8, ["p", "f"]),
    ]


def test_reading_takes_time_by_the_length_of_the_file():
    text = "p, u:a, page, page, page, allow\n" * 100_000
    *_, last = read_rules(text)
    assert last == (100_000, ["p", "u:a", "page", "page", "page", "allow"])


@pytest.mark.parametrize("text", ['p, "a, b\n', 'p, "a" b\n', 'p, a, "'])
def test_quotes_that_do_not_match(text):
    assert len(list(read_rules("p, x\n" + text))) >= 2, "Casbin knows no quotes, and takes them as they are"
    with pytest.raises(ValueError, match=r"^line 2: a quote"):
        list(read_rules("p, x\n" + text, strict=True))


plain = st.from_regex(r"[A-Za-z:*_\u00e9\u4e2d][A-Za-z0-9:#*_ \u00e9\u4e2d-]{0,6}[A-Za-z0-9#*]", fullmatch=True)


@given(
    st.lists(st.tuples(plain, plain, plain, plain, st.sampled_from(["allow", "deny"])), unique=True, max_size=6),
    st.lists(st.tuples(plain, plain), unique=True, max_size=4),
)
@settings(max_examples=100, deadline=None)
def test_casbin_reads_the_same_of_plain_texts(tmp_path_factory, p, g2):
    path = tmp_path_factory.mktemp("plain") / "policy.csv"
    lines = [write_rule([name, *rule]) for name, rules in (("p", p), ("g2", g2)) for rule in rules]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    model = casbin.Enforcer.new_model(text=CASBIN_MODEL.format(pages=SAME_PAGES))
    casbin.persist.adapters.FileAdapter(str(path)).load_policy(model)
    assert list(map(tuple, model["p"]["p"].policy)) == p
    assert list(map(tuple, model["g"]["g2"].policy)) == g2


def test_a_file_changes_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "policy.csv"
    path.write_text("old")
    path.chmod(0o640)
    (tmp_path / "link").symlink_to(path)
    write_file(tmp_path / "link", b"new")
    assert path.read_bytes() == b"new" and (tmp_path / "link").is_symlink()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_file(path, b"newer")
    assert path.read_bytes() == b"new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "policy.csv"]


# --- the database


@DATABASES
def test_a_round_trip_keeps_every_text(database_url):
    async def work(db):
        first = await import_rules(db, content_of(ODD))
        text, skipped = await export_rules(db)
        again = await import_rules(db, text.encode())
        return first, text, skipped, again, await stored(db)

    first, text, skipped, again, rows = on(database_url, work)
    assert first.summary == "added 5, already there 0, removed 0" and skipped == []
    assert sorted(map(list, (rule for _, rule in read_rules(text)))) == sorted(ODD)
    assert again.summary == "added 0, already there 5, removed 0"
    assert sorted(rows) == padded(ODD)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(texts, texts, texts, texts, st.sampled_from(["allow", "deny"])), max_size=5, unique=True))
def test_any_rules_survive_a_round_trip(tmp_path_factory, rules):
    url = f"sqlite:///{tmp_path_factory.mktemp('trip') / 'a.db'}"
    rules = [["p", *rule] for rule in rules if rule[0] != "u:root"]

    async def work(db):
        await put(db, *rules)
        text, _ = await export_rules(db)
        change = await plan_import(db, text, replace=True)
        assert (change.added, change.removed, change.present) == ({}, {}, len(rules))
        await run_committed(db, lambda session: session.query(CasbinRule).delete())
        await import_rules(db, text.encode())
        return await stored(db)

    assert sorted(on(url, work)) == padded(rules)


@DATABASES
def test_replacing_is_one_transaction(database_url):
    old = [["p", "u:al", "a", "page", "page", "allow"], ["g", "u:al", "r:x"], ["g2", "s", "a"], ["g", "r:x", "r:y"]]
    new = [["p", "u:al", "a", "page", "page", "allow"], ["g", "r:y", "r:x"], ["p", "u:al", "b", "*", "page", "deny"]]

    async def work(db):
        await put(db, *old, ["p", "u:al", "short"], old[0])
        steps = []
        engine = getattr(db.engine, "sync_engine", db.engine)

        def broken(connection, *args):
            if "INSERT INTO auth_casbin_rule" in args[1]:
                raise RuntimeError("on the way")

        event.listen(engine, "before_cursor_execute", broken)
        with pytest.raises(RuntimeError, match="on the way"):
            await import_rules(db, content_of(new), replace=True)
        event.remove(engine, "before_cursor_execute", broken)
        untouched = await stored(db)
        event.listen(engine, "commit", lambda connection: steps.append("COMMIT"))
        event.listen(engine, "before_cursor_execute", lambda connection, *args: steps.append(args[1]))
        change = await import_rules(db, content_of(new), replace=True)
        writes = [step for step in steps if step == "COMMIT" or re.match("(INSERT INTO|DELETE FROM) auth_casbin", step)]
        return untouched, change, writes, await stored(db)

    untouched, change, writes, rows = on(database_url, work)
    assert sorted(untouched) == padded([*old, ["p", "u:al", "short"], old[0]])
    assert change.removed == {"g": [["u:al", "r:x"], ["r:x", "r:y"]], "g2": [["s", "a"]]}
    assert change.added == {"p": [["u:al", "b", "*", "page", "deny"]], "g": [["r:y", "r:x"]]}
    assert change.summary == "added 2, already there 1, removed 3"
    first = next(i for i, step in enumerate(writes) if step != "COMMIT")
    assert len(writes[first:]) > 2 and writes[first:].index("COMMIT") == len(writes[first:]) - 1
    assert sorted(rows) == padded([*new, ["p", "u:al", "short"], old[0]]), "what is no rule is the doctor's business"


def test_an_import_is_worked_out_anew_when_others_change_the_policy(tmp_path, monkeypatch):
    """Whoever stores r:b -> r:a meanwhile must not end up in a cycle."""
    plan = transfer.plan_import
    between = []

    async def slow(db, *args, **kwargs):
        change = await plan(db, *args, **kwargs)
        if between:
            await Adapter(db).add_policy("g", "g", between.pop())
        return change

    async def work(db):
        stale = await plan(db, "g, r:x, r:y\n")
        await Adapter(db).add_policy("g", "g", ["u:al", "r:a"])
        with pytest.raises(StalePolicy):
            await transfer.apply(db, stale)
        monkeypatch.setattr(transfer, "plan_import", slow)
        between.append(["u:bo", "r:a"])
        change = await import_rules(db, "g, u:cy, r:a\n", replace=True)
        between.append(["r:b", "r:a"])
        with pytest.raises(TransferError, match=r"line 1: .*cycle"):
            await import_rules(db, "g, r:a, r:b\n")
        between.extend(["u:al", f"r:{i}"] for i in range(transfer.ATTEMPTS))
        with pytest.raises(StalePolicy):
            await import_rules(db, "g, u:di, r:a\n")
        return change, await stored(db)

    change, rows = on(f"sqlite:///{tmp_path}/a.db", work)
    assert change.removed == {"g": [["u:al", "r:a"], ["u:bo", "r:a"]]}
    assert [row[1] for row in rows] == ["u:cy", "r:b", *["u:al"] * transfer.ATTEMPTS]


BAD = """p, u:al, a, page, page, allow
p, u:al, a, page
# a comment
p, u:root, a, page, page, allow
p, u:al, a, page, page, Allow
q, u:al, a
p, a, b, c, d, e, f, g
g, "u:\0", r:x
g, u:al, r:x
g, r:y, r:x, r:z
"""


def test_every_bad_line_is_named_and_nothing_is_stored(tmp_path):
    async def work(db):
        with pytest.raises(TransferError) as caught:
            await import_rules(db, BAD)
        return caught.value.problems, await stored(db)

    problems, rows = on(f"sqlite:///{tmp_path}/a.db", work)
    assert rows == []
    assert [problem.partition(":")[0] for problem in problems] == [f"line {n}" for n in (2, 4, 5, 6, 7, 8, 10)]
    words = ["5 fields", "u:root", "effect", "'q'", "7 fields", "NUL", "2 fields"]
    assert all(word in problem for word, problem in zip(words, problems, strict=True)), problems


def test_what_no_file_holds_is_refused(tmp_path):
    async def work(db):
        with pytest.raises(TransferError, match="line 1: there is a lone surrogate"):
            await import_rules(db, "g, u:\ud800, r:x\n")
        await put(db, ["g", "u:a\0", "r:x"])
        with pytest.raises(TransferError, match="NUL"):
            await export_rules(db)

    on(f"sqlite:///{tmp_path}/a.db", work)
    with pytest.raises(TransferError, match="line 3: this is not UTF-8"):
        parse(b"p, a\np, b\np, \xff\n")
    assert parse(b"\xef\xbb\xbfg, a, b\n") == [(1, ["g", "a", "b"])]


def test_cycles_are_named_with_their_line(tmp_path):
    async def work(db):
        await put(db, ["g", "r:a", "r:b"])
        content = "g, r:b, r:c\ng, r:c, r:a\ng, r:d, r:d\n"
        with pytest.raises(TransferError) as caught:
            await import_rules(db, content)
        with pytest.raises(TransferError, match=r"line 3: .*r:d -> r:d"):
            await import_rules(db, content, replace=True)
        rows = await stored(db)
        await import_rules(db, content.rpartition("g,")[0], replace=True)
        return caught.value.problems, rows, await stored(db)

    problems, rows, after = on(f"sqlite:///{tmp_path}/a.db", work)
    assert len(problems) == 2 and problems[0].startswith("line 2: ")
    assert all(role in problems[0] for role in ("r:a", "r:b", "r:c"))
    assert rows == padded([["g", "r:a", "r:b"]])
    assert sorted(after) == padded([["g", "r:b", "r:c"], ["g", "r:c", "r:a"]])


def test_models_of_ones_own(tmp_path):
    model = tmp_path / "model.conf"
    model.write_text(
        "[request_definition]\nr = sub, act\n[policy_definition]\np = sub, act\n"
        "[policy_effect]\ne = some(where (p.eft == allow))\n[matchers]\nm = r.sub == p.sub && r.act == p.act\n"
    )

    async def work(db):
        await import_rules(db, "p, al, read\n", model=model)
        with pytest.raises(TransferError, match="'g'"):
            await import_rules(db, "g, al, x\n", model=model)
        return await export_rules(db, model), await export_rules(db)

    own, builtin = on(f"sqlite:///{tmp_path}/a.db", work)
    assert own == ("p, al, read\n", [])
    assert builtin[0] == "" and len(builtin[1]) == 1


# --- the command line


def command(*args, stdin=b"", **env):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "fastapi_user_auth_c", *args],
        input=stdin,
        capture_output=True,
        env={**os.environ, **env},
        timeout=60,
    )


@pytest.mark.parametrize("database_url", ["sqlite", "asyncpg"], indirect=True)
def test_the_commands(database_url, tmp_path):
    on(database_url, lambda db: put(db, ["g", "u:old", "r:x"], ["p", "too", "short"]))
    rules, out = tmp_path / "rules.csv", tmp_path / "out.csv"
    rules.write_bytes(content_of(ODD))

    done = command("import", "--database", database_url, str(rules))
    assert (done.returncode, done.stdout) == (0, b"added 5, already there 0, removed 0\n"), done.stderr
    done = command("import", str(rules), "--replace", DATABASE_URL=database_url, stdin=b"n\n")
    assert done.returncode == 1 and b"g, u:old, r:x" in done.stderr and b"nothing is changed" in done.stderr
    done = command("import", "-", "--replace", "--yes", "--database", database_url, stdin=rules.read_bytes())
    assert (done.returncode, done.stdout) == (0, b"added 0, already there 5, removed 1\n"), done.stderr

    done = command("export", "--database", database_url, str(out))
    assert (done.returncode, done.stdout) == (0, b"") and b"5 rules written" in done.stderr
    assert b"is left out" in done.stderr
    assert sorted(rule for _, rule in parse(out.read_bytes())) == sorted(ODD)
    done = command("export", DATABASE_URL=database_url)
    assert done.returncode == 0 and done.stdout == out.read_bytes()


def run(*args, capsys):
    code = cli.main([*args])
    return code, capsys.readouterr()


def test_mistakes_are_told(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    url, bad = f"sqlite:///{tmp_path}/a.db", tmp_path / "bad.csv"
    bad.write_text("p, u:al\n")
    assert run("export", capsys=capsys)[0] == 2
    code, out = run("export", "--database", url, capsys=capsys)
    assert code == 2 and "there is no file" in out.err
    assert not (tmp_path / "a.db").exists()
    make_file(url)
    code, out = run("export", "--database", url, capsys=capsys)
    assert code == 2 and "auth_casbin_rule" in out.err
    on(url, lambda db: put(db, ["g", "u:a", "r:b"]))
    code, out = run("import", "--database", url, str(bad), capsys=capsys)
    assert code == 2 and f"{bad}: line 1: p rules have 5 fields" in out.err and "nothing is stored" in out.err
    code, out = run("import", "--database", url, str(tmp_path / "none.csv"), capsys=capsys)
    assert code == 2 and "none.csv" in out.err
    code, out = run("export", "--database", url, str(tmp_path / "no" / "dir.csv"), capsys=capsys)
    assert code == 2 and "dir.csv" in out.err
    for wrong in ("nonsense", "sqlite+nothing:///x", "oracle://h/x"):
        code, out = run("export", "--database", wrong, capsys=capsys)
        assert code == 2 and out.err.startswith("fastapi_user_auth_c: "), wrong
    assert on(url, lambda db: run_read(db, lambda session: session.query(CasbinRule).count())) == 1


@pytest.mark.parametrize("database_url", ["pymysql", "aiomysql"], indirect=True)
def test_values_that_a_server_would_cut_are_refused(database_url: str) -> None:
    async def main() -> None:
        db = open_database(database_url)
        await db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
        room = (await Adapter(db).widths())["v1"]
        assert room is not None
        with pytest.raises(TransferError, match=f"line 2: column v1 has room for {room} characters"):
            await import_rules(
                db, f"p, u:al, page, page, page, allow\np, u:al, {'x' * (room + 1)}, page, page, allow\n"
            )
        await import_rules(db, f"p, u:al, {'x' * room}, page, page, allow\n")
        await close_database(db)

    asyncio.run(main())
