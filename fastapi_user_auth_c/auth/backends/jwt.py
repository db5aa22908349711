"""Signed tokens that need no storage (RFC 7519, signed by RFC 7515 with HMAC)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from typing import Any, Optional, Union

from pydantic import ValidationError

from .base import THREE_DAYS, BaseTokenStore, _TokenDataSchemaT

_DIGESTS = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}
MAX_TOKEN = 8192
"""Longest token that is looked at, in characters."""


def _encode(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    """Strict base64url without padding; ValueError for anything that would not encode to the same text."""
    data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _encode(data) != text:
        raise ValueError("not canonical base64url")
    return data


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member is given twice")
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


class JwtTokenStore(BaseTokenStore[_TokenDataSchemaT]):
    """Tokens that carry their data and a signature.

    Args:
        secret_key: the HMAC key; RFC 7518 asks for at least as many bytes as the digest has.
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
        if not secret_key:
            raise ValueError("secret_key must not be empty")
        if algorithm not in _DIGESTS:
            raise ValueError(f"unknown algorithm {algorithm!r}; supported: {', '.join(_DIGESTS)}")
        self.secret_key = secret_key
        self._key = secret_key if isinstance(secret_key, bytes) else secret_key.encode()
        self.algorithm = algorithm

    def _sign(self, data: bytes) -> bytes:
        return hmac.digest(self._key, data, _DIGESTS[self.algorithm])

    def decode(self, token: str) -> Optional[dict[str, Any]]:
        """The claims of a token of this store, or None when it is malformed, forged, expired or not yet valid."""
        if len(token) > MAX_TOKEN or token.count(".") != 2:
            return None
        try:
            head, body, signature = token.encode("ascii").split(b".")
            if not hmac.compare_digest(self._sign(head + b"." + body), _decode(signature)):
                return None
            header = json.loads(_decode(head), object_pairs_hook=_members, parse_constant=_refuse)
            claims = json.loads(_decode(body), object_pairs_hook=_members, parse_constant=_refuse)
        except (ValueError, RecursionError, binascii.Error):  # UnicodeError and JSONDecodeError are ValueErrors
            return None
        if not isinstance(header, dict) or not isinstance(claims, dict):
            return None
        if header.get("alg") != self.algorithm or "crit" in header:
            return None
        now = time.time()
        for name, valid in (("exp", lambda at: now < at), ("nbf", lambda at: now >= at), ("iat", lambda at: True)):
            if name in claims:
                at = claims[name]
                if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < 2**53 or not valid(at):
                    return None
            elif name == "exp" and self.expire_seconds is not None:
                return None
        return claims

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
        header = {"alg": self.algorithm, "typ": "JWT"}
        parts = (_encode(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        signed = b".".join(parts)
        return (signed + b"." + _encode(self._sign(signed))).decode("ascii")

    async def destroy_token(self, token: str) -> None:
        """Not possible without storage; the token stays valid until it expires."""
        raise NotImplementedError("a signed token cannot be ended before it expires")
