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

    binds = True

    def __init__(
        self,
        redis: "Redis",
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        self.redis = redis

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        for key in self._keys(token):  # one by one, for a cluster
            data = await self.redis.get(key)
            if data is not None:
                try:
                    return self.TokenDataSchema.model_validate_json(data)  # type: ignore[no-any-return]
                except ValidationError:
                    return None
        return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        token = secrets.token_urlsafe()
        data = await self.bound_data(token_data, token)
        await self.redis.set(self.get_key(token), json.dumps(data), ex=self.expire_seconds)
        return token

    async def destroy_token(self, token: str) -> None:
        for key in self._keys(token):
            await self.redis.delete(key)

    def get_key(self, token: str) -> str:
        """The key that a token is stored under."""
        return f"auth:token:{stored_name(token)}"

    def _keys(self, token: str) -> list[str]:
        return [self.get_key(token), f"auth:token:{token}"] if possible_names(token) else []
