"""Uploads, for those who may open the site."""

from fastapi_amis_admin.admin.site import FileAdmin as BaseFileAdmin
from starlette.requests import Request

from .access import demand


class FileAdmin(BaseFileAdmin):
    """The upload page of fastapi-amis-admin behind a permission check, which it lacks."""

    async def router_permission_depend(self, request: Request) -> None:
        await demand(request, self.site, "page")
