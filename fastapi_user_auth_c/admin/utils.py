"""The tree of pages and actions: as options of a form, and as page links of the policy."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from fastapi_amis_admin.admin import FormAdmin, ModelAdmin
from fastapi_amis_admin.admin.admin import AdminGroup, BaseActionAdmin, BaseAdminSite
from fastapi_amis_admin.utils.translation import i18n as _

from ..utils.casbin import ROOT, enforce_each, permission_encode, permission_fields, replace_rules


def _actions(admin: BaseActionAdmin) -> Iterator[tuple[str, str]]:
    """Name and label of everything that can be done on a page."""
    if isinstance(admin, ModelAdmin):
        yield "list", _("View list")
        yield "filter", _("Filter list")
    elif isinstance(admin, FormAdmin) and "submit" not in admin.registered_admin_actions:
        yield "submit", _("submit")
    for action in admin.registered_admin_actions.values():
        yield action.name, action.label


@lru_cache
def get_admin_action_options(group: AdminGroup) -> list[dict[str, Any]]:
    """The pages of a group with their actions, as options of an amis tree. Do not change the result: it is kept."""
    options = []
    for admin in group:
        if not admin.page_schema:
            continue
        option: dict[str, Any] = {
            "label": admin.page_schema.label,
            "value": permission_encode(admin.unique_id, "page", "page"),
            "sort": admin.page_schema.sort,
        }
        if isinstance(admin, BaseActionAdmin):
            option["children"] = [
                {"label": label, "value": permission_encode(admin.unique_id, f"page:{name}", "page")}
                for name, label in _actions(admin)
            ]
        elif isinstance(admin, AdminGroup):
            option["children"] = get_admin_action_options(admin)
        options.append(option)
    return sorted(options, key=lambda option: option["sort"] or 0, reverse=True)


def filter_options(
    options: list[dict[str, Any]], filter_func: Callable[[dict[str, Any]], bool]
) -> list[dict[str, Any]]:
    """The options that pass ``filter_func``, and those with an option below them that does."""
    result = []
    for option in options:
        children = option.get("children")
        if children:
            children = filter_options(children, filter_func)
            option = {**option, "children": children}
        if children or filter_func(option):
            result.append(option)
    return result


def get_admin_action_options_by_subject(enforcer: Any, subject: str, group: AdminGroup) -> list[dict[str, Any]]:
    """The pages and actions of a group that a subject may use, as an enforcer decides; all of them for root."""
    options = get_admin_action_options(group)
    if subject == ROOT:
        return options
    values = list(dict.fromkeys(_values(options)))
    decided = enforce_each(enforcer, subject, [permission_fields(value) for value in values])
    allowed = dict(zip(values, decided, strict=True))
    return filter_options(options, lambda option: allowed[option["value"]])


def _values(options: list[dict[str, Any]]) -> Iterator[str]:
    for option in options:
        yield option["value"]
        yield from _values(option.get("children") or [])


def get_admin_grouping(group: AdminGroup) -> list[tuple[str, str]]:
    """All pairs ``(container page, page)`` below a group."""
    pairs = []
    for admin in group:
        if admin is admin.app:
            continue
        pairs.append((admin.app.unique_id, admin.unique_id))
        if isinstance(admin, AdminGroup):
            pairs.extend(get_admin_grouping(admin))
    return pairs


async def update_casbin_site_grouping(enforcer: Any, site: BaseAdminSite) -> None:
    """Make the page links (``g2``) in the policy of an enforcer those of the site."""
    pairs = dict.fromkeys(get_admin_grouping(site))
    await replace_rules(enforcer, "g2", [list(pair) for pair in pairs], 0)
