"""Tokens in Redis, which forgets them when they expire."""

import json
import secrets
from typing import TYPE_CHECKING, Any, Optional, Union

from pydantic import ValidationError

from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT, possible_names, stored_name

if TYPE_CHECKING:
    from redis.asyncio import Redis


class RedisTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Random tokens, whose digests are keys that begin with ``auth:token:``.

    Tokens that the original wrote there are good until they expire.

    Args:
        redis: the client.
        expire_seconds: life of a token; None for no end.
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
        keys = self._keys(token)
        found = [data for data in await self.redis.mget(keys) if data is not None] if keys else []
        if not found:
            return None
        try:
            return self.TokenDataSchema.model_validate_json(found[0])  # type: ignore[no-any-return]
        except ValidationError:
            return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        token = secrets.token_urlsafe()
        data = await self.bound_data(token_data, token)
        await self.redis.set(self.get_key(token), json.dumps(data), ex=self.expire_seconds)
        return token

    async def destroy_token(self, token: str) -> None:
        if keys := self._keys(token):
            await self.redis.delete(*keys)

    def get_key(self, token: str) -> str:
        """The key that a token is stored under."""
        return f"auth:token:{stored_name(token)}"

    def _keys(self, token: str) -> list[str]:
        return [f"auth:token:{name}" for name in possible_names(token)]
