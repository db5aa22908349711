"""What requests carry: HTTP 422 for ids, filters and bodies that cannot be one, 404 for the ids of no row that is seen.

FAA answered status 500 inside an answer of 200, also where a page has nothing to do with this package but the site.
Annotations are looked at by FastAPI here, which does not see what is local to a function.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, HTTPException
from sqlalchemy.exc import DBAPIError

from ..db_errors import is_outage


def no_value() -> HTTPException:
    """The error for a text that is no value of its column."""
    from fastapi_amis_admin.utils.translation import i18n as _

    return HTTPException(status_code=422, detail=_("Parameter error"))


def filtered_item_id(old: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def get(self: Any) -> Any:
        from fastapi_amis_admin.crud.utils import parser_str_set_list

        filtered = old(self)

        async def depend(
            item_id: Annotated[Any, Depends(parser_str_set_list)], sel: Annotated[Any, Depends(self._select_maker)]
        ) -> Any:
            try:
                found = await filtered(item_id, sel)
            except (ValueError, TypeError, OverflowError, DBAPIError) as error:
                if is_outage(error):
                    raise
                raise no_value() from error
            if not found:
                raise HTTPException(status_code=404, detail="Not Found")
            return found

        return depend

    return get


def calc_filter_clause(old: Callable[..., Any]) -> Callable[..., Any]:
    def clause(self: Any, data: dict[str, Any]) -> list[Any]:
        try:
            return list(old(self, data))
        except (ValueError, TypeError, ArithmeticError) as error:  # whatever the type of the column makes of a text
            raise no_value() from error

    return clause


def page_parser(old: Callable[..., Any]) -> Callable[..., Any]:
    """For the pages as JSON, which may be asked for with changes to them, as ``{"_update": {...}}``."""

    async def parse(self: Any, request: Any, page: Any) -> Any:
        if request.method != "GET" and await request.body():
            try:
                sent = await request.json()
            except (ValueError, RecursionError) as error:
                raise no_value() from error
            if not isinstance(sent, dict) or not isinstance(sent.get("_update", {}), dict):
                raise no_value()
        return await old(self, request, page)

    return parse
