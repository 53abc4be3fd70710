"""What ``_include`` adds to the matches of a page: https://hl7.org/fhir/R4/search.html#include."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.fhir import build, params, paths
from gateway.nhs import access, links
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records.deciding import Decided, decide
from gateway.records.door import Door
from gateway.store import resources
from gateway.store.limits import passes
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_INCLUDED = 250


def fitting(decided: Decided, matches: list[Stored]) -> list[Stored]:
    """The first matches, as many as come with all that ``_include`` names of them; at least one."""
    if not decided.query.includes:
        return matches
    named: set[tuple[str, str]] = set()
    for number, match in enumerate(matches):
        named |= wanted(decided, [match]).keys()
        if number and len(named) > MOST_INCLUDED:
            return matches[:number]
    return matches


def included(
    door: Door,
    session: Session,
    caller: Caller,
    decided: Decided,
    matches: Sequence[Stored],
    wanted: Mapping[tuple[str, str], Sequence[Stored]],
) -> list[Stored]:
    """What matched resources, as the caller sees them, point at and ``_include`` names, each within the limits of the
    person whom the match is about; the directory has its own."""
    seen = {(match.type, match.id) for match in matches}
    included = []
    for (type_, id_), pointing in list(wanted.items())[:MOST_INCLUDED]:
        head = None if (type_, id_) in seen else resources.head_of(session, type_, id_)
        if head is None or head.deleted:
            continue
        if type_ in DIRECTORY:
            directory = decide(door, session, caller, access.Act("read", type_), None)
            if directory.refusal is None and passes(directory.limits)(head):
                included.append(head)
        elif any(_shows(decided.of(match), head) for match in {match.patient: match for match in pointing}.values()):
            included.append(head)
    return included


def _shows(decision: access.Decision, head: Stored) -> bool:
    """Whether a decision lets a resource through whole."""
    return passes(decision.limits)(head) and not decision.blanks(head.publisher, head.labels)


def wanted(decided: Decided, matches: Sequence[Stored]) -> dict[tuple[str, str], list[Stored]]:
    """(type, id) of what ``_include`` names, in the order of the matches, with the matches that point at it."""
    query = decided.query
    wanted: dict[tuple[str, str], list[Stored]] = {}
    for include in query.includes:
        targets = params.includes(query.type)[include.param]
        names = _path(query.type, include.param)
        for match in matches:
            resource = build.decode(match.body)
            is_blanked = decided.of(match).blanks(match.publisher, match.labels)
            seen = links.redact(resource) if is_blanked else resource
            for reference in paths.references(seen, names):
                type_, _, id_ = reference.partition("/")
                if id_ and type_ in targets and include.target in ("", type_):
                    wanted.setdefault((type_, id_), []).append(match)
    return wanted


def _path(resource_type: str, name: str) -> paths.Path:
    """The element that a reference parameter reads."""
    is_about = name in ("patient", "subject")
    return paths.path(
        params.subject(resource_type) if is_about else params.row(resource_type, name).paths[resource_type]
    )
