"""Signed tokens (RFC 7519), which only have to be remembered when they are ended before their time."""

import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any, Optional, Union

from pydantic import ValidationError

from ...tokens import HMAC_SIZES, TokenCodec, TokenError, TokenKey
from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT, seal, stored_name

TOKEN_TYPE = "login+jwt"
"""The type in the header of these tokens: those of another purpose are refused, even with the same key (RFC 8725,
section 3.11)."""

JTI_BYTES, JTI_LENGTH = 16, 22

CLOCKS = 3600.0
"""Seconds by which clocks may differ before one process forgets what another one would still accept."""


class JwtTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Tokens that carry their data and a signature.

    Those that a logout ended are remembered until they expire, in ``revocations``: the ``Auth`` that the store is given
    to keeps them in its database, unless the store or the ``Auth`` has others. Without any, a token cannot be ended.

    Args:
        secret_key: the HMAC key; RFC 7518 asks for at least as many bytes as the digest has, fewer give a warning. Or
            a private key in PEM, for an algorithm of the extra ``crypto``, or a ``TokenKey``.
        algorithm: ``HS256``, ``HS384`` or ``HS512``, with the extra ``crypto`` also ``RS256``, ``ES256``, ``EdDSA`` and
            others. A token that names another one is refused.
        expire_seconds: life of a token; None for tokens without an end.
        TokenDataSchema: see :class:`BaseTokenStore`.
        other_keys: more keys to verify with, as of :class:`~fastapi_user_auth_c.tokens.TokenCodec`.
        audience: written into tokens and demanded of them.
        issuer: likewise.
        leeway: seconds by which the clocks of several machines may differ.
        typ: the type in the header. ``"JWT"`` also accepts the tokens of the original, and any other with the same key.

    Raises:
        ValueError: an empty key, or an algorithm that is not supported.
        ImportError: the algorithm needs the extra ``crypto``.
    """

    binds = True

    def __init__(
        self,
        secret_key: Union[str, bytes, TokenKey],
        algorithm: str = "HS256",
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
        *,
        other_keys: Sequence[Any] = (),
        audience: Optional[str] = None,
        issuer: Optional[str] = None,
        leeway: float = 0,
        typ: str = TOKEN_TYPE,
    ) -> None:
        super().__init__(expire_seconds, TokenDataSchema)
        key = secret_key if isinstance(secret_key, TokenKey) else TokenKey(secret_key, algorithm)
        self._kept = leeway + CLOCKS
        self.secret_key = key.key
        self.algorithm = key.algorithm
        self._codec = TokenCodec(
            key,
            other_keys=other_keys,
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            typ=typ,
            required=() if expire_seconds is None else ("exp",),
        )
        keys = [
            key,
            *(other if isinstance(other, TokenKey) else TokenKey(other, key.algorithm) for other in other_keys),
        ]
        secret = [each.key if each.algorithm in HMAC_SIZES else b"" for each in keys]
        as_bytes = [each.encode() if isinstance(each, str) else each for each in secret]
        self._sealing = [hashlib.blake2b(each, person=b"login+jwt state").digest() for each in as_bytes]

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
        if self.revocations is not None:
            await self.revocations.refresh()
            if self.revocations.has_ended(_name(token, claims)):
                return None
        try:
            return self.TokenDataSchema.model_validate(claims)  # type: ignore[no-any-return]
        except ValidationError:
            return None

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        jti = secrets.token_urlsafe(JTI_BYTES)
        claims = {**await self.bound_data(token_data, jti), "jti": jti}
        if self.expire_seconds is None:
            claims["iat"] = int(time.time())
        return self._codec.encode(claims, lifetime=self.expire_seconds)

    async def destroy_token(self, token: str) -> None:
        """End a token before its time: at once in this process, within a second in others.

        Raises:
            NotImplementedError: the store has no ``revocations``.
        """
        if self.revocations is None:
            raise NotImplementedError("a signed token cannot be ended without revocations")
        claims = self.decode(token)
        if claims is not None:
            expires = claims.get("exp")
            await self.revocations.end(_name(token, claims), None if expires is None else expires + self._kept)

    def seals(self, token: str, state: str) -> Iterator[str]:
        """The state of an account, keyed with the HMAC keys, which nobody has who reads the token; with nothing secret
        for key pairs.
        """
        return (seal(key, f"{token}\0{state}") for key in self._sealing)

    def fits(self, token: str, data: Any, account: Any) -> bool:
        return super().fits(getattr(data, "jti", None) or "", data, account)


def _name(token: str, claims: dict[str, Any]) -> str:
    """What a token is called among the ended ones: by its id, or by a digest where it has none of ours."""
    jti = claims.get("jti")
    # the signature is not the token: one of ECDSA has a twin
    return f"t:{jti}" if isinstance(jti, str) and len(jti) == JTI_LENGTH else stored_name(token.rpartition(".")[0])
