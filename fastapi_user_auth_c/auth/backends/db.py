"""Tokens in a database table (the default)."""

import json
import logging
import secrets
import time
from datetime import datetime, timedelta
from typing import Any, Optional, Union

from pydantic import ValidationError
from sqlalchemy import Column, String, Text, bindparam, delete, select
from sqlalchemy.orm import Session
from sqlmodel import Field

from ...db import AnyDatabase, purge, run_committed, run_read
from ...db_errors import told
from ..models import CreateTimeMixin, PkMixin
from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT, possible_names, stored_name

logger = logging.getLogger("fastapi_user_auth_c.tokens")

PURGE_SECONDS = 3600.0
"""How often a process that hands out tokens looks for expired ones."""

PURGED_AT_ONCE = 1000


class TokenStoreModel(PkMixin, CreateTimeMixin, table=True):
    """The digest of a token, and what the token stands for."""

    __tablename__ = "auth_token"

    token: str = Field(..., max_length=48, sa_column=Column(String(48), unique=True, index=True, nullable=False))
    data: str = Field(default="", sa_type=Text)


# made once: a request needs it
_FIND = select(TokenStoreModel.token, TokenStoreModel.data, TokenStoreModel.create_time).where(
    (TokenStoreModel.token == bindparam("digest")) | (TokenStoreModel.token == bindparam("plain"))
)


class DbTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Random tokens, whose digests are looked up in the table ``auth_token``.

    Tokens that the original wrote there are good until they expire. Expired ones are removed now and then.

    Args:
        db: the database.
        expire_seconds: life of a token, also of the ones that the original wrote; None for no end.
        TokenDataSchema: see :class:`BaseTokenStore`.
    """

    binds = True

    def __init__(
        self,
        db: AnyDatabase,
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        self.db = db
        self._next_purge = float("-inf")

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        names = possible_names(token)
        if not names:
            return None
        values = dict(zip(("digest", "plain"), names, strict=True))
        rows = await run_read(self.db, lambda session: session.execute(_FIND, values).all())
        row = next((row for row in rows if row.token in names), None)  # some databases take other spellings for equal
        if row is None:
            return None
        try:
            data = json.loads(row.data)
            if self._has_expired(data, row.create_time):
                await self.destroy_token(token)
                return None
            return self.TokenDataSchema.model_validate(data)  # type: ignore[no-any-return]
        except (ValueError, TypeError, AttributeError, ValidationError):
            return None

    def _has_expired(self, data: dict[str, Any], create_time: datetime) -> bool:
        expires = data.get("exp")
        if expires is None and self.expire_seconds is not None:
            # rows of the original have no expiry, only the local time of their creation
            expires = create_time.timestamp() + self.expire_seconds
        return expires is not None and time.time() >= expires

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        token = secrets.token_urlsafe()
        data = await self.bound_data(token_data, token)
        if self.expire_seconds is not None:
            data["exp"] = time.time() + self.expire_seconds
        # as short as JSON can be: databases of the original have 255 characters for it on MySQL
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
        row = TokenStoreModel(token=stored_name(token), data=text)
        await run_committed(self.db, lambda session: session.add(row))
        if time.monotonic() >= self._next_purge:
            self._next_purge = time.monotonic() + PURGE_SECONDS
            try:
                await self.purge()
            except Exception as error:  # whatever a driver raises; the token is there
                logger.warning("expired tokens cannot be removed: %s", told(error))
        return token

    async def destroy_token(self, token: str) -> None:
        statement = delete(TokenStoreModel).where(
            TokenStoreModel.token.in_(possible_names(token))  # type: ignore[attr-defined]
        )
        await run_committed(self.db, lambda session: session.execute(statement))

    async def purge(self) -> int:
        """Remove expired tokens; how many there were."""
        if self.expire_seconds is None:
            return 0
        # the times are local ones, which daylight saving moves
        before = datetime.now() - timedelta(seconds=self.expire_seconds, days=1)
        old = select(TokenStoreModel.id, TokenStoreModel.data, TokenStoreModel.create_time)
        old = old.where(TokenStoreModel.create_time < before).order_by(TokenStoreModel.create_time)

        def work(session: Session) -> int:
            gone = []
            for row in session.execute(old.limit(PURGED_AT_ONCE)):
                try:
                    expired = self._has_expired(json.loads(row.data), row.create_time)
                except (ValueError, TypeError, AttributeError):
                    expired = True
                if expired:
                    gone.append(row.id)
            session.execute(delete(TokenStoreModel).where(TokenStoreModel.id.in_(gone)))  # type: ignore[union-attr]
            session.commit()
            return len(gone)

        return await purge(self.db, work, PURGED_AT_ONCE)
