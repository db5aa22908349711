"""Keeps FAA from importing the original fastapi-user-auth when both packages are installed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

ROOT = "fastapi_user_auth"
MODULE = ROOT + ".auth"


@contextmanager
def no_original() -> Iterator[None]:
    """Within it, ``import fastapi_user_auth.auth`` raises ImportError instead of loading the original.

    The constructor of an FAA site tries that import (and takes ImportError as "not installed"). It would define the
    original's tables on the shared SQLModel.metadata, where this package has tables of the same names. Nothing is
    held back when the module is loaded already, or when the name is answered by this package (``install()``).
    """
    root = getattr(sys.modules.get(ROOT), "__name__", "")
    if MODULE in sys.modules or root.partition(".")[0] == __name__.partition(".")[0]:
        yield
        return
    sys.modules[MODULE] = None  # type: ignore[assignment]  # the import system's own mark for "do not import"
    try:
        yield
    finally:
        if sys.modules.get(MODULE, ...) is None:
            del sys.modules[MODULE]
