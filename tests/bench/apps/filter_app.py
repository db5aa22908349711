"""What ``filters.py`` measures, in a process of its own: the environment of this package, or one that has the original.

    python filter_app.py PACKAGE [quick]

``PACKAGE`` is ``fastapi_user_auth_c`` or ``fastapi_user_auth``. Prints ``result:`` and JSON: seconds of one call each,
and the titles of the rows that the user sees.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from starlette.requests import Request

RULES = 1000
DAY = 24 * 60 * 60


def rules(page: str) -> list[tuple[str, ...]]:
    """What bob has by his roles, and enough for others."""
    rng = random.Random(7)
    found: list[tuple[str, ...]] = [("r:reader", page, action, "page", "allow") for action in ("page", "page:list")]
    found += [
        (role, page, f"page:select:{name}", "page:select", "allow")
        for role, name in [("r:reader", "recent7_create"), ("r:reader", "published"), ("r:editor", "status_1_2_3")]
    ]
    others: dict[tuple[str, ...], None] = {}
    while len(found) + len(others) < RULES:
        action = rng.choice(["page", "page:list", "page:update", "page:delete"])
        others[(f"r:other{rng.randrange(100)}", f"page{rng.randrange(50)}", action, "page", "allow")] = None
    return [*found, *others]


def site_of(package: str, folder: Path) -> tuple[Any, Any, Any, Any]:
    """An application with the page; its site, page and model."""
    import_module(package)
    from fastapi import FastAPI
    from fastapi_amis_admin.admin import RecentTimeSelectPerm, SimpleSelectPerm, UserSelectPerm
    from fastapi_amis_admin.admin.settings import Settings
    from fastapi_amis_admin.amis import PageSchema
    from sqlalchemy import Boolean, Column, DateTime, Integer, String
    from sqlmodel import Field, SQLModel

    site_class = import_module(f"{package}.admin").AuthAdminSite
    select_admin = import_module(f"{package}.mixins.admin").AuthSelectModelAdmin

    annotations = {"id": int, "title": str, "status": int, "is_published": bool, "user_id": int, "update_by": int}
    kinds = {"title": String(200), "status": Integer, "is_published": Boolean, "user_id": Integer, "update_by": Integer}
    moments = ("create_time", "update_time")
    body: dict[str, Any] = {
        "__annotations__": {**annotations, **dict.fromkeys(moments, datetime)},
        "__module__": __name__,
        "id": Field(default=None, primary_key=True),
        **{name: Field(default=None, sa_column=Column(kind)) for name, kind in kinds.items()},
        **{name: Field(default=None, sa_column=Column(DateTime)) for name in moments},
    }
    article = type(SQLModel)("BenchArticle", (SQLModel,), body, table=True)
    permissions = [
        RecentTimeSelectPerm(name="recent7_create", label="7 days", td=7 * DAY, reverse=True),
        RecentTimeSelectPerm(name="recent30_create", label="30 days", td=30 * DAY),
        RecentTimeSelectPerm(name="recent3_update", label="3 days", td=3 * DAY, time_column="update_time"),
        UserSelectPerm(name="self_create", label="Own", user_column="user_id", reverse=True),
        UserSelectPerm(name="self_update", label="Updated", user_column="update_by"),
        SimpleSelectPerm(name="published", label="Published", column="is_published", values=[True]),
        SimpleSelectPerm(name="status_1_2_3", label="Status", column="status", values=[1, 2, 3]),
    ]
    page_class = type(
        "BenchArticleAdmin",
        (select_admin,),
        {"page_schema": PageSchema(label="Articles"), "model": article, "select_permissions": permissions},
    )
    site = site_class(settings=Settings(database_url_async=f"sqlite+aiosqlite:///{folder}/bench.db"))
    site.register_admin(page_class)
    app = FastAPI()
    site.mount_app(app)
    return app, site, site.get_admin_or_create(page_class), article


async def prepare(site: Any, page: Any, article: Any) -> None:
    from sqlalchemy import insert
    from sqlmodel import SQLModel

    await site.db.async_run_sync(SQLModel.metadata.create_all, is_session=False)
    async with site.db():
        for name in ("root", "bob"):
            await site.auth.create_role_user(name)
    await site.router.startup()
    enforcer = site.auth.enforcer
    await enforcer.add_policies([list(rule) for rule in rules(page.unique_id)])
    await enforcer.add_grouping_policies([["u:bob", "r:reader"], ["u:bob", "r:editor"]])
    bob, now = 2, datetime.now()
    rows = [
        {
            "title": f"{number}",
            "status": number % 5,
            "is_published": number % 3 > 0,
            "user_id": bob if number % 2 else 1,
            "update_by": bob,
            "create_time": now - timedelta(days=number % 50),
            "update_time": now,
        }
        for number in range(1000)
    ]
    async with site.db():
        await site.db.async_execute(insert(article.__table__), rows)


async def seconds_of(call: Any, turns: int, repeats: int) -> float:
    """One call, the best of some runs."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(turns):
            await call()
        best = min(best, (time.perf_counter() - start) / turns)
    return best


async def measure(package: str, folder: Path, quick: bool) -> dict[str, Any]:
    import httpx
    from sqlalchemy import select

    app, site, page, article = site_of(package, folder)
    await prepare(site, page, article)
    ours = package == "fastapi_user_auth_c"
    found: dict[str, Any] = {}

    @app.get("/measure")
    async def measure_here(request: Request) -> dict[str, float]:
        await site.auth.get_current_user(request)  # known from here on
        statement = select(article)

        async def once() -> None:  # a scope of its own: what one request has asked for helps no other
            await page.filter_select(Request(dict(request.scope)), statement)

        turns, repeats = (10, 2) if quick else (500, 8) if ours else (5, 3)
        times = {"filter": await seconds_of(once, turns, repeats)}
        if ours:
            from fastapi_user_auth_c import filters, row_permissions

            async def cold() -> None:
                row_permissions._plan.cache_clear()
                await once()

            terms = [
                ("create_time", ">", filters.ago(days=30)),
                ("create_time", ">", filters.ago(days=3)),
                ("user_id", "=", filters.user_attribute("id")),
                ("status", "in", [1, 2, 3]),
                ("status", "!=", 2),
                ("is_published", "=", True),
                ("is_published", "in", [True]),
            ]

            async def compiled() -> None:
                filters.compile_filter(terms).sql(user=request.user)

            times["cold"] = await seconds_of(cold, turns, repeats)
            times["compile"] = await seconds_of(compiled, turns, repeats)
        return times

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://bench") as client:
        out = (await client.post("/admin/auth/gettoken", data={"username": "bob", "password": "bob"})).json()
        client.cookies.clear()
        headers = {"Authorization": f"bearer {out['data']['access_token']}"}
        url = f"{page.router_path}/list?perPage=1000"
        items = (await client.post(url, json={}, headers=headers)).json()["data"]["items"]
        found["titles"] = sorted(item["title"] for item in items)
        found.update((await client.get("/measure", headers=headers)).json())

        async def listed() -> None:
            answer = await client.post(f"{page.router_path}/list", json={}, headers=headers)
            assert answer.json()["status"] == 0

        found["list"] = await seconds_of(listed, *((3, 2) if quick else (50, 4) if ours else (5, 3)))
    await site.db.engine.dispose()
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        print("result:", json.dumps(asyncio.run(measure(sys.argv[1], Path(name), "quick" in sys.argv[2:]))))
