"""What is installed, what was tested, and the error for everything else."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

#: Newest releases these patches were tested with. Newer ones are tried all the same: each name a patch relies on
#: is checked before anything is changed.
TESTED = {
    "fastapi-amis-admin": "0.7.3",
    "fastapi": "0.165.0",
    "starlette": "1.10.0",
    "sqlmodel": "0.0.50",
    "SQLAlchemy": "2.1.9",
    "pydantic": "2.14.4",
}


class CompatError(ImportError):
    """fastapi-amis-admin cannot be made to work on the installed packages; the text names the missing piece."""

    def __init__(self, piece: str) -> None:
        found = ", ".join(f"{name} {installed(name)} (tested up to {newest})" for name, newest in TESTED.items())
        super().__init__(f"fastapi_user_auth_c cannot run fastapi-amis-admin here: {piece}. Installed: {found}.")


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def require(module: str, names: str | Iterable[str]) -> Any:
    """The attribute of that dotted name, or of each of the names; CompatError when there is none."""
    if not isinstance(names, str):
        return [require(module, name) for name in names]
    try:
        found: Any = import_module(module)
        for part in names.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise CompatError(f"{module}.{names} is missing ({error})") from error
    return found


def check_faa() -> None:
    """The patches follow the code of one FAA series; another one may need other patches, or none."""
    found = installed("fastapi-amis-admin")
    if found.split(".")[:2] != ["0", "7"]:
        raise CompatError(f"fastapi-amis-admin 0.7.x is needed, found {found}")
