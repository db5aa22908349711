"""``PolicyManagement``: the methods of Casbin's management and RBAC API that change rules or may have to wait.

Each is a few lines over those of :class:`~.writer.PolicyWriter`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .reader import Rule, as_rule, distinct
from .writer import PolicyWriter


class PolicyManagement(PolicyWriter):
    """Casbin's management and RBAC API, as coroutines.

    ``self`` has the attributes of a :class:`PolicyReader`.
    """

    # --- management API, changing

    async def add_policy(self, *params: Any) -> bool:
        """Add a permission rule, as one list or as separate values; False when it is there already.

        Raises:
            RuleError: it does not fit the model, or its subject is root.
        """
        return await self.add_named_policy("p", *params)

    async def add_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Add permission rules, all or none; False when one is there already."""
        return await self.add_named_policies("p", rules)

    async def add_named_policy(self, ptype: str, *params: Any) -> bool:
        """Add a rule of a type such as ``p``, as :meth:`add_policy` does."""
        return await self._add_policy("p", ptype, as_rule(params))

    async def add_named_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules of a type such as ``p``, as :meth:`add_policies` does."""
        return await self._add_policies("p", ptype, rules)

    async def update_policy(self, old_rule: Sequence[str], new_rule: Sequence[str]) -> bool:
        """Replace a permission rule by a new one; False when the old one is not there."""
        return await self.update_named_policy("p", old_rule, new_rule)

    async def update_policies(self, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]) -> bool:
        """Replace each of the old permission rules by the new one at its place; False, and nothing changes, when one is
        not there.
        """
        return await self.update_named_policies("p", old_rules, new_rules)

    async def update_named_policy(self, ptype: str, old_rule: Sequence[str], new_rule: Sequence[str]) -> bool:
        """Replace an old rule of a type such as ``p`` by a new one, as :meth:`update_policy` does."""
        return await self._update_policy("p", ptype, old_rule, new_rule)

    async def update_named_policies(
        self, ptype: str, old_rules: Iterable[Sequence[str]], new_rules: Iterable[Sequence[str]]
    ) -> bool:
        """Replace old rules of a type such as ``p`` by new ones, as :meth:`update_policies` does."""
        return await self._update_policies("p", ptype, old_rules, new_rules)

    async def update_filtered_policies(
        self, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> bool:
        """Replace the permission rules that match; False when none does.

        Args:
            new_rules: what is there afterwards in their place.
            field_index: the first field that is compared, counted from 0.
            field_values: what the fields from there on have to be; ``""`` stands for any.
        """
        return await self.update_filtered_named_policies("p", new_rules, field_index, *field_values)

    async def update_filtered_named_policies(
        self, ptype: str, new_rules: Iterable[Sequence[str]], field_index: int, *field_values: str
    ) -> bool:
        """As :meth:`update_filtered_policies`, for rules of a type such as ``p``: ``new_rules`` in place of those with
        ``field_values`` from ``field_index`` on.
        """
        new = distinct(new_rules)
        return bool(await self._update_filtered_policies("p", ptype, new, field_index, *field_values)) and bool(new)

    async def remove_policy(self, *params: Any) -> bool:
        """Remove a permission rule; False when it is not there."""
        return await self.remove_named_policy("p", *params)

    async def remove_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Remove permission rules, all or none; False when one is not there."""
        return await self.remove_named_policies("p", rules)

    async def remove_filtered_policy(self, field_index: int, *field_values: str) -> bool:
        """Remove the permission rules with ``field_values`` from ``field_index`` on; ``""`` stands for any."""
        return await self.remove_filtered_named_policy("p", field_index, *field_values)

    async def remove_named_policy(self, ptype: str, *params: Any) -> bool:
        """Remove a rule of a type such as ``p``; False when it is not there."""
        return await self._remove_policy("p", ptype, as_rule(params))

    async def remove_named_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules of a type such as ``p``, all or none; False when one is not there."""
        return await self._remove_policies("p", ptype, rules)

    async def remove_filtered_named_policy(self, ptype: str, field_index: int, *field_values: str) -> bool:
        """As :meth:`remove_filtered_policy` (``field_index``, ``field_values``), for rules of a type such as ``p``."""
        return await self._remove_filtered_policy("p", ptype, field_index, *field_values)

    async def add_grouping_policy(self, *params: Any) -> bool:
        """Add a rule that links a user or role to a role; False when it is there already.

        Raises:
            CycleError: it would close a cycle.
        """
        return await self.add_named_grouping_policy("g", *params)

    async def add_grouping_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules that link users or roles to roles, all or none; False when one is there already.

        Raises:
            CycleError: one would close a cycle; nothing is added.
        """
        return await self.add_named_grouping_policies("g", rules)

    async def add_named_grouping_policy(self, ptype: str, *params: Any) -> bool:
        """Add a rule of a type such as ``g``, as :meth:`add_grouping_policy` does."""
        return await self._add_policy("g", ptype, as_rule(params))

    async def add_named_grouping_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Add rules of a type such as ``g``, as :meth:`add_grouping_policies` does."""
        return await self._add_policies("g", ptype, rules)

    async def remove_grouping_policy(self, *params: Any) -> bool:
        """Remove a rule that links to a role; False when it is not there."""
        return await self.remove_named_grouping_policy("g", *params)

    async def remove_grouping_policies(self, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules that link to roles, all or none; False when one is not there."""
        return await self.remove_named_grouping_policies("g", rules)

    async def remove_filtered_grouping_policy(self, field_index: int, *field_values: str) -> Any:
        """As :meth:`remove_filtered_named_grouping_policy` (``field_index``, ``field_values``), for the type ``g``."""
        return await self.remove_filtered_named_grouping_policy("g", field_index, *field_values)

    async def remove_named_grouping_policy(self, ptype: str, *params: Any) -> bool:
        """Remove a rule of a type such as ``g``; False when it is not there."""
        return await self._remove_policy("g", ptype, as_rule(params))

    async def remove_named_grouping_policies(self, ptype: str, rules: Iterable[Sequence[str]]) -> bool:
        """Remove rules of a type such as ``g``, all or none; False when one is not there."""
        return await self._remove_policies("g", ptype, rules)

    async def remove_filtered_named_grouping_policy(self, ptype: str, field_index: int, *field_values: str) -> Any:
        """Remove the links of a type such as ``g`` with ``field_values`` from ``field_index`` on; ``""`` is for any.

        Returns:
            The removed links, as Casbin does; empty when none matched.
        """
        return await self._remove_filtered_policy_returns_effects("g", ptype, field_index, *field_values)

    # --- RBAC API

    async def get_roles_for_user(self, name: str) -> list[str]:
        """The direct roles of the user or role of that name."""
        return self.roles_of("g", name)

    async def get_users_for_role(self, name: str) -> list[str]:
        """The direct members of the role of that name."""
        return self.members_of("g", name)

    async def has_role_for_user(self, name: str, role: str) -> bool:
        """Whether the user of that name has a role directly."""
        return role in self.roles_of("g", name)

    async def add_role_for_user(self, user: str, role: str) -> bool:
        """Give a role to a user; False when the user has it already."""
        return await self.add_grouping_policy(user, role)

    async def delete_role_for_user(self, user: str, role: str) -> bool:
        """Take a role from a user; False when the user does not have it."""
        return await self.remove_grouping_policy(user, role)

    async def delete_roles_for_user(self, user: str) -> Any:
        """Take all roles from a user; returns the removed links."""
        return await self.remove_filtered_grouping_policy(0, user)

    async def delete_user(self, user: str) -> Any:
        """Remove a user's role links and rules."""
        links = await self.remove_filtered_grouping_policy(0, user)
        rules = await self.remove_filtered_policy(0, user)
        return links or rules

    async def delete_role(self, role: str) -> Any:
        """Remove a role's members and rules."""
        links = await self.remove_filtered_grouping_policy(1, role)
        rules = await self.remove_filtered_policy(0, role)
        return links or rules

    async def delete_permission(self, *permission: str) -> bool:
        """Remove a permission from everybody."""
        return await self.remove_filtered_policy(1, *permission)

    async def add_permission_for_user(self, user: str, *permission: str) -> bool:
        """Add a rule for a user or role: the permission is the rest of the rule. False when it is there already."""
        return await self.add_policy(user, *permission)

    async def delete_permission_for_user(self, user: str, *permission: str) -> bool:
        """Remove a rule of a user or role: the permission is the rest of the rule. False when it is not there."""
        return await self.remove_policy(user, *permission)

    async def delete_permissions_for_user(self, user: str) -> bool:
        """Remove all rules of a user or role; False when there are none."""
        return await self.remove_filtered_policy(0, user)

    async def get_permissions_for_user(self, user: str) -> list[Rule]:
        """The rules of a user or role itself."""
        return self.get_filtered_policy(0, user)

    async def has_permission_for_user(self, user: str, *permission: str) -> bool:
        """Whether there is a rule of that user or role itself: the permission is the rest of the rule."""
        return self.has_policy(user, *permission)

    async def get_implicit_roles_for_user(self, name: str, domain: str = "") -> list[str]:
        """Direct and inherited roles, over all role types, nearest first.

        Args:
            name: of the user or role.
            domain: of the links, where the model has one.
        """
        found: dict[str, None] = {}
        queue = [name]
        for subject in queue:
            for ptype, width in self.types().items():
                if ptype == "p" or (width > 2) is not bool(domain):
                    continue
                for role in self.roles_of(ptype, subject, *([domain] if domain else [])):
                    if role not in found:
                        found[role] = None
                        queue.append(role)
        return list(found)

    async def get_implicit_permissions_for_user(
        self, user: str, domain: str = "", filter_policy_dom: bool = True
    ) -> list[Rule]:
        """The rules of a user and of all its roles.

        Args:
            user: the subject.
            domain: of the links, where the model has one.
            filter_policy_dom: whether the rules too have to be of that domain.
        """
        return await self.get_named_implicit_permissions_for_user("p", user, domain, filter_policy_dom)

    async def get_named_implicit_permissions_for_user(
        self, ptype: str, user: str, domain: str = "", filter_policy_dom: bool = True
    ) -> list[Rule]:
        """As :meth:`get_implicit_permissions_for_user` (``user``, ``domain``, ``filter_policy_dom``), of the rules of a
        type such as ``p``.
        """
        wanted = domain if filter_policy_dom else ""
        subjects = [user, *await self.get_implicit_roles_for_user(user, domain)]
        return [rule for subject in subjects for rule in self.get_filtered_named_policy(ptype, 0, subject, wanted)]

    async def get_implicit_users_for_permission(self, *permission: str) -> list[str]:
        """The users (not roles) that a permission is allowed to."""
        subjects = dict.fromkeys(self._values("g", 0) + self.get_all_subjects())
        roles = set(self.get_all_roles())
        users = [subject for subject in subjects if subject not in roles]
        allowed = self.batch_enforce([(user, *permission) for user in users])
        return [user for user, yes in zip(users, allowed, strict=True) if yes]

    async def get_roles_for_user_in_domain(self, name: str, domain: str) -> list[str]:
        """The direct roles that the user of that name has in a domain."""
        return self.roles_of("g", name, domain)

    async def get_users_for_role_in_domain(self, name: str, domain: str) -> list[str]:
        """The direct members that the role of that name has in a domain."""
        return self.members_of("g", name, domain)

    async def add_role_for_user_in_domain(self, user: str, role: str, domain: str) -> bool:
        """Give a role to a user in a domain; False when the user has it there already."""
        return await self.add_grouping_policy(user, role, domain)

    async def delete_roles_for_user_in_domain(self, user: str, role: str, domain: str) -> Any:
        """Take a role from a user in a domain; returns the removed links."""
        return await self.remove_filtered_grouping_policy(0, user, role, domain)

    async def get_permissions_for_user_in_domain(self, user: str, domain: str) -> list[Rule]:
        """The rules of a user or role itself that have the domain in their second field."""
        return await self.get_named_permissions_for_user_in_domain("p", user, domain)

    async def get_named_permissions_for_user_in_domain(self, ptype: str, user: str, domain: str) -> list[Rule]:
        """As :meth:`get_permissions_for_user_in_domain` (``user``, ``domain``), of rules of a type such as ``p``."""
        return self.get_filtered_named_policy(ptype, 0, user, domain)

    async def get_all_roles_by_domain(self, domain: str) -> list[str]:
        """The roles of one domain, without inherited ones."""
        return list(dict.fromkeys(rule[-2] for rule in self.rules("g") if rule[-1] == domain))

    async def get_implicit_users_for_resource(self, resource: str) -> list[Rule]:
        """The rules on a resource, those of roles spelled out for each direct member."""
        return self._rules_of_users(resource, set(self.get_all_roles()), None)

    async def get_implicit_users_for_resource_by_domain(self, resource: str, domain: str) -> list[Rule]:
        """As :meth:`get_implicit_users_for_resource`, with the roles and rules of one domain alone."""
        return self._rules_of_users(resource, set(await self.get_all_roles_by_domain(domain)), domain)

    def _rules_of_users(self, resource: str, roles: set[str], domain: str | None) -> list[Rule]:
        sub, obj = self._index_of("p", "sub"), self._index_of("p", "obj")
        found: dict[tuple[str, ...], None] = {}
        for rule in self.get_policy():
            if rule[obj] != resource:
                continue
            if rule[sub] not in roles:
                found[tuple(rule)] = None
            elif domain is None or rule[self._index_of("p", "dom")] == domain:
                for member in self.members_of("g", rule[sub], *([] if domain is None else [domain])):
                    as_members = (*rule[:sub], member, *rule[sub + 1 :])
                    found[as_members] = None
        return [list(rule) for rule in found]

    async def get_field_index(self, ptype: str, field: str) -> int:
        """The position of a named field in rules of a type such as ``p``.

        Raises:
            ValueError: there is no field of that name.
        """
        return self._index_of(ptype, field)

    async def set_field_index(self, ptype: str, field: str, index: int) -> None:
        """Give the field at ``index`` in rules of a type a name, or a named field another position."""
        self._field_index[ptype, field] = index
