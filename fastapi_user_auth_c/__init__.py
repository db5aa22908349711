"""Users, login, role-based permissions and an admin site for FastAPI, decided in C.

A drop-in replacement for ``fastapi-user-auth``: its module paths are found below this package, and :func:`install`
answers imports of its name as well. Importing this package is cheap, and has to come before the first import from
``fastapi_amis_admin``, which is made to work on today's releases on that occasion.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .compat.hook import install_hook
from .drop_in import install

if TYPE_CHECKING:
    from .admin import AuthAdminSite
    from .auth import Auth, AuthBackend, AuthRouter
    from .filters import compile_filter
    from .passwords import PasswordHasher
    from .policy import AsyncEnforcer, Enforcer

__version__ = "0.1.0"
__all__ = [
    "AsyncEnforcer",
    "Auth",
    "AuthAdminSite",
    "AuthBackend",
    "AuthRouter",
    "Enforcer",
    "PasswordHasher",
    "__version__",
    "compile_filter",
    "install",
]

_HOMES = {
    "AsyncEnforcer": "policy",
    "Auth": "auth",
    "AuthAdminSite": "admin",
    "AuthBackend": "auth",
    "AuthRouter": "auth",
    "Enforcer": "policy",
    "PasswordHasher": "passwords",
    "compile_filter": "filters",
}

install_hook()


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
