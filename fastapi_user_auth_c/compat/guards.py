"""Who may not use a route is told so first: before its body is read, and before any table of its page is asked.

FAA's model pages looked for the rows before they asked who wants them, and FastAPI tells what is wrong with a body
before any dependency is asked.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Depends, HTTPException
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

GUARDS = ("page_permission_depend", "router_permission_depend")
"""What FAA calls the dependencies of routes that let nobody pass who lacks a permission."""
_MARK = "__guard__"

ACTIONS: dict[str, int] = {"list": 2, "read": 1, "create": 1, "update": 2, "delete": 1}
"""The routes of a model page, each with how much its permission takes besides the request: None for "any at all"."""
OF_ROWS = ("read", "update", "delete")
"""Those whose permission takes the ids of rows first."""
MAX_ASKED = 20
"""Rows that an application's own rule is asked about one by one; of more it is asked by the route alone."""


def _is_guard(call: Any) -> bool:
    if not (getattr(call, _MARK, False) or getattr(call, "__name__", "") in GUARDS):
        return False
    return len(inspect.signature(call).parameters) == 1  # else FastAPI has to find out the rest first


async def _find_user(page: Any, request: Request) -> None:
    """Let ``request.user`` be there for rules of an application's own."""
    auth = getattr(getattr(page, "site", None), "auth", None)
    if auth is not None:  # guests are told something else than that nobody can say who they are
        with contextlib.suppress(HTTPException):
            await auth.get_current_user(request)


class GuardedRoute(APIRoute):
    """A route whose guards are asked before its body is read."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        handler = super().get_route_handler()
        guards = [depend.dependency for depend in self.dependencies if _is_guard(depend.dependency)]
        if not guards or self.body_field is None:
            return handler

        async def guarded(request: Request) -> Response:
            for guard in guards:
                await _find_user(getattr(guard, "__self__", None), request)
                result = guard(request)  # type: ignore[misc]
                if inspect.isawaitable(result):
                    await result
            return await handler(request)

        return guarded


def _ids(page: Any, request: Request) -> list[Any]:
    """The rows that the address names, each as the route will have it; none without any, or when they are none."""
    from fastapi_amis_admin.crud.parser import get_python_type_parse
    from fastapi_amis_admin.crud.utils import parser_str_set_list

    try:
        return list(map(get_python_type_parse(page.pk), parser_str_set_list(request.path_params["item_id"])))
    except (KeyError, ValueError, TypeError, ArithmeticError):
        return []


def _guard(page: Any, action: str, size: int) -> Callable[[Request], Awaitable[None]]:
    """Lets nobody pass who may not do something at all; whether they may with these rows the route asks afterwards."""

    async def may(request: Request) -> bool:
        rule = getattr(page, f"has_{action}_permission")
        own = not getattr(rule, "__module__", "").startswith(("fastapi_amis_admin.", "fastapi_user_auth_c."))
        try:
            if await rule(request, *[None] * size):
                return True
        except HTTPException:
            raise
        except Exception:  # an application's own, which does not go without the rows
            return True
        if not own or action not in OF_ROWS:
            return False
        # it may be about rows: who may with any of these passes, as the route knows which of them are seen
        ids = _ids(page, request)
        if len(ids) > MAX_ASKED:
            return True
        for each in ids:
            try:
                if await rule(request, [each], *[None] * (size - 1)):
                    return True
            except HTTPException:
                raise
            except Exception:
                return True
        return False

    async def guard(request: Request) -> None:
        await _find_user(page, request)
        if not await may(request):
            page.error_no_router_permission(request)

    setattr(guard, _MARK, True)
    return guard


def register_crud(old: Callable[..., Any]) -> Callable[..., Any]:
    """For the routes of a model page."""
    signature = inspect.signature(old)

    def register(self: Any, *args: Any, **kwargs: Any) -> Any:
        given = signature.bind(self, *args, **kwargs).arguments
        for action, size in ACTIONS.items():
            own = given.get(f"depends_{action}") or []
            given[f"depends_{action}"] = [Depends(_guard(self, action, size)), *own]
        return old(**given)

    return register


def register_links(old: Callable[..., Any]) -> Callable[..., Any]:
    """For the routes that make and end links: they change the rows of their page."""

    def register(self: Any) -> Any:
        dependencies = self.pk_admin.router.dependencies  # routes begin with those that are there when they are made
        dependencies.append(Depends(_guard(self.pk_admin, "update", ACTIONS["update"])))
        try:
            return old(self)
        finally:
            dependencies.pop()

    return register


def get_router(old: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any) -> Any:
        router = old(self)
        if router.route_class is APIRoute:
            router.route_class = GuardedRoute
        return router

    return get


def guard(check: Callable[[Request], Awaitable[Any]]) -> Any:
    """A dependency of routes that raises for those who may not use them."""

    async def depend(request: Request) -> Any:
        return await check(request)

    setattr(depend, _MARK, True)
    return Depends(depend)
