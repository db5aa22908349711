"""Signatures with key pairs (RFC 7518, sections 3.3 to 3.5, and RFC 8037), made by ``cryptography``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Optional

Sign = Callable[[bytes], bytes]
Verify = Callable[[bytes, bytes], bool]

_CURVES = {"ES256": ("secp256r1", 32), "ES384": ("secp384r1", 48), "ES512": ("secp521r1", 66)}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *_CURVES, "EdDSA")

MIN_RSA_BITS = 2048


def key_pair(key: Any, algorithm: str) -> tuple[Optional[Sign], Verify]:
    """``(sign, verify)`` for a key; ``sign`` is None for a public one.

    Args:
        key: in PEM (text or bytes, without a password) or as an object of ``cryptography``.
        algorithm: one of ``ALGORITHMS``.

    Raises:
        ValueError: not a key, or one of the wrong kind, or an RSA key under 2,048 bits.
        ImportError: ``cryptography`` is not installed.
    """
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{algorithm} needs the extra 'crypto': pip install 'fastapi-user-auth-c[crypto]'") from error
    private, public = _halves(key, algorithm)
    if algorithm == "EdDSA":
        return _eddsa(private, public)
    if algorithm in _CURVES:
        return _ecdsa(private, public, algorithm)
    return _rsa(private, public, algorithm)


def _halves(key: Any, algorithm: str) -> tuple[Any, Any]:
    from cryptography.hazmat.primitives import serialization

    if isinstance(key, str):
        key = key.encode()
    if isinstance(key, bytes):
        load: Any = serialization.load_pem_public_key
        if b"PRIVATE KEY-----" in key:
            load = _load_private
        try:
            key = load(key)
        except (ValueError, TypeError) as error:  # TypeError: it has a password
            raise ValueError(f"the key for {algorithm} is not an unencrypted key in PEM: {error}") from None
    if hasattr(key, "public_key"):
        return key, key.public_key()
    return None, key


def _load_private(key: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return load_pem_private_key(key, password=None)


def _hash(algorithm: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    kinds: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    return kinds[algorithm[2:]]()


def _verifier(check: Callable[[bytes, bytes], Any]) -> Verify:
    from cryptography.exceptions import InvalidSignature

    def verify(signature: bytes, data: bytes) -> bool:
        try:
            check(signature, data)
        except InvalidSignature:
            return False
        return True

    return verify


def _rsa(private: Any, public: Any, algorithm: str) -> tuple[Optional[Sign], Verify]:
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    if not isinstance(public, RSAPublicKey):
        raise ValueError(f"the key for {algorithm} must be an RSA key")
    if public.key_size < MIN_RSA_BITS:
        raise ValueError(f"an RSA key must have at least {MIN_RSA_BITS} bits, not {public.key_size}")
    digest = _hash(algorithm)
    pad: Any = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        pad = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
    verify = _verifier(lambda signature, data: public.verify(signature, data, pad, digest))
    return (None if private is None else lambda data: private.sign(data, pad, digest)), verify


def _ecdsa(private: Any, public: Any, algorithm: str) -> tuple[Optional[Sign], Verify]:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    curve, size = _CURVES[algorithm]
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name != curve:
        raise ValueError(f"the key for {algorithm} must be on the curve {curve}")
    way = ec.ECDSA(_hash(algorithm))

    def check(signature: bytes, data: bytes) -> None:
        numbers = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
        public.verify(encode_dss_signature(*numbers), data, way)

    def sign(data: bytes) -> bytes:
        first, second = decode_dss_signature(private.sign(data, way))
        return first.to_bytes(size, "big") + second.to_bytes(size, "big")

    checked = _verifier(check)
    return (
        None if private is None else sign
    ), lambda signature, data: len(signature) == 2 * size and checked(signature, data)


def _eddsa(private: Any, public: Any) -> tuple[Optional[Sign], Verify]:
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(public, (Ed25519PublicKey, Ed448PublicKey)):
        raise ValueError("the key for EdDSA must be an Ed25519 or Ed448 key")
    return (None if private is None else private.sign), _verifier(public.verify)
