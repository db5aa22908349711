"""Tables of the pages in ``route_site``. SQLModel wants the annotations of relationships as they are."""

from typing import Any, Optional

from sqlmodel import Field, Relationship, SQLModel


class RouteToolLink(SQLModel, table=True):
    __tablename__: Any = "route_tool_link"
    gadget_id: Optional[int] = Field(default=None, primary_key=True, foreign_key="route_gadget.id")
    tool_id: Optional[int] = Field(default=None, primary_key=True, foreign_key="route_tool.id")


class RouteTool(SQLModel, table=True):
    __tablename__: Any = "route_tool"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = ""
    gadgets: list["RouteGadget"] = Relationship(back_populates="tools", link_model=RouteToolLink)


class RouteGadget(SQLModel, table=True):
    __tablename__: Any = "route_gadget"
    id: Optional[int] = Field(default=None, primary_key=True)
    name: str = Field("", max_length=20)
    size: Optional[int] = 0
    tools: list[RouteTool] = Relationship(back_populates="gadgets", link_model=RouteToolLink)
