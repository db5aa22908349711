"""``AuthSettings`` beyond throttling, origins and sign-up: cookies, proxies, passwords, lives of tokens and records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from app_for_tests import ANY_PASSWORD, UA, Client
from conftest import EACH_KIND
from fastapi.testclient import TestClient
from pydantic import ValidationError
from sqlalchemy import func, select
from starlette.requests import HTTPConnection

from fastapi_user_auth_c.auth import Auth, login_history
from fastapi_user_auth_c.auth.models import LoginHistory
from fastapi_user_auth_c.db import run_committed
from fastapi_user_auth_c.password_policy import common_passwords, password_fault
from fastapi_user_auth_c.settings import AuthSettings
from fastapi_user_auth_c.web.proxies import client_address, forwarded_chain, is_https

THREE = ["aiosqlite", "asyncpg", "pymysql"]
PROXIES = ["10.0.0.0/8", "fd00::/8", "192.0.2.1"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"trusted_proxies": ["proxy.example"]},
        {"trusted_proxies": ["10.0.0.0/33"]},
        {"cookie_samesite": "sometimes"},
        {"cookie_samesite": "none"},
        {"cookie_samesite": "none", "cookie_secure": False},
        {"token_seconds": 0},
        {"poll_seconds": -1},
        {"poll_seconds": "nan"},
        {"login_history_days": -1},
        {"password_min_length": 0},
        {"password_min_length": 73},
        {"bcrypt_rounds": 3},
        {"bcrypt_rounds": 32},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AuthSettings(**wrong)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"TRUSTED_PROXIES": '["10.1.2.3"]', "COOKIE_SAMESITE": "none", "COOKIE_SECURE": "yes", "TOKEN_SECONDS": "60"}
    for name, value in told.items():
        monkeypatch.setenv(f"USER_AUTH_{name}", value)
    settings = AuthSettings()
    assert settings.trusted_proxies == ["10.1.2.3"] and settings.token_seconds == 60
    assert (settings.cookie_samesite, settings.cookie_secure) == ("none", True)


def test_settings_reach_what_they_are_for(make_app: Callable[..., Any], database_url: str) -> None:
    settings = AuthSettings(token_seconds=77, poll_seconds=0.5, bcrypt_rounds=5)
    site = make_app(database_url, settings=settings, pwd_context=None).state.site
    auth: Auth = site.auth
    assert auth.backend.token_store.expire_seconds == 77
    assert auth.enforcer.poll_seconds == auth.revocations.poll_seconds == 0.5
    assert auth.get_password_hash("x").startswith("$2b$05$")


# -- S11: the cookie --------------------------------------------------------------------------------------------------


COOKIES: list[tuple[Any, ...]] = [
    ({}, "http://testserver", {}, {"httponly", "samesite=lax", "max-age=259200", "path=/"}),
    ({}, "https://testserver", {}, {"httponly", "samesite=lax", "max-age=259200", "path=/", "secure"}),
    (
        {},
        "http://testserver",
        {"X-Forwarded-Proto": "https"},
        {"httponly", "samesite=lax", "max-age=259200", "path=/"},
    ),
    (
        {"cookie_secure": True, "cookie_samesite": "none", "cookie_domain": "testserver", "token_seconds": 60},
        "http://testserver",
        {},
        {"httponly", "samesite=none", "max-age=60", "path=/", "secure", "domain=testserver"},
    ),
    (
        {"cookie_secure": False, "cookie_samesite": "strict"},
        "https://testserver",
        {},
        {"httponly", "samesite=strict", "max-age=259200", "path=/"},
    ),
]


@pytest.mark.parametrize(
    ("settings", "base", "headers", "expected", "database_url"),
    [*((*case, EACH_KIND[0]) for case in COOKIES), *((*COOKIES[3], kind) for kind in EACH_KIND[1:])],
    indirect=["database_url"],
)
def test_S11_cookie_flags(
    make_app: Callable[..., Any], database_url: str, settings: Any, base: str, headers: Any, expected: set[str]
) -> None:
    app = make_app(database_url, settings=AuthSettings(**settings, **ANY_PASSWORD))

    def flags(answer: Any) -> set[str]:
        return {each.strip().lower() for each in answer.headers["set-cookie"].split(";")[1:]}

    with TestClient(app, base_url=base) as client:
        form = {"username": "root", "password": "root"}
        answer = client.post("/admin/auth/gettoken", data=form, headers=headers)
        assert flags(answer) == expected
        token = answer.json()["data"]["access_token"]
        sign_up = {"username": "newbie", "password": "newbie"}
        client.cookies.clear()
        assert flags(client.post("/admin/auth/form/reg/api", json=sign_up, headers=headers)) == expected
        # a cookie goes only where it came from
        client.cookies.clear()
        sent = {"Authorization": f"bearer {token}", **headers}
        gone = flags(client.get("/admin/auth/logout", headers=sent, follow_redirects=False))
        life = {each for each in gone if each.startswith(("max-age", "expires"))}
        assert "max-age=0" in life and gone - life == {each for each in expected if "max-age" not in each}


def test_S11_a_trusted_proxy_says_that_it_is_https() -> None:
    def connection(peer: str | None, told: str | None) -> HTTPConnection:
        headers = [] if told is None else [(b"x-forwarded-proto", told.encode())]
        return HTTPConnection(
            {
                "type": "http",
                "scheme": "http",
                "path": "/",
                "headers": headers,
                "server": ("x", 80),
                "client": (peer, 1) if peer else None,
            }
        )

    assert is_https(connection("10.0.0.1", "https"), PROXIES)
    assert is_https(connection("10.0.0.1", "http, https"), PROXIES)
    assert not is_https(connection("10.0.0.1", "https, http"), PROXIES)
    assert not is_https(connection("10.0.0.1", None), PROXIES)
    assert not is_https(connection("11.0.0.1", "https"), PROXIES)
    assert not is_https(connection("10.0.0.1", "https"), [])
    assert not is_https(connection(None, "https"), PROXIES)


# -- D4: addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "told", "address"),
    [
        ("198.51.100.7", ["203.0.113.9"], "198.51.100.7"),  # nobody we know
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, 198.51.100.7"], "198.51.100.7"),  # the client may say what it likes before
        ("10.0.0.1", ["203.0.113.9", "198.51.100.7, 10.9.9.9", "192.0.2.1"], "198.51.100.7"),
        ("10.0.0.1", ["10.0.0.2, 10.0.0.3"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.9, nonsense, 10.0.0.3"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ["[2001:db8::1]:4711"], "2001:db8::1"),
        ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [" , ,"], "10.0.0.1"),
        ("testclient", ["203.0.113.9"], "testclient"),
        (None, ["203.0.113.9"], ""),
    ],
)
def test_D4_forwarded_addresses_count_from_trusted_proxies_in_order(
    peer: str | None, told: list[str], address: str
) -> None:
    headers = [(b"x-forwarded-for", each.encode()) for each in told]
    connection = HTTPConnection({"type": "http", "headers": headers, "client": (peer, 1) if peer else None})
    assert client_address(connection, PROXIES) == address
    assert client_address(connection, []) == (peer or "")
    assert forwarded_chain(connection, []) == []


@pytest.mark.parametrize("database_url", THREE, indirect=True)
def test_D4_history_and_limits_take_the_address_of_the_client(make_app: Callable[..., Any], database_url: str) -> None:
    limits = AuthSettings(trusted_proxies=["10.0.0.0/8"], login_attempts=1, **ANY_PASSWORD)
    app = make_app(database_url, settings=limits)
    chain = "x" * 400 + ", 2001:db8:1234:5678:9abc:def0:1234:5678, 10.1.1.1"

    async def behind_a_proxy(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": ("10.0.0.1", 1)}, receive, send)

    with TestClient(behind_a_proxy) as client:

        def statuses(told: str) -> list[int]:
            form = {"username": "root", "password": "wrong"}
            return [
                client.post("/admin/auth/gettoken", data=form, headers={"X-Forwarded-For": told}).status_code
                for _ in range(2)
            ]

        assert statuses(chain) == [200, 429]
        assert statuses("198.51.100.7") == [200, 429]

        def rows(session: Any) -> list[Any]:
            return [tuple(row) for row in session.execute(select(LoginHistory.ip, LoginHistory.forwarded_for))]

        (first, second) = client.portal.call(run_committed, app.state.site.auth.db, rows)
        assert first == ("2001:db8:1234:5678:9abc:def0:1234:5678", "x" * 60)
        assert second == ("198.51.100.7", "198.51.100.7")


# -- passwords --------------------------------------------------------------------------------------------------------


def test_the_list_of_common_passwords_is_one() -> None:
    known = common_passwords()
    assert len(known) > 10_000 and {"password", "12345678", "iloveyou", "qwertyuiop"} <= known
    assert all(len(each) >= 8 and each == each.casefold() for each in known)


@pytest.mark.parametrize(
    ("password", "names", "fine"),
    [
        ("plum jam 3", [], True),
        ("short 7", [], False),
        ("Password", [], False),
        ("ＰＡＳＳＷＯＲＤ", [], False),  # full width
        (" iloveyou ", [], False),
        ("zzzzzzzzzzzz", [], False),
        ("Somebody", ["somebody"], False),
        ("somebody@example.com", [None, "somebody@example.com"], False),
        ("somebody", ["", "somebody@example.com"], False),
        ("somebody else", ["somebody", None], True),
        ("密码密码密码密码", [], True),
    ],
)
def test_password_policy(password: str, names: list[Any], fine: bool) -> None:
    assert (password_fault(password, AuthSettings(), names) == "") is fine
    assert password_fault(password, AuthSettings(**ANY_PASSWORD), names) == ""


@pytest.mark.parametrize("database_url", THREE, indirect=True)
def test_the_policy_holds_wherever_a_password_is_chosen(make_app: Callable[..., Any], database_url: str) -> None:
    with TestClient(make_app(database_url, settings=AuthSettings())) as client:
        guest, root = Client(client), Client(client, "root")  # whose password nobody chose
        weak = ("1234567", "password1", "somebody", "some@example.com")
        account = {"username": "somebody", "email": "some@example.com"}
        reg, profile = "/admin/auth/form/reg/api", "/admin/auth/form/userinfo/api"
        for password in weak:
            assert guest("POST", reg, {**account, "password": password}).status_code == 422
            assert root("POST", f"{UA}/item", {**account, "password": password}).status_code == 422
        assert guest("POST", reg, {**account, "password": "plum jam 3"}).json()["status"] == 0
        client.cookies.clear()
        somebody = Client(client, "somebody", "plum jam 3")
        user_id = somebody.data("GET", "/admin/auth/userinfo")["id"]
        for password in weak:
            assert somebody("POST", profile, {"password": password}).status_code == 422
            assert root("PUT", f"{UA}/item/{user_id}", {"password": password}).status_code == 422
        assert somebody("POST", profile, {"password": "new@example.com", "email": "new@example.com"}).status_code == 422
        Client(client, "somebody", "plum jam 3")  # nothing has changed
        assert root("PUT", f"{UA}/item/{user_id}", {"password": "pear jam 4"}).json()["status"] == 0
        Client(client, "somebody", "pear jam 4")


# -- how long logins stay on record -----------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", THREE, indirect=True)
def test_old_records_of_logins_go(
    make_app: Callable[..., Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login_history, "PURGED_AT_ONCE", 3)
    app = make_app(database_url, settings=AuthSettings(login_history_days=30, **ANY_PASSWORD))
    auth = app.state.site.auth
    with TestClient(app) as client:

        def old(session: Any) -> None:
            for days in (29, 31, 31, 32, 33, 34, 400, 4000):
                session.add(LoginHistory(login_name=f"d{days}", create_time=datetime.now() - timedelta(days=days)))

        def names(session: Any) -> list[str]:
            return sorted(session.scalars(select(LoginHistory.login_name)))

        client.portal.call(run_committed, auth.db, old)
        Client(client, "root")
        assert client.portal.call(run_committed, auth.db, names) == ["d29", "root"]
        client.portal.call(run_committed, auth.db, old)
        Client(client, "root")  # not again so soon
        assert len(client.portal.call(run_committed, auth.db, names)) == 11
        auth.settings.login_history_days = 0
        assert client.portal.call(auth.history.purge) == 0
        auth.settings.login_history_days = 30
        assert client.portal.call(auth.history.purge) == 7


def test_records_stay_for_good_unless_told(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    with TestClient(app) as client:
        long_ago = datetime.now() - timedelta(days=9000)

        def old(session: Any) -> None:
            session.add(LoginHistory(login_name="old", create_time=long_ago))

        client.portal.call(run_committed, app.state.site.auth.db, old)
        Client(client, "root")
        count = select(func.count()).select_from(LoginHistory)
        assert client.portal.call(run_committed, app.state.site.auth.db, lambda session: session.scalar(count)) == 2
