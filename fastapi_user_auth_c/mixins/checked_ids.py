"""Model pages that say what is wrong with an id or a filter."""

from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from fastapi_amis_admin.admin import ModelAdmin
from fastapi_amis_admin.crud.utils import ItemIdListDepend
from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request

from ..db import is_outage


class CheckedIdsModelAdmin(ModelAdmin):
    """Ids in addresses that cannot be one get HTTP 422, those of no row that may be seen 404; filters by no value 422.

    Those who may not open the page are told that instead.
    """

    @property
    def filtered_item_id(self) -> Callable[..., Any]:
        filtered = super().filtered_item_id

        async def depend(
            request: Request,
            item_id: ItemIdListDepend,
            sel: self.AnnotatedSelect,  # type: ignore[name-defined]
        ) -> Any:
            fault = HTTPException(status_code=404, detail="Not Found")
            try:
                found = await filtered(item_id, sel)
                if found:
                    return found
            except (ValueError, TypeError, OverflowError, DBAPIError) as error:
                if is_outage(error):
                    raise
                fault = HTTPException(status_code=422, detail=_("Parameter error"))
            if not await self.has_page_permission(request):
                self.error_no_router_permission(request)
            raise fault

        return depend

    def calc_filter_clause(self, data: dict[str, Any]) -> list[Any]:
        try:
            return list(super().calc_filter_clause(data))
        except (ValueError, TypeError, ArithmeticError) as error:  # whatever the type of the column makes of a text
            raise HTTPException(status_code=422, detail=_("Parameter error")) from error
