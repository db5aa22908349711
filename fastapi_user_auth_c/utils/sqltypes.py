"""Column types."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr
from sqlalchemy import String, types
from sqlalchemy.engine import Dialect

from ..dialects import MYSQL


class SecretStrType(types.TypeDecorator[Any]):
    """Text in the database, a ``SecretStr`` in Python: it does not show up in logs and tracebacks."""

    impl = String
    cache_ok = True
    mysql_default_length = 255

    @property
    def python_type(self) -> type[Any]:
        return str

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name in MYSQL and getattr(self.impl, "length", None) is None:
            return dialect.type_descriptor(String(self.mysql_default_length))
        return super().load_dialect_impl(dialect)

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return value.get_secret_value() if isinstance(value, SecretStr) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else SecretStr(value)
