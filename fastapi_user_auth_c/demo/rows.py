"""Roles, rules and articles to start with. Each is made once: what has been changed or taken away stays that way."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from ..auth.models import Role, User
from .models import Article
from .pages import AuthFieldArticleAdmin, AuthSelectArticleAdmin

ROLES = {
    "reader": ("Reader", "Sees published articles"),
    "editor": ("Editor", "Adds and changes articles, and sees what readers see"),
}


def rules(site: Any) -> list[tuple[str, str, str, str, str]]:
    """Permissions: who, page, what, group, effect."""
    by_field, by_row = (
        site.get_admin_or_create(admin).unique_id for admin in (AuthFieldArticleAdmin, AuthSelectArticleAdmin)
    )
    pages = [("r:reader", page, f"page{name}") for page in (by_field, by_row) for name in ("", ":list", ":filter")]
    pages += [("r:editor", page, f"page:{name}") for page in (by_field, by_row) for name in ("create", "update")]
    found = [(role, page, action, "page", "allow") for role, page, action in pages]
    fields = {"list": ("r:reader", "title description is_published"), "filter": ("r:reader", "title is_published")}
    fields |= {"create": ("r:editor", "status"), "update": ("r:editor", "title description content status")}
    for action, (role, names) in fields.items():
        found += [(role, by_field, f"page:{action}:{name}", f"page:{action}", "allow") for name in names.split()]
    # readers see older articles too (7 days is the default), and those of others, as long as they are published
    for name in ("recent7_create", "self_create", "published"):
        found.append(("r:reader", by_row, f"page:select:{name}", "page:select", "allow"))
    return found


def _add_rows(session: Session) -> bool:
    if session.scalar(select(func.count()).select_from(Article)):
        return False
    for key, (name, desc) in ROLES.items():
        if session.scalar(select(Role.id).where(Role.key == key)) is None:
            session.add(Role(key=key, name=name, desc=desc))
    root, admin = (session.scalars(select(User).where(User.username == name)).one() for name in ("root", "admin"))
    for number in range(1, 13):
        session.add(
            Article(
                title=f"Article {number}",
                description=f"The {'published' if number % 3 else 'hidden'} article number {number}",
                content="Text. " * number,
                status=number % 5,
                is_published=bool(number % 3),
                user_id=(root if number % 2 else admin).id,
            )
        )
    session.commit()
    return True


async def add_rows(site: Any) -> None:
    """Fill an empty database; needs the tables, and the users root and admin."""
    if not await site.db.async_run_sync(_add_rows):
        return
    enforcer = site.auth.enforcer
    await enforcer.add_policies(rules(site))
    await enforcer.add_grouping_policies([("r:editor", "r:reader"), ("u:admin", "r:editor")])
