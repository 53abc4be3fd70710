"""The changes of one request by id: what criteria lead to, and what references in them mean."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

from gateway.errors import Conflict, Invalid, NotFound, Stale
from gateway.fhir import params
from gateway.intake.change import FOUND, Change, names_of, placed, require_apart
from gateway.intake.criteria import Sent, matched
from gateway.intake.ownership import Owner
from gateway.store.mapped import Name
from mappings.fhir.references import referring

Patched = Callable[[Change], Change]
"""What makes a change with a patch one with a resource."""


def resolved(owner: Owner, changes: Sequence[Change], patched: Patched) -> list[Change]:
    """https://hl7.org/fhir/R4/http.html#trules

    The changes, in their order, by id and with their references to one another and by criteria as ids. What is deleted
    before matches no criteria after, and conditional references are of what stands when all is written. Raises
    ``Invalid`` where two of them are one resource."""
    require_apart(changes)
    gone: set[Name] = set()
    named: list[Change] = []
    for change in changes:
        with placed(change.place):
            named.append(patched(identified(owner, change, gone)))
        if change.act == "delete":
            gone.add(named[-1].name)
    if len({change.name for change in named}) < len(named):
        raise Invalid("one resource is named twice")
    names = names_of(named)
    named = [_called(change, names) for change in named]
    sent = Sent(owner, named)
    written = {change.name for change in named if change.act != FOUND}
    meanings: dict[str, str] = {}
    return [_linked(owner, change, sent, written, meanings) for change in named]


def identified(owner: Owner, change: Change, gone: Collection[Name] = ()) -> Change:
    """The change with the id that it is of."""
    if change.criteria is not None:
        change = by_criteria(owner, change, gone)
    return replace(change, id=change.id or str(uuid.uuid4()))


def by_criteria(owner: Owner, change: Change, gone: Collection[Name] = ()) -> Change:
    """https://hl7.org/fhir/R4/http.html#cond-update

    The change with the id of the one resource that its criteria match, and where they match it without them. Raises
    ``Stale`` where they match several, ``NotFound`` where a delete or a patch matches none, ``Invalid`` where what is
    sent has another id, ``Conflict`` where what is sent has the id of something that they do not match."""
    matches = matched(owner, change.type, change.criteria or (), gone)
    if len(matches) > 1:
        raise Stale(f"{change.type}: the criteria match several")
    sent_id = str((change.resource or {}).get("id", ""))
    match change.act, bool(matches):
        case "create", True:
            return replace(change, act=FOUND, id=matches[0].id, criteria=None)
        case "create", False:
            return change
        case "update", False if change.patch is None:
            held = owner.held(change.type, sent_id) if sent_id and change.expected is None else None
            if held and not held.deleted:
                raise Conflict(f"{change.type}.id: the criteria do not match what has it")
            return replace(change, id=sent_id)
        case _, False:
            raise NotFound(change.type)
    if change.act == "update" and sent_id and sent_id != matches[0].id:
        raise Invalid(f"{change.type}.id: not the id of what the criteria match")
    return replace(change, id=matches[0].id, criteria=None)


def _called(change: Change, names: Mapping[str, str]) -> Change:
    """The change with what the request calls its other entries by id."""
    if not change.place or change.resource is None:
        return change
    return replace(change, resource=referring(change.resource, lambda text: names.get(text, text)))


def _linked(owner: Owner, change: Change, sent: Sent, written: Collection[Name], meanings: dict[str, str]) -> Change:
    """The change with its conditional references by id. Raises ``Invalid`` where its own criteria, which match nothing
    that stands, match another of the request."""
    with placed(change.place):
        if change.criteria is not None and any(
            other.name != change.name for other in sent.matching(change.type, change.criteria)
        ):
            raise Invalid("criteria: another entry is of the same resource")
        if not change.place or change.resource is None:
            return change

        def to(reference: str) -> str:
            if reference not in meanings:
                meanings[reference] = _conditional(owner, reference, sent, written)
            return meanings[reference]

        return replace(change, resource=referring(change.resource, to))


def _conditional(owner: Owner, reference: str, sent: Sent, written: Collection[Name]) -> str:
    """What a conditional reference leads to; any other as it is. One to a directory that matches nothing here stays: it
    names by identifier. Raises ``Stale`` for one that does not match one resource."""
    type_, mark, query = reference.partition("?")
    if not mark or type_ not in params.SEARCHABLE:
        return reference
    criteria = tuple(parse_qsl(query, keep_blank_values=True))
    ids = {head.id for head in matched(owner, type_, criteria, written)}
    ids |= {change.id for change in sent.matching(type_, criteria)}
    if not ids and type_ in params.DIRECTORY_TYPES:
        return reference
    if len(ids) != 1:
        raise Stale(f"{type_}: a conditional reference that does not match one resource")
    return f"{type_}/{ids.pop()}"
