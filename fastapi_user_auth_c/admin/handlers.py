"""Answers to errors in the site's routes."""

from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.translation import i18n as _
from starlette.requests import Request
from starlette.responses import JSONResponse


async def validation_error(request: Request, error: RequestValidationError) -> JSONResponse:
    """Status 422, in the answer and in its body, and where the input is wrong.

    The handler of fastapi-amis-admin repeats the whole input, which fails for forms and gives passwords back.
    """
    errors = [{key: value for key, value in one.items() if key in ("type", "loc", "msg")} for one in error.errors()]
    out = BaseApiOut(status=422, msg=_("Request parameter validation exception"), errors=errors)
    return JSONResponse(jsonable_encoder(out.model_dump()), status_code=422)
