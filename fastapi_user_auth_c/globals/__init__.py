"""The site, its ``auth`` and the user model, set once with ``set_site`` and read from anywhere.

``site``, ``auth`` and ``UserModel`` are looked up when they are asked for; every other name is that of
``fastapi_amis_admin.globals``.
"""

from typing import TYPE_CHECKING, Any

from fastapi_amis_admin import globals as _faa_globals

if TYPE_CHECKING:
    from ..admin import AuthAdminSite
    from ..auth import Auth
    from ..auth.models import BaseUser

    site: AuthAdminSite
    auth: Auth[Any]
    UserModel: type[BaseUser]


def __getattr__(name: str) -> Any:
    if name == "auth":
        return _faa_globals.site.auth  # type: ignore[attr-defined]
    if name == "UserModel" and not hasattr(_faa_globals, name):
        return _faa_globals.site.auth.user_model  # type: ignore[attr-defined]
    return getattr(_faa_globals, name)
