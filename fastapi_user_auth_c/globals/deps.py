"""Dependencies for endpoints: the current user, or an error. Import it after ``set_site``."""

from typing import Annotated, Any, Optional

from fastapi import Depends
from fastapi_amis_admin.utils.translation import i18n as _

from .. import globals as g
from ..auth.exceptions import AuthError, ErrorCode

get_user_or_none = g.auth.get_current_user

CurrentUserOrNone = Annotated[Optional[g.UserModel], Depends(get_user_or_none)]  # type: ignore[valid-type]


def get_user_or_error(user: CurrentUserOrNone) -> Any:  # type: ignore[valid-type]
    """The current user.

    Raises:
        AuthError: status ``USER_IS_NOT_LOGIN`` when there is none.
    """
    if not user:
        raise AuthError(status=ErrorCode.USER_IS_NOT_LOGIN, msg=_("User is not logged in"))
    return user


CurrentUser = Annotated[g.UserModel, Depends(get_user_or_error)]  # type: ignore[valid-type]
