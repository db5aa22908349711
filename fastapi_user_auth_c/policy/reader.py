"""What both enforcers share: settings, and Casbin's management API as far as it only reads memory."""

from __future__ import annotations

import functools
import logging.config
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from .._core import PolicyEngine
from .casbin_views import ModelView, RoleManagerView
from .csv_file import FileAdapter
from .explain import Explanation, explain
from .watchers import PushWatcher

Rule = list[str]


def as_rule(params: Sequence[Any]) -> list[str]:
    """Casbin takes a rule as one list or as separate values; here a tuple does as well."""
    if len(params) == 1 and isinstance(params[0], list | tuple):
        return list(params[0])
    return list(params)


def distinct(rules: Iterable[Sequence[str]]) -> list[Rule]:
    """The rules as lists, each once."""
    rules = list(rules)
    if any(isinstance(rule, str) for rule in rules):
        raise TypeError("argument 'rules' must hold lists or tuples, not str")
    return [list(rule) for rule in dict.fromkeys(tuple(rule) for rule in rules)]


def read_model(model: Any) -> str | None:
    """Model text from None, a path, text, a view of a model, or Casbin's ``Model``; None means the built-in one."""
    if model is None:
        return None
    if isinstance(model, ModelView):
        return model.text
    if isinstance(model, Path):
        return model.read_text(encoding="utf-8")
    if isinstance(model, str):
        return model if "\n" in model else Path(model).read_text(encoding="utf-8")
    to_text = getattr(model, "to_text", None)
    if callable(to_text):
        return str(to_text())
    raise TypeError(f"model must be None, a path, model text or a Casbin Model, not {type(model).__name__}")


def model_of(enforcer: Any) -> Any:
    """The model that an enforcer decides by, as :func:`read_model` takes it: of this package or of another one."""
    return enforcer._model_text if isinstance(enforcer, PolicyReader) else enforcer.get_model()


def unsupported(what: str) -> NoReturn:
    raise NotImplementedError(
        f"the policy engine takes no {what}; an application that needs it can hand casbin's own AsyncEnforcer to Auth"
    )


class PolicyReader(PolicyEngine):
    """Settings and look-ups; :class:`~.enforcer.AsyncEnforcer` and :class:`~.enforcer.Enforcer` add the changes."""

    model_path = ""
    auto_build_role_links = True
    """Kept for Casbin's API: role links here are always up to date."""

    def __init__(
        self, model: Any = None, adapter: Any = None, enable_log: bool = False, logging_config: Any = None
    ) -> None:
        self.adapter: Any = None
        self.watcher: Any = None
        self.auto_save = True
        self.auto_notify_watcher = True
        self.poll_seconds = 1.0
        """How old, in seconds, the policy in memory may get before the storage is asked for a newer one."""
        self.revision: int | None = None
        """Number of the stored policy that memory holds; None where it is not known to hold one."""
        self._asked = float("-inf")
        self._model_text: str | None = None
        self._field_index: dict[tuple[str, str], int] = {}
        if enable_log:
            self.configure_logging(logging_config)
        self.init_with_model_and_adapter(model, adapter)

    # --- settings

    def init_with_file(self, model_path: str, policy_path: str) -> None:
        """Start over with a model file (``model_path``) and a CSV file of rules (``policy_path``)."""
        self.init_with_adapter(model_path, FileAdapter(policy_path))

    def init_with_adapter(self, model_path: str, adapter: Any = None) -> None:
        """Start over with a model file (``model_path``) and an adapter."""
        self.init_with_model_and_adapter(model_path, adapter)

    def init_with_model_and_adapter(self, m: Any, adapter: Any = None) -> None:
        """Start over with a model, in any form the constructor takes, and an adapter."""
        self.set_model(m)
        self.adapter = FileAdapter(adapter) if isinstance(adapter, str | Path) else adapter

    @staticmethod
    def configure_logging(logging_config: Any = None) -> None:
        """Apply a ``logging.config`` dictionary; without one logging stays as the application has it."""
        if logging_config is not None:
            logging.config.dictConfig(logging_config)

    @staticmethod
    def new_model(path: str = "", text: str = "") -> str:
        """Model text: what is in the file at a path, or the text as given."""
        return Path(path).read_text(encoding="utf-8") if path else text

    def get_model(self) -> ModelView:
        """A snapshot of the rules in the shape of Casbin's model; changing it changes nothing here."""
        return ModelView.of(self)

    @property
    def model(self) -> ModelView:
        """What :meth:`get_model` gives."""
        return self.get_model()

    def set_model(self, m: Any) -> None:
        """Start over with another model, in any form the constructor takes; rules in a Casbin model come along."""
        text = read_model(m)
        self.define(text)
        self.revision = None
        self._model_text = text
        self.model_path = str(m) if isinstance(m, Path) or (isinstance(m, str) and "\n" not in m) else ""
        self._field_index.clear()
        for section in ("p", "g"):
            for ptype, assertion in (getattr(m, "model", {}).get(section) or {}).items():
                self.add(ptype, assertion.policy)

    def load_model(self) -> None:
        """Read the model file again; as in Casbin the rules are gone until they are loaded anew."""
        self.set_model(self.model_path or self._model_text)

    def get_adapter(self) -> Any:
        """The adapter that rules are stored by; None for rules in memory only."""
        return self.adapter

    def set_adapter(self, adapter: Any) -> None:
        """Store rules by another adapter from now on; those in memory stay until they are loaded."""
        self.adapter = adapter
        self.revision = None

    def set_watcher(self, watcher: Any) -> None:
        """Set a watcher with Casbin's protocol; for an AsyncEnforcer its methods may be asynchronous.

        One of :mod:`~fastapi_user_auth_c.policy.watchers` without a callback of its own is given this enforcer's.
        """
        self.watcher = watcher
        if isinstance(watcher, PushWatcher) and watcher.callback is None:
            watcher.set_update_callback(functools.partial(self.refresh, at_once=True))  # type: ignore[attr-defined]

    def get_role_manager(self) -> RoleManagerView:
        """A view of the role links of type ``g``."""
        return self.get_named_role_manager("g")

    def get_named_role_manager(self, ptype: str) -> RoleManagerView:
        """A view of the role links of a type.

        Raises:
            ValueError: the model does not define that type.
        """
        if ptype not in self.rm_map:
            raise ValueError("ptype not found")
        return self.rm_map[ptype]

    @property
    def rm_map(self) -> dict[str, RoleManagerView]:
        """A view of the role links of each type."""
        return {ptype: RoleManagerView(self, ptype) for ptype in self.types() if ptype != "p"}

    def init_rm_map(self) -> None:
        """Kept for Casbin's API: role links here are always up to date."""

    def build_role_links(self) -> None:
        """Kept for Casbin's API: role links here are always up to date."""

    def enable_enforce(self, enabled: bool = True) -> None:
        """Switch decisions on, or with ``enabled=False`` off: then everything is allowed."""
        self.enabled = enabled

    def enable_auto_save(self, auto_save: bool) -> None:
        """Whether changes are stored as they are made (``auto_save``)."""
        self.auto_save = auto_save

    def enable_auto_build_role_links(self, auto_build_role_links: bool) -> None:
        """Kept for Casbin's API (``auto_build_role_links``): role links here are always up to date."""
        self.auto_build_role_links = auto_build_role_links

    def enable_auto_notify_watcher(self, auto_notify_watcher: bool) -> None:
        """Whether the watcher hears of changes (``auto_notify_watcher``)."""
        self.auto_notify_watcher = auto_notify_watcher

    def is_filtered(self) -> bool:
        """Whether only a part of the stored rules was loaded."""
        return bool(getattr(self.adapter, "is_filtered", lambda: False)())

    def _follows(self) -> bool:
        """Whether memory holds just what is stored, and is kept so."""
        return self.revision is not None and self.auto_save and not self.is_filtered()

    def refresh_due(self) -> bool:
        """Whether ``refresh()`` would ask the storage now."""
        return time.monotonic() - self._asked >= self.poll_seconds and self._follows()

    def clear_policy(self) -> None:
        """Forget all rules in memory; storage keeps them."""
        self.define(self._model_text)
        self.revision = None

    def _index_of(self, ptype: str, field: str) -> int:
        """The position of a named field in a rule."""
        index = self._field_index.get((ptype, field))
        if index is not None:
            return index
        names = self.fields()[1] if ptype == "p" else []
        if field not in names:
            raise ValueError(f"{ptype} rules have no field {field!r}; set_field_index() can name one")
        return names.index(field)

    # --- settings of Casbin that put Python code inside decisions: refused, never ignored

    def add_function(self, name: str, func: Any) -> None:
        """Casbin's matcher functions in Python (``name``, ``func``) are not supported: NotImplementedError."""
        unsupported(f"matcher functions written in Python ({name})")

    def add_named_matching_func(self, ptype: str, fn: Any) -> bool:
        """Casbin's matching functions (``ptype``, ``fn``) are not supported: NotImplementedError."""
        unsupported("matching functions for roles")

    def add_named_domain_matching_func(self, ptype: str, fn: Any) -> bool:
        """Casbin's matching functions (``ptype``, ``fn``) are not supported: NotImplementedError."""
        unsupported("matching functions for domains")

    def add_named_link_condition_func(self, ptype: str, user: str, role: str, fn: Any) -> bool:
        """Casbin's conditional links (``ptype``, ``user``, ``role``, ``fn``) are not supported: NotImplementedError."""
        unsupported("conditional role links")

    def add_named_domain_link_condition_func(self, ptype: str, user: str, role: str, domain: str, fn: Any) -> bool:
        """Casbin's conditional links (``ptype``, ``user``, ``role``, ``domain``, ``fn``) are not supported:
        NotImplementedError.
        """
        unsupported("conditional role links")

    def set_named_link_condition_func_params(self, ptype: str, user: str, role: str, *params: Any) -> bool:
        """Casbin's conditional links (``ptype``, ``user``, ``role``, ``params``) are not supported:
        NotImplementedError.
        """
        unsupported("conditional role links")

    def set_named_domain_link_condition_func_params(
        self, ptype: str, user: str, role: str, domain: str, *params: Any
    ) -> bool:
        """Casbin's conditional links (``ptype``, ``user``, ``role``, ``domain``, ``params``) are not supported:
        NotImplementedError.
        """
        unsupported("conditional role links")

    def set_role_manager(self, rm: Any) -> None:
        """Other role managers (``rm``) are not supported: NotImplementedError."""
        unsupported("other role managers")

    def set_named_role_manager(self, ptype: str, rm: Any) -> None:
        """Other role managers (``ptype``, ``rm``) are not supported: NotImplementedError."""
        unsupported("other role managers")

    def set_effector(self, eft: Any) -> None:
        """Other effectors (``eft``) are not supported: NotImplementedError."""
        unsupported("other effectors")

    def new_enforce_context(self, suffix: str) -> Any:
        """Second definitions in one model (``suffix``) are not supported: NotImplementedError."""
        unsupported("second definitions (r2, p2, e2, m2) in one model")

    # --- decisions

    def explain(self, *request: str) -> Explanation:
        """Why a request ``(sub, obj, act, group)`` is decided as it is; ``str()`` of the answer is for people.

        Raises:
            TypeError: a value is not a str, or there are too few or too many of them.
        """
        return explain(self, request, custom=self._model_text is not None)

    # --- management API, reading

    def _values(self, ptype: str, field: int) -> list[str]:
        """The values of a field, each once; none for a policy type the model does not define, as in Casbin."""
        return list(dict.fromkeys(rule[field] for rule in self.rules(ptype))) if ptype in self.types() else []

    def _has(self, ptype: str, rule: Sequence[str]) -> bool:
        return ptype in self.types() and self.has_rule(ptype, rule)

    def get_all_subjects(self) -> list[str]:
        """All subjects of rules, each once."""
        return self.get_all_named_subjects("p")

    def get_all_named_subjects(self, ptype: str) -> list[str]:
        """All subjects of rules of a type such as ``p``, each once."""
        return self._values(ptype, 0)

    def get_all_objects(self) -> list[str]:
        """All objects of rules, each once."""
        return self.get_all_named_objects("p")

    def get_all_named_objects(self, ptype: str) -> list[str]:
        """All objects of rules of a type such as ``p``, each once."""
        return self._values(ptype, 1)

    def get_all_actions(self) -> list[str]:
        """All actions of rules, each once."""
        return self.get_all_named_actions("p")

    def get_all_named_actions(self, ptype: str) -> list[str]:
        """All actions of rules of a type such as ``p``, each once."""
        return self._values(ptype, 2)

    def get_all_roles(self) -> list[str]:
        """All roles that have a member, each once."""
        return self.get_all_named_roles("g")

    def get_all_named_roles(self, ptype: str) -> list[str]:
        """All roles that have a member by links of a type such as ``g``, each once."""
        return self._values(ptype, 1)

    def get_policy(self) -> list[Rule]:
        """All permission rules, oldest first."""
        return self.get_named_policy("p")

    def get_named_policy(self, ptype: str) -> list[Rule]:
        """All rules of a type such as ``p``, oldest first."""
        return self.rules(ptype)

    def get_filtered_policy(self, field_index: int, *field_values: str | Callable[[str], bool]) -> list[Rule]:
        """Permission rules with ``field_values`` from ``field_index`` on; ``""`` stands for any, a callable tests."""
        return self.get_filtered_named_policy("p", field_index, *field_values)

    def get_filtered_named_policy(
        self, ptype: str, field_index: int, *field_values: str | Callable[[str], bool]
    ) -> list[Rule]:
        """As :meth:`get_filtered_policy` (``field_index``, ``field_values``), of the rules of a type such as ``p``."""
        texts = ["" if callable(value) else value for value in field_values]
        tests = [(field_index + i, value) for i, value in enumerate(field_values) if callable(value)]
        rules = self.rules(ptype, field_index, texts)
        return [rule for rule in rules if all(test(rule[i]) for i, test in tests)]

    def get_grouping_policy(self) -> list[Rule]:
        """All role links, oldest first."""
        return self.get_named_grouping_policy("g")

    def get_named_grouping_policy(self, ptype: str) -> list[Rule]:
        """All role links of a type such as ``g``, oldest first."""
        return self.rules(ptype)

    def get_filtered_grouping_policy(self, field_index: int, *field_values: str) -> list[Rule]:
        """Role links with ``field_values`` from ``field_index`` on; ``""`` stands for any."""
        return self.get_filtered_named_grouping_policy("g", field_index, *field_values)

    def get_filtered_named_grouping_policy(self, ptype: str, field_index: int, *field_values: str) -> list[Rule]:
        """As :meth:`get_filtered_grouping_policy` (``field_index``, ``field_values``), of the links of a type such as
        ``g``.
        """
        return self.get_filtered_named_policy(ptype, field_index, *field_values)

    def has_policy(self, *params: Any) -> bool:
        """Whether a permission rule is there, given as one list or as separate values."""
        return self.has_named_policy("p", *params)

    def has_named_policy(self, ptype: str, *params: Any) -> bool:
        """Whether a rule of a type such as ``p`` is there."""
        return self._has(ptype, as_rule(params))

    def has_grouping_policy(self, *params: Any) -> bool:
        """Whether a rule that links to a role is there."""
        return self.has_named_grouping_policy("g", *params)

    def has_named_grouping_policy(self, ptype: str, *params: Any) -> bool:
        """Whether a rule of a type such as ``g`` is there."""
        return self._has(ptype, as_rule(params))

    def roles_of(self, ptype: str, name: str, *domain: str) -> list[str]:
        """Direct roles of the subject of that name over links of a type such as ``g``, of a domain where one is given;
        oldest link first.
        """
        return [rule[1] for rule in self.rules(ptype, 0, [name, "", *domain])]

    def members_of(self, ptype: str, name: str, *domain: str) -> list[str]:
        """Direct members of the role of that name over links of a type such as ``g``, of a domain where one is given;
        oldest link first.
        """
        return [rule[0] for rule in self.rules(ptype, 1, [name, *domain])]
