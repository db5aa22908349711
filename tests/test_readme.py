"""Every code block of the README does what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from test_cli import UNCHANGED, served
from test_commands import run_each

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = [
    (language, textwrap.dedent(code))
    for _, language, code in re.findall(r"^( *)```(\w+)\n(.*?)^\1```$", README, re.DOTALL | re.MULTILINE)
]
PYTHON = [code for language, code in BLOCKS if language == "python"]
SHELL = [line for language, code in BLOCKS if language == "sh" for line in code.splitlines()]
SIMPLE = next(code for code in PYTHON if "app = FastAPI()" in code)

MANAGING = " (createuser|passwd|logout|role|grant|revoke) "

PROBE = """
def probe(app):
    from starlette.testclient import TestClient
    with TestClient(app, raise_server_exceptions=True) as client:
        assert client.get("/admin/auth/form/login").status_code == 200
        for name in ("", "admin", "root"):
            client.cookies.clear()
            headers = {}
            if name:
                out = client.post("/admin/auth/gettoken", data={"username": name, "password": name}).json()
                client.cookies.clear()
                headers["Authorization"] = "bearer " + out["data"]["access_token"]
            paths = [path for path, ways in client.get("/openapi.json").json()["paths"].items() if "get" in ways]
            assert "/auth/get_user" in paths
            for path in paths:
                status = client.get(path, headers=headers).status_code
                assert status in ((200,) if path == "/auth/get_user" and name else (200, 403)), (path, name, status)
"""


def extras() -> dict[str, list[str]]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text.partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    return {
        name: re.findall(r'"([^"]+)"', values)
        for name, values in re.findall(r"^(\w+) = \[(.*?)\]", section, re.S | re.M)
    }


@pytest.mark.parametrize("number", range(len(PYTHON)))
def test_python(number: int, tmp_path: Path) -> None:
    code = PYTHON[number]
    if "redis.asyncio" in code:
        pytest.importorskip("redis")
    own = code == SIMPLE or "import fastapi_user_auth_c" in code
    parts = [code] if own else [SIMPLE, code]
    if not own or code == SIMPLE:
        parts += [PROBE, "probe(app)"]
    (tmp_path / "block.py").write_text("\n".join(parts), encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-W", "ignore", "block.py"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def install_and(line: str, then: str) -> list[str]:
    """The extras of a command that makes a virtual environment, installs the checkout and does something with it."""
    start = "python3 -m venv .venv && .venv/bin/pip install -e "
    match = re.fullmatch(re.escape(start) + r"'\.\[(\w+)\]' && \.venv/bin/" + re.escape(then), line)
    assert match, line
    return extras()[match[1]]


def test_the_first_command_runs_the_demo(tmp_path: Path) -> None:
    needed = install_and(SHELL[0], "python -m fastapi_user_auth_c demo")
    assert {name.partition(">")[0] for name in needed} == {"uvicorn", "aiosqlite"}
    with served(tmp_path, "demo") as (http, _):
        assert http("GET", "/admin/auth/form/login").status_code == 200
        http.login("root")
        assert http("POST", "/admin/", {}).json()["status"] == 0


def test_the_second_command_runs_the_tests() -> None:
    needed = install_and(SHELL[1], "python -m pytest")
    assert "pytest" in {re.split("[>=]", name)[0] for name in needed}
    assert README.index(SHELL[0]) < README.index(SHELL[1]) < README.index("\n## ")
    assert SHELL[1].rpartition("&& ")[2].endswith("pytest")  # all of them: the tests are running


def test_run(tmp_path: Path) -> None:
    (line,) = (line for line in SHELL if " run " in line)
    command, _, host = line.partition(" --host ")
    assert command == "python -m fastapi_user_auth_c run app:app" and host == "127.0.0.1 --port 8000"
    (tmp_path / "app.py").write_text(UNCHANGED)
    with served(tmp_path, "run", "app:app", "--host", "127.0.0.1") as (http, _):
        http.login("root")
        assert http("GET", "/auth/get_user").json()["name"] == "root"


def test_seeing_why(tmp_path: Path) -> None:
    """The commands of that section in order, on the database that the simple example makes."""
    lines = [line for line in SHELL if re.search(" (explain|doctor|export|import) ", line)]
    expected = next(code for language, code in BLOCKS if language == "text")
    (tmp_path / "app.py").write_text(SIMPLE)
    (tmp_path / "start.py").write_text(f"from app import app\n{PROBE}\nprobe(app)\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

    def run(*args: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "ignore", *args]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, input="", timeout=120)

    started = run("start.py")
    assert started.returncode == 0, started.stderr
    done = [run(*line.split()[1:]) for line in lines]
    assert [one.returncode for one in done] == [0, 1, 1, 0, 0], [one.stderr for one in done]  # default passwords
    assert done[0].stdout == expected
    assert done[1].stdout == done[2].stdout and done[1].stdout.count("change it\n") == 2
    assert (tmp_path / "policy.csv").read_text().startswith("p, u:admin, AuthAdminSite, page, page, allow\n")
    assert re.fullmatch(r"added 0, already there \d+, removed 0\n", done[4].stdout)


def test_managing(tmp_path: Path) -> None:
    """The commands of that section in order, on the database that the simple example makes."""
    lines = [line for line in SHELL if re.search(MANAGING, line)]
    (tmp_path / "app.py").write_text(SIMPLE)
    (tmp_path / "start.py").write_text(f"from app import app\n{PROBE}\nprobe(app)\n")
    (tmp_path / "password.txt").write_text("correct horse\n")
    commands = []
    for line in lines:
        line, _, file = line.partition(" < ")
        argv = shlex.split(line)
        assert argv[:3] == ["python", "-m", "fastapi_user_auth_c"]
        commands.append((argv[3:], (tmp_path / file).read_text() if file else ""))
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    done = run_each(tmp_path, commands, before="import sys; sys.path.insert(0, '')\nimport start\n", PYTHONPATH=path)
    assert [code for code, _, _ in done] == [0] * len(lines), done
    told = [out for _, out, _ in done]
    assert "made user ann, with the role editor\n" in told and "r:admin\nu:ann\n" in told
    deleted = json.loads(told[-2])["removed"]
    assert ["p", "r:editor", "Auth>UserAdmin", "page:list", "page", "deny"] in deleted
    assert told[-1] == "admin ('admin role'): 1 member\nroot ('root role'): 1 member\n"
    names = {line.split()[3] for line in lines}
    assert names == {"createuser", "passwd", "logout", "role", "grant", "revoke"}


def test_the_other_commands(capsys: Any) -> None:
    benches = {  # test_bench.py runs them
        "pip install -e '.[test,bench]'",
        "python -m tests.bench --original /path/to/python",
        "python -m tests.bench --only enforce,tokens --quick",
    }
    known = {"pip install -e '.[redis,postgres]'"} | benches
    others = [line for line in SHELL[2:] if not re.search(f" (run|explain|doctor|export|import) |{MANAGING}", line)]
    assert set(others) == known
    assert {"redis", "postgres", "test", "bench"} <= set(extras())
    named = re.search(r"The extras are (.*?):\n", README, re.S)
    assert named and set(re.findall(r"`(\w+)`", named[1])) == set(extras())


def test_files_that_are_named_are_there() -> None:
    layout = README.partition("## Layout")[2]
    for name in re.findall(r"`([\w./]+)`", layout):
        places = [ROOT, ROOT / "fastapi_user_auth_c", ROOT / "tests"]
        assert any((place / name).exists() for place in places), name


def test_settings_are_told_with_their_defaults() -> None:
    from fastapi_user_auth_c.settings import AuthSettings

    told = dict(re.findall(r"^\| `(\w+)` \| `(.*?)` \|", README, re.MULTILINE))
    assert told == {name: repr(field.default) for name, field in AuthSettings.model_fields.items()}
