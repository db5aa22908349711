"""Tables for the tests of field permissions. SQLModel wants the annotations of relationships as they are."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Optional

from sqlalchemy import JSON, Column, DateTime, ForeignKey, Integer, Numeric, String
from sqlalchemy.orm import declarative_base, relationship
from sqlmodel import Field, SQLModel


class FieldTeam(SQLModel, table=True):
    __tablename__: Any = "field_team"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = ""
    budget: Optional[int] = None


class FieldPerson(SQLModel, table=True):
    __tablename__: Any = "field_person"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = Field(max_length=50)
    salary: Optional[int] = 7
    phone: Optional[str] = Field(default=None, max_length=50)
    is_active: Optional[bool] = True
    born: Optional[datetime] = Field(default=None, sa_type=DateTime)
    pay: Optional[Decimal] = Field(default=None, sa_column=Column(Numeric(10, 2)))
    extra: Optional[dict] = Field(default=None, sa_column=Column(JSON))  # type: ignore[type-arg]
    team_id: Optional[int] = Field(default=None)


class FieldAlias(SQLModel, table=True):
    __tablename__: Any = "field_alias"
    id: Optional[int] = Field(default=None, primary_key=True)
    title: str = ""
    secret: Optional[str] = Field(default=None, alias="Secret")


Base = declarative_base(metadata=SQLModel.metadata)


class FieldBody(Base):  # type: ignore[misc, valid-type]
    __tablename__ = "field_body"
    id = Column(Integer, primary_key=True)
    text = Column(String(50), nullable=False)


class FieldDocument(Base):  # type: ignore[misc, valid-type]
    __tablename__ = "field_document"
    id = Column(Integer, primary_key=True)
    title = Column(String(50), nullable=False)
    hits = Column(Integer, nullable=True)
    body_id = Column(Integer, ForeignKey("field_body.id"), nullable=True)
    body = relationship(FieldBody)
