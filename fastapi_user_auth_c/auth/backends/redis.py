"""Tokens in Redis, which forgets them when they expire."""

import secrets
from typing import TYPE_CHECKING, Any, Optional, Union

from pydantic import ValidationError

from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Random tokens under ``auth:token:``.

    Args:
        redis: the client.
        expire_seconds: life of a token.
        TokenDataSchema: see :class:`BaseTokenStore`.
    """

    def __init__(
        self,
        redis: "Redis",
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        self.redis = redis

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        data = await self.redis.get(self.get_key(token))
        if data is None:
            return None
        try:
            return self.TokenDataSchema.model_validate_json(data)  # type: ignore[no-any-return]
        except ValidationError:
            return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        data = self.token_data(token_data).model_dump_json()
        token = secrets.token_urlsafe()
        await self.redis.set(self.get_key(token), data, ex=self.expire_seconds)
        return token

    async def destroy_token(self, token: str) -> None:
        await self.redis.delete(self.get_key(token))

    def get_key(self, token: str) -> str:
        return f"auth:token:{token}"
