"""Column groups of the user and role tables, for use in models of one's own.

Date and time columns are naive and hold local time, as the tables of the original do.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Optional

from fastapi_amis_admin.models import Field
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import EmailStr, SecretStr
from sqlalchemy import DateTime, func
from sqlmodel import AutoString

from ..utils.sqltypes import SecretStrType

if TYPE_CHECKING:  # fastapi-amis-admin has no annotations
    from sqlmodel import SQLModel
else:
    from fastapi_amis_admin.models import SQLModel


class PkMixin(SQLModel):
    """A number as primary key, given by the database."""

    id: Optional[int] = Field(
        default=None, title="ID", primary_key=True, nullable=False, sa_column_kwargs={"autoincrement": True}
    )


class CreateTimeMixin(SQLModel):
    """When the row was made."""

    create_time: datetime = Field(default_factory=datetime.now, title=_("Create Time"), index=True, sa_type=DateTime)


class UpdateTimeMixin(SQLModel):
    """When the row was changed last."""

    update_time: Optional[datetime] = Field(
        default_factory=datetime.now,
        title=_("Update Time"),
        index=True,
        sa_type=DateTime,
        sa_column_kwargs={"onupdate": datetime.now, "server_default": func.now()},
    )


class DeleteTimeMixin(SQLModel):
    """When the row was marked as deleted; None while it is not."""

    delete_time: Optional[datetime] = Field(None, title=_("Delete Time"), sa_type=DateTime)


class CUDTimeMixin(CreateTimeMixin, UpdateTimeMixin, DeleteTimeMixin):
    """Times of creation, last update and (soft) deletion."""


class UsernameMixin(SQLModel):
    """A user name, which no other row has."""

    username: str = Field(title=_("Username"), max_length=32, unique=True, index=True, nullable=False)


class PasswordMixin(SQLModel):
    """The hash of a password, kept out of texts and logs."""

    password: SecretStr = Field(
        title=_("Password"), max_length=128, sa_type=SecretStrType, nullable=False, amis_form_item="input-password"
    )


class EmailMixin(SQLModel):
    """An email address, not unique; a ``UniqueConstraint`` in ``__table_args__`` of the subclass makes it so."""

    email: Optional[EmailStr] = Field(
        None, title=_("Email"), sa_type=AutoString, index=True, nullable=True, amis_form_item="input-email"
    )
