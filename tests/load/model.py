"""What may be true at a moment: each fact with the values that somebody may still, or may already, see."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

LAG = 1.0
"""How long after the answer to a change other workers may not know of it."""


@dataclass
class Version:
    """A value of a fact, from when it was asked for; ``settled`` when the answer came, ``by`` which worker gave it."""

    value: Any
    begun: float
    settled: float | None = None
    by: int | None = None


class Fact:
    """One thing that one client changes and everybody sees."""

    def __init__(self, value: Any) -> None:
        self.versions = [Version(value, 0.0, 0.0)]

    @property
    def value(self) -> Any:
        """The newest value; sure only when nothing is open."""
        return self.versions[-1].value

    def begin(self, value: Any) -> Version:
        """A change to a value is asked for now."""
        version = Version(value, time.monotonic())
        self.versions.append(version)
        return version

    def settle(self, version: Version, value: Any = None, by: int | None = None) -> None:
        """The change is made; or, with a value, that is what the database holds after nobody knew."""
        if value is not None:
            version.value = value
        version.settled, version.by = time.monotonic(), by
        while len(self.versions) > 1 and (self.versions[1].settled or time.monotonic()) + 120 < time.monotonic():
            del self.versions[0]  # no request is that old

    def possible(self, start: float, end: float, worker: int | None = None) -> list[Any]:
        """The values that a request may have seen, sent at ``start``, answered at ``end`` and by that worker."""
        first = 0
        for number, version in enumerate(self.versions):
            lag = 0.0 if worker is not None and version.by == worker else LAG
            if version.settled is not None and version.settled + lag <= start:
                first = number
        return [version.value for version in self.versions[first:] if version.begun <= end]


@dataclass
class Subject:
    """A user or a role: what it is allowed itself, and the roles it has."""

    name: str
    id: int
    pages: Fact = field(default_factory=lambda: Fact(frozenset()))
    roles: Fact = field(default_factory=lambda: Fact(frozenset()))


class Model:
    """All users and roles. Rights only add up, so the most and the least that may be true bound each decision."""

    def __init__(self) -> None:
        self.users: dict[str, Subject] = {}
        self.roles: dict[str, Subject] = {}

    def may_open(self, user: str, page: str, start: float, end: float, worker: int | None = None) -> set[bool]:
        """The decisions that are right for a request, see :meth:`Fact.possible`."""
        return {page in self._pages(self.users[user], start, end, worker, join) for join in (frozenset.union, _common)}

    def has_role(self, user: str, role: str, start: float, end: float, worker: int | None = None) -> set[bool]:
        """The same for a role that is given directly."""
        return {role in roles for roles in self.users[user].roles.possible(start, end, worker)}

    def _pages(self, subject: Subject, start: float, end: float, worker: int | None, join: Any) -> frozenset[str]:
        found, todo, seen = frozenset[str](), [subject], set()
        while todo:
            each = todo.pop()
            if each.name not in seen:
                seen.add(each.name)
                found |= join(*each.pages.possible(start, end, worker))
                todo += [self.roles[key] for key in join(*each.roles.possible(start, end, worker))]
        return found

    def rules(self) -> list[tuple[str, ...]]:
        """The rules that the database has to hold when everything is settled."""
        found = []
        for prefix, subjects in (("u:", self.users), ("r:", self.roles)):
            for subject in subjects.values():
                name = prefix + subject.name
                found += [("g", name, f"r:{role}") for role in subject.roles.value]
                found += [("p", name, *rule) for page in subject.pages.value for rule in rules_of(page)]
        return sorted(found)


def _common(*sets: frozenset[str]) -> frozenset[str]:
    return frozenset.intersection(*sets)


def rules_of(page: str) -> list[tuple[str, ...]]:
    """What opens a page and its list."""
    return [(page, "page", "page", "allow"), (page, "page:list", "page", "allow")]


def posted(pages: Iterable[str]) -> str:
    """The same as the form of permissions takes it."""
    return ",".join(f"{page}#{action}#page" for page in pages for action in ("page", "page:list"))
