"""Password hashing: :class:`PasswordHasher`, a ``pwd_context`` with the method names of passlib's ``CryptContext``.

Hashes written by passlib, bcrypt, argon2-cffi or Django are verified as they are, in C and with the GIL released. None
of these packages is needed. Async code hashes by :func:`in_hashing_thread`.

Setting a password is strict (:class:`PasswordError`): bcrypt would silently ignore what comes after 72 bytes. Checking
one never raises because of what a client sent or a database holds, and old hashes of longer passwords still verify, by
their first 72 bytes, as they always did.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from .password_schemes import (
    BUILT_IN,
    MAX_SECRET,
    Argon2Scheme,
    BcryptScheme,
    BcryptSha256Scheme,
    Pbkdf2Scheme,
    ScalableScheme,
    Scheme,
    cores,
)

__all__ = [
    "Argon2Scheme",
    "BcryptScheme",
    "BcryptSha256Scheme",
    "PasswordError",
    "PasswordHasher",
    "Pbkdf2Scheme",
    "ScalableScheme",
    "Scheme",
    "in_hashing_thread",
]

logger = logging.getLogger("fastapi_user_auth_c.passwords")

_T = TypeVar("_T")

_STAND_IN = b"stand-in for a refused password"


class PasswordError(ValueError):
    """A password that cannot be set: empty, too long, or with a NUL character. The message may be shown to users."""


_limiter: RunVar[anyio.CapacityLimiter] = RunVar("fastapi_user_auth_c.hashing")


async def in_hashing_thread(function: Callable[..., _T], *args: object) -> _T:
    """Calls a function that hashes passwords in a worker thread.

    There are as many of these threads as cores, beside the ones that serve sync endpoints: a burst of logins waits its
    turn here, and neither stalls the event loop nor takes threads or memory from the rest of the application.
    """
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(cores())
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(function, *args, limiter=limiter)


class PasswordHasher:
    """Hashes and verifies passwords; usable wherever a passlib ``CryptContext`` was given as ``pwd_context``.

    Thread-safe. Each hash or verification takes a core for about 0.25 s at the default cost, so async code calls it by
    :func:`in_hashing_thread`.

    Args:
        schemes: what stored hashes may be: names (``bcrypt``, ``bcrypt_sha256``, ``argon2id``, ``pbkdf2_sha256``,
            ``pbkdf2_sha512``, ``pbkdf2_sha1``) or :class:`Scheme` objects, such as :class:`Argon2Scheme` with other
            costs.
        default: the scheme of new hashes; hashes of any other one are reported by :meth:`needs_update`.
        bcrypt_rounds: cost of bcrypt and bcrypt_sha256 where they are given by name, 4 to 31.

    Raises:
        ValueError: no or unknown schemes, ``default`` is not one of them, or ``bcrypt_rounds`` is out of range.
    """

    def __init__(
        self, schemes: Sequence[str | Scheme] = ("bcrypt",), default: str = "bcrypt", bcrypt_rounds: int = 12
    ) -> None:
        self._schemes: dict[str, Scheme] = {}
        for scheme in (schemes,) if isinstance(schemes, str) else schemes:
            if isinstance(scheme, str):
                if scheme not in BUILT_IN:
                    raise ValueError(f"unknown password scheme {scheme!r}; known: {', '.join(BUILT_IN)}")
                scheme = BUILT_IN[scheme](bcrypt_rounds)
            self._schemes[scheme.name] = scheme
        if default not in self._schemes:
            raise ValueError(f"default scheme {default!r} is not among the schemes {sorted(self._schemes)}")
        self._default = self._schemes[default]
        self._measured: tuple[Scheme, dict[str, float]] | None = None
        self._measuring = threading.Lock()

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
            settings: of the scheme, for this hash only, under the names that the scheme's constructor has.

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

        Every refusal takes as long as :meth:`dummy_verify`, also for a stored hash of a lower cost than the configured
        one or of another scheme, so timing tells nothing about the account, and a long password takes no longer than a
        short one. (Longer are refusals for hashes of a higher cost than the configured one of the slowest scheme, and
        shorter may be those where a scheme is no :class:`ScalableScheme`, the hash's own or the slowest.)

        ``False``, after the work of a wrong password, is also the answer to a password that cannot be right (empty,
        with a NUL, over 4096 characters), and for a stored hash that is none (``None``, plain text, ``$2x$``,
        damaged), which is logged as a warning, without its text.

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
        try:
            right = found.verify(_STAND_IN if encoded is None else encoded, text) and encoded is not None
        except MemoryError:
            logger.error("login refused: there is not the memory that the stored password hash demands")
            return False
        if not right:
            self._work_more(found, text)
        return right

    def needs_update(
        self,
        hash: str | bytes,
        scheme: str | None = None,
        category: str | None = None,
        secret: str | bytes | None = None,
    ) -> bool:
        """Whether a stored hash should be replaced at the next login.

        So for another scheme than the default one, a lower cost than the configured one, a variant other than ``2b``,
        and for text that is no hash at all. ``scheme``, ``category`` and ``secret`` are accepted as passlib does, and
        ignored.
        """
        text = _text(hash)
        found = self._find(text)
        return found is None or found is not self._default or found.needs_update(text)

    def verify_and_update(
        self, secret: str | bytes, hash: str | bytes | None, scheme: str | None = None, category: str | None = None
    ) -> tuple[bool, str | None]:
        """Verifies as :meth:`verify` does, and makes a new hash where :meth:`needs_update` asks for one.

        Args:
            secret: the password to check.
            hash: what is stored.
            scheme: the only scheme that the hash may be of; default any of the accepted ones.
            category: accepted as passlib does, and ignored.

        Returns:
            ``(False, None)``, ``(True, None)``, or ``(True, new_hash)``: store ``new_hash`` in place of the old one.
            There is none for an old password longer than could be set today: only its owner can choose another.

        Raises:
            TypeError: ``secret`` is neither text nor bytes.
            ValueError: ``scheme`` is not one of the schemes.
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
        """Does the work of one verification, of the scheme that takes longest, and returns ``False``.

        For logins of unknown users, who would otherwise be told apart by the time the answer takes.
        """
        with _without_memory():
            longest = self._longest()[0]
            longest.verify(_STAND_IN, longest.dummy_hash())
        return False

    def _work_more(self, found: Scheme, text: str) -> None:
        """Does, after a refusal for the hash ``text``, what :meth:`dummy_verify` does more than that took."""
        with _without_memory():
            longest, shares = self._longest()
            spent = shares[found.name]
            if isinstance(found, ScalableScheme):
                full, there = found.work(found.dummy_hash()), found.work(text)
                _work(found, full - there)
                spent *= max(1.0, there / max(full, 1))
            if isinstance(longest, ScalableScheme):
                _work(longest, round(longest.work(longest.dummy_hash()) * (1 - spent)))

    def _longest(self) -> tuple[Scheme, dict[str, float]]:
        """The scheme whose verifications take longest, and the share of its time that those of each scheme take.

        Measured at the first call, with a part of the work of each: the least of a few, as other work disturbs.
        """
        with self._measuring:  # others would disturb most
            if self._measured is None:
                taken: dict[str, list[float]] = {name: [] for name in self._schemes}
                for _ in range(3 if len(taken) > 1 else 0):
                    for name, scheme in self._schemes.items():
                        taken[name].append(_seconds(scheme))
                least = {name: max(min(times, default=1.0), 1e-9) for name, times in taken.items()}
                name = max(least, key=lambda name: least[name])
                shares = {each: seconds / least[name] for each, seconds in least.items()}
                self._measured = self._schemes[name], shares
        return self._measured

    def _find(self, text: str) -> Scheme | None:
        return next((scheme for scheme in self._schemes.values() if scheme.identify(text)), None)


@contextmanager
def _without_memory() -> Iterator[None]:
    """Work for the sake of its time, which goes as far as there is memory for it."""
    try:
        yield
    except MemoryError:
        logger.error("a refusal took less time than others: there is not the memory that a password hash demands")


def _work(scheme: ScalableScheme, work: int) -> None:
    """Does this much work of a scheme."""
    for dummy in scheme.dummy_hashes(work):
        scheme.verify(_STAND_IN, dummy)


def _seconds(scheme: Scheme) -> float:
    """How long a verification takes, from an eighth of it where that can be had."""
    if isinstance(scheme, ScalableScheme):
        start = time.perf_counter()
        _work(scheme, scheme.work(scheme.dummy_hash()) // 8)
        if (seconds := time.perf_counter() - start) > 0.001:
            return seconds * 8
    start = time.perf_counter()
    scheme.verify(_STAND_IN, scheme.dummy_hash())
    return time.perf_counter() - start


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
