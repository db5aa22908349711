"""Signed tokens (JSON Web Tokens, RFC 7519): :class:`TokenCodec`.

Strict where the standard leaves room (RFC 8725): the algorithm is the key's and never the token's choice, there is no
``none``, no ``crit``, no second spelling of the same token, and no claim that two readers could understand differently.
HMAC is done in C; RSA, ECDSA and EdDSA need the extra ``crypto``.

All errors of :meth:`TokenCodec.decode` are :class:`TokenError`, which is a ``ValueError``::

    TokenError
    ├── TokenFormatError      not a token, or not strictly encoded, or too large
    ├── TokenSignatureError   forged, or an algorithm, key, type or extension that is not accepted
    └── TokenClaimError       a claim is missing, of the wrong type, not valid yet, or for somebody else
        └── TokenExpiredError
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import _core
from ._core import TokenClaimError, TokenError, TokenExpiredError, TokenFormatError, TokenSignatureError

__all__ = [
    "TokenClaimError",
    "TokenCodec",
    "TokenError",
    "TokenExpiredError",
    "TokenFormatError",
    "TokenKey",
    "TokenSignatureError",
]

HMAC_SIZES = {"HS256": 32, "HS384": 48, "HS512": 64}
"""The HMAC algorithms, and the bytes that a key should have at least (RFC 7518, section 3.2)."""


@dataclass(frozen=True)
class TokenKey:
    """A key and the one algorithm it is for.

    Args:
        key: for HMAC a secret, as text or bytes; else a private key, or a public one that only verifies, in PEM or as
            an object of ``cryptography``.
        algorithm: ``HS256``, ``HS384``, ``HS512``; with the extra ``crypto`` also ``RS256``, ``PS256``, ``ES256`` and
            so on, and ``EdDSA``.
        kid: the key's name, written into the header of tokens. A token that names another key is not tried with it.
    """

    key: Any = field(repr=False)
    algorithm: str = "HS256"
    kid: str | None = None


class TokenCodec(_core.TokenCodec):
    """Writes and reads tokens. Immutable and thread-safe.

    ``encode(claims, *, lifetime=None, now=None)`` gives the token for a dict of claims. With ``lifetime``, in seconds,
    it sets ``iat`` and ``exp``; it always sets ``aud`` and ``iss`` where the codec has them. What ``decode`` would
    refuse raises ``ValueError``, values that JSON does not have ``TypeError``. Integers must fit 64 bits.

    ``decode(token, *, now=None)`` gives the claims of a token, or raises :class:`TokenError`. ``now`` is the time to
    judge by, in seconds since the epoch. A token is expired from the second ``exp`` on.

    Args:
        key: what signs, and verifies: see :class:`TokenKey`, or one.
        algorithm: of ``key``.
        kid: the name of ``key``, if it has one.
        other_keys: more keys to verify with, such as the one of yesterday: :class:`TokenKey` objects, or keys of
            the same algorithm. At most 15.
        audience: what ``aud`` has to be or hold. Without it a token that has any ``aud`` is refused.
        issuer: what ``iss`` has to be.
        typ: the type in the header. Give tokens of another purpose another one (``"reset+jwt"``): each codec refuses
            the other's, even with the same key. Only ``JWT`` may be missing in a token.
        required: claims that have to be there.
        leeway: seconds by which ``exp`` and ``nbf`` may be missed.
        max_size: longest token, in characters.

    Raises:
        ValueError: an empty key, one of the wrong kind for its algorithm, or an argument out of range.
        ImportError: the algorithm needs the extra ``crypto``.

    Warns:
        UserWarning: an HMAC key is shorter than RFC 7518 demands.
    """

    def __init__(
        self,
        key: Any,
        algorithm: str = "HS256",
        *,
        kid: str | None = None,
        other_keys: Sequence[Any] = (),
        audience: str | None = None,
        issuer: str | None = None,
        typ: str = "JWT",
        required: Iterable[str] = ("exp",),
        leeway: float = 0,
        max_size: int = 8192,
    ) -> None:
        first = key if isinstance(key, TokenKey) else TokenKey(key, algorithm, kid)
        keys = [first]
        keys += [other if isinstance(other, TokenKey) else TokenKey(other, first.algorithm) for other in other_keys]
        prepared = []
        for each in keys:  # no comprehension: a warning is to name the caller's line
            prepared.append(_prepared(each))
        super().__init__(
            prepared,
            audience=audience,
            issuer=issuer,
            typ=typ,
            required=required,
            leeway=leeway,
            max_size=max_size,
        )


def _prepared(key: TokenKey) -> tuple[Any, ...]:
    """A key as the C codec takes it."""
    if key.algorithm in HMAC_SIZES:
        return key.algorithm, key.kid, _secret(key)
    from .token_keys import ALGORITHMS, key_pair

    if key.algorithm not in ALGORITHMS:
        raise ValueError(f"unknown algorithm {key.algorithm!r}; supported: {', '.join((*HMAC_SIZES, *ALGORITHMS))}")
    return key.algorithm, key.kid, *key_pair(key.key, key.algorithm)


def _secret(key: TokenKey) -> bytes:
    secret = key.key.encode() if isinstance(key.key, str) else key.key
    if not isinstance(secret, bytes):
        raise TypeError(f"the key for {key.algorithm} must be str or bytes, not {type(secret).__name__}")
    if not secret:
        raise ValueError("the key must not be empty")
    if secret.lstrip().startswith((b"-----BEGIN ", b"ssh-", b"ecdsa-sha2-")):
        raise ValueError(f"an asymmetric key is no secret for {key.algorithm}: whoever has its public half could sign")
    if len(secret) < HMAC_SIZES[key.algorithm]:
        warnings.warn(
            f"the key for {key.algorithm} has {len(secret)} bytes; RFC 7518 demands at least "
            f"{HMAC_SIZES[key.algorithm]}, as shorter ones can be guessed from any token",
            UserWarning,
            stacklevel=4,
        )
    return secret
