"""Articles twice: once with a permission for each field, once with permissions for sets of rows."""

from typing import Any, ClassVar

from fastapi_amis_admin.admin import FieldPermEnum, RecentTimeSelectPerm, SimpleSelectPerm, UserSelectPerm
from fastapi_amis_admin.amis.components import PageSchema
from starlette.requests import Request

from ..mixins.admin import AuthFieldModelAdmin, AuthSelectModelAdmin
from .models import Article

DAY = 60 * 60 * 24


class AuthFieldArticleAdmin(AuthFieldModelAdmin):
    """Who may see and write which field; title, description and content may be written by all who may add articles."""

    page_schema = PageSchema(label="Articles by field", icon="fa fa-file-text-o")
    model = Article
    search_fields: ClassVar[list[Any]] = [Article.title]
    perm_fields_exclude: ClassVar[dict[Any, Any]] = {
        FieldPermEnum.CREATE: ["title", "description", "content"],
        FieldPermEnum.LIST: ["id"],  # buttons of a row need it
    }


class AuthSelectArticleAdmin(AuthSelectModelAdmin):
    """Who sees which rows. Each set given to somebody narrows what they see; a reverse one does unless it is given."""

    page_schema = PageSchema(label="Articles by data set", icon="fa fa-files-o")
    model = Article
    search_fields: ClassVar[list[Any]] = [Article.title]
    select_permissions: ClassVar[list[Any]] = [
        RecentTimeSelectPerm(name="recent7_create", label="Created in the last 7 days", td=7 * DAY, reverse=True),
        RecentTimeSelectPerm(name="recent30_create", label="Created in the last 30 days", td=30 * DAY),
        RecentTimeSelectPerm(
            name="recent3_update", label="Updated in the last 3 days", td=3 * DAY, time_column="update_time"
        ),
        UserSelectPerm(name="self_create", label="Created by oneself", user_column="user_id", reverse=True),
        SimpleSelectPerm(name="published", label="Published", column="is_published", values=[True]),
        SimpleSelectPerm(name="status_1_2_3", label="Status 1, 2 or 3", column="status", values=[1, 2, 3]),
    ]

    select_on_write = False  # those who see published articles only may write drafts

    async def on_create_pre(self, request: Request, obj: Any, **kwargs: Any) -> dict[str, Any]:
        data: dict[str, Any] = await super().on_create_pre(request, obj, **kwargs)
        user = await self.site.auth.get_current_user(request)
        return {**data, "user_id": user.id if user else None}
