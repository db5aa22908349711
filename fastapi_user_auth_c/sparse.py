"""Schemas of answers with fields left out."""

from typing import Any, Optional

from fastapi_amis_admin.utils.pydantic import create_model_by_fields, model_fields
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializationInfo,
    SerializerFunctionWrapHandler,
    create_model,
    model_serializer,
)

from .compat.fields import copy_field_info


class _Sparse(BaseModel):
    model_config = ConfigDict(populate_by_name=True)  # rows have the names of columns, whatever aliases there are

    @model_serializer(mode="wrap")
    def _without_unset(self, handler: SerializerFunctionWrapHandler, info: SerializationInfo):  # type: ignore[no-untyped-def]
        # without an annotation of the result OpenAPI goes on showing the fields
        values = handler(self)
        for name, field in type(self).model_fields.items():
            if name not in self.model_fields_set:
                values.pop((field.serialization_alias or field.alias or name) if info.by_alias else name, None)
        return values


def sparse(schema: type[Any]) -> Any:
    """The same schema with every field optional; one that is not given is left out of the answer.

    A schema as such answers with null or the default of the field, which could be taken for a value.
    """
    if hasattr(schema, "__table__"):  # a table is no base for anything but tables
        schema = create_model_by_fields(schema.__name__, model_fields(schema).values(), orm_mode=True)
    optional: dict[str, Any] = {
        name: (Optional[info.annotation], copy_field_info(info, metadata=[], default=None))
        for name, info in schema.model_fields.items()
        if info.is_required()
    }
    return create_model(schema.__name__, __base__=(schema, _Sparse), __module__=schema.__module__, **optional)
