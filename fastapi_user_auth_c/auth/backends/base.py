"""What a token store has to do."""

from typing import Any, Generic, Optional, TypeVar, Union

from pydantic import BaseModel

from ..schemas import BaseTokenData

_TokenDataSchemaT = TypeVar("_TokenDataSchemaT", bound=BaseModel)

THREE_DAYS = 60 * 60 * 24 * 3


class BaseTokenStore(Generic[_TokenDataSchemaT]):
    """Issues tokens, reads them back and ends them.

    Args:
        expire_seconds: life of a token.
        TokenDataSchema: pydantic model of what a token carries; default :class:`BaseTokenData`.
    """

    TokenDataSchema: type[Any]

    def __init__(
        self,
        expire_seconds: Optional[int] = THREE_DAYS,
        TokenDataSchema: Optional[type[_TokenDataSchemaT]] = None,
    ) -> None:
        self.TokenDataSchema = TokenDataSchema or BaseTokenData
        self.expire_seconds = expire_seconds

    def token_data(self, data: Union[_TokenDataSchemaT, dict[str, Any]]) -> Any:
        """The data of a token as a schema object; pydantic's ValidationError when it does not fit."""
        return self.TokenDataSchema.model_validate(data) if isinstance(data, dict) else data

    async def read_token(self, token: str) -> Optional[_TokenDataSchemaT]:
        """What the token says, or None when it is unknown, expired or malformed."""
        raise NotImplementedError

    async def write_token(self, token_data: Union[_TokenDataSchemaT, dict[str, Any]]) -> str:
        """A new token for these data."""
        raise NotImplementedError

    async def destroy_token(self, token: str) -> None:
        """End a token before its time."""
        raise NotImplementedError
