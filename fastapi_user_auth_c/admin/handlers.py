"""Answers to errors in the site's routes."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError, ValidationException
from fastapi_amis_admin.admin import handlers as faa
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..auth.exceptions import StorageUnavailable, storage_needed
from ..compat.ids import no_value
from ..db import AnyDatabase, roll_back
from ..db_errors import is_bad_value
from ..web.pages import link, plain_page, wants_page
from .access import Refused


async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Status 422, in the answer and in its body, and where the input is wrong.

    The handler of fastapi-amis-admin repeats the whole input, which fails for forms and gives passwords back.
    """
    errors = [{key: value for key, value in one.items() if key in ("type", "loc", "msg")} for one in error.errors()]
    out = BaseApiOut(status=422, msg=_("Request parameter validation exception"), errors=errors)
    return JSONResponse(jsonable_encoder(out.model_dump()), status_code=422)


async def server_error(request: Request, error: Exception) -> Response:
    """Status 503 where a database or Redis does not answer; otherwise what fastapi-amis-admin answers."""
    try:
        with storage_needed(f"{request.method} {request.url.path}"):
            raise error
    except StorageUnavailable:
        return await unavailable(request)
    except Exception:
        return await faa.server_error_handler(request, error)  # type: ignore[no-any-return]


async def bad_value(request: Request, error: Exception) -> Response:
    """Status 422 where a database refuses a value."""
    if not is_bad_value(error):
        raise error
    return await faa.http_exception_handler(request, no_value())  # type: ignore[no-any-return]


async def unavailable(request: Request) -> Response:
    """Status 503."""
    return await faa.http_exception_handler(request, StorageUnavailable())  # type: ignore[no-any-return]


async def refused(request: Request, error: Any) -> Response:
    """A page for browsers, which says what one can do now; otherwise as any other error."""
    if not wants_page(request):
        return await faa.http_exception_handler(request, error)  # type: ignore[no-any-return]
    site = quote(request.scope.get("root_path", ""))
    links = [link(f"{site}/", str(_("Start page"))), link(f"{site}/auth/logout", str(_("Sign out")))]
    return plain_page("403", str(error.detail), "".join(links), status_code=403)


def register_handlers(app: FastAPI, databases: Iterable[AnyDatabase]) -> None:
    """Let an application answer errors as amis expects, and undo what the failed request has changed."""
    databases = list(databases)

    def undone(answer: Callable[[Request, Any], Awaitable[Response]]) -> Callable[[Request, Any], Awaitable[Response]]:
        # the handlers of fastapi-amis-admin answer with HTTP status 200, which would commit
        async def handler(request: Request, error: Any) -> Response:
            for db in databases:
                await roll_back(db)
            return await answer(request, error)

        return handler

    faa.register_exception_handlers(app)
    app.add_exception_handler(Refused, refused)
    app.add_exception_handler(RequestValidationError, validation_error)  # type: ignore[arg-type]
    app.add_exception_handler(ValidationException, undone(faa.inner_validation_exception_handler))
    app.add_exception_handler(ValidationError, undone(faa.inner_validation_exception_handler))
    for kind in (DBAPIError, UnicodeEncodeError):
        app.exception_handlers.setdefault(kind, undone(bad_value))  # the application may have its own
    app.add_exception_handler(Exception, undone(server_error))
