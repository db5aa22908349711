"""The C extension: the policy engine, password hashing and token codec. Built from ``csrc``."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from typing_extensions import disjoint_base

class RuleError(ValueError):
    """A rule that does not fit the policy model, or may not be stored."""

class CycleError(RuleError):
    """A role link that would close a cycle."""

class ModelError(ValueError):
    """Model text that cannot be read or evaluated."""

class TokenError(ValueError):
    """A token that is refused; the subclasses say why."""

class TokenFormatError(TokenError):
    """Not a token, or not strictly encoded, or too large."""

class TokenSignatureError(TokenError):
    """A signature that does not fit, or an algorithm, key, type or extension that is not accepted."""

class TokenClaimError(TokenError):
    """Signed, but a claim is missing, of the wrong type, not valid yet, or for somebody else."""

class TokenExpiredError(TokenClaimError):
    """Signed, but its life is over."""

@disjoint_base
class PolicyEngine:
    """Rules in memory and the decisions they make; base class of the enforcers, which add storage."""

    enabled: bool
    """While False, everything is allowed (Casbin's enable_enforce)."""
    @property
    def generation(self) -> int:
        """A number that moves on with every change of the policy."""
    def __init__(self) -> None: ...

    # decisions
    def enforce(self, /, *request: str) -> bool: ...
    def enforce_ex(self, /, *request: str) -> tuple[bool, list[str]]: ...
    def batch_enforce(self, requests: Iterable[Sequence[str]], /) -> list[bool]: ...

    # reading rules
    def rules(self, ptype: str, field_index: int = 0, field_values: Sequence[str] = (), /) -> list[list[str]]: ...
    def has_rule(self, ptype: str, rule: Sequence[str], /) -> bool: ...
    def count(self, ptype: str, /) -> int: ...
    def reach(self, ptype: str, start: str, domain: str | None = None, members: bool = False, /) -> list[str]: ...
    def types(self, /) -> dict[str, int]: ...
    def fields(self, /) -> tuple[list[str], list[str]]: ...
    def cycle(self, /) -> str | None: ...

    # changing rules in memory
    def check(self, ptype: str, rules: Iterable[Sequence[str]], gone: Iterable[Sequence[str]] = (), /) -> None: ...
    def add(self, ptype: str, rules: Iterable[Sequence[str]], /) -> int: ...
    def remove(self, ptype: str, rules: Iterable[Sequence[str]], /) -> int: ...
    def load(self, rows: Iterable[tuple[Any, ...]], /) -> list[tuple[Any, str]]: ...
    def settle(self, /) -> None: ...
    def define(self, model_text: str | None = None, /) -> None: ...
    def exchange(self, other: PolicyEngine, /) -> None: ...

@disjoint_base
class TokenCodec:
    """Writes and reads signed claims; base class of the one in ``tokens``, which takes keys as users have them."""

    def __init__(
        self,
        keys: Iterable[
            tuple[str, str | None, bytes]
            | tuple[str, str | None, Callable[[bytes], bytes] | None, Callable[[bytes, bytes], bool]]
        ],
        *,
        audience: str | None = None,
        issuer: str | None = None,
        typ: str = "JWT",
        required: Iterable[str] = (),
        leeway: float = 0,
        max_size: int = 8192,
    ) -> None: ...
    def decode(self, token: str | bytes, /, *, now: float | None = None) -> dict[str, Any]: ...
    def encode(self, claims: dict[str, Any], /, *, lifetime: float | None = None, now: float | None = None) -> str: ...

def bcrypt_hash(password: bytes, salt: bytes, cost: int, variant: str = "2b") -> str: ...
def bcrypt_verify(password: bytes, hashed: str | bytes) -> bool: ...
def bcrypt_parse(hashed: str | bytes) -> tuple[str, int] | None: ...
def password_hash(
    scheme: str, password: bytes, salt: bytes, *, rounds: int = 0, memory: int = 0, passes: int = 0, lanes: int = 0
) -> str: ...
def password_verify(password: bytes, hashed: str | bytes) -> bool: ...
def password_parse(hashed: str | bytes) -> tuple[str, dict[str, int], bool] | None: ...
