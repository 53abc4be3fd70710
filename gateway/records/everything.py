"""Everything of one person that a caller may see by id, in pages, with the directory resources that it points at.

The limits hold on every hop: what of a resource is blanked leads nowhere, and each directory resource is decided about
as if it were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

from gateway.errors import NotFound
from gateway.fhir.portion import MOST, Portion
from gateway.nhs import access
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records import cursors
from gateway.records.deciding import decide, is_shown
from gateway.records.door import Door, Found, Page, audited, refuse_early, served, visible
from gateway.records.facts import about_head, publishers_now
from gateway.records.linking import linked
from gateway.store import compartment, resources
from gateway.store.compartment import Held
from gateway.store.resources import Stored
from gateway.store.session import Session

_TO_DIRECTORY = re.compile(rb'"reference":"(' + "|".join(sorted(DIRECTORY)).encode() + rb')/([A-Za-z0-9\-.]{1,64})"')
"""A reference to the directory in the bytes of a resource. Within a string its quotes would be escaped."""
MOST_BYTES = 32 * 1024 * 1024
"""Of a page's own resources: a thousand letters may be a gigabyte."""

Place = tuple[int, int]
Name = tuple[str, str]
"""(type, id)."""
Judged = tuple[Stored, access.Decision]
"""A resource, and the decision that lets it be shown."""


def everything(door: Door, caller: Caller, id_: str, portion: Portion, request_id: str) -> Page:
    """https://hl7.org/fhir/R4/patient-operation-everything.html

    A page of the record of the person of one Patient: all their Patients, what these hold, then the directory. What is
    refused is ``NotFound``, as it is by id.
    """
    act, what = access.Act("everything", "Patient"), f"Patient/{id_}/$everything"
    names = [name for name, _ in portion.parameters]
    refuse_early(door, caller, act, request_id, names)
    after = cursors.place(door, caller, what, portion.parameters, portion.cursor)
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", id_)
        decision = decide(door, session, caller, act, about_head(head))
        may_see = is_shown(head, decision)
        shown, has_more = _part(door, session, caller, decision, portion, after) if may_see else ([], False)
        publishers = publishers_now(door, session) if shown else {}
        answer = [(stored, served(stored, publishers, by)) for stored, by in shown]
    outcome = "ok" if may_see else "refused" if decision.refusal else "not found"
    audited(door, caller, act, decision, outcome, request_id, [stored for stored, _ in shown], names)
    if not may_see:
        raise NotFound("Patient")
    at = _position(shown[-1][0]) if has_more else None
    resume = cursors.handle(door, caller, what, portion.parameters, (at, [])) if at else None
    own = [shown_as for stored, shown_as in answer if stored.type not in DIRECTORY]
    return Page(linked(own, decision), _directory_of(answer), resume, None, portion.cursor)


def _part(
    door: Door, session: Session, caller: Caller, decision: access.Decision, portion: Portion, after: Place | None
) -> tuple[list[Judged], bool]:
    """The resources of the page after a place, and whether there are more. The directory comes with the last of the
    person's own, uncut by a count: to find it the whole record is read, and this once and not for each page of it."""
    beyond = after[1] if after is not None and after[0] == compartment.DIRECTORY else None
    own = compartment.held(session, decision.limits, portion, after, portion.count + 1) if beyond is None else []
    page = _fitting(own[: portion.count])
    judged = [(stored, decision) for stored in compartment.read(session, page)]
    if len(page) < len(own) or not (DIRECTORY & (portion.types or DIRECTORY)):
        return judged, len(page) < len(own)
    directory = _Directory(door, session, caller).pointed_at(decision, portion)
    later = [item for item in directory if item[0].key > (beyond or 0)]
    return [*judged, *later[:MOST]], len(later) > MOST


def _fitting(held: list[Held]) -> list[Held]:
    """The first resources, as many as fit into the bytes of a page; at least one."""
    sizes = accumulate(item.size for item in held)
    return [item for number, (item, size) in enumerate(zip(held, sizes)) if size <= MOST_BYTES or not number]


class _Directory:
    """The directory as one caller sees it while one request is answered."""

    def __init__(self, door: Door, session: Session, caller: Caller):
        self._door, self._session, self._caller = door, session, caller
        self._decisions: dict[str, access.Decision] = {}
        self._judged: dict[tuple[str, str], Judged | None] = {}

    def pointed_at(self, decision: access.Decision, portion: Portion) -> list[Judged]:
        """What a portion of a person's record points at, and what that points at, in the order of its keys. Of a
        portion since a moment: what the changed resources point at, and what itself has changed."""
        changed: dict[Name, None] = {}
        unchanged: dict[Name, None] = {}
        whole = replace(portion, types=_of_person(portion), since=None)
        for stored in compartment.read(self._session, compartment.held(self._session, decision.limits, whole)):
            names = _references(visible(stored, decision).body)
            (changed if portion.is_since(stored.updated) else unchanged).update(names)
        part = self._reached(changed)
        if portion.since is not None:
            every = self._reached(changed | unchanged)
            part |= {key: item for key, item in every.items() if portion.is_since(item[0].updated)}
        return [item for _, item in sorted(part.items()) if portion.has(item[0].type)]

    def _reached(self, names: Iterable[Name]) -> dict[int, Judged]:
        waiting = list(names)
        reached: dict[int, Judged] = {}
        for name in waiting:  # grows as it is walked
            item = self._look(*name)
            if item and item[0].key not in reached:
                reached[item[0].key] = item
                waiting += _references(visible(*item).body)
        return reached

    def _look(self, type_: str, id_: str) -> Judged | None:
        """A resource of the directory as it would be read, if it would."""
        if (type_, id_) not in self._judged:
            head, decision = resources.head_of(self._session, type_, id_), self._decision(type_)
            self._judged[type_, id_] = (head, decision) if is_shown(head, decision) else None
        return self._judged[type_, id_]

    def _decision(self, type_: str) -> access.Decision:
        if type_ not in self._decisions:
            act = access.Act("read", type_)
            self._decisions[type_] = decide(self._door, self._session, self._caller, act, None)
        return self._decisions[type_]


def _of_person(portion: Portion) -> frozenset[str] | None:
    """The types of the person's own resources that a portion has; where it names the directory alone, all of them lead
    there."""
    own = portion.types - DIRECTORY if portion.types is not None else None
    return own or None


def _references(body: bytes) -> dict[Name, None]:
    """What a resource refers to in the directory, each once."""
    return {(type_.decode(), id_.decode()): None for type_, id_ in _TO_DIRECTORY.findall(body)}


def _position(last: Stored) -> Place:
    return (compartment.DIRECTORY, last.key) if last.type in DIRECTORY else compartment.position(last)


def _directory_of(answer: Sequence[tuple[Stored, Found]]) -> list[Found]:
    return [shown_as for stored, shown_as in answer if stored.type in DIRECTORY]
