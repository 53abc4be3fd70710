"""Everything of one person that a caller may see by id, in pages, with the directory resources that it points at.

The limits hold on every hop: what of a resource is blanked leads nowhere, and each directory resource is decided about
as if it were read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gateway.errors import NotFound
from gateway.fhir.portion import Portion
from gateway.nhs import access
from gateway.nhs.roles import DIRECTORY, Caller
from gateway.records import handles
from gateway.records.deciding import decide, shows
from gateway.records.door import Door, Found, Page, audited, refuse_early, served, visible
from gateway.records.facts import about_head, publishers_now
from gateway.records.linking import linked
from gateway.store import compartment, resources
from gateway.store.resources import Stored
from gateway.store.session import Session

_REFERENCE = re.compile(rb'"reference":"(' + "|".join(sorted(DIRECTORY)).encode() + rb')/([A-Za-z0-9\-.]{1,64})"')
"""A reference to the directory in the bytes of a resource. Within a string its quotes would be escaped."""

Place = tuple[int, int]
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
    after = handles.place(door, caller, what, portion.parameters, portion.cursor)
    with door.store.read() as session:
        head = resources.head_of(session, "Patient", id_)
        decision = decide(door, session, caller, act, about_head(head))
        is_shown = shows(decision, head)
        judged = _part(door, session, caller, decision, portion, after) if is_shown else []
        shown, has_more = judged[: portion.count], len(judged) > portion.count
        publishers = publishers_now(door, session) if shown else {}
        answer = [(stored, served(stored, publishers, by)) for stored, by in shown]
    outcome = "ok" if is_shown else "refused" if decision.refusal else "not found"
    audited(door, caller, act, decision, outcome, request_id, [stored for stored, _ in shown], names)
    if not is_shown:
        raise NotFound("Patient")
    resume = handles.handle(door, caller, what, portion.parameters, _position(shown[-1][0])) if has_more else None
    own = [shown_as for stored, shown_as in answer if stored.type not in DIRECTORY]
    return Page(linked(own, decision), _directory_of(answer), resume, None, portion.cursor)


def _part(
    door: Door, session: Session, caller: Caller, decision: access.Decision, portion: Portion, after: Place | None
) -> list[Judged]:
    """The resources after a place, one more than the page holds where there are more."""
    most, is_in_directory = portion.count + 1, after is not None and after[0] == compartment.DIRECTORY
    own = [] if is_in_directory else compartment.of_person(session, decision.limits, portion, after, most)
    judged = [(stored, decision) for stored in own]
    if len(judged) == most or not (DIRECTORY & (portion.types or DIRECTORY)):
        return judged
    beyond = after[1] if after is not None and is_in_directory else 0
    directory = _Directory(door, session, caller).pointed_at(decision, portion)
    return [*judged, *(item for item in directory if item[0].key > beyond)][:most]


class _Directory:
    """The directory as one caller sees it while one request is answered."""

    def __init__(self, door: Door, session: Session, caller: Caller):
        self._door, self._session, self._caller = door, session, caller
        self._decisions: dict[str, access.Decision] = {}
        self._judged: dict[tuple[str, str], Judged | None] = {}

    def pointed_at(self, decision: access.Decision, portion: Portion) -> list[Judged]:
        """What a portion of a person's record points at, and what that points at, in the order of its keys. Of a
        portion since a moment: what the changed resources point at, and what itself has changed."""
        part = self._reached(decision, replace(portion, types=_of_person(portion)))
        if portion.since is not None:
            whole = self._reached(decision, replace(portion, types=_of_person(portion), since=None))
            part |= {key: item for key, item in whole.items() if portion.is_since(item[0].updated)}
        return [item for _, item in sorted(part.items()) if portion.has(item[0].type)]

    def _reached(self, decision: access.Decision, portion: Portion) -> dict[int, Judged]:
        own = compartment.of_person(self._session, decision.limits, portion)
        waiting = list(_references(visible(stored, decision).body for stored in own))
        reached: dict[int, Judged] = {}
        for name in waiting:  # grows as it is walked
            item = self._look(*name)
            if item and item[0].key not in reached:
                reached[item[0].key] = item
                waiting += _references([visible(*item).body])
        return reached

    def _look(self, type_: str, id_: str) -> Judged | None:
        """A resource of the directory as it would be read, if it would."""
        if (type_, id_) not in self._judged:
            head, decision = resources.head_of(self._session, type_, id_), self._decision(type_)
            self._judged[type_, id_] = (head, decision) if shows(decision, head) else None
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


def _references(bodies: Iterable[bytes]) -> dict[tuple[str, str], None]:
    """(type, id) of what the bodies refer to in the directory."""
    return {(type_.decode(), id_.decode()): None for body in bodies for type_, id_ in _REFERENCE.findall(body)}


def _position(last: Stored) -> Place:
    return (compartment.DIRECTORY, last.key) if last.type in DIRECTORY else compartment.position(last)


def _directory_of(answer: Sequence[tuple[Stored, Found]]) -> list[Found]:
    return [shown_as for stored, shown_as in answer if stored.type in DIRECTORY]
