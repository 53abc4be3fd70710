"""What has changed of the record of everyone on a caseload since somebody was last shown it.

It compares what would be shown now with what was shown then, and nothing else: neither the order of commits nor any
time. So no change is lost or told twice, whoever writes meanwhile, and a resource that is deleted, one that is hidden
and one of a person who has left the list look alike: what was shown is gone. What was never shown cannot be seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

from gateway.errors import NotFound, TooLarge
from gateway.fhir.search import PatientKey
from gateway.nhs import access, caseload, labels
from gateway.nhs.roles import Caller
from gateway.records.deciding import decide
from gateway.records.door import Door, Found, event, refuse_early, served
from gateway.records.facts import About, publishers_now
from gateway.records.linking import linked, within
from gateway.records.listing import Member, list_id, members
from gateway.store import compartment, followers
from gateway.store.hashes import hash64
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored
from gateway.store.session import Session

MOST_BYTES = 32 * 1024 * 1024
"""Of the resources on a page."""
MOST_SHOWN = 200_000
"""Resources that are compared at most: what more people or more of them have is asked for by type."""
EVERYTHING = access.Act("everything", "Patient")
"""What is asked of policy of each person: what ``$everything`` shows of them, the feed tells of."""


@dataclass(frozen=True, slots=True)
class Known:
    """What somebody was shown: who was on the list, by a hash, and by the Patient who stands on it, the key of each
    resource with a hash of all that its answer depends on."""

    group: int = 0
    people: Mapping[int, Mapping[int, int]] = field(default_factory=dict)

    def by_key(self) -> dict[int, tuple[int, int]]:
        """Key of a resource → (member, hash)."""
        return {key: (member, look) for member, looks in self.people.items() for key, look in looks.items()}


@dataclass(frozen=True, slots=True)
class Gone:
    """A resource that was shown and is no more."""

    type: str
    id: str


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of changes: the list where its members changed, what is gone, what is new or other than it was; what is
    known of them to who has read the page, and whether there are more."""

    group: dict[str, Any] | None
    gone: list[Gone]
    now: list[Found]
    known: Known
    has_more: bool


def changed(
    door: Door, caller: Caller, id_: str, known: Known, types: frozenset[str] | None, count: int, request_id: str
) -> Changes:
    """A page of what has changed of the people on the caller's list, since they were as ``known``: of these types
    (None: all), at most ``count`` resources. Each person of whom anything is told has an audit event; so has the
    request. Raises ``NotFound`` for a list that is not the caller's, ``TooLarge`` for one that is too long."""
    refuse_early(door, caller, caseload.ACT, request_id)
    refuse_early(door, caller, EVERYTHING, request_id)
    if id_ != list_id(door, caller):
        door.audit.record(_of_request(door, caller, "not found", request_id))
        raise NotFound("Group")
    try:
        with door.store.read() as session:
            page = _Page(door, session, caller, members(door, session, caller), types)
            answer = page.changes(known, count)
            events = list(page.events(request_id))
    except TooLarge:
        door.audit.record(_of_request(door, caller, "refused", request_id))
        raise
    door.audit.record_all([_of_request(door, caller, "ok", request_id), *events])
    return answer


def _of_request(door: Door, caller: Caller, outcome: str, request_id: str) -> dict[str, Any]:
    nobody = access.Decision(None, facts=access.Facts.of_nobody(door.store.clock()))
    return event(caller, caseload.ACT, nobody, outcome, request_id)


class _Page:
    """One page of the changes of a list, in one snapshot of the store."""

    def __init__(
        self, door: Door, session: Session, caller: Caller, listed: Sequence[Member], types: frozenset[str] | None
    ):
        self._door, self._session, self._caller, self._types = door, session, caller, types
        self._members = {int(member.key): member for member in listed}
        self._decisions = {key: decide(door, session, caller, EVERYTHING, m.about) for key, m in self._members.items()}
        self._publishers = publishers_now(door, session)
        self._disclosed: dict[int, list[Stored]] = {}

    def changes(self, known: Known, count: int) -> Changes:
        """The first ``count`` changes: what is gone before what is new, so that nothing hidden stands for a page
        longer than it must."""
        group, ids = self._group()
        before, after = known.by_key(), self._shown()
        gone = sorted(before.keys() - after.keys())
        other = [key for key, (_, look) in after.items() if key not in before or before[key][1] != look]
        # A Patient before all else of them; who stays in another person's record now is moved without a word.
        fitting = _fitting(followers.sized(self._session, other[: max(count - len(gone), 0)]))
        on_page = {item.key for item in fitting}
        held = {key: after.get(key, at) for key, at in before.items()} | {key: after[key] for key in on_page}
        held |= {key: (after[key][0], before[key][1]) for key in other if key in before and key not in on_page}
        for key in gone[:count]:
            del held[key]
        return Changes(
            ids if group != known.group else None,
            self._gone(gone[:count], before),
            list(self._now(fitting, after)),
            Known(group, _by_member(held)),
            len(gone) > count or len(on_page) < len(other),
        )

    def _group(self) -> tuple[int, dict[str, Any]]:
        """A hash of who is on the list, and the list."""
        ids = [member.id for member in self._members.values()]
        group = caseload.group(list_id(self._door, self._caller), self._caller.organisation, ids)
        return hash64("group", *ids), group

    def _shown(self) -> dict[int, tuple[int, int]]:
        """Key of each resource that is shown now → (member, hash), in the order in which changes are told. Raises
        ``TooLarge``."""
        after: dict[int, tuple[int, int]] = {}
        for key, decision in self._decisions.items():
            for resource, look in self._looks(decision):
                after.setdefault(resource, (key, look))
            if len(after) > MOST_SHOWN:
                raise TooLarge("these people hold too much: ask for types, each with a link of its own")
        return after

    def _looks(self, decision: access.Decision) -> Iterator[tuple[int, int]]:
        """(key, hash) of what is shown of one person, Patients first."""
        if decision.refusal is not None:
            return
        items = followers.items(self._session, decision.limits, self._types)
        links = tuple(sorted(fact.id for fact in within(decision.facts.patients, decision.limits)))
        seen: dict[tuple[str, int, str, int], int] = {}
        for item in sorted(items, key=lambda item: (item.type != "Patient", item.key)):
            name = item[1:5]
            if name not in seen:
                seen[name] = _look(item, decision, self._publishers[item.publisher], links)
            yield item.key, seen[name] ^ (item.number << 40)

    def _gone(self, keys: Sequence[int], before: Mapping[int, tuple[int, int]]) -> list[Gone]:
        """What is gone, by its name; whose it was is told to the audit."""
        names = followers.names(self._session, keys)
        for stored in compartment.read(self._session, followers.sized(self._session, keys)):
            self._disclosed.setdefault(before[stored.key][0], []).append(replace(stored, body=b""))
        return [Gone(*names[key][:2]) for key in keys]

    def _now(self, fitting: Sequence[compartment.Held], after: Mapping[int, tuple[int, int]]) -> Iterator[Found]:
        """What is new or other than it was, as this caller sees it."""
        for stored in compartment.read(self._session, fitting):
            member = after[stored.key][0]
            self._disclosed.setdefault(member, []).append(replace(stored, body=b""))
            decision = self._decisions[member]
            yield from linked([served(stored, self._publishers, decision)], decision)

    def events(self, request_id: str) -> Iterator[dict[str, Any]]:
        """An audit event for each person of whom something is told: also for who has left the list."""
        for member, stored in self._disclosed.items():
            about = About(frozenset({PatientKey(member)}))
            decision = self._decisions.get(member) or decide(self._door, self._session, self._caller, EVERYTHING, about)
            yield event(self._caller, caseload.ACT, decision, "ok", request_id, stored)


def _look(item: followers.Item, decision: access.Decision, publisher: PublisherRow, links: tuple[str, ...]) -> int:
    """A hash of all that the answer with a resource depends on beside its version."""
    facts = (
        decision.blanks(item.publisher, item.labels), sorted(decision.closed(item.type, item.publisher, item.kind)),
        labels.codings(item.labels), publisher.source, publisher.ods or publisher.code,
        links if item.type == "Patient" else (),
    )  # fmt: skip
    return hash64("look", repr(facts)) & (1 << 40) - 1


def _fitting(held: Sequence[compartment.Held]) -> list[compartment.Held]:
    """The first resources, as many as fit into the bytes of a page; at least one."""
    sizes = accumulate(item.size for item in held)
    return [item for number, (item, size) in enumerate(zip(held, sizes)) if size <= MOST_BYTES or not number]


def _by_member(held: Mapping[int, tuple[int, int]]) -> dict[int, dict[int, int]]:
    people: dict[int, dict[int, int]] = {}
    for key, (member, look) in held.items():
        people.setdefault(member, {})[key] = look
    return people
