"""Tables for the tests of row permissions. SQLModel wants the annotations of relationships as they are."""

from datetime import datetime
from typing import Any, Optional

from sqlalchemy import DateTime
from sqlmodel import Field, Relationship, SQLModel


class RowArticle(SQLModel, table=True):
    __tablename__: Any = "row_article"
    id: Optional[int] = Field(default=None, primary_key=True)
    title: str = ""
    status: Optional[int] = 0
    is_published: Optional[bool] = False
    user_id: Optional[int] = None
    update_by: Optional[int] = None
    create_time: Optional[datetime] = Field(default_factory=datetime.now, sa_type=DateTime)
    update_time: Optional[datetime] = Field(default_factory=datetime.now, sa_type=DateTime)


class RowTagLink(SQLModel, table=True):
    __tablename__: Any = "row_tag_link"
    article_id: Optional[int] = Field(default=None, primary_key=True, foreign_key="row_article.id")
    tag_id: Optional[int] = Field(default=None, primary_key=True, foreign_key="row_tag.id")


class RowTag(SQLModel, table=True):
    __tablename__: Any = "row_tag"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = ""
    user_id: Optional[int] = None
    seen_at: Optional[datetime] = None  # takes aware values only, where sqlmodel has such columns
    articles: list[RowArticle] = Relationship(link_model=RowTagLink)
