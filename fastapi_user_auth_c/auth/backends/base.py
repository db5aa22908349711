"""What a token store has to do, and what ties a token to the account it was made for."""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any, Generic, Optional, Union

from pydantic import BaseModel, SecretStr, create_model
from typing_extensions import TypeVar

from ..revocations import Revocations
from ..schemas import BaseTokenData

_TokenDataSchemaT = TypeVar("_TokenDataSchemaT", bound=BaseModel, default=BaseTokenData)

THREE_DAYS = 60 * 60 * 24 * 3

BINDING = {name: BaseTokenData.model_fields[name] for name in ("bound_to", "bound_at", "jti")}
"""The fields of a token that are not the application's."""


def digest_text(digest: bytes) -> str:
    """A digest as base64url without padding (RFC 7515, section 2)."""
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def stored_name(token: str) -> str:
    """What a token is stored under: of no use to whoever reads the storage. No token has a colon."""
    return f"s:{digest_text(hashlib.sha256(token.encode()).digest())}"


def possible_names(token: str) -> tuple[str, ...]:
    """What a presented token may be stored under; the original stored tokens as they are."""
    if not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        return ()
    return stored_name(token), token


def account_state(account: Any) -> str:
    """What a token of this account depends on: the stored password hash, and for whom it is.

    An account without a password has nothing that tells it from a later one of its name but when it was made.

    Args:
        account: a user, or the dict of one.
    """
    get = account.get if isinstance(account, dict) else lambda name: getattr(account, name, None)
    password = get("password")
    if isinstance(password, SecretStr):
        password = password.get_secret_value()
    # to the second: some databases keep no more
    return f"{get('id')}\0{get('username')}\0{password or str(get('create_time'))[:19]}"


def _is_bindable(account: dict[str, Any]) -> bool:
    """Whether the data of an account have the stored password hash in them, and not a mask or nothing in its place."""
    password = account.get("password")
    if isinstance(password, SecretStr):
        password = password.get_secret_value()
    return isinstance(password, str) and (bool(password.strip("*")) or (password == "" and "create_time" in account))


class BaseTokenStore(Generic[_TokenDataSchemaT]):
    """Issues tokens, reads them back and ends them.

    A store of one's own overrides ``read_token``, ``write_token`` and ``destroy_token``. What it is given to write it
    completes by :meth:`bound_data`, if its tokens shall end with a changed password; those of inactive, deleted and
    renamed accounts are refused anyway.

    Args:
        expire_seconds: life of a token, in whole seconds; None for tokens that live until they are ended.
        TokenDataSchema: pydantic model of what a token carries; default :class:`BaseTokenData`.

    Raises:
        ValueError: ``expire_seconds`` is not a positive number of seconds.
    """

    TokenDataSchema: type[Any]
    binds = False
    """Whether ``write_token`` stores what :meth:`bound_data` gives; without that nobody can tell which tokens were made
    before all of an account were ended."""

    revocations: Optional[Revocations] = None
    """What ended before its time; set by the ``Auth`` that the store is given to."""

    def __init__(
        self,
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        if expire_seconds is not None and (
            isinstance(expire_seconds, bool) or not isinstance(expire_seconds, int) or expire_seconds <= 0
        ):
            raise ValueError(f"expire_seconds must be a positive number of seconds or None, not {expire_seconds!r}")
        self.TokenDataSchema = _with_binding(TokenDataSchema or BaseTokenData)
        self.expire_seconds = expire_seconds

    def token_data(self, data: Union[_TokenDataSchemaT, dict[str, Any]]) -> Any:
        """The data of a token as a schema object; pydantic's ValidationError when it does not fit."""
        return self.TokenDataSchema.model_validate(data) if isinstance(data, dict) else data

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        """What the token says, or None when it is unknown, expired, ended or malformed."""
        raise NotImplementedError

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        """A new token for these data.

        Args:
            token_data: a schema object, or the dict of a user (``user.model_dump()``). Only the latter has the
                password hash in it, so that the token ends when the password is changed.
        """
        raise NotImplementedError

    async def destroy_token(self, token: str) -> None:
        """End a token before its time."""
        raise NotImplementedError

    async def purge(self) -> int:
        """Remove what has expired from the storage; how many there were."""
        return 0

    # --- the account behind a token

    async def bound_data(self, data: Union[_TokenDataSchemaT, dict[str, Any]], token: str) -> dict[str, Any]:
        """What a token is to carry, as JSON has it: the fields of the schema, and what ties it to its account.

        Args:
            data: as :meth:`write_token` takes it.
            token: the token, or its id if it contains what it carries.
        """
        account = data if isinstance(data, dict) else {}
        if not isinstance(data, dict) and not isinstance(data, (self.TokenDataSchema, BaseTokenData)):
            account = data = data.model_dump()  # a user
        out: dict[str, Any] = self.token_data(data).model_dump(mode="json")
        for name in BINDING:  # of the token that these data were read from
            out[name] = None
        if _is_bindable(account):
            out["bound_to"] = next(self.seals(token, account_state(account)))
        if self.revocations is not None:
            out["bound_at"] = await self.revocations.revision()
        return {name: value for name, value in out.items() if value is not None or name not in BINDING}

    def seals(self, token: str, state: str) -> Iterator[str]:
        """The state of an account as its token may carry it, the way of new tokens first.

        Here it is keyed with the token, which the storage does not have.
        """
        yield seal(token.encode()[:64], state)

    def fits(self, token: str, data: Any, account: Any) -> bool:
        """Whether an account is still what it was when the token was made.

        Args:
            token: the token, or its id, as :meth:`bound_data` had it.
            data: what :meth:`read_token` answered.
            account: the user as stored now.
        """
        bound_to = getattr(data, "bound_to", None)
        if bound_to is None:  # written for data without a password hash, or by the original
            return True
        seals = self.seals(token, account_state(account))
        return any(hmac.compare_digest(seal.encode(), bound_to.encode()) for seal in seals)


def seal(key: bytes, text: str) -> str:
    """128 bits of a keyed digest of a text (BLAKE2b, RFC 7693, section 2.9); the key has 64 bytes at most."""
    return digest_text(hashlib.blake2b(text.encode(), key=key, digest_size=16).digest())


def _with_binding(schema: type[Any]) -> type[Any]:
    """A schema that keeps what ties a token to its account."""
    if set(BINDING) <= schema.model_fields.keys():
        return schema
    fields: Any = {name: (field.annotation, None) for name, field in BINDING.items()}
    return create_model(schema.__name__, __base__=schema, **fields)
