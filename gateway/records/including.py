"""What ``_include`` and ``_revinclude`` add to the matches of a page: https://hl7.org/fhir/R4/search.html#include."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.fhir import params
from gateway.fhir.search import Clause, Include
from gateway.nhs.roles import DIRECTORY
from gateway.records.deciding import Decided
from gateway.records.door import as_seen
from gateway.records.hopping import Hops, led
from gateway.store.limits import passes
from gateway.store.resources import Stored

MOST_INCLUDED, MOST_ROUNDS = 250, 4
"""Resources on one page, and how far ``:iterate`` goes on."""


def fitting(decided: Decided, matches: list[Stored]) -> list[Stored]:
    """The first matches, as many as come with all that ``_include`` names of them; at least one."""
    if not decided.query.includes:
        return matches
    named: set[tuple[str, str]] = set()
    for number, match in enumerate(matches):
        named |= {target for include in decided.query.includes for target in _pointed(decided, match, include)}
        if number and len(named) > MOST_INCLUDED:
            return matches[:number]
    return matches


def included(hops: Hops, decided: Decided, matches: Sequence[Stored]) -> tuple[list[Stored], bool]:
    """What comes with the matches, each as the caller could read it and within the limits of the person whom the
    resource is about that leads to it; and whether some of it is left out."""
    seen = {(match.type, match.id) for match in matches}
    added: list[Stored] = []
    frontier = list(matches)
    for number in range(MOST_ROUNDS if _iterates(decided) else 1):
        near: dict[tuple[str, str], Stored] = {}
        for head in _next(hops, decided, frontier, is_first=not number):
            near.setdefault((head.type, head.id), head)
        frontier = [head for name, head in near.items() if name not in seen]
        seen |= near.keys()
        added += frontier
        if len(added) > MOST_INCLUDED or not frontier:
            break
    return added[:MOST_INCLUDED], len(added) > MOST_INCLUDED


def _iterates(decided: Decided) -> bool:
    return any(include.iterates for include in (*decided.query.includes, *decided.query.revincludes))


def _next(hops: Hops, decided: Decided, frontier: Sequence[Stored], is_first: bool) -> Iterator[Stored]:
    """What is one step from these resources."""
    for include in decided.query.includes:
        if is_first or include.iterates:
            yield from _led_to(hops, decided, frontier, include)
    for include in decided.query.revincludes:
        if is_first or include.iterates:
            yield from _referring(hops, decided, frontier, include)


def _led_to(hops: Hops, decided: Decided, frontier: Sequence[Stored], include: Include) -> Iterator[Stored]:
    """What the resources, as the caller sees them, point at."""
    wanted: dict[tuple[str, str], list[Stored]] = {}
    for resource in frontier:
        for target in _pointed(decided, resource, include):
            wanted.setdefault(target, []).append(resource)
    for (type_, id_), pointing in wanted.items():
        head = hops.at(type_, id_)
        if head and not _is_blanked(hops, head) and any(_is_near(decided, resource, head) for resource in pointing):
            yield head


def _pointed(decided: Decided, resource: Stored, include: Include) -> list[tuple[str, str]]:
    """(type, id) of what an include names of a resource."""
    if resource.type != include.type:
        return []
    targets = params.includes(include.type)[include.param]
    allowed = [target for target in targets if include.target in ("", target)]
    return led(include.type, include.param, as_seen(resource, decided.of(resource)), allowed)


def _is_near(decided: Decided, resource: Stored, head: Stored) -> bool:
    """Whether what a resource leads to is of the directory, or of the same person and within its limits: a reference to
    somebody else's record brings nothing of it."""
    return head.type in DIRECTORY or passes(decided.of(resource).limits)(head)


def _is_blanked(hops: Hops, head: Stored) -> bool:
    return hops.decision(head.type, head.patient).blanks(head.publisher, head.labels)


def _referring(hops: Hops, decided: Decided, frontier: Sequence[Stored], include: Include) -> Iterator[Stored]:
    """What refers to the resources, as the caller sees it."""
    targets = [target for target in params.includes(include.type)[include.param] if include.target in ("", target)]
    near: dict[int, list[Stored]] = {}
    for resource in frontier:
        if resource.type in targets and (resource.type in DIRECTORY) == (include.type in DIRECTORY):
            near.setdefault(resource.patient, []).append(resource)
    for patient, resources in near.items():
        names = [(resource.type, resource.id) for resource in resources]
        for head in hops.about(include.type, patient, Clause(include.param, "reference", tuple(names))):
            is_led = not set(led(include.type, include.param, hops.seen(head), targets)).isdisjoint(names)
            if is_led and (head.type in DIRECTORY or passes(decided.of(resources[0]).limits)(head)):
                yield head
