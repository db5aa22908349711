"""Table models that extend table models, as the documented ``class MyRole(Role, table=True)`` does.

SQLModel maps no subclass of a table model, and a second model of a table doubles its indexes. The documentation of the
original counts on the optional sqlmodelx for that. :class:`SQLModel` here is what FAA's ``models.SQLModel`` becomes
where sqlmodelx is not there; models that extend nothing are left to SQLModel.

Columns that such a model adds have to bear rows that are made without them: the role of ``create_role_user`` knows no
``icon``. So their defaults hold for every insert, and those with the default None may be None, as they could with
pydantic 1, whatever the annotation says.
"""

from __future__ import annotations

import warnings
from copy import copy
from typing import Any, Optional

import sqlmodel
from sqlalchemy import Column, Table
from sqlalchemy.orm import DeclarativeMeta
from sqlmodel.main import FieldInfo, SQLModelMetaclass

_PLAIN = (str, int, float, bool)


def _is_table(cls: Any) -> bool:
    return "__mapper__" in vars(cls)


def _names_a_table(cls: Any) -> bool:
    return any(isinstance(vars(parent).get("__tablename__"), str) for parent in cls.__mro__)


def _bear_missing_values(namespace: dict[str, Any]) -> None:
    annotations = namespace["__annotations__"] = dict(sqlmodel.main.get_annotations(namespace))
    for name, annotation in annotations.items():
        if name.startswith("_") or name not in namespace:
            continue
        info = namespace[name]
        if info is None or isinstance(info, _PLAIN):
            info = namespace[name] = sqlmodel.Field(info)
        if not isinstance(info, FieldInfo):
            continue
        if info.default is None:
            annotations[name] = Optional[annotation]
        elif isinstance(info.default, _PLAIN) and not isinstance(getattr(info, "sa_column", None), Column):
            given = getattr(info, "sa_column_kwargs", None)
            kwargs = given if isinstance(given, dict) else {}
            info.sa_column_kwargs = {"default": info.default, **kwargs}


def _repeat_fields(namespace: dict[str, Any], parent: Any) -> None:
    """The fields of a mapped parent anew: pydantic would take the attributes that map them for their defaults."""
    own = sqlmodel.main.get_annotations(namespace)
    fields = {name: info for name, info in parent.model_fields.items() if name not in own}
    namespace["__annotations__"] = {**{name: info.annotation for name, info in fields.items()}, **own}
    for name, info in fields.items():
        namespace.setdefault(name, copy(info))


def _take_columns(cls: Any) -> dict[str, Column[Any]]:
    """The columns that SQLModel has just made of the fields, taken off the class."""
    columns = {name: value for name, value in vars(cls).items() if isinstance(value, Column)}
    for name in columns:
        type.__delattr__(cls, name)
    return columns


class ExtendingMetaclass(SQLModelMetaclass):
    """Maps what SQLModel's metaclass would leave alone."""

    def __new__(cls, name: str, bases: tuple[type[Any], ...], class_dict: dict[str, Any], **kwargs: Any) -> Any:
        if kwargs.get("table") is not True or not any(_names_a_table(base) for base in bases):
            return super().__new__(cls, name, bases, class_dict, **kwargs)
        class_dict = dict(class_dict)
        _bear_missing_values(class_dict)
        parent = next((base for base in bases if hasattr(base, "__mapper__")), None)
        tablename = class_dict.get("__tablename__")
        if parent is not None:
            _repeat_fields(class_dict, parent)
            if tablename in (None, parent.__tablename__, parent.__table__.name):  # the same table, with more columns
                class_dict["__tablename__"] = None
            else:  # a table of its own with all columns
                class_dict.setdefault("__mapper_args__", {})["concrete"] = True
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Field name .* shadows an attribute in parent", UserWarning)
            new: Any = super().__new__(cls, name, bases, class_dict, **kwargs)
        table = _extended_table(new) if parent is None else None
        if parent is not None and class_dict["__tablename__"] is None:
            for key, column in _take_columns(new).items():
                if key not in parent.__mapper__.attrs:
                    type.__setattr__(new, key, column)
        elif table is not None:
            for key, column in _take_columns(new).items():
                if key not in table.c:
                    column.name = column.key = key
                    table.append_column(column)
            type.__setattr__(new, "__table__", table)
        return new

    def __init__(cls, classname: str, bases: tuple[type, ...], dict_: dict[str, Any], **kw: Any) -> None:
        super().__init__(classname, bases, dict_, **kw)
        if kw.get("table") is True and not _is_table(cls):
            DeclarativeMeta.__init__(cls, classname, bases, dict_, **kw)


def _extended_table(cls: Any) -> Table | None:
    """The table that is there already under the name of the new model, which says that it may be extended."""
    args = getattr(cls, "__table_args__", None)
    options = args[-1] if isinstance(args, tuple) and args else args
    if not isinstance(options, dict) or not options.get("extend_existing"):
        return None
    schema = options.get("schema") or cls.metadata.schema
    name = cls.__tablename__
    found: Table | None = cls.metadata.tables.get(f"{schema}.{name}" if schema else name)
    return found


class SQLModel(sqlmodel.SQLModel, metaclass=ExtendingMetaclass):
    """sqlmodel's, whose table models may be extended by table models."""
