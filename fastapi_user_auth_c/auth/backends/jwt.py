"""Signed tokens that need no storage (RFC 7519)."""

import time
from typing import Any, Optional, Union

from pydantic import ValidationError

from ...tokens import HMAC_SIZES, TokenCodec, TokenError
from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT


class JwtTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Tokens that carry their data and a signature.

    Args:
        secret_key: the HMAC key; RFC 7518 asks for at least as many bytes as the digest has, fewer give a warning.
        algorithm: ``HS256``, ``HS384`` or ``HS512``. A token that names another one is refused.
        expire_seconds: life of a token.
        TokenDataSchema: see :class:`BaseTokenStore`.

    Raises:
        ValueError: an empty key, or an algorithm that is not supported.
    """

    def __init__(
        self,
        secret_key: Union[str, bytes],
        algorithm: str = "HS256",
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        if algorithm not in HMAC_SIZES:
            raise ValueError(f"unknown algorithm {algorithm!r}; supported: {', '.join(HMAC_SIZES)}")
        self.secret_key = secret_key
        self.algorithm = algorithm
        self._codec = TokenCodec(secret_key, algorithm, required=() if expire_seconds is None else ("exp",))

    def decode(self, token: str) -> Optional[dict[str, Any]]:
        """The claims of a token of this store, or None when it is malformed, forged, expired or not yet valid."""
        try:
            return self._codec.decode(token)
        except TokenError:
            return None

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        claims = self.decode(token)
        if claims is None:
            return None
        try:
            return self.TokenDataSchema.model_validate(claims)  # type: ignore[no-any-return]
        except ValidationError:
            return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        claims = self.token_data(token_data).model_dump(mode="json")
        if self.expire_seconds is not None:
            claims["exp"] = int(time.time()) + self.expire_seconds
        return self._codec.encode(claims)

    async def destroy_token(self, token: str) -> None:
        """Not possible without storage; the token stays valid until it expires."""
        raise NotImplementedError("a signed token cannot be ended before it expires")
