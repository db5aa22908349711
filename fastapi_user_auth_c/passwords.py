"""Password hashing: :class:`PasswordHasher`, a ``pwd_context`` with the method names of passlib's ``CryptContext``.

Hashes written by passlib or bcrypt are verified as they are, in C and with the GIL released. Neither package is needed.

Setting a password is strict (:class:`PasswordError`): bcrypt would silently ignore what comes after 72 bytes. Checking
one never raises because of what a client sent or a database holds, and old hashes of longer passwords still verify, by
their first 72 bytes, as they always did.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from typing import Protocol

from ._core import bcrypt_hash, bcrypt_parse, bcrypt_verify

__all__ = ["BcryptScheme", "PasswordError", "PasswordHasher", "Scheme"]

logger = logging.getLogger("fastapi_user_auth_c.passwords")

MAX_SECRET = 4096
"""Longest password that is looked at, in characters (the limit of passlib)."""

_STAND_IN = b"stand-in for a refused password"


class PasswordError(ValueError):
    """A password that cannot be set: empty, too long, or with a NUL character. The message may be shown to users."""


class Scheme(Protocol):
    """One way to hash passwords. To add one, implement this and hand an instance to :class:`PasswordHasher`."""

    name: str
    """The name in ``schemes=`` and the answer of ``identify``."""
    max_secret: int
    """Longest password it can represent in full, in bytes; longer ones cannot be set."""

    def identify(self, hash: str) -> bool:
        """Whether ``hash`` is a well-formed hash of this scheme; only then the methods below are called with it."""

    def hash(self, secret: bytes, **settings: int) -> str:
        """Hashes a password with a fresh salt. It is not empty, not too long, and has no NUL."""

    def verify(self, secret: bytes, hash: str) -> bool:
        """Whether the password belongs to the hash."""

    def needs_update(self, hash: str) -> bool:
        """Whether ``hash`` was made with weaker or other settings than this scheme has now."""

    def dummy_hash(self) -> str:
        """A fixed, well-formed hash with the present settings: verifying against it costs what a real login costs."""


class BcryptScheme:
    """bcrypt: writes ``$2b$``, reads ``$2a$``, ``$2b$`` and ``$2y$``; the faulty ``$2x$`` is not accepted.

    Args:
        rounds: base-2 logarithm of the work, 4 to 31. One more doubles the time.

    Raises:
        ValueError: ``rounds`` is out of range.
    """

    name = "bcrypt"
    max_secret = 72

    def __init__(self, rounds: int = 12) -> None:
        if not 4 <= rounds <= 31:
            raise ValueError(f"bcrypt rounds must be between 4 and 31, not {rounds}")
        self.rounds = rounds

    def identify(self, hash: str) -> bool:
        return bcrypt_parse(hash) is not None

    def hash(self, secret: bytes, **settings: int) -> str:
        rounds = settings.pop("rounds", self.rounds)
        if settings:
            raise TypeError(f"bcrypt has no setting {min(settings)!r}")
        return bcrypt_hash(secret, secrets.token_bytes(16), rounds)

    def verify(self, secret: bytes, hash: str) -> bool:
        return bcrypt_verify(secret, hash)

    def needs_update(self, hash: str) -> bool:
        parsed = bcrypt_parse(hash)
        if parsed is None:
            return True
        variant, cost = parsed
        # Unused bits in the last characters of salt and digest: harmless here, but other verifiers refuse them.
        tidy = hash[28] in ".Oeu" and hash[59] in ".CGKOSWaeimquy26"
        return variant != "2b" or cost < self.rounds or not tidy

    def dummy_hash(self) -> str:
        return f"$2b${self.rounds:02d}${'.' * 53}"


class PasswordHasher:
    """Hashes and verifies passwords; usable wherever a passlib ``CryptContext`` was given as ``pwd_context``.

    Thread-safe. Each hash or verification takes a core for about 0.25 s at the default cost, so async code calls it in
    a worker thread.

    Args:
        schemes: what stored hashes may be: names (``"bcrypt"``) or :class:`Scheme` objects.
        default: the scheme of new hashes; hashes of any other one are reported by :meth:`needs_update`.
        bcrypt_rounds: cost of the built-in bcrypt scheme, 4 to 31.

    Raises:
        ValueError: no or unknown schemes, ``default`` is not one of them, or ``bcrypt_rounds`` is out of range.
    """

    def __init__(
        self, schemes: Sequence[str | Scheme] = ("bcrypt",), default: str = "bcrypt", bcrypt_rounds: int = 12
    ) -> None:
        self._schemes: dict[str, Scheme] = {}
        for scheme in (schemes,) if isinstance(schemes, str) else schemes:
            if isinstance(scheme, str):
                if scheme != BcryptScheme.name:
                    raise ValueError(f"unknown password scheme {scheme!r}; known: {BcryptScheme.name!r}")
                scheme = BcryptScheme(bcrypt_rounds)
            self._schemes[scheme.name] = scheme
        if default not in self._schemes:
            raise ValueError(f"default scheme {default!r} is not among the schemes {sorted(self._schemes)}")
        self._default = self._schemes[default]

    def schemes(self) -> tuple[str, ...]:
        """Names of the accepted schemes."""
        return tuple(self._schemes)

    def default_scheme(self) -> str:
        """Name of the scheme of new hashes."""
        return self._default.name

    def hash(self, secret: str | bytes, scheme: str | None = None, category: str | None = None, **settings: int) -> str:
        """Hashes a new password.

        Args:
            secret: the password; text counts as UTF-8.
            scheme: name of a scheme other than the default one.
            category: accepted as passlib does, and ignored.
            settings: of the scheme, for this hash only; bcrypt has ``rounds``.

        Raises:
            PasswordError: the password is empty, contains a NUL character or a lone surrogate, or is longer than the
                scheme can represent (bcrypt: 72 bytes).
            TypeError: ``secret`` is neither text nor bytes, or the scheme has no such setting.
            ValueError: unknown scheme, or a setting is out of range.
        """
        chosen = self._default if scheme is None else self._schemes.get(scheme)
        if chosen is None:
            raise ValueError(f"unknown password scheme {scheme!r}; known: {sorted(self._schemes)}")
        return chosen.hash(_encode(secret, chosen.max_secret), **settings)

    def verify(
        self, secret: str | bytes, hash: str | bytes | None, scheme: str | None = None, category: str | None = None
    ) -> bool:
        """Whether a password belongs to a stored hash.

        Every answer costs one verification, so timing tells nothing about the account, and a long password takes no
        longer than a short one. ``False``, after the work of a wrong password, is also the answer to a password that
        cannot be right (empty, with a NUL, over 4096 characters), and for a stored hash that is none (``None``, plain
        text, ``$2x$``, damaged), which is logged as a warning, without its text.

        Args:
            secret: the password as the client sent it.
            hash: the stored hash, of any accepted scheme.
            scheme: accept only this scheme.
            category: accepted as passlib does, and ignored.

        Raises:
            TypeError: ``secret`` is neither text nor bytes.
            ValueError: ``scheme`` is not one of the schemes.
        """
        if scheme is not None and scheme not in self._schemes:
            raise ValueError(f"unknown password scheme {scheme!r}; known: {sorted(self._schemes)}")
        try:
            encoded: bytes | None = _encode(secret)
        except PasswordError:
            encoded = None
        text = _text(hash)
        found = self._find(text)
        if found is None or (scheme is not None and found.name != scheme):
            logger.warning("login refused: the stored password hash is %s", _describe(hash))
            return self.dummy_verify()
        if encoded is None:
            found.verify(_STAND_IN, text)
            return False
        return found.verify(encoded, text)

    def needs_update(
        self,
        hash: str | bytes,
        scheme: str | None = None,
        category: str | None = None,
        secret: str | bytes | None = None,
    ) -> bool:
        """Whether a stored hash should be replaced at the next login.

        So for another scheme than the default one, a lower cost than the configured one, a variant other than ``2b``,
        and for text that is no hash at all. The other arguments are accepted as passlib does, and ignored.
        """
        text = _text(hash)
        found = self._find(text)
        return found is None or found is not self._default or found.needs_update(text)

    def verify_and_update(
        self, secret: str | bytes, hash: str | bytes | None, scheme: str | None = None, category: str | None = None
    ) -> tuple[bool, str | None]:
        """Verifies as :meth:`verify` does, and makes a new hash where :meth:`needs_update` asks for one.

        Returns:
            ``(False, None)``, ``(True, None)``, or ``(True, new_hash)``: store ``new_hash`` in place of the old one.
            There is none for an old password longer than could be set today: only its owner can choose another.
        """
        if not self.verify(secret, hash, scheme, category):
            return False, None
        if hash is None or not self.needs_update(hash):
            return True, None
        try:
            return True, self.hash(secret)
        except PasswordError:
            return True, None

    def identify(self, hash: str | bytes | None, category: str | None = None) -> str | None:
        """Name of the scheme of a well-formed stored hash, or ``None``."""
        found = self._find(_text(hash))
        return None if found is None else found.name

    def dummy_verify(self) -> bool:
        """Does the work of one verification and returns ``False``.

        For logins of unknown users, who would otherwise be told apart by the time the answer takes.
        """
        self._default.verify(_STAND_IN, self._default.dummy_hash())
        return False

    def _find(self, text: str) -> Scheme | None:
        return next((scheme for scheme in self._schemes.values() if scheme.identify(text)), None)


def _encode(secret: str | bytes, limit: int | None = None) -> bytes:
    """The password as bytes of which there are at most ``limit``, or :class:`PasswordError`."""
    if not isinstance(secret, (str, bytes)):
        raise TypeError(f"password must be str or bytes, not {type(secret).__name__}")
    too_long = PasswordError(f"password is too long: at most {limit or MAX_SECRET} bytes in UTF-8 are possible")
    if len(secret) > MAX_SECRET:  # before anything walks through it
        raise too_long
    try:
        encoded = secret.encode() if isinstance(secret, str) else secret
    except UnicodeEncodeError:
        raise PasswordError("password contains an invalid character (a lone surrogate)") from None
    if not encoded:
        raise PasswordError("password must not be empty")
    if 0 in encoded:
        raise PasswordError("password must not contain NUL characters")
    if limit is not None and len(encoded) > limit:
        raise too_long
    return encoded


def _text(hash: object) -> str:
    """A stored hash as text; what cannot be one becomes text that no scheme identifies."""
    if isinstance(hash, bytes):
        return hash.decode("ascii", "replace")
    return hash if isinstance(hash, str) else ""


def _describe(hash: object) -> str:
    """Why a stored hash was refused, without giving it away: it may be a password stored as it was."""
    if hash is None:
        return "missing"
    text = _text(hash)
    if not text:
        return "empty" if isinstance(hash, (str, bytes)) else f"of type {type(hash).__name__}"
    if text.startswith("$2x$"):
        return "a $2x$ one, which is not accepted: that variant confuses different passwords"
    return f"not one of an accepted scheme, or damaged ({len(text)} characters)"
