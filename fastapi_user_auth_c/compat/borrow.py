"""Names that FAA (and the optional sqlmodelx) import from private modules, lent to them while they are imported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from .fields import create_cloned_field
from .versions import require


def _config_value(*, model: Any, parameter: str, default: Any = None) -> Any:
    return model.model_config.get(parameter, default)


def _set_config_value(*, model: Any, parameter: str, value: Any) -> None:
    model.model_config[parameter] = value


def _nothing_to_do(field_info: Any) -> None:
    """sqlmodel's post_init_field_info did nothing on pydantic 2."""


def wanted() -> dict[str, dict[str, Any]]:
    """Module -> name -> value; a string is the dotted name of what replaces it there."""
    return {
        # the first two left in 0.119.0 (one of them came back in 0.128.4), the third in 0.119.0
        "fastapi._compat": {
            "field_annotation_is_sequence": "fastapi._compat.shared:field_annotation_is_sequence",
            "field_annotation_is_scalar_sequence": "fastapi._compat.shared:field_annotation_is_scalar_sequence",
            "field_annotation_is_scalar": "fastapi._compat.shared:field_annotation_is_scalar",
            "sequence_annotation_to_type": "fastapi._compat.shared:sequence_annotation_to_type",
        },
        "fastapi.utils": {"create_cloned_field": create_cloned_field},  # left in 0.128.4
        # left in sqlmodel 0.0.31; all but the first are for sqlmodelx, without which FAA falls back silently
        "sqlmodel._compat": {
            "post_init_field_info": _nothing_to_do,
            "IS_PYDANTIC_V2": True,
            "get_config_value": _config_value,
            "set_config_value": _set_config_value,
        },
    }


@contextmanager
def borrowed_names() -> Iterator[None]:
    """Adds only what is missing, and takes away again only what it added."""
    lent: list[tuple[Any, str]] = []
    try:
        for module_name, names in wanted().items():
            module = import_module(module_name)
            for name, value in names.items():
                if hasattr(module, name):
                    continue
                if isinstance(value, str):
                    value = require(*value.split(":"))
                setattr(module, name, value)
                lent.append((module, name))
        yield
    finally:
        for module, name in lent:
            delattr(module, name)
