"""The site's OpenAPI document, with requests that schemathesis makes up from it: as a guest and as root, no status 500.

FastAPI-Amis-Admin puts some errors into answers of status 200; their ``status`` counts too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from app_for_tests import Client
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, settings
from pydantic import SecretStr
from sqlalchemy import update

from fastapi_user_auth_c.auth.models import User
from fastapi_user_auth_c.db import run_committed

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 8
"""Requests for each route and visitor."""


def logged_in_again(client: TestClient, auth: Any) -> Client:
    """Root, whatever has been done to that account."""

    def restore(session: Any) -> None:
        values = {"password": SecretStr(auth.get_password_hash("root")), "is_active": True, "delete_time": None}
        session.execute(update(User).where(User.username == "root").values(values))

    client.portal.call(run_committed, auth.db, restore)
    return Client(client, "root")


class Recorded:
    """An application, and the last exception that came out of it after its answer."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.last: BaseException | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self.last = error
            raise


def try_out(operation: Any, client: TestClient, visitors: list[Client]) -> tuple[int, set[str]]:
    """How many requests were made to a route, and what went wrong."""
    tried = 0
    faults: set[str] = set()

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: Any) -> None:
        nonlocal tried
        for who in visitors:
            sent = case.as_transport_kwargs(base_url="http://testserver/admin")
            client.cookies.clear()
            sent.pop("cookies", None)
            headers = {**sent.pop("headers"), **who.headers}
            if "files" in sent:  # the client would fail at numbers, while the application reads them
                sent["files"] = [
                    (name, (file, value if isinstance(value, (bytes, str)) else str(value), *more))
                    for name, (file, value, *more) in sent["files"]
                ]
            answer = client.request(headers=headers, follow_redirects=False, **sent)
            tried += 1
            inner: Any = None
            if answer.headers.get("content-type", "").startswith("application/json"):
                body = answer.json()
                inner = body.get("status") if isinstance(body, dict) else None
            if answer.status_code >= 500 or (isinstance(inner, int) and inner >= 500):
                told = f"{answer.status_code} {answer.text[:300]} {client.app.last!r}"
                faults.add(f"{case.method} {case.formatted_path}: {told} {sent}")

    ask()
    return tried, faults


@pytest.mark.parametrize("database_url", ["aiosqlite", "asyncpg"], indirect=True)
def test_no_request_of_the_documentation_gives_a_500(make_app: Callable[..., Any], database_url: str) -> None:
    app = make_app(database_url)
    document = schemathesis.openapi.from_dict(app.state.site.fastapi.openapi())
    operations = [each.ok() for each in document.get_all_operations()]
    assert len(operations) > 50
    faults: set[str] = set()
    tried = 0
    with TestClient(Recorded(app), raise_server_exceptions=False) as client:
        root = Client(client, "root")
        for operation in operations:
            if root("GET", "/admin/auth/userinfo").status_code != 200:  # a request has ended the token
                root = logged_in_again(client, app.state.site.auth)
            number, found = try_out(operation, client, [Client(client), root])
            tried += number
            faults |= found
    assert faults == set()
    assert tried > len(operations) * EXAMPLES
