"""Tokens in a database table (the default)."""

import json
import secrets
import time
from typing import Any, Optional, Union

from pydantic import ValidationError
from sqlalchemy import Column, String, delete, select
from sqlalchemy.orm import Session
from sqlmodel import Field

from ...db import AnyDatabase, run_committed, run_read
from ..models import CreateTimeMixin, PkMixin
from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT


class TokenStoreModel(PkMixin, CreateTimeMixin, table=True):
    """A token and what it stands for."""

    __tablename__ = "auth_token"

    token: str = Field(..., max_length=48, sa_column=Column(String(48), unique=True, index=True, nullable=False))
    data: str = Field(default="")


class DbTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Random tokens, looked up in the table ``auth_token``.

    Args:
        db: the database.
        expire_seconds: life of a token, also of the ones that the original wrote; None for no end.
        TokenDataSchema: see :class:`BaseTokenStore`.
    """

    def __init__(
        self,
        db: AnyDatabase,
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        self.db = db

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        def work(session: Session) -> Any:
            return session.execute(
                select(TokenStoreModel.data, TokenStoreModel.create_time).where(TokenStoreModel.token == token)
            ).first()

        if "\0" in token:  # in none of ours, and PostgreSQL refuses to look for it
            return None
        row = await run_read(self.db, work)
        if row is None:
            return None
        try:
            data = json.loads(row.data)
            expires = data.get("exp")
            if expires is None and self.expire_seconds is not None:
                # rows of the original have no expiry, only the local time of their creation
                expires = row.create_time.timestamp() + self.expire_seconds
            if expires is not None and time.time() >= expires:
                await self.destroy_token(token)
                return None
            return self.TokenDataSchema.model_validate(data)  # type: ignore[no-any-return]
        except (ValueError, TypeError, AttributeError, ValidationError):
            return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        data = self.token_data(token_data).model_dump(mode="json")
        if self.expire_seconds is not None:
            data["exp"] = time.time() + self.expire_seconds
        token = secrets.token_urlsafe()
        await run_committed(self.db, lambda session: session.add(TokenStoreModel(token=token, data=json.dumps(data))))
        return token

    async def destroy_token(self, token: str) -> None:
        statement = delete(TokenStoreModel).where(TokenStoreModel.token == token)
        await run_committed(self.db, lambda session: session.execute(statement))
