"""Rules in the shapes that code written for Casbin expects: its model and its role managers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reader import PolicyReader


class Assertion:
    """The rules of one policy type."""

    def __init__(self, key: str, rm: Any = None) -> None:
        self.key = key
        self.policy: list[list[str]] = []
        self.rm = rm


class ModelView:
    """``model["p"]["p"].policy`` and ``model.model["g"]["g"].rm``: a snapshot, or an empty one for adapters to fill."""

    def __init__(self, text: str | None = None) -> None:
        self.text = text
        """The model text; None for the built-in model."""
        self.model: dict[str, dict[str, Assertion]] = {}

    @classmethod
    def empty(cls, enforcer: PolicyReader) -> ModelView:
        view = cls(enforcer._model_text)
        for ptype in enforcer.types():
            manager = None if ptype == "p" else RoleManagerView(enforcer, ptype)
            view.model.setdefault(ptype[:1], {})[ptype] = Assertion(ptype, manager)
        return view

    @classmethod
    def of(cls, enforcer: PolicyReader) -> ModelView:
        view = cls.empty(enforcer)
        for section in view.model.values():
            for ptype, assertion in section.items():
                assertion.policy = enforcer.rules(ptype)
        return view

    def __getitem__(self, section: str) -> dict[str, Assertion] | None:
        return self.model.get(section)

    def keys(self) -> Any:
        return self.model.keys()

    def items(self) -> Any:
        return self.model.items()

    def values(self) -> Any:
        return self.model.values()

    def get_policy(self, sec: str, ptype: str) -> list[list[str]]:
        return self.model[sec][ptype].policy

    def pairs(self) -> Iterator[tuple[str, list[str]]]:
        """Every rule as ``(ptype, rule)``."""
        for section in self.model.values():
            for ptype, assertion in section.items():
                for rule in assertion.policy:
                    yield ptype, rule

    def has_policy(self, sec: str, ptype: str, rule: list[str]) -> bool:
        return rule in self.model[sec][ptype].policy

    def add_policy(self, sec: str, ptype: str, rule: list[str]) -> bool:
        if self.has_policy(sec, ptype, rule):
            return False
        self.model[sec][ptype].policy.append(rule)
        return True


class RoleManagerView:
    """The look-ups of Casbin's role manager over the role links of one type."""

    domain_matching_func = None

    def __init__(self, enforcer: PolicyReader, ptype: str) -> None:
        self._enforcer = enforcer
        self._ptype = ptype

    def get_roles(self, name: str, *domain: str) -> list[str]:
        return self._enforcer.roles_of(self._ptype, name, *(part for part in domain if part))

    def get_users(self, name: str, *domain: str) -> list[str]:
        return self._enforcer.members_of(self._ptype, name, *(part for part in domain if part))

    def has_link(self, name: str, role: str, *domain: str) -> bool:
        return name == role or role in self._enforcer.reach(self._ptype, name, next(iter(domain), None))
