"""Errors that the site's exception handlers answer with their own status and message."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Optional

from fastapi import HTTPException
from fastapi_amis_admin.crud import BaseApiOut
from fastapi_amis_admin.models import IntegerChoices
from fastapi_amis_admin.utils.translation import i18n as _

from ..db_errors import is_outage, told

logger = logging.getLogger("fastapi_user_auth_c.auth")


class ErrorCode(IntegerChoices):
    """Status numbers of answers."""

    SUCCESS = (0, _("Success"))
    FAIL = (1, _("Fail"))
    PARAMS_ERROR = (2, _("Parameter error"))
    RETRY = (10, _("Retry"))
    RETRY_LATER = (11, _("Try again later"))
    # accounts
    USER_NOT_FOUND = (40100, _("User does not exist"))
    USER_PASSWORD_ERROR = (40101, _("Username or password is incorrect"))
    USER_IS_EXIST = (40102, _("User already exists"))
    USER_NAME_IS_EXIST = (40103, _("Username already exists"))
    USER_MOBILE_IS_EXIST = (40104, _("User mobile phone number already exists"))
    USER_EMAIL_IS_EXIST = (40105, _("User mailbox already exists"))
    # permissions
    USER_IS_NOT_LOGIN = (40200, _("User is not logged in"))
    USER_IS_NOT_ACTIVE = (40201, _("User is not activated"))
    USER_PERMISSION_DENIED = (40203, _("Insufficient user rights"))
    USER_IS_NOT_ADMIN = (40204, _("User is not an administrator"))
    # the system
    SYSTEM_ERROR = (50000, _("System error"))
    SYSTEM_BUSY = (50001, _("The system is busy"))


class ApiException(HTTPException):
    """An HTTP error whose JSON body is given as it is.

    Args:
        detail: the message.
        status_code: of the HTTP answer; 200 by default, since amis reads the ``status`` in the body.
        content: the JSON body.
        headers: of the HTTP answer.
    """

    def __init__(
        self,
        detail: Any,
        status_code: int = 200,
        content: Any = None,
        headers: Optional[dict[str, Any]] = None,
    ) -> None:
        self.content = content
        super().__init__(status_code=status_code, detail=detail, headers=headers)


class ApiError(ApiException):
    """An answer with a status number other than 0.

    Args:
        status: one of :class:`ErrorCode`, or a number of one's own.
        msg: the message.
        headers: of the HTTP answer.
        extra: further members of the body.
    """

    def __init__(
        self,
        status: Any = ErrorCode.FAIL,
        msg: str = "",
        headers: Optional[dict[str, Any]] = None,
        **extra: Any,
    ) -> None:
        self.status = status
        self.extra = extra
        super().__init__(
            detail=msg,
            content=BaseApiOut(status=status, msg=msg, **extra).model_dump(),
            headers=headers,
        )


class AuthError(ApiError):
    """Login or permission failed."""


class StorageUnavailable(HTTPException):
    """Status 503: the database or Redis does not answer, so nobody can say who is calling."""

    def __init__(self) -> None:
        super().__init__(status_code=503, detail=_("Try again later"), headers={"Retry-After": "5"})


@contextmanager
def storage_needed(purpose: str) -> Iterator[None]:
    """Within: where a database or Redis does not answer, a warning that names the purpose, and status 503.

    Raises:
        StorageUnavailable: it does not answer.
    """
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        logger.warning("%s: the storage does not answer: %s", purpose, told(error))
        raise StorageUnavailable from error
