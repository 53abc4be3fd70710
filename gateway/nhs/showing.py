"""Steps 7 and 8 of a decision: within which limits an act looks, which sections it opens, and what is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gateway.fhir.search import Allow, Limits
from gateway.nhs import kinds, labels, links, roles, scopes
from gateway.nhs.decision import Case, Decision
from gateway.nhs.roles import Rule

SUMMARY, SHARED = "summary", "shared"
"""The two documents: what the registered practice tells of a patient, and what all sources do."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One way in which a row lets publishers be seen: which of its sections, and which labels hide."""

    publishers: frozenset[int]
    sections: frozenset[str]
    hidden: int


def limited(case: Case, basis: str, own: frozenset[int], others: frozenset[int]) -> Decision:
    """The decision that shows what these publishers recorded, as the rows of the role and the token's scopes let it."""
    hidden = labels.HIDDEN_FROM_OTHERS & ~(labels.SERVICE if case.facts.consented else 0)
    scoped = scopes.types(case.caller.scopes, case.caller.level, case.act.name)
    core_only = others & case.practices if _is_core_only(case) else frozenset()
    if core_only:
        case.trace.append("6 choices: of a practice the core summary only")
    allow: list[Allow] = []
    sections: set[str] = set()
    for rule in case.rules:
        case.trace.append(f"7 role: {rule.reason}")
        for way in _ways(case, rule, (own, others, core_only), hidden, scoped):
            sections |= way.sections
            allow += _allows(rule, way, scoped)
    sensitive = "hidden in what others recorded" if others else "own record, nothing withheld"
    case.trace.append(f"8 sensitive: {sensitive}")
    return Decision(
        None,
        Limits(tuple(allow), frozenset(patient.key for patient in case.facts.patients), _history(case, own)),
        frozenset(sections),
        hidden if others else labels.HIDDEN_ALWAYS,
        bool(others),
        tuple(case.trace),
        case.facts,
        basis or "own-record",
        core_only,
    )


def _is_core_only(case: Case) -> bool:
    return case.act.name in (SUMMARY, SHARED) and case.has_label(labels.SUMMARY_CORE_ONLY)


def _ways(
    case: Case,
    rule: Rule,
    publishers: tuple[frozenset[int], frozenset[int], frozenset[int]],
    hidden: int,
    scoped: frozenset[str] | None,
) -> Iterator[_Way]:
    """The caller's own record, what others recorded, and what is left of a practice when the patient chose the core."""
    own, others, core_only = publishers
    sections = roles.covered(rule.sections, scoped) if case.act.name in (SUMMARY, SHARED) else rule.sections
    if own:
        yield _Way(own, sections, labels.HIDDEN_ALWAYS)
    if rule.own:
        return
    if whole := others - core_only:
        yield _Way(whole, sections, hidden)
    if core_only:
        yield _Way(core_only, sections & roles.CORE, hidden)


def _allows(rule: Rule, way: _Way, scoped: frozenset[str] | None) -> list[Allow]:
    """The rows of limits for one way: types by kind of publisher, because social care's episodes and problems are its
    services."""
    opened: dict[frozenset[str], set[str]] = {}
    every = roles.types_of(way.sections) | ({"Patient"} if rule.demographics else frozenset())
    for kind in kinds.KINDS.values():
        of_kind = scopes.narrowed(every | kinds.opened_by(way.sections, kind), scoped)
        opened.setdefault(of_kind, set()).add(kind.name)
    if len(opened) == 1:
        (of_all,) = opened
        return list(_by_law(Allow(of_all, way.publishers, None, way.hidden)))
    return [
        allow
        for of_kind, names in opened.items()
        for allow in _by_law(Allow(of_kind, way.publishers, frozenset(names), way.hidden))
    ]


def _by_law(allow: Allow) -> Iterator[Allow]:
    """What is excluded by law is hidden from others too, but for types that are blanked instead."""
    types = allow.types or frozenset()
    if not allow.hidden & ~labels.HIDDEN_ALWAYS:
        parts = [(types, allow.hidden)]
    else:
        kept = types & links.BLANKED_TYPES
        parts = [(types - kept, allow.hidden | labels.HIDDEN_UNLESS_KEPT), (kept, allow.hidden)]
    yield from (Allow(part, allow.publishers, allow.kinds, hidden) for part, hidden in parts if part)


def _history(case: Case, own: frozenset[int]) -> frozenset[int] | None:
    """The publishers whose superseded versions may be seen: the caller's own, by who has a row for history."""
    if not own or case.act.name not in ("vread", "history", "read"):
        return None
    return own if roles.rules_for(case.caller, "history") else None
