"""Pages of people with a permission for each field, for the tests of those permissions."""

from __future__ import annotations

from typing import Any

from fastapi_amis_admin import amis
from fastapi_amis_admin.admin import FieldPermEnum
from field_models import FieldPerson, FieldTeam
from sqlalchemy import func, insert, select
from test_row_permissions import Site

from fastapi_user_auth_c.mixins.admin import AuthFieldModelAdmin

ID = "FieldPersonAdmin"
PAGE = f"/admin/{ID}"
FIELDS = ["name", "salary", "phone", "is_active", "born", "pay", "extra", "team_id"]
ACTIONS = ("list", "filter", "read", "create", "update")
ANN = {
    "id": 1,
    "name": "ann",
    "salary": 100,
    "phone": "555-1",
    "is_active": False,
    "born": "2001-02-03T04:05:06",
    "pay": "12.50",
    "extra": {"a": [1]},
    "team_id": 1,
}


class FieldPersonAdmin(AuthFieldModelAdmin):
    unique_id = ID
    page_schema = amis.PageSchema(label="People")
    model = FieldPerson
    ordering = [FieldPerson.salary.desc(), FieldPerson.id]
    search_fields = [FieldPerson.phone]
    enable_bulk_create = True
    bulk_update_fields = [FieldPerson.salary, amis.InputText(name="phone", label="Phone")]


class FieldSite(Site):
    """An application with pages of people, and a user bob who may open them, and sees and writes no field."""

    def __enter__(self) -> FieldSite:
        super().__enter__()
        self.page_rights(ID)
        self.run(lambda session: session.execute(insert(FieldTeam.__table__), [{"id": 1, "name": "x", "budget": 5}]))
        people = [
            FieldPerson(**{**ANN, "born": FieldPerson.model_validate(ANN).born, "pay": 12.5}),
            FieldPerson(id=2, name="bea", salary=300, phone="555-2"),
            FieldPerson(id=3, name="cal", salary=200, phone="555-3"),
        ]
        self.run(lambda session: session.add_all(people))
        if "postgresql" in str(self.site.db.engine.url):  # ids were given, so the next one is not known
            from sqlalchemy import text

            self.run(lambda s: s.execute(text("SELECT setval('field_person_id_seq', 100)")))
        return self

    def page_rights(self, page: str, *names: str) -> None:
        names = names or (*ACTIONS, "delete", "bulk_update", "bulk_create")
        rules = [("u:bob", page, act, "page", "allow") for act in ("page", *(f"page:{name}" for name in names))]
        self.call(self.auth.enforcer.add_policies, rules)

    def grant(self, *names: str, page: str = ID, who: str = "u:bob", effect: str = "allow") -> None:
        """names: ``action:field``"""
        rules = [(who, page, f"page:{name}", f"page:{name.split(':')[0]}", effect) for name in names]
        assert self.call(self.auth.enforcer.add_policies, rules)

    def revoke(self, *names: str, page: str = ID) -> None:
        rules = [("u:bob", page, f"page:{name}", f"page:{name.split(':')[0]}", "allow") for name in names]
        assert self.call(self.auth.enforcer.remove_policies, rules)

    def stored(self, item: int = 1) -> Any:
        return dict(self.read(select(FieldPerson.__table__).where(FieldPerson.id == item))[0]._mapping)

    def count(self) -> int:
        return int(self.read(select(func.count()).select_from(FieldPerson))[0][0])


def refused(answer: Any, *permissions: str, page: str = ID) -> None:
    """The answer names just these missing permissions, each ``action:field``."""
    assert answer.status_code == 403, (answer.status_code, answer.text)
    message = answer.json()["msg"]
    for name in permissions:
        assert f"({page}#page:{name}#page:{name.split(':')[0]})" in message, message
    assert message.count("#page:") == 2 * len(permissions) and message.startswith("Missing permission: "), message


def names_in(node: Any) -> set[str]:
    """All names of columns and form items in a part of a page."""
    if isinstance(node, list):
        return set().union(*map(names_in, node))
    if not isinstance(node, dict):
        return set()
    own = {node["name"]} if "name" in node and ("label" in node or "type" in node) else set()
    return own.union(*map(names_in, node.values()))


class ChosenAdmin(FieldPersonAdmin):
    unique_id = "ChosenAdmin"
    perm_fields = {FieldPermEnum.ALL: ["salary", "phone", "name"]}
    perm_fields_exclude = {FieldPermEnum.READ: ["name"], FieldPermEnum.LIST: ["phone"]}
