"""Links between rows of two pages: neither end may be a row that its page hides.

FAA looks at one end only: rows could be linked to hidden ones, and whoever asked for the rows that are linked to a
hidden one was told. Pages without permissions for rows are left alone.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

from fastapi import HTTPException

from .columns import get_python_type_parse
from .ids import no_value

PAGES = "link_pages"
"""Where a page keeps, by table, the pages that have a form for links to its rows."""


def _limits_rows(page: Any) -> bool:
    from fastapi_amis_admin.admin import BaseAuthSelectModelAdmin

    return isinstance(page, BaseAuthSelectModelAdmin)


async def seen_of(page: Any, request: Any, texts: Iterable[str]) -> set[str]:
    """Which of these ids, as they stand in an address, are of rows that a page shows. HTTP 422 for what is no id."""
    keys = _keys(get_python_type_parse(page.pk), texts)
    statement = (await page.get_select(request)).where(page.pk.in_(list(keys.values())))
    seen = set((await page.db.async_scalars(statement.with_only_columns(page.pk))).all())
    return {text for text, key in keys.items() if key in seen}


def _keys(parse: Callable[[str], Any], texts: Iterable[str]) -> dict[str, Any]:
    try:
        return {text: parse(text) for text in texts}
    except (ValueError, TypeError, OverflowError) as error:
        raise no_value() from error


def _texts(ids: str) -> list[str]:
    return sorted(set(filter(None, str(ids).split(","))))


def route(old: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """For the routes that make and end links; the other end is looked at once the caller may change this one."""

    def get(self: Any) -> Any:
        unchecked = old(self)

        @functools.wraps(unchecked)
        async def checked(request: Any, link_id: Any, item_id: Any) -> Any:
            page, ids = self.display_admin, _texts(link_id)
            _keys(get_python_type_parse(self.link_col), ids)
            may_change = _limits_rows(page) and await self.pk_admin.has_update_permission(request, item_id, None)
            if may_change and len(await seen_of(page, request, ids)) < len(ids):
                raise HTTPException(status_code=404, detail="Not Found")
            return await unchecked(request=request, link_id=link_id, item_id=item_id)

        return checked

    return get


def bind_model_admin(old: Callable[..., Any]) -> Callable[..., Any]:
    def bind(cls: Any, pk_admin: Any, insfield: Any) -> Any:
        form = old(cls, pk_admin, insfield)
        if form is not None:
            pages = vars(form.display_admin).setdefault(PAGES, {})
            pages.setdefault(pk_admin.model.__table__.name, []).append(pk_admin)
        return form

    return bind


def get_link_clause(old: Callable[..., Any]) -> Callable[..., Any]:
    """For the condition "linked to these rows": those that are seen on no page do not count."""

    async def clause(self: Any, request: Any, link_model: Any = None, link_item_id: Any = None, op: Any = None) -> Any:
        if link_model and link_item_id and link_model in self.link_models:
            _keys(get_python_type_parse(self.link_models[link_model][2]), _texts(link_item_id))
            pages = vars(self).get(PAGES, {}).get(link_model)
            if pages is None and hasattr(self, "app"):
                pages = [self.app.site.get_model_admin(link_model)]
            if any(map(_limits_rows, pages or ())):
                seen: set[str] = set()
                for page in pages:
                    if await page.has_list_permission(request, None, None):
                        seen |= await seen_of(page, request, _texts(link_item_id))
                if not seen:
                    raise HTTPException(status_code=404, detail="Not Found")
                link_item_id = ",".join(sorted(seen))
        return await old(self, request, link_model, link_item_id, op)

    return clause
