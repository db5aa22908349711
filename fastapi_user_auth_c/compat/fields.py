"""The ModelField that FAA gets, and the functions that make fields and models of it.

FastAPI's own ModelField is private and builds a validator for each field, which FAA never uses and which fails on
fields whose attributes were set afterwards (FAA does that: a default, an alias, an annotation). This one only describes
a field. FieldInfo objects are copied before they are changed: they belong to users' models.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Optional

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from .versions import require

_BARE = FieldInfo()
# what FieldInfo remembers besides the type, the constraints and its private state
_ATTRIBUTES = [
    name
    for name in FieldInfo.__slots__
    if not name.startswith("_") and name not in ("annotation", "metadata", "evaluated") and hasattr(_BARE, name)
]


class ModelField:
    """Name and FieldInfo of one field of a form, a table or a schema."""

    def __init__(self, field_info: FieldInfo, name: str, mode: str = "validation") -> None:
        self.field_info = field_info
        self.name = name
        self.mode = mode

    @property
    def alias(self) -> str:
        return self.name if self.field_info.alias is None else self.field_info.alias

    @property
    def required(self) -> bool:
        return self.field_info.is_required()

    @property
    def type_(self) -> Any:
        return self.field_info.annotation

    @property
    def default(self) -> Any:
        return self.get_default()

    def get_default(self) -> Any:
        info = self.field_info
        # a factory that is given the other values has no answer before there are any
        if info.is_required() or getattr(info, "default_factory_takes_validated_data", False):
            return PydanticUndefined
        return info.get_default(call_default_factory=True)

    def __repr__(self) -> str:
        return f"ModelField({self.name!r}, {self.field_info!r})"


def attributes_of(info: FieldInfo) -> dict[str, Any]:
    """All attributes that differ from an empty field, whether given to Field() or set afterwards.

    pydantic >= 2.12 forgets the latter when it builds a model.
    """
    return {name: getattr(info, name) for name in _ATTRIBUTES if getattr(info, name) is not getattr(_BARE, name)}


def copy_field_info(info: FieldInfo, **changes: Any) -> FieldInfo:
    """A FieldInfo of its own with the same content, apart from the changes; unknown changes are ignored."""
    attributes = attributes_of(info)
    if "default" in changes or "default_factory" in changes:  # pydantic >= 2.12 refuses both
        attributes.pop("default", None)
        attributes.pop("default_factory", None)
    attributes.update((name, value) for name, value in changes.items() if name in _ATTRIBUTES)
    copied: FieldInfo = Field(**attributes)
    copied.annotation = changes.get("annotation", info.annotation)
    copied.metadata = list(changes.get("metadata", info.metadata))
    return copied


def create_cloned_field(field: Any, **_: Any) -> ModelField:
    return ModelField(copy_field_info(field.field_info), field.name, field.mode)


def create_response_field(
    name: str, type_: Any, default: Any = PydanticUndefined, field_info: FieldInfo | None = None, **_: Any
) -> ModelField:
    if field_info is None:
        field_info = Field(default=default)
        field_info.annotation = type_
    return ModelField(field_info, name)


def cloned_field(proxy: Any) -> ModelField:
    """ModelFieldProxy.cloned_field: the field with the proxy's changes, without FieldInfo.merge_field_infos."""
    field, update = proxy.__dict__["_modelfield"], dict(proxy.__dict__["_update"])
    name = update.pop("name", field.name)
    if update.get("alias"):
        update.setdefault("validation_alias", update["alias"])
        update.setdefault("serialization_alias", update["alias"])
    return ModelField(copy_field_info(field.field_info, **update), name, field.mode)


def model_fields(model: type[Any]) -> dict[str, ModelField]:
    """Fields of a pydantic model, or of the model that FAA keeps for a plain SQLAlchemy class."""
    if not issubclass(model, BaseModel):
        model = getattr(model, "__pydantic_model__")  # noqa: B009  (no such attribute on type)
    return {name: ModelField(info, name) for name, info in model.model_fields.items()}


def create_model_by_fields(
    name: str, fields: Iterable[Any], *, set_none: bool = False, extra: str = "ignore", **config: Any
) -> type[BaseModel]:
    """A model of these fields. With set_none each may be left out or null, and blank texts of forms become null."""
    if config.pop("orm_mode", False):
        config.setdefault("from_attributes", True)
    validators: dict[str, Any] | None = None
    if set_none:
        skip_blank = require("fastapi_amis_admin.utils.pydantic", "root_validator_skip_blank")

        def skip(cls: Any, values: Any) -> Any:
            return skip_blank(cls, values) if isinstance(values, dict) else values  # which is told of then

        validators = {"root_validator_skip_blank": model_validator(mode="before")(skip)}
    definitions: dict[str, Any] = {}
    for field in fields:
        info = field.field_info
        type_ = Optional[info.annotation] if set_none else info.annotation
        if info.metadata:
            parts = (type_, *info.metadata)
            type_ = Annotated[parts]
        changes = {"default": None} if set_none else {}
        definitions[field.name] = (type_, copy_field_info(info, metadata=[], **changes))
    settings = ConfigDict(**{"extra": extra, **config})  # type: ignore[typeddict-item]
    return create_model(name, __config__=settings, __validators__=validators, **definitions)
