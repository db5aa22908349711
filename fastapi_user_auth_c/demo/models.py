"""What the demo has permissions for."""

from typing import Optional

from fastapi_amis_admin.models import Field

from ..auth.models import CreateTimeMixin, PkMixin, UpdateTimeMixin


class Article(PkMixin, CreateTimeMixin, UpdateTimeMixin, table=True):
    __tablename__ = "demo_article"

    title: str = Field(title="Title", max_length=200)
    description: Optional[str] = Field("", title="Description", max_length=400, amis_form_item="textarea")
    content: Optional[str] = Field("", title="Content", amis_form_item="textarea")
    status: int = Field(0, title="Status")
    is_published: bool = Field(False, title="Published")
    user_id: Optional[int] = Field(None, title="Author", foreign_key="auth_user.id")
