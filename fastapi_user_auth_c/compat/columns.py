"""What Python makes of a column: its type, values parsed for it, and columns that refuse naive date and times."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from enum import Enum
from typing import Any, Optional, Union
from uuid import UUID

import sqlmodel
from pydantic import Field
from pydantic.fields import FieldInfo
from sqlalchemy import JSON, String, inspect
from sqlalchemy.orm import ColumnProperty

from .fields import ModelField, copy_field_info
from .versions import require

#: The type of a plain ``datetime`` field since sqlmodel 0.0.45: it takes aware values only.
UTCDateTime: type[Any] | None = getattr(sqlmodel, "UTCDateTime", None)


def refuses_naive(type_: Any) -> bool:
    return UTCDateTime is not None and isinstance(type_, UTCDateTime)


def python_type(type_: Any) -> type[Any]:
    """The Python type of a column type; ``object`` when it does not say.

    SQLAlchemy 2.0 raises where it does not know, 2.1 answers ``object``, also for JSON.
    """
    if isinstance(type_, JSON):
        return dict
    if refuses_naive(type_):
        return datetime.datetime
    try:
        found = type_.python_type
    except NotImplementedError:
        return object
    return found if isinstance(found, type) else object


def local_aware(value: Any) -> Any:
    """amis sends local times without a zone; the zone of this process is meant."""
    if isinstance(value, datetime.datetime) and value.utcoffset() is None:
        return value.astimezone()
    return value


def get_python_type_parse(field: Any) -> Callable[[Any], Any]:
    """How the text of a filter or of an id becomes a value to compare that column with."""
    type_ = field.expression.type
    found = python_type(type_)
    parse: Callable[[Any], Any]
    if issubclass(found, datetime.datetime):
        parse = require("fastapi_amis_admin.utils.pydantic", "parse_datetime")
        return (lambda value: local_aware(parse(value))) if refuses_naive(type_) else parse
    if issubclass(found, datetime.date):
        parse = require("fastapi_amis_admin.utils.pydantic", "parse_date")
        return parse
    if issubclass(found, UUID):  # Uuid columns take UUID objects, not texts
        return lambda value: value if isinstance(value, UUID) else UUID(value)
    return str if found is object else found


def insfield_to_modelfield(insfield: Any) -> ModelField | None:
    """The field for an attribute of a plain SQLAlchemy class; None for what is not a column (relationships)."""
    if not isinstance(insfield.property, ColumnProperty):
        return None
    column = insfield.expression
    found: Any = python_type(column.type)
    kwargs: dict[str, Any] = {}
    if column.nullable:
        kwargs["default"] = None
        found = Optional[found]
    if column.default is not None and column.default.is_scalar:
        kwargs["default"] = column.default.arg
    elif column.default is not None and column.default.is_callable:
        # SQLAlchemy keeps a function of the execution context, which pydantic would take for validated data
        kwargs.pop("default", None)
        kwargs["default_factory"] = lambda: column.default.arg(None)
    if isinstance(column.type, String) and column.type.length:
        kwargs["max_length"] = column.type.length
    if column.comment:
        kwargs["title"] = column.comment
    info: FieldInfo = Field(**kwargs)
    info.annotation = found
    return ModelField(info, insfield.key)


def get_label_modelfield(label: Any) -> ModelField:
    """The field for a labelled expression, kept on the label: LabelField() changes it there."""
    field = getattr(label, "__ModelField__", None)
    if field is None:
        found = python_type(label.expression.type)
        info: FieldInfo = Field()
        info.annotation = Union[float, int, str, None] if found is object else found
        field = label.__ModelField__ = ModelField(info, label.key)
    return field


def create_schema_filter(crud: Any) -> Any:
    """SqlalchemyCrud._create_schema_filter: filters are texts such as ``[>]5``, apart from choices and switches.

    The constraints of the field hold for stored values. FAA applied them to the text of the filter too: ``[=]abc`` was
    too long for a column of length 5, and a ``ge=0`` of a number gave a 500.
    """
    base = "fastapi_amis_admin.utils.pydantic"
    outer_type, create_model_by_fields = require(base, ("annotation_outer_type", "create_model_by_fields"))
    is_scalar, label = require("fastapi_amis_admin.crud._sqlalchemy", ("field_annotation_is_scalar", "Label"))
    fields = []
    for field in crud.parser.filter_modelfield(crud.list_filter or crud._select_entities.values(), save_class=(label,)):
        outer = outer_type(field.type_)
        keep = is_scalar(field.type_) and isinstance(outer, type) and issubclass(outer, (Enum, bool, str))
        changes = {"metadata": []} if keep else {"metadata": [], "annotation": str}
        fields.append(ModelField(copy_field_info(field.field_info, **changes), field.name, field.mode))
    return create_model_by_fields(f"{crud.schema_name_prefix}Filter", fields, set_none=True)


def make_aware(obj: Any) -> None:
    """Gives naive values of columns that refuse them the local zone, before they are written."""
    for attribute in getattr(inspect(type(obj), raiseerr=False), "column_attrs", ()):
        if refuses_naive(attribute.columns[0].type):
            value = obj.__dict__.get(attribute.key)
            aware = local_aware(value)
            if aware is not value:
                setattr(obj, attribute.key, aware)


def set_dicts(obj: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Sets the columns that are given a dict, which therefore are no related objects; returns the other values."""
    mapper = inspect(type(obj), raiseerr=False)
    if mapper is None or not any(isinstance(value, dict) for value in values.values()):
        return values
    by_alias = require("fastapi_amis_admin.crud.parser", "get_modelfield_by_alias")
    rest: dict[str, Any] = {}
    for alias, value in values.items():
        field = by_alias(type(obj), alias) if isinstance(value, dict) else None
        name = field.name if field else alias
        if isinstance(value, dict) and name in mapper.column_attrs:
            setattr(obj, name, value)
        else:
            rest[alias] = value
    return rest
