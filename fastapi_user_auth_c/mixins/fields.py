"""Pages with a permission for each field.

One rule holds on every path: a field that a user is denied in an action does not come out of it, and a request that
carries it is refused with HTTP 403 and the name of the missing permission, and changes nothing. Dropping it without a
word, as the original did, answers "success" to something else than what was asked.
"""

import copy
import functools
from collections.abc import Callable, Collection, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, NoReturn, Optional

from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import BaseAuthFieldModelAdmin, FormAdmin
from fastapi_amis_admin.admin.extensions.utils import get_schema_fields_name_label
from fastapi_amis_admin.crud.schema import BaseApiOut
from fastapi_amis_admin.utils.pydantic import create_model_by_fields, model_fields
from fastapi_amis_admin.utils.translation import i18n as _
from pydantic import BaseModel, ValidationError
from sqlalchemy import Column
from sqlalchemy.orm import Session
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import Label, UnaryExpression, _label_reference
from starlette.requests import Request

from ..auth.refusals import refuse
from ..field_permissions import action_name, decide, permission_text
from ..sparse import sparse

ALL = "*"
"""The field of the permission for all of them."""

_hidden: ContextVar[Any] = ContextVar("hidden", default=None)
"""The page whose list is asked for, and the names of its fields that may not decide the order."""


class _FieldPermissions:
    """What model pages and forms have in common; the names of fields are those that permissions have."""

    unique_id: Any
    site: Any

    def get_permission_fields(self, action: str) -> dict[str, str]:
        """The fields that need a permission in an action, with a label for each."""
        raise NotImplementedError

    def _schema(self, action: str) -> Any:
        """The schema whose fields an action uses; None where there is none (yet)."""
        raise NotImplementedError

    # --- decisions

    async def has_field_permission(self, request: Request, field: str, action: str = "") -> bool:
        """Whether the user of a request may use a field in an action. Override it for a rule of your own."""
        return bool(await decide(self.site.auth, request, self.unique_id, action_name(action), [field]))

    async def get_deny_fields(self, request: Request, action: Optional[str] = None) -> set[str]:
        """The fields that the user of a request may not use in an action; decided together."""
        name = action_name(action)
        fields = list(self._labels(name))
        if type(self).has_field_permission is _FieldPermissions.has_field_permission:
            return set(fields) - await decide(self.site.auth, request, self.unique_id, name, fields)
        known = request.scope.setdefault(f"{self.unique_id}_exclude_fields", {})
        if name not in known:  # an application's own rule is asked once per request
            known[name] = {field for field in fields if not await self.has_field_permission(request, field, name)}
        return set(known[name])

    async def allowed_fields(self, request: Request, action: str, fields: Sequence[str]) -> set[str]:
        """Those of the fields that the user of a request may use here in an action.

        A field of the page that needs no permission is one of them; a field that the page does not have needs a rule.
        """
        known = self._names(action)
        strange = [field for field in fields if field not in known]
        denied = await self.get_deny_fields(request, action)
        ruled = await decide(self.site.auth, request, self.unique_id, action_name(action), strange)
        return {field for field in fields if (field not in denied if field in known else field in ruled)}

    # --- names

    def _kept(self, what: Callable[[str], Any], action: str) -> Any:
        """``what(action)``, kept for as long as the schema of the action is the same one."""
        schema = self._schema(action)
        key, kept = (what.__name__, action, schema), self.__dict__.setdefault("_kept_of_schemas", {})
        if key in kept:
            return kept[key]
        found = what(action)
        if schema is not None:  # a page has its schemas once it is registered
            kept[key] = found
        return found

    def _labels(self, action: str) -> dict[str, str]:
        return self._kept(self.get_permission_fields, action)  # type: ignore[no-any-return]

    def _names(self, action: str) -> dict[str, set[str]]:
        """The fields of an action, each with all names it goes by."""
        return self._kept(self._find_names, action_name(action))  # type: ignore[no-any-return]

    def _find_names(self, action: str) -> dict[str, set[str]]:
        schema = self._schema(action)
        fields = model_fields(schema).values() if schema else ()
        return {field.alias or field.name: {field.alias or field.name, field.name} for field in fields}

    def _spellings(self, action: str, names: Collection[str]) -> set[str]:
        known = self._names(action)
        return {spelling for name in names for spelling in known.get(name, {name})}

    async def _denied(self, request: Request, action: str) -> set[str]:
        """All names of the denied fields."""
        return self._spellings(action, await self.get_deny_fields(request, action))

    async def _nothing_left(self, request: Request, action: str, besides: Collection[str] = ()) -> bool:
        """Whether every field of an action is denied, not counting some."""
        names = self._names(action).keys() - set(besides)
        return bool(names) and names <= await self.get_deny_fields(request, action)

    # --- refusals

    async def _lacking(self, request: Request, action: str, name: str) -> str:
        """The action whose permission for a denied field is missing."""
        return action

    async def _missing(self, request: Request, action: str, names: Iterable[str]) -> str:
        """The text that names the permissions without which fields are denied."""
        spelt = {spelling: name for name, all_ in self._names(action).items() for spelling in all_}
        found = []
        for name in sorted({spelt.get(name, name) for name in names}):
            lacking = await self._lacking(request, action, name)
            label = _("All") if name == ALL else self._labels(lacking).get(name, name)
            found.append(f"{label} ({permission_text(self.unique_id, lacking, name)})")
        return f"{_('Missing permission')}: {'; '.join(found)}"

    async def _refuse(self, request: Request, action: str, names: Iterable[str]) -> NoReturn:
        await self.site.auth.get_current_user(request)  # guests are told something else
        refuse(request, await self._missing(request, action, names))


class AuthFieldModelAdmin(_FieldPermissions, BaseAuthFieldModelAdmin):
    """A model page whose fields need a permission each; ``perm_fields`` and ``perm_fields_exclude`` choose which.

    * ``list`` and ``read``: denied fields are left out of rows. Whoever may see none at all gets HTTP 403. The primary
      key comes with every row, since rows are addressed by it; its column is shown only to those who may list it.
      In the original a required field could be read without a permission; ``perm_fields_exclude`` has that, too.
    * ``filter``, and the order of a list: a denied field is refused, and passed over in ``ordering``. One that the list
      hides counts as denied: filters and orders give values away by bisection.
    * ``create`` and ``update``, one row or many: a denied field is refused. An update may send it back as it is, if the
      user sees it: amis posts whole rows back. Required fields need no permission to create, as there is no row
      without them. An answer to ``create`` shows what was sent and what the user may see of the row.
    """

    perm_filter_unseen: bool = False
    """Whether the permission to filter by a field is enough where the list hides it, as it was in the original."""
    schema_list: Any
    schema_read: Any
    schema_model: Any
    _columns_for = "list"

    def _schema(self, action: str) -> Any:
        return getattr(self, f"schema_{action}", None) if action else None

    def get_permission_fields(self, action: str) -> dict[str, str]:
        return dict(super(_FieldPermissions, self).get_permission_fields(action_name(action)))

    async def get_deny_fields(self, request: Request, action: Optional[str] = None) -> set[str]:
        denied = await super().get_deny_fields(request, action)
        if action_name(action) == "filter" and not self.perm_filter_unseen:
            unseen = await super().get_deny_fields(request, "list") - {self.pk_name}
            denied |= {name for name in self._names("filter") if name in unseen}
        return denied

    def register_crud(
        self,
        schema_list: Any = None,
        schema_filter: Any = None,
        schema_create: Any = None,
        schema_read: Any = None,
        schema_update: Any = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        given = {
            "schema_list": schema_list,
            "schema_filter": schema_filter,
            "schema_create": schema_create,
            "schema_update": schema_update,
            "schema_read": schema_read,  # made of that for updates
        }
        for name, schema in given.items():
            setattr(self, name, schema or getattr(self, name) or getattr(self, f"_create_{name}")())
        self.schema_list = sparse(self.schema_list)
        self.schema_read = self.schema_read and sparse(self.schema_read)
        chosen = {name for names in (self.perm_fields or {}).values() for name in names}
        known: set[str] = set().union(*(self._names(name.removeprefix("schema_")) for name in given))
        if not chosen <= known:  # then what was meant would be open to all
            raise ValueError(f"the fields of {type(self).__name__} do not include {chosen - known}")
        table, self.schema_model = self.schema_model, sparse(self.schema_model)  # for answers to create
        try:
            return super().register_crud(None, None, None, None, None, *args, **kwargs)
        finally:
            self.schema_model = table

    # --- list, filter and order

    @property
    def route_list(self) -> Callable[..., Any]:
        inner = super().route_list

        @functools.wraps(inner)
        async def route(request: Request, sel: Any, paginator: Any, filters: Any = None) -> Any:
            if await self.has_list_permission(request, paginator, filters):
                await self._check_list(request, paginator, filters)
            token = _hidden.set((self, await self._denied(request, "list") - {self.pk_name}))
            try:
                return await inner(request=request, sel=sel, paginator=paginator, filters=filters)
            finally:
                _hidden.reset(token)

        return route

    async def _check_list(self, request: Request, paginator: Any, filters: Any) -> None:
        """HTTP 403 for a list without a field to see, or one asked for by a denied field."""
        if await self._nothing_left(request, "list", {self.pk_name}):
            await self._refuse(request, "list", [ALL])
        if filters and await self.has_filter_permission(request, filters):
            values = filters.model_dump(exclude_unset=True)
            used = {name for name, value in values.items() if value is not None and self._parser_query_value(value)[0]}
            await self._check_names(request, "filter", used)
        order = getattr(paginator, "orderBy", None)
        if order in self._select_entities:
            await self._check_names(request, "list", {order} - {self.pk_name})
        elif order in self._filter_entities:
            await self._check_names(request, "filter", {order})

    async def _check_names(self, request: Request, action: str, names: set[Any]) -> None:
        denied = names & await self._denied(request, action)
        if denied:
            await self._refuse(request, action, denied)

    async def _lacking(self, request: Request, action: str, name: str) -> str:
        if action == "filter" and name not in await super().get_deny_fields(request, "filter"):
            return "list"  # it is the list that hides it
        return action

    def _calc_ordering(self, orderBy: Any, orderDir: Any) -> Any:
        order = super()._calc_ordering(orderBy, orderDir)
        page, names = _hidden.get() or (None, ())
        if page is not self or not order or not names:
            return order
        entities = {**self._filter_entities, **self._select_entities}
        hidden = {column for name in names if name in entities for column in _columns(entities[name])}

        def is_shown(term: Any) -> bool:
            bare = _bare(term)
            if isinstance(bare, Label) and bare.key in entities:  # a field of its own, whatever it is made of
                return bare.key not in names
            return hidden.isdisjoint(_columns(term))

        return [term for term in order if is_shown(term)]

    async def on_list_after(self, request: Request, result: Any, data: Any, **kwargs: Any) -> Any:
        data = await super(BaseAuthFieldModelAdmin, self).on_list_after(request, result, data, **kwargs)
        hidden = await self._denied(request, "list") - {self.pk_name}
        rows = [item.model_dump() if isinstance(item, BaseModel) else item for item in data.items]
        data.items = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
        return data

    # --- create

    @property
    def route_create(self) -> Callable[..., Any]:
        inner = super().route_create

        @functools.wraps(inner)
        async def route(request: Request, data: Any) -> Any:
            items = data if isinstance(data, list) else [data]
            sent: set[str] = set().union(*(item.model_fields_set for item in items))
            denied = sent & await self._denied(request, "create")
            if denied and await self.has_create_permission(request, data):
                await self._refuse(request, "create", denied)
            result = await inner(request=request, data=data)
            created = getattr(result, "data", None)
            if isinstance(created, BaseModel):
                shown = await self._seen(request) | self._spellings("create", sent)
                values = created.model_dump(by_alias=True)
                result.data = {name: value for name, value in values.items() if name in shown}
            return result

        return route

    async def _seen(self, request: Request) -> set[str]:
        """All names of the fields that the user sees in the list or of a row that is read."""
        seen = {self.pk_name}
        for action, open_ in (
            ("list", await self.has_list_permission(request, None, None)),  # type: ignore[arg-type]
            ("read", self.schema_read and await self.has_read_permission(request, None)),  # type: ignore[arg-type]
        ):
            if open_:
                seen |= self._spellings(action, self._names(action)) - await self._denied(request, action)
        return seen

    async def create_items(self, request: Request, items: Any) -> Any:
        return await super().create_items(request, _without(items, await self._denied(request, "create")))

    # --- read

    async def read_items(self, request: Request, item_id: list[str]) -> list[Any]:
        if await self._nothing_left(request, "read", {self.pk_name}):
            await self._refuse(request, "read", [ALL])
        items = await super(BaseAuthFieldModelAdmin, self).read_items(request, item_id)
        return _without(items, await self._denied(request, "read") - {self.pk_name})

    # --- update

    @property
    def route_update(self) -> Callable[..., Any]:
        inner = super().route_update

        @functools.wraps(inner)
        async def route(request: Request, item_id: Any, data: Any) -> Any:
            denied = data.model_fields_set & await self._denied(request, "update")
            if denied and await self.has_update_permission(request, item_id, data):
                seen = await self._seen(request)
                # what is not seen is not compared: whether it is equal would tell what it is
                changed = denied - seen or await self.db.async_run_sync(self._changed, item_id, data, denied)
                if changed:
                    await self._refuse(request, "update", changed)
                (data,) = _without([data], denied)
            return await inner(request=request, item_id=item_id, data=data)

        return route

    def _changed(self, session: Session, item_id: Any, data: BaseModel, names: Collection[str]) -> set[str]:
        """Those of the fields that are not in every row what the data say."""
        schema = type(data)
        aliases = {name: schema.model_fields[name].alias or name for name in names if name in schema.model_fields}
        changed = set(names) - set(aliases)
        for item in self._fetch_item_scalars(session, item_id):
            for name, alias in aliases.items():
                try:
                    row = schema.model_validate({alias: getattr(item, name)}, from_attributes=True)
                    same = getattr(row, name) == getattr(data, name)
                except (ValidationError, AttributeError):
                    same = getattr(item, name, None) == getattr(data, name)
                if not same:
                    changed.add(name)
        return changed

    # --- what the browser is told

    async def get_list_column(self, request: Request, modelfield: Any) -> Any:
        name = modelfield.alias or modelfield.name
        if name in await self.get_deny_fields(request, self._columns_for):
            return None
        column = await super(BaseAuthFieldModelAdmin, self).get_list_column(request, modelfield)
        if column.type == "switch" and name in await self.get_deny_fields(request, "update"):
            column.disabled = True
        return column

    async def get_list_columns(self, request: Request) -> list[Any]:
        denied = await self._denied(request, "list")
        columns = await super().get_list_columns(request)
        return [column for column in columns if getattr(column, "name", None) not in denied]

    async def get_list_table_api(self, request: Request) -> Any:
        api = await super().get_list_table_api(request)
        denied = await self._denied(request, "filter")
        api.data = {name: value for name, value in (api.data or {}).items() if name not in denied}
        return api

    async def _conv_modelfields_to_formitems(self, request: Request, fields: Any, action: Any = None) -> Any:
        denied = await self._denied(request, action)
        fields = [field for field in fields if not isinstance(field, amis.FormItem) or field.name not in denied]
        return await super()._conv_modelfields_to_formitems(request, fields, action)

    async def get_create_form(self, request: Request, bulk: bool = False) -> Any:
        if not bulk:
            return await super().get_create_form(request, bulk)
        denied = await self._denied(request, "create")  # the table of rows to make is one of columns
        page = copy.copy(self)
        page._columns_for = "create"
        page.__dict__["_kept_of_schemas"] = {}  # that of the page would grow with each of these schemas
        allowed = [field for name, field in model_fields(self.schema_create).items() if name not in denied]
        page.schema_create = create_model_by_fields(self.schema_create.__name__, allowed)
        return await super(AuthFieldModelAdmin, page).get_create_form(request, bulk)


def _bare(term: Any) -> Any:
    """What a term of an order is about, without its direction."""
    while isinstance(term, (UnaryExpression, _label_reference)):
        term = term.element
    return term


def _columns(term: Any) -> set[tuple[str, str]]:
    """The columns that a term is made of, as names of tables and columns."""
    term = term.__clause_element__() if hasattr(term, "__clause_element__") else term
    return {
        (str(getattr(part.table, "name", "")), part.name) for part in visitors.iterate(term) if isinstance(part, Column)
    }


def _without(items: Iterable[Any], names: Collection[str]) -> list[Any]:
    """Models as if these fields had not been given."""
    found = []
    for item in items:
        if isinstance(item, BaseModel) and not item.model_fields_set.isdisjoint(names):
            item = item.model_copy()
            for name in item.model_fields_set & set(names):
                if (item.model_extra or {}).pop(name, None) is None:
                    item.__dict__[name] = None  # setting the attribute would validate it
                item.model_fields_set.discard(name)
        found.append(item)
    return found


class AuthFieldFormAdmin(_FieldPermissions, FormAdmin):
    """A form whose fields need a permission each, ``page:submit:field``; required ones need none.

    A denied field is not in the form, nor in the data it begins with. Whoever may fill in no field at all is told so,
    and submits nothing.

    Raises:
        ValueError: ``perm_fields`` or ``perm_fields_exclude`` name a field that the form does not have.
    """

    perm_fields: Optional[Sequence[str]] = None
    """The fields that need a permission, as far as they are not required; default all."""
    perm_fields_exclude: Sequence[str] = ()
    """Fields that need none; ``__all__`` for all."""
    schema_init_out: Any = Any

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        chosen = {*(self.perm_fields or ()), *self.perm_fields_exclude} - {"__all__"}
        if not chosen <= self._names("submit").keys():  # a misspelt one would be open to all
            raise ValueError(
                f"the fields of {type(self).__name__} do not include {chosen - self._names('submit').keys()}"
            )

    def _schema(self, action: str) -> Any:
        return self.schema if action == "submit" else None

    def get_permission_fields(self, action: str) -> dict[str, str]:
        if action_name(action) != "submit":
            return {}
        return dict(
            get_schema_fields_name_label(
                self.schema,
                prefix=_("submit") + "-",
                exclude_required=True,
                exclude=self.perm_fields_exclude,
                include=self.perm_fields,
            )
        )

    async def get_form_item(self, request: Request, modelfield: Any) -> Any:
        if (modelfield.alias or modelfield.name) in await self.get_deny_fields(request, "submit"):
            return None
        return await super().get_form_item(request, modelfield)

    async def get_form(self, request: Request) -> Any:
        form = await super().get_form(request)
        if await self._nothing_left(request, "submit"):
            form.body = [amis.Alert(level="warning", body=await self._missing(request, "submit", [ALL]))]
            form.actions, form.submitText = [], ""
        return form

    def register_router(self) -> Any:
        out = self.schema_init_out
        if isinstance(out, type) and issubclass(out, BaseModel):
            self.schema_init_out = sparse(out)
        return super().register_router()

    async def _check_open(self, request: Request) -> None:
        if await self._nothing_left(request, "submit"):
            await self._refuse(request, "submit", [ALL])

    @property
    def route_init(self) -> Callable[..., Any]:
        inner = super().route_init

        @functools.wraps(inner)
        async def route(request: Request) -> Any:
            await self._check_open(request)
            result = await inner(request)
            if not isinstance(result, BaseApiOut):
                result = BaseApiOut(**result) if isinstance(result, dict) else BaseApiOut(data=None)
            denied = await self._denied(request, "submit")
            data = result.data
            if isinstance(data, BaseModel):
                data = data.model_dump(by_alias=True)
            # of what is no fields nobody can tell which are denied
            result.data = {k: v for k, v in data.items() if k not in denied} if isinstance(data, dict) else None
            return result

        return route

    @property
    def route_submit(self) -> Callable[..., Any]:
        inner = super().route_submit

        @functools.wraps(inner)
        async def route(request: Request, **kwargs: Any) -> Any:
            await self._check_open(request)
            data = kwargs.get("data")
            if isinstance(data, BaseModel):
                denied = data.model_fields_set & await self._denied(request, "submit")
                if denied:
                    await self._refuse(request, "submit", denied)
            return await inner(request=request, **kwargs)

        return route
