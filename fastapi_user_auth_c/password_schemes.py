"""The schemes of :class:`~fastapi_user_auth_c.passwords.PasswordHasher`: bcrypt, Argon2id, PBKDF2.

Each reads what passlib and Django wrote for it, and writes one form: passlib's, or the PHC string for Argon2id.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from ._core import bcrypt_parse, password_hash, password_parse, password_verify

MAX_SECRET = 4096
"""Longest password that is looked at, in characters (the limit of passlib)."""


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class Scheme(Protocol):
    """One way to hash passwords. To add one, implement this and hand an instance to ``PasswordHasher``."""

    name: str
    """The name in ``schemes=`` and the answer of ``identify``."""
    max_secret: int
    """Longest password it can represent in full, in bytes; longer ones cannot be set."""

    def identify(self, hash: str) -> bool:
        """Whether ``hash`` is a well-formed hash of this scheme; only then the methods below are called with it."""

    def hash(self, secret: bytes, **settings: int) -> str:
        """Hashes a password with a fresh salt.

        Args:
            secret: the password, which is not empty, not too long, and has no NUL.
            settings: such as costs, for this hash only.

        Raises:
            TypeError: the scheme has no such setting.
            ValueError: a setting is out of range.
        """

    def verify(self, secret: bytes, hash: str) -> bool:
        """Whether the password (``secret``) belongs to the hash."""

    def needs_update(self, hash: str) -> bool:
        """Whether ``hash`` was made with weaker or other settings than this scheme has now."""

    def dummy_hash(self) -> str:
        """A fixed, well-formed hash with the present settings: verifying against it costs what a real login costs."""


@runtime_checkable
class ScalableScheme(Scheme, Protocol):
    """A scheme whose work can be had in parts, so that refusals for hashes of any cost can be made to last as long."""

    def work(self, hash: str) -> int:
        """What it takes to verify against ``hash``, in a unit of the scheme's own."""

    def dummy_hashes(self, work: int) -> list[str]:
        """Well-formed hashes against which to verify takes ``work`` together, or about that; none for 0 and less."""


class _CoreScheme:
    """What the schemes of the C core have in common."""

    name = ""
    max_secret = MAX_SECRET
    limits: dict[str, tuple[int, int]] = {}
    """The settings, and the range of each."""

    def __init__(self, **costs: int) -> None:
        self._check(costs)
        self._costs = costs

    def _check(self, costs: dict[str, int]) -> None:
        for setting, value in costs.items():
            if setting not in self.limits:
                raise TypeError(f"{self.name} has no setting {setting!r}")
            least, most = self.limits[setting]
            if not least <= value <= most:
                raise ValueError(f"{self.name} {setting} must be between {least} and {most}, not {value}")

    def identify(self, hash: str) -> bool:
        """As :meth:`Scheme.identify`: whether a hash is one of this scheme."""
        parsed = password_parse(hash)
        return parsed is not None and parsed[0] == self.name

    def hash(self, secret: bytes, **settings: int) -> str:
        """As :meth:`Scheme.hash`: the hash of ``secret``, with other ``settings`` where some are given."""
        self._check(settings)
        return password_hash(self.name, secret, secrets.token_bytes(16), **{**self._costs, **settings})

    def verify(self, secret: bytes, hash: str) -> bool:
        """As :meth:`Scheme.verify`: whether ``secret`` belongs to the hash."""
        return password_verify(secret, hash)

    def needs_update(self, hash: str) -> bool:
        """As :meth:`Scheme.needs_update`: whether a hash was made with weaker settings."""
        parsed = password_parse(hash)
        if parsed is None or parsed[0] != self.name or not parsed[2]:
            return True
        return any(parsed[1][cost] < wanted for cost, wanted in self._costs.items())

    def dummy_hash(self) -> str:
        """As :meth:`Scheme.dummy_hash`."""
        return self._dummy(**self._costs)

    def work(self, hash: str) -> int:
        """As :meth:`ScalableScheme.work`: here the rounds of ``hash``."""
        parsed = password_parse(hash)
        return 0 if parsed is None else parsed[1]["rounds"]

    def dummy_hashes(self, work: int) -> list[str]:
        """As :meth:`ScalableScheme.dummy_hashes`: here one that takes ``work``."""
        return [self._dummy(rounds=work)] if work > 0 else []

    def _dummy(self, **costs: int) -> str:
        """A fixed, well-formed hash of these costs."""
        raise NotImplementedError


class _BcryptWork(_CoreScheme):
    """The work of bcrypt: two to the power of what it calls rounds."""

    def work(self, hash: str) -> int:
        """As :meth:`ScalableScheme.work`, of ``hash``."""
        parsed = password_parse(hash)
        return 0 if parsed is None else 2 ** parsed[1]["rounds"]

    def dummy_hashes(self, work: int) -> list[str]:
        """As :meth:`ScalableScheme.dummy_hashes`: ``work`` as a sum of powers of two."""
        least, most = self.limits["rounds"]
        return [self._dummy(rounds=rounds) for rounds in range(least, most + 1) if work > 0 and work >> rounds & 1]


class BcryptScheme(_BcryptWork):
    """bcrypt: writes ``$2b$``, reads ``$2a$``, ``$2b$`` and ``$2y$``; the faulty ``$2x$`` is not accepted.

    Args:
        rounds: base-2 logarithm of the work, 4 to 31. One more doubles the time.

    Raises:
        ValueError: ``rounds`` is out of range.
    """

    name = "bcrypt"
    max_secret = 72
    limits = {"rounds": (4, 31)}

    def __init__(self, rounds: int = 12) -> None:
        super().__init__(rounds=rounds)
        self.rounds = rounds

    def needs_update(self, hash: str) -> bool:
        parsed = bcrypt_parse(hash)
        if parsed is None:  # as Django writes it
            return True
        # Unused bits in the last characters of salt and digest: harmless here, but other verifiers refuse them.
        tidy = hash[28] in ".Oeu" and hash[59] in ".CGKOSWaeimquy26"
        return parsed[0] != "2b" or parsed[1] < self.rounds or not tidy

    def _dummy(self, **costs: int) -> str:
        return f"$2b${costs['rounds']:02d}${'.' * 53}"


class BcryptSha256Scheme(_BcryptWork):
    """bcrypt of a SHA-256 digest, so that passwords over 72 bytes count in full: passlib's ``bcrypt_sha256``.

    Writes passlib's version 2, reads its older form and Django's as well.

    Args:
        rounds: as for :class:`BcryptScheme`.

    Raises:
        ValueError: ``rounds`` is out of range.
    """

    name = "bcrypt_sha256"
    limits = BcryptScheme.limits

    def __init__(self, rounds: int = 12) -> None:
        super().__init__(rounds=rounds)

    def _dummy(self, **costs: int) -> str:
        return f"$bcrypt-sha256$v=2,t=2b,r={costs['rounds']}${'.' * 22}${'.' * 31}"


class Argon2Scheme(_CoreScheme):
    """Argon2id (RFC 9106): writes ``$argon2id$``, reads ``$argon2i$`` and ``$argon2d$`` too, and replaces them.

    Args:
        memory: KiB that one hash takes, from 8 for each lane to 2 GiB; default is the second recommendation of the RFC.
        passes: over the memory, at least 1.
        lanes: threads that one hash may use, 1 to 64.

    Raises:
        ValueError: a setting is out of range.
    """

    name = "argon2id"
    limits = {"memory": (8, 2**21), "passes": (1, 2**16), "lanes": (1, 64)}

    def __init__(self, memory: int = 65536, passes: int = 3, lanes: int = 4) -> None:
        super().__init__(memory=memory, passes=passes, lanes=lanes)
        if memory < 8 * lanes:
            raise ValueError(f"argon2id memory must be at least 8 KiB for each lane, so {8 * lanes}, not {memory}")

    def identify(self, hash: str) -> bool:
        parsed = password_parse(hash)
        return parsed is not None and parsed[0] in ("argon2id", "argon2i", "argon2d")

    def needs_update(self, hash: str) -> bool:
        parsed = password_parse(hash)
        if parsed is None or parsed[0] != self.name or not parsed[2]:
            return True
        costs = parsed[1]  # lanes are about time, not strength
        return (
            costs["memory"] < self._costs["memory"] or costs["passes"] < self._costs["passes"] or costs["version"] < 19
        )

    def work(self, hash: str) -> int:
        """As :meth:`ScalableScheme.work`: here the KiB that ``hash`` has each core fill, in all passes."""
        parsed = password_parse(hash)
        return 0 if parsed is None else parsed[1]["memory"] * parsed[1]["passes"] // min(parsed[1]["lanes"], cores())

    def dummy_hashes(self, work: int) -> list[str]:
        """As :meth:`ScalableScheme.dummy_hashes`: ``work`` as full passes over the memory and a part of one."""
        memory, lanes = self._costs["memory"], self._costs["lanes"]
        passes, rest = divmod(work * min(lanes, cores()), memory)
        hashes = [self._dummy(memory=memory, passes=passes, lanes=lanes)] if passes > 0 else []
        return hashes + ([self._dummy(memory=rest, passes=1, lanes=lanes)] if rest >= 8 * lanes and work > 0 else [])

    def _dummy(self, **costs: int) -> str:
        settings = "m={memory},t={passes},p={lanes}".format(**costs)
        return f"$argon2id$v=19${settings}${'A' * 22}${'A' * 43}"


class Pbkdf2Scheme(_CoreScheme):
    """PBKDF2 with HMAC: writes passlib's ``$pbkdf2-sha256$``, reads Django's ``pbkdf2_sha256$`` too.

    Args:
        digest: ``sha256``, ``sha512``, or ``sha1`` (``$pbkdf2$`` of passlib, ``pbkdf2_sha1$`` of Django; for accounts
            that have such a hash: choose another scheme for new ones); the scheme's name is ``pbkdf2_`` and this.
        rounds: 1 to 100 million; default 600,000 for SHA-256, 210,000 for SHA-512 and 1,300,000 for SHA-1, as OWASP's
            Password Storage Cheat Sheet has them.

    Raises:
        ValueError: another digest, or ``rounds`` out of range.
    """

    limits = {"rounds": (1, 100_000_000)}

    def __init__(self, digest: str = "sha256", rounds: int | None = None) -> None:
        defaults = {"sha256": 600_000, "sha512": 210_000, "sha1": 1_300_000}
        if digest not in defaults:
            raise ValueError(f"PBKDF2 is there with sha256, sha512 and sha1, not {digest!r}")
        self.name = f"pbkdf2_{digest}"
        self._digest_chars = {"sha256": 43, "sha512": 86, "sha1": 27}[digest]
        super().__init__(rounds=defaults[digest] if rounds is None else rounds)

    def _dummy(self, **costs: int) -> str:
        head = "$pbkdf2" if self.name == "pbkdf2_sha1" else f"${self.name.replace('_', '-')}"
        return f"{head}${costs['rounds']}${'A' * 22}${'A' * self._digest_chars}"


BUILT_IN: dict[str, Callable[[int], Scheme]] = {
    "bcrypt": BcryptScheme,
    "bcrypt_sha256": BcryptSha256Scheme,
    "argon2id": lambda rounds: Argon2Scheme(),
    "pbkdf2_sha256": lambda rounds: Pbkdf2Scheme("sha256"),
    "pbkdf2_sha512": lambda rounds: Pbkdf2Scheme("sha512"),
    "pbkdf2_sha1": lambda rounds: Pbkdf2Scheme("sha1"),
}
"""The schemes that can be given by name; the argument is the cost of the bcrypt ones."""
