"""A site with pages of an application's own, made of fastapi-amis-admin's classes as they are, and all its routes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import AdminApp, FormAction, FormAdmin, ModelAction, ModelAdmin, PageAdmin, RouterAdmin
from fastapi_amis_admin.crud.schema import BaseApiOut
from pydantic import BaseModel
from route_models import RouteGadget, RouteTool
from sqlalchemy import event
from starlette.requests import Request

from fastapi_user_auth_c.demo.pages import AuthFieldArticleAdmin, AuthSelectArticleAdmin


class Wish(BaseModel):
    text: str
    count: int = 1


class PaintAction(ModelAction):
    """On rows."""

    action = amis.ActionType.Dialog(name="paint", label="Paint", dialog=amis.Dialog())
    form_init = True
    schema = Wish

    async def get_init_data(self, request: Request, **kwargs: Any) -> Any:
        return BaseApiOut(data=Wish(text="red"))

    async def handle(self, request: Request, item_id: Any, data: Any, **kwargs: Any) -> Any:
        items = await self.admin.fetch_items(*item_id)
        return BaseApiOut(data=[item.name for item in items])


class CountAction(FormAction):
    """On the page."""

    action = amis.ActionType.Dialog(name="count", label="Count", dialog=amis.Dialog())
    schema = Wish

    async def handle(self, request: Request, data: Any, **kwargs: Any) -> Any:
        return BaseApiOut(data=data.count)


class GadgetAdmin(ModelAdmin):
    unique_id = "GadgetAdmin"
    page_schema = amis.PageSchema(label="Gadgets")
    model = RouteGadget
    link_model_fields = [RouteGadget.tools]
    enable_bulk_create = True
    bulk_update_fields = [RouteGadget.size]
    admin_action_maker = [
        lambda admin: PaintAction(admin, name="paint", label="Paint"),
        lambda admin: CountAction(admin, name="count", label="Count", flags="toolbar"),
    ]


class ToolAdmin(ModelAdmin):
    unique_id = "ToolAdmin"
    page_schema = amis.PageSchema(label="Tools")
    model = RouteTool


class WishAdmin(FormAdmin):
    unique_id = "WishAdmin"
    page_schema = amis.PageSchema(label="Wish")
    page_path = "/wish"
    schema = Wish
    form_init = True

    async def get_init_data(self, request: Request, **kwargs: Any) -> Any:
        return BaseApiOut(data=Wish(text="none"))

    async def handle(self, request: Request, data: Any, **kwargs: Any) -> Any:
        return BaseApiOut(data=data)


class NewsAdmin(PageAdmin):
    unique_id = "NewsAdmin"
    page_schema = amis.PageSchema(label="News")
    page_path = "/news"


class PingAdmin(RouterAdmin):
    """Routes of one's own, behind the permission of a page."""

    router_prefix = "/ping"

    async def router_permission_depend(self, request: Request) -> None:
        if not await self.site.has_page_permission(request, obj=self.app.get_admin_or_create(NewsAdmin)):
            self.error_no_router_permission(request)

    def register_router(self) -> Any:
        @self.router.post("/{count}")
        async def ping(count: int, data: Wish) -> Any:
            return {"count": count}

        return self


class WorkshopApp(AdminApp):
    unique_id = "WorkshopApp"
    page_schema = amis.PageSchema(label="Workshop")

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.register_admin(GadgetAdmin, ToolAdmin, WishAdmin, NewsAdmin, PingAdmin)


def register(site: Any) -> None:
    site.register_admin(WorkshopApp, AuthFieldArticleAdmin, AuthSelectArticleAdmin)


def mounted(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """All that can be asked for: pairs of a method and a path. ``WS`` stands for websockets, ``MOUNT`` for files."""
    for route in routes:
        if hasattr(route, "effective_route_contexts"):  # newer FastAPI leaves routers as they are
            for context in route.effective_route_contexts():
                yield from mounted([getattr(context, "starlette_route", None) or context], prefix)
        elif getattr(route, "methods", None):
            yield from ((method, prefix + route.path) for method in sorted(route.methods) if method != "HEAD")
        elif getattr(route, "routes", None):  # a mount
            yield from mounted(route.routes, prefix + route.path)
        else:
            kind = "MOUNT" if hasattr(route, "app") and not hasattr(route, "endpoint") else "WS"
            yield kind, prefix + route.path


class Statements:
    """The statements that a database is sent meanwhile."""

    def __init__(self, db: Any) -> None:
        self.engine = getattr(db.engine, "sync_engine", db.engine)
        self.texts: list[str] = []

    def _note(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        self.texts.append(" ".join(statement.split()))

    def __enter__(self) -> list[str]:
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.texts

    def __exit__(self, *error: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)


def body_of(text: str) -> dict[str, Any]:
    """What a request carries, from the table: JSON, a form (``form:``) or a file (``file:``)."""
    kind, _, rest = text.partition(":")
    if kind == "form":
        return {"data": dict(pair.split("=") for pair in rest.split("&"))}
    if kind == "file":
        return {"files": {"file": (rest, b"text")}}
    return {"json": json.loads(text)} if text else {}
