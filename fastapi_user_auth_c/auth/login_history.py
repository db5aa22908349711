"""The record of attempts to log in."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from starlette.requests import Request

from ..db import AnyDatabase, purge, run_committed
from ..db_errors import told
from ..settings import AuthSettings
from ..web.proxies import client_address, forwarded_chain
from .models import LoginHistory

logger = logging.getLogger("fastapi_user_auth_c.auth")

PURGE_SECONDS = 3600.0
"""How often a process removes old records."""
PURGED_AT_ONCE = 1000
"""Records removed in one transaction."""


class LoginRecorder:
    """Writes :class:`LoginHistory`, and removes what is older than the settings say.

    Args:
        db: the database.
        settings: ``trusted_proxies`` and ``login_history_days``.
    """

    def __init__(self, db: AnyDatabase, settings: AuthSettings) -> None:
        self.db = db
        self.settings = settings
        self._next_purge = float("-inf")

    async def record(self, request: Request, username: str, user: Any) -> None:
        """Store one attempt; values are cut to the width of their columns.

        Args:
            request: the login.
            username: the name that was given.
            user: the account, or None when the login failed.
        """
        trusted = self.settings.trusted_proxies
        values: dict[str, Any] = {
            "login_name": username,
            "ip": client_address(request, trusted),
            "user_agent": request.headers.get("user-agent", ""),
            "login_status": _("Login successful") if user else _("Wrong password"),
            "forwarded_for": ",".join(forwarded_chain(request, trusted)),
        }
        columns = LoginHistory.__table__.columns  # type: ignore[attr-defined]
        cut = {name: value.replace("\0", "")[: columns[name].type.length] for name, value in values.items()}
        history = LoginHistory(user_id=user.id if user else None, **cut)
        await run_committed(self.db, lambda session: session.add(history))
        if self.settings.login_history_days and time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + PURGE_SECONDS
            try:
                await self.purge()
            except Exception as error:  # whatever a driver raises; the login is recorded
                logger.warning("old records of logins cannot be removed: %s", told(error))

    async def purge(self) -> int:
        """Remove records older than ``login_history_days``; how many there were. 0 days keep all."""
        if not self.settings.login_history_days:
            return 0
        before = datetime.now() - timedelta(days=self.settings.login_history_days)
        columns = LoginHistory.__table__.columns  # type: ignore[attr-defined]
        old = select(columns["id"]).where(columns["create_time"] < before).limit(PURGED_AT_ONCE)

        def work(session: Session) -> int:
            gone = list(session.scalars(old))
            session.execute(delete(LoginHistory).where(columns["id"].in_(gone)))
            session.commit()
            return len(gone)

        return await purge(self.db, work, PURGED_AT_ONCE)
