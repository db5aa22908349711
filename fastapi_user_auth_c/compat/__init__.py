"""fastapi-amis-admin 0.7 on today's FastAPI, Starlette, SQLModel, SQLAlchemy and Pydantic.

fastapi-amis-admin (FAA below) is used as published. It reads private names that its dependencies have since
dropped, so :func:`apply` lends it those names while it is being imported, then replaces the few FAA functions
and methods that rely on behaviour that is gone. FastAPI, Starlette, SQLModel and SQLAlchemy are left as they are.

Importing this package is cheap: nothing of FastAPI is loaded before :func:`apply` is called.

* ``versions``  the one error, what is installed, what was tested
* ``borrow``    names lent to FAA while it is imported
* ``fields``    ModelField and the functions that make pydantic models of them
* ``columns``   Python types of columns, date and time columns that refuse naive values
* ``tables``    table models that extend table models
* ``links``     links between rows of two pages, of which neither may be hidden
* ``patches``   the list of patches, each with its reason
* ``startup``   start-up hooks of a mounted site, once per start
* ``original``  keeps FAA from importing the original fastapi-user-auth when both are installed
"""

from __future__ import annotations

import threading

from .original import no_original
from .startup import attach_lifespan, install_startup
from .versions import CompatError

__all__ = ["CompatError", "apply", "attach_lifespan", "install_startup", "no_original"]

_lock = threading.RLock()
_state = "new"


def apply() -> None:
    """Import FAA and make it work on what is installed. Safe to call again, and from several threads.

    Raises CompatError, which names the missing piece, when FAA or one of its dependencies has another shape
    than the one these patches were written for; a later call then tries again.
    """
    global _state
    with _lock:
        if _state != "new":  # done, or called from within by a module that is imported on the way
            return
        _state = "running"
        try:
            from .patches import run

            run()
        except BaseException:
            _state = "new"
            raise
        _state = "done"
