"""Uploads, for those who may open the site."""

import os
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio.to_thread
from fastapi import HTTPException
from fastapi_amis_admin.admin.site import FileAdmin as BaseFileAdmin
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from .access import demand, unprocessable

FRAME = 64 * 1024
"""Bytes of a form around the file in it."""

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            }
        },
    }
}


class _Downloads(StaticFiles):
    """Files that browsers save, or show as pictures of a page, and never open as pages themselves."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Content-Disposition"] = "attachment"
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response


class FileAdmin(BaseFileAdmin):
    """The upload page of fastapi-amis-admin behind a permission check, and for some types of files only.

    ``file_max_size`` is in bytes, ``file_types`` are endings of names. What a browser may run as a page of the site
    (HTML, SVG, XML) should not be among them.
    """

    file_types = frozenset(
        {".png", ".jpg", ".jpeg", ".gif", ".webp", ".avif", ".bmp", ".ico", ".mp3", ".wav", ".ogg", ".mp4", ".webm"}
        | {".pdf", ".txt", ".csv", ".md", ".json", ".doc", ".docx", ".xls", ".xlsx", ".ppt", ".pptx", ".odt", ".ods"}
        | {".zip", ".gz", ".7z"}
    )

    async def router_permission_depend(self, request: Request) -> None:
        await demand(request, self.site, "page")

    def mount_staticfile(self) -> str:
        self.site.fastapi.mount(self.file_path, _Downloads(directory=self.file_directory), self.file_directory)
        return f"{self.site.router_path}{self.file_path}"

    def register_router(self) -> Any:
        @self.router.post(
            self.file_path,
            response_model=BaseApiOut[self.UploadOutSchema],
            openapi_extra=_FORM,  # type: ignore[name-defined]
        )
        async def file_upload(request: Request) -> Any:
            form = await self._form(request)
            try:
                file = form.get("file")
                if not isinstance(file, UploadFile):
                    raise unprocessable(_("Parameter error"))
                ending = os.path.splitext(file.filename or "")[1].lower()
                if ending not in self.file_types:
                    raise HTTPException(status_code=415, detail=_("Files of this type cannot be uploaded"))
                if self.file_max_size and (file.size or 0) > self.file_max_size:
                    raise _too_large()
                name = f"{time.strftime('%Y%m')}/{uuid4().hex}{ending}"
                await anyio.to_thread.run_sync(self._store, file, name)
            finally:
                await form.close()
            url = f"{self.site.address(request)}{self.file_path}/{name}"
            return BaseApiOut(data=self.UploadOutSchema(filename=name, url=url))

        return self

    def _store(self, file: UploadFile, name: str) -> None:
        path = Path(self.file_directory) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as target:
            shutil.copyfileobj(file.file, target)

    async def _form(self, request: Request) -> Any:
        """The form of a request, of which no more is read than may be uploaded."""
        limit = self.file_max_size + FRAME if self.file_max_size else None
        length = request.headers.get("content-length", "")
        if limit is not None and length.isdecimal() and int(length) > limit:
            raise _too_large()

        async def limited() -> AsyncIterator[bytes]:
            size = 0
            async for chunk in request.stream():
                size += len(chunk)
                if limit is not None and size > limit:
                    raise _too_large()
                yield chunk

        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            raise unprocessable(_("Parameter error"))
        try:
            return await MultiPartParser(request.headers, limited(), max_files=1, max_fields=20).parse()  # type: ignore[arg-type]
        except (MultiPartException, LookupError, ValueError) as error:
            raise unprocessable(_("Parameter error")) from error


def _too_large() -> HTTPException:
    return HTTPException(status_code=413, detail=_("The file is too large"))
