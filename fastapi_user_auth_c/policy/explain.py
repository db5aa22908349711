"""Why a request is allowed or denied: :class:`Explanation`, made by the ``explain`` method of the enforcers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .._core import PolicyEngine


@dataclass(frozen=True)
class OtherRule:
    """A rule that was relevant to a request and did not decide it."""

    rule: list[str]
    """Its fields: subject, object, action, group, effect."""
    level: int
    """The level of its subject."""
    role_path: list[str]
    """From the subject of the request to that of the rule, over role links."""
    page_path: list[str]
    """From the page of the request down to that of the rule; empty where it is the same page."""
    why_not: str
    """``higher level``, ``overruled by deny`` or ``same decision``."""


@dataclass(frozen=True)
class Explanation:
    """A decision and how it came about."""

    request: list[str]
    """What was asked: subject, object, action, group."""
    allowed: bool
    """What ``enforce`` answers."""
    why: str
    """``rule``, ``no rule``, ``root`` (who may do everything) or ``disabled`` (decisions are switched off)."""
    rule: list[str] | None = None
    """The fields of the rule that decided, the same as ``enforce_ex`` gives."""
    level: int | None = None
    """The level of its subject. The lowest one with a relevant rule decides; a model of one's own may have none."""
    role_path: list[str] = field(default_factory=list)
    """From the subject of the request to that of the rule, over role links."""
    page_path: list[str] = field(default_factory=list)
    """From the page of the request down to that of the rule; empty where it is the same page."""
    others: list[OtherRule] = field(default_factory=list)
    """Further rules that were relevant, lowest level first; none with a model of one's own."""

    def __str__(self) -> str:
        lines = [f"{'allowed' if self.allowed else 'denied'}: {shown(self.request)}", f"why: {_REASONS[self.why]}"]
        if self.rule is not None:
            lines[1] += f" {shown(self.rule)}"
            lines += _details(self.level, self.role_path, self.page_path)
        for other in self.others:
            lines.append(f"also relevant ({other.why_not}): {shown(other.rule)}")
            lines += _details(other.level, other.role_path, other.page_path)
        return "\n".join(lines)


_REASONS = {
    "rule": "the rule",
    "no rule": "no rule is relevant",
    "root": "root may do everything",
    "disabled": "decisions are switched off, so everything is allowed",
}


def _details(level: int | None, roles: list[str], pages: list[str]) -> list[str]:
    lines = [] if level is None else [f"    level: {level}"]
    if len(roles) > 1:
        lines.append(f"    roles: {shown(roles, ' -> ')}")
    if pages:
        lines.append(f"    pages: {shown(pages, ' -> ')}")
    return lines


def shown(values: list[str], separator: str = ", ") -> str:
    """Values on one line, with a separator between, as a terminal may have them: quoted and escaped where they are not
    plain.
    """
    plain = (
        value if value and value.isprintable() and not set(value) & set(" ,'\"") else repr(value) for value in values
    )
    return separator.join(plain)


def explain(engine: PolicyEngine, request: Sequence[str], custom: bool) -> Explanation:
    """The explanation of a request.

    Args:
        engine: the rules.
        request: as ``enforce`` takes it.
        custom: whether the model is another than the built-in one.

    Raises:
        TypeError: a value is not a str, or there are too few or too many of them.
    """
    allowed, rule, relevant = engine.reasons(*request)  # one call: nothing changes in between
    if not engine.enabled:
        return Explanation(list(request), True, "disabled")
    if not rule:
        is_root = allowed and not custom
        return Explanation(list(request), allowed, "root" if is_root else "no rule")
    at = next(i for i, one in enumerate(relevant) if one[0] == rule)
    _, level, role_path, page_path = relevant.pop(at)
    others = [
        OtherRule(other, its_level, roles, _climb(pages), _why_not(rule, level, other, its_level))
        for other, its_level, roles, pages in relevant
    ]
    return Explanation(
        list(request), allowed, "rule", rule, None if custom else level, role_path, _climb(page_path), others
    )


def _climb(pages: list[str]) -> list[str]:
    return pages if len(pages) > 1 else []


def _why_not(rule: list[str], level: int, other: list[str], its_level: int) -> str:
    if its_level != level:
        return "higher level"
    return "same decision" if other[-1] == rule[-1] else "overruled by deny"
