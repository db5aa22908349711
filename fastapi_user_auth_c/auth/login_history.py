"""The record of attempts to log in."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import delete, inspect, select
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


def _shortest(address: str) -> str:
    """An IPv6 address without leading zeros and the longest run of others (RFC 5952); anything else as it is."""
    try:
        return address if "." in address else str(ip_address(address))
    except ValueError:
        return address


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
        self._known_widths: dict[str, int | None] | None = None

    async def record(self, request: Request, username: str, user: Any) -> None:
        """Store one attempt; values are cut to the width that their columns have in the database.

        Args:
            request: the login.
            username: the name that was given.
            user: the account, or None when the login failed.
        """
        trusted = self.settings.trusted_proxies
        values: dict[str, Any] = {
            "login_name": username,
            "ip": _shortest(client_address(request, trusted)),
            "user_agent": request.headers.get("user-agent", ""),
            "login_status": _("Login successful") if user else _("Wrong password"),
            "forwarded_for": ",".join(forwarded_chain(request, trusted)),
        }

        def work(session: Session) -> None:
            widths = self._widths(session)
            cut = {name: value.replace("\0", "")[: widths[name]] for name, value in values.items()}
            session.add(LoginHistory(user_id=user_id, **cut))

        user_id = user.id if user else None
        await run_committed(self.db, work)
        if self.settings.login_history_days and time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + PURGE_SECONDS
            try:
                await self.purge()
            except Exception as error:  # whatever a driver raises; the login is recorded
                logger.warning("old records of logins cannot be removed: %s", told(error))

    def _widths(self, session: Session) -> dict[str, int | None]:
        """Those of the columns in the database, which are less where the original made the table."""
        if self._known_widths is None:
            table = LoginHistory.__table__  # type: ignore[attr-defined]
            found = inspect(session.connection()).get_columns(table.name, table.schema)
            self._known_widths = {each["name"]: getattr(each["type"], "length", None) for each in found}
        return self._known_widths

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
