"""The patches, in the order they are applied. Each says why it is there and for which releases."""

from __future__ import annotations

import copy
import datetime
import functools
import inspect
import locale
import os
import sys
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from fastapi import HTTPException
from sqlalchemy.exc import IntegrityError

from ..db_errors import is_bad_value
from ..web.pages import script_json
from . import columns, fields, guards, ids, links, tables
from .borrow import borrowed_names
from .original import no_original
from .versions import CompatError, check_faa, require

FAA = "fastapi_amis_admin"
PYDANTIC, PARSER, CRUD = f"{FAA}.utils.pydantic", f"{FAA}.crud.parser", f"{FAA}.crud._sqlalchemy"
ADMIN, SELECTS, AMIS = f"{FAA}.admin.admin", f"{FAA}.admin.extensions.schemas", f"{FAA}.amis.types"
SCHEMA, BASE, TRANSLATION = f"{FAA}.crud.schema", f"{FAA}.crud.base", f"{FAA}.utils.translation"

MAX_ROWS = 2**63 - 1
"""What every database can skip and return."""

#: All that the patches replace or call; looked at before the first change is made.
NEEDED = {
    PYDANTIC: (
        "ModelField create_cloned_field create_model_by_fields create_model_by_model model_fields "
        "root_validator_skip_blank annotation_outer_type parse_date parse_datetime"
    ),
    PARSER: (
        "create_response_field get_python_type_parse insfield_to_modelfield _get_label_modelfield PropertyField "
        "get_modelfield_by_alias "
        "ModelFieldProxy.cloned_field TableModelParser.filter_modelfield"
    ),
    CRUD: (
        "field_annotation_is_scalar Label SqlalchemyCrud._create_schema_filter SqlalchemyCrud.create_item "
        "SqlalchemyCrud.update_item SqlalchemyCrud._delete_items "
        "SqlalchemyCrud.update_items SqlalchemyCrud.delete_items SqlalchemySelector.get_link_clause "
        "SqlalchemyCrud.filtered_item_id SqlalchemySelector.calc_filter_clause"
    ),
    ADMIN: (
        "TemplateAdmin.page_parser BaseAdminSite.__init__ Jinja2Templates.TemplateResponse LinkModelForm.route_create "
        "LinkModelForm.route_delete LinkModelForm.bind_model_admin LinkModelForm.register_router "
        "PageAdmin.get_page FormAdmin.get_form "
        "PageAdmin.error_no_page_permission PageAdmin.page_parser"
    ),
    SELECTS: "RecentTimeSelectPerm._call",
    AMIS: "BaseAmisModel.amis_json",
    SCHEMA: "Paginator.__call__",
    TRANSLATION: "I18N.set_language i18n",
    BASE: "RouterMixin.get_router RouterMixin.error_no_router_permission BaseCrud.register_crud "
    "BaseCrud.error_execute_sql",
}


def run() -> None:
    check_faa()
    with borrowed_names(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=FAA)  # it uses deprecated names; nobody here can change that
        try:
            for module in NEEDED:
                import_module(module)
        except Exception as error:
            raise CompatError(f"{FAA} cannot be imported ({error})") from error
    for module, names in NEEDED.items():
        require(module, names.split())
    for patch in PATCHES:
        patch()


def replace(module: str, name: str, new: Any) -> None:
    """Puts new in the place of a name in every FAA module that has imported it."""
    old = require(module, name)
    for other_name, other in list(sys.modules.items()):
        if other_name.partition(".")[0] == FAA and other is not None:
            for key, value in list(vars(other).items()):
                if value is old:
                    setattr(other, key, new)


def wrap(cls: type[Any], name: str, make: Callable[[Any], Any]) -> None:
    """Makes make(the method) the method of that name, once."""
    old = cls.__dict__[name]
    if not hasattr(old, "__compat__"):
        new: Any = functools.wraps(old)(make(old))
        new.__compat__ = True
        setattr(cls, name, new)


def wrap_property(cls: type[Any], name: str, make: Callable[[Any], Any]) -> None:
    """As :func:`wrap`, for a property."""
    old = cls.__dict__[name].fget
    if not hasattr(old, "__compat__"):
        new: Any = make(old)
        new.__compat__ = True
        setattr(cls, name, property(new))


def modelfield() -> None:
    """FAA gets a ModelField of ours, on every release: it is one path less to test.

    fastapi >= 0.119 raises for fields with a default set beside a default_factory, >= 0.128.4 has neither
    create_cloned_field nor create_model_field(required=), >= 0.128.5 no ModelField.type_ and .required.
    """
    old, new = require(PYDANTIC, "ModelField"), fields.ModelField
    replace(PYDANTIC, "ModelField", new)
    replace(PYDANTIC, "create_cloned_field", fields.create_cloned_field)
    replace(PARSER, "create_response_field", fields.create_response_field)
    parser = sys.modules[PARSER]
    # these two hold ModelField since they were defined; they stay the objects that users may have imported already
    parser.PropertyField.__bases__ = (new,)
    choose = parser.TableModelParser.filter_modelfield
    choose.__defaults__ = tuple((new,) if value == (old,) else value for value in choose.__defaults__)
    if (new,) not in choose.__defaults__:
        raise CompatError(f"{PARSER}.TableModelParser.filter_modelfield no longer defaults to ModelField")
    # without FieldInfo.merge_field_infos, which newer pydantic deprecates
    parser.ModelFieldProxy.cloned_field = fields.cloned_field


def models() -> None:
    """Models are made from copies of FieldInfo.

    pydantic >= 2.12 drops attributes set on a FieldInfo afterwards, so label filters became required. On every release
    FAA changed the fields of the model it copied from: a user made without a password got an empty one.
    """
    replace(PYDANTIC, "model_fields", fields.model_fields)
    replace(PYDANTIC, "create_model_by_fields", fields.create_model_by_fields)


def column_types() -> None:
    """Types SQLAlchemy does not know: 2.0 raises NotImplementedError, 2.1 answers ``object`` (``=`` filters gave 500).

    Also: nullable columns of plain classes accept null, callable column defaults work as form defaults, and UUID ids
    are found, none of which FAA did on any current release.
    """
    replace(PARSER, "get_python_type_parse", columns.get_python_type_parse)
    replace(PARSER, "insfield_to_modelfield", columns.insfield_to_modelfield)
    replace(PARSER, "_get_label_modelfield", columns.get_label_modelfield)


def filters() -> None:
    """The texts of filters are not held to the constraints of the stored values (every release)."""
    require(CRUD, "SqlalchemyCrud")._create_schema_filter = columns.create_schema_filter


def written_values() -> None:
    """Columns that refuse naive values (sqlmodel >= 0.0.45) get aware ones, whoever set the attribute.

    And a dict for a JSON column that was null is stored: FAA took it for changes to a related object and dropped it
    without a word (every release).
    """
    crud = require(CRUD, "SqlalchemyCrud")

    def create(old: Any) -> Any:
        def create_item(self: Any, item: dict[str, Any]) -> Any:
            obj = old(self, item)
            columns.make_aware(obj)
            return obj

        return create_item

    def update(old: Any) -> Any:
        def update_item(self: Any, obj: Any, values: dict[str, Any]) -> None:
            old(self, obj, columns.set_dicts(obj, values))
            columns.make_aware(obj)

        return update_item

    def delete(old: Any) -> Any:  # a soft delete sets delete_time
        def delete_items(self: Any, session: Any, item_id: list[str]) -> Any:
            items = old(self, session, item_id)
            for obj in items:
                columns.make_aware(obj)
            return items

        return delete_items

    wrap(crud, "update_item", update)
    if columns.UTCDateTime is not None:
        wrap(crud, "create_item", create)
        wrap(crud, "_delete_items", delete)


def failed_writes() -> None:
    """What a database refuses is told by the route that asked for it (every release).

    Updates and deletions reached the database after their route, so its refusals were an error of the server. And an
    error of creating told its statement with all values; status 422 and 503 say what can be done about it.
    """
    _ = require(f"{FAA}.utils.translation", "i18n")

    def flushed(old: Any) -> Any:
        async def write(self: Any, request: Any, item_id: Any, *values: Any) -> Any:
            try:
                items = await old(self, request, item_id, *values)
                await self.db.async_flush()
            except Exception as error:
                await self.db.async_rollback()
                self.error_execute_sql(request=request, error=error)
                raise
            return items

        return write

    def told(old: Any) -> Any:
        def error_execute_sql(self: Any, request: Any, error: Exception) -> Any:
            if is_bad_value(error):
                raise HTTPException(status_code=422, detail=_("Parameter error")) from error
            if isinstance(error, (IntegrityError, HTTPException)):
                return old(self, request, error)
            raise error  # the handlers of the site know an outage, and tell no values

        return error_execute_sql

    crud = require(CRUD, "SqlalchemyCrud")
    wrap(crud, "update_items", flushed)
    wrap(crud, "delete_items", flushed)
    wrap(require(BASE, "BaseCrud"), "error_execute_sql", told)


def recent_time() -> None:
    """RecentTimeSelectPerm compares with a naive now, which UTCDateTime columns refuse (sqlmodel >= 0.0.45)."""

    async def _call(self: Any, admin: Any, request: Any, sel: Any) -> Any:
        column = getattr(admin.model, self.time_column)
        since = datetime.datetime.now() - self.td
        return sel.where(column > (columns.local_aware(since) if columns.refuses_naive(column.type) else since))

    if columns.UTCDateTime is not None:
        require(SELECTS, "RecentTimeSelectPerm")._call = _call


def requests_apart() -> None:
    """Each request gets a paginator, page and form of its own (every release).

    A page had one of each and filled it anew for every request, so that one that waited meanwhile continued with the
    page number, order, buttons and fields of another. Numbers of pages that are none, or beyond what databases count
    to, get status 422.
    """
    _ = require(f"{FAA}.utils.translation", "i18n")

    def call(old: Any) -> Any:
        def __call__(self: Any, *args: Any, **kwargs: Any) -> Any:
            try:
                mine = old(copy.copy(self), *args, **kwargs)
                if mine.offset + mine.limit <= MAX_ROWS:
                    return mine
            except ValueError:  # no number
                pass
            raise HTTPException(status_code=422, detail=_("Parameter error"))

        return __call__

    def page(old: Any) -> Any:
        async def get_page(self: Any, request: Any) -> Any:
            found = await old(self, request)
            return copy.copy(found) if found is self.page else found

        return get_page

    def form(old: Any) -> Any:
        async def get_form(self: Any, request: Any) -> Any:
            if self.form is not None:  # the method fills self.form
                self, shared = copy.copy(self), self.form
                self.form = copy.copy(shared)
            return await old(self, request)

        return get_form

    wrap(require(SCHEMA, "Paginator"), "__call__", call)
    wrap(require(ADMIN, "PageAdmin"), "get_page", page)
    wrap(require(ADMIN, "FormAdmin"), "get_form", form)


def linked_rows() -> None:
    """Links do not lead to rows that a page hides (every release); see the module ``links``."""
    form = require(ADMIN, "LinkModelForm")
    for name in ("route_create", "route_delete"):
        wrap_property(form, name, links.route)
    bind = form.__dict__["bind_model_admin"]
    if not hasattr(bind.__func__, "__compat__"):
        bound: Any = links.bind_model_admin(bind.__func__)
        bound.__compat__ = True
        form.bind_model_admin = classmethod(bound)
    wrap(require(CRUD, "SqlalchemySelector"), "get_link_clause", links.get_link_clause)


def guarded_routes() -> None:
    """Permissions are asked before bodies are read and rows are looked for (every release); see ``guards``."""
    wrap(require(BASE, "RouterMixin"), "get_router", guards.get_router)
    wrap(require(BASE, "BaseCrud"), "register_crud", guards.register_crud)
    wrap(require(ADMIN, "LinkModelForm"), "register_router", guards.register_links)


def checked_values() -> None:
    """Ids, filters and bodies that are none are the client's fault, not the server's (every release); see ``ids``."""
    wrap_property(require(CRUD, "SqlalchemyCrud"), "filtered_item_id", ids.filtered_item_id)
    wrap(require(CRUD, "SqlalchemySelector"), "calc_filter_clause", ids.calc_filter_clause)


def templates() -> None:
    """Starlette >= 1.0 wants the request before the name of the template."""
    if "request" not in inspect.signature(require(ADMIN, "Jinja2Templates.TemplateResponse")).parameters:
        return

    async def page_parser(self: Any, request: Any, page: dict[str, Any]) -> Any:
        return self.templates.TemplateResponse(request, self.template_name, {**page, "request": request})

    require(ADMIN, "TemplateAdmin").page_parser = page_parser


def original() -> None:
    """A site does not pull the original in beside this package (every release)."""

    def init(old: Any) -> Any:
        def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
            with no_original():
                old(self, *args, **kwargs)

        return __init__

    wrap(require(ADMIN, "BaseAdminSite"), "__init__", init)


def extended_tables() -> None:
    """Table models may extend table models, also where sqlmodelx is not installed (every release)."""
    models = import_module(f"{FAA}.models")
    if models.SQLModel is require("sqlmodel", "SQLModel"):
        setattr(models, "SQLModel", tables.SQLModel)  # noqa: B010  (the name is conditional there)


def script_schemas() -> None:
    """Schemas stand as JSON inside a script of the page, which a ``</script>`` in a user name ended (every release)."""

    def amis_json(old: Any) -> Any:
        return lambda self: script_json(old(self))

    wrap(require(AMIS, "BaseAmisModel"), "amis_json", amis_json)


def forbidden_pages() -> None:
    """Who is logged in and may not open a page was sent to the login page, which sent them back (every release).

    Other routes told them that they are not logged in.
    """

    def ask_site(how: str) -> Any:
        def wrapped(old: Any) -> Any:
            def error(self: Any, request: Any) -> Any:
                refuse = getattr(getattr(self, "site", None), how, None)
                return old(self, request) if refuse is None else refuse(request)

            return error

        return wrapped

    wrap(require(ADMIN, "PageAdmin"), "error_no_page_permission", ask_site("refuse_page"))
    wrap(require(BASE, "RouterMixin"), "error_no_router_permission", ask_site("refuse_route"))


def language() -> None:
    """The environment's language is one that amis has (every release): it takes what it does not know, as "C.UTF-8" or
    "en_US.UTF-8", for Chinese. What an application sets by itself stays as it is.
    """
    known = {"zh": "zh_CN", "de": "de_DE"}

    def of_environment() -> str:
        """As its ``set_language`` without an argument finds it."""
        text = os.getenv("LANGUAGE") or os.getenv("LANG") or locale.getlocale()[0] or "en_US"
        return "zh_CN" if text.lower().startswith(("zh", "chinese")) else text

    def get(old: Any) -> Any:
        def set_language(self: Any, language: str | None = None) -> Any:
            return old(self, language or known.get(of_environment()[:2].lower(), "en_US"))

        return set_language

    i18n = require(TRANSLATION, "i18n")
    wrap(require(TRANSLATION, "I18N"), "set_language", get)
    given = i18n.get_language()
    usual = given in ("en_US", *known.values())
    if given == of_environment() and not usual:  # a call collects garbage, which is slow
        i18n.set_language()


def placed_pages() -> None:
    """Addresses in pages have the prefix of the application, which is known from the request only (every release).

    And a body that is none has status 422.
    """

    def parse(old: Any) -> Any:
        checked = ids.page_parser(old)

        async def page_parser(self: Any, request: Any, page: Any) -> Any:
            response = await checked(self, request, page)
            place_page = getattr(self.site, "place_page", None)
            return response if place_page is None else place_page(request, response)

        return page_parser

    wrap(require(ADMIN, "PageAdmin"), "page_parser", parse)


def sqlmodelx() -> None:
    """FAA takes SQLModel from sqlmodelx when that is installed and silently does without when it fails."""
    if find_spec("sqlmodelx") and require(f"{FAA}.models", "SQLModel").__module__.partition(".")[0] != "sqlmodelx":
        warnings.warn(
            "sqlmodelx is installed but fails to import here: fastapi_amis_admin.models.SQLModel is plain SQLModel",
            RuntimeWarning,
            stacklevel=2,
        )


PATCHES = (
    language,
    modelfield,
    models,
    column_types,
    filters,
    written_values,
    failed_writes,
    recent_time,
    requests_apart,
    linked_rows,
    guarded_routes,
    checked_values,
    templates,
    original,
    script_schemas,
    forbidden_pages,
    placed_pages,
    sqlmodelx,
    extended_tables,
)
