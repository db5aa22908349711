"""Model pages whose fields and rows depend on permissions."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from fastapi import HTTPException
from fastapi_amis_admin.admin import BaseAuthSelectModelAdmin
from fastapi_amis_admin.admin.extensions.schemas import SelectPerm
from fastapi_amis_admin.utils.translation import i18n as _
from sqlalchemy import select
from sqlalchemy.orm import Session
from sqlalchemy.sql import Select
from starlette.requests import Request

from ..auth.schemas import SystemUserEnum
from ..row_permissions import check_groups, in_force, restrict
from ..row_permissions import subject_of as subject_of_auth
from .fields import AuthFieldFormAdmin, AuthFieldModelAdmin

__all__ = ["AuthFieldFormAdmin", "AuthFieldModelAdmin", "AuthSelectModelAdmin", "subject_of"]


async def subject_of(site: Any, request: Request) -> str:
    """The subject of a request to a site: ``u:`` and the user name, ``u:guest`` for guests."""
    return await subject_of_auth(site.auth, request)


_scope: ContextVar[Any] = ContextVar("scope", default=None)
"""The page whose rows are being written, and a statement that selects the keys of those its user may see."""
_CHUNK = 500  # keys asked for in one statement


class AuthSelectModelAdmin(BaseAuthSelectModelAdmin):
    """A model page whose rows are limited by the data sets in ``select_permissions``; root sees all.

    A row that is not seen is not there: reading, changing, deleting it and acting on it answer 404. Of several ids
    those of rows that are seen count.
    """

    select_any_of: Sequence[Collection[str]] = ()
    """Groups of names of ``select_permissions``. The sets of a group add up instead of narrowing each other: a row has
    to be in one of those in force, and without any of them in force none is seen."""
    select_on_write: bool = True
    """Whether rows have to be in the scope of their author once they are made or changed; else 422."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        check_groups(self._select_permissions(), self.select_any_of)

    def _select_permissions(self) -> list[SelectPerm]:
        return [permission for permission in self.select_permissions if isinstance(permission, SelectPerm)]

    async def has_select_permission(self, request: Request, name: str) -> bool:
        subject = await subject_of(self.site, request)
        return bool(self.site.auth.enforcer.enforce(subject, self.unique_id, f"page:select:{name}", "page:select"))

    async def _in_force(self, request: Request, permissions: Sequence[SelectPerm]) -> list[bool]:
        if type(self).has_select_permission is AuthSelectModelAdmin.has_select_permission:
            return await in_force(self.site.auth, request, self.unique_id, permissions)
        return [  # an application's own rule
            permission.reverse ^ bool(await self.has_select_permission(request, permission.name))
            for permission in permissions
        ]

    async def filter_select(self, request: Request, sel: Select[Any]) -> Select[Any]:
        """The statement with the data sets in force added to it."""
        permissions = self._select_permissions()
        if not permissions or await subject_of(self.site, request) == f"u:{SystemUserEnum.ROOT}":
            return sel
        forces = await self._in_force(request, permissions)
        return await restrict(self, request, sel, permissions, forces, self.select_any_of)  # type: ignore[no-any-return]

    # --- what is written stays in sight

    @contextmanager
    def _writing(self, scope: Any) -> Iterator[None]:
        token = _scope.set((self, scope))
        try:
            yield
        finally:
            _scope.reset(token)

    async def _scope_of(self, request: Request) -> Any:
        """A statement for the keys of all rows that the user may see; None where that need not be asked."""
        if not self.select_on_write:
            return None
        everything = select(self.pk)
        if await self.filter_select(request, everything) is everything:
            return None
        return (await self.get_select(request)).with_only_columns(self.pk)  # with what the page joins

    async def create_items(self, request: Request, items: Any) -> Any:
        with self._writing(await self._scope_of(request)):
            return await super().create_items(request, items)

    async def update_items(self, request: Request, item_id: Any, values: Any) -> Any:
        with self._writing(await self._scope_of(request)):
            return await super().update_items(request, item_id, values)

    def _create_items(self, session: Session, items: Any) -> Any:
        return self._in_scope(session, super()._create_items(session, items))

    def _update_items(self, session: Session, item_id: Any, values: Any) -> Any:
        return self._in_scope(session, super()._update_items(session, item_id, values))

    def _in_scope(self, session: Session, items: Any) -> Any:
        """The items, if the user still sees them all. HTTP 422, and nothing is written, if not."""
        page, scope = _scope.get() or (None, None)
        if page is not self or scope is None:
            return items
        session.flush()
        keys = list({getattr(item, self.pk_name) for item in items})
        for start in range(0, len(keys), _CHUNK):
            part = keys[start : start + _CHUNK]
            if len(set(session.scalars(scope.where(self.pk.in_(part))))) < len(part):
                session.rollback()
                raise HTTPException(status_code=422, detail=_("The row would be outside of what you may see"))
        return items
