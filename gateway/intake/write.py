"""Writes over the API: rows of the source ``fhir``, kept, mapped and audited in one transaction, or not at all.

A contributor writes what its own organisation recorded, and nothing else: what another source said would come again
with its next delivery. Nothing waits in quarantine: what the mapping refuses is refused, and is not kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from gateway import records
from gateway.errors import (
    Conflict,
    Forbidden,
    GatewayError,
    Invalid,
    NotAllowed,
    NotFound,
    Stale,
    Unavailable,
    Unprocessable,
)
from gateway.fhir import build, index, model, params
from gateway.fhir.dates import DAY
from gateway.fhir.issues import Issue
from gateway.intake import derive, patching, producers, take
from gateway.intake.change import FOUND, Change, by_criteria, names_of, placed, referred, within
from gateway.intake.mapping import Context, map_groups
from gateway.intake.ownership import Owner, require_id
from gateway.nhs import access, labels, roles, sensitive
from gateway.nhs.identifiers import is_ods_code
from gateway.nhs.roles import Caller
from gateway.records import Door, Found
from gateway.records.door import audited, event, stamped
from gateway.store import deliveries, kept, outdated, quarantine, registry, resources, sharing, touched, writing
from gateway.store.changes import record_write
from gateway.store.mapped import Mapped, Name, Written
from gateway.store.resources import Stored
from gateway.store.session import Session
from mappings import WRITTEN, Feed, Row, Source, sources
from mappings.fhir.mapped import TYPES
from mappings.fhir.read import deletion_of, row_of

NAME = "api"
"""What the deliveries are called that hold what was written: one begins each day."""
ACCEPTED = TYPES
"""The types that are written over the API."""
ANY_VERSION = -1
"""The expected version of who only asks that there is one (``If-Match: *``)."""


@dataclass(frozen=True)
class Done:
    """One change that was made: the version that stands now, what happened (``created``, ``updated``, ``unchanged``,
    ``deleted``, ``found``), and what there is to say of it."""

    version: Found
    outcome: str
    notes: tuple[Issue, ...] = ()

    @property
    def told(self) -> tuple[Issue, ...]:
        """What is said of it: never nothing."""
        return self.notes or (Issue("information", "informational", "", self.outcome),)


def publisher_of(caller: Caller) -> str:
    """The ODS code of the publisher that a caller writes for. Raises ``Forbidden`` where there is none."""
    if caller.kind != "system" or caller.project or not is_ods_code(caller.organisation):
        raise Forbidden("this client writes for no publisher", "no-publisher")
    return caller.organisation


def require_type(resource_type: str) -> None:
    """Raise ``NotFound`` for a type that is not served, ``NotAllowed`` for one that nobody writes over the API."""
    if resource_type not in params.SEARCHABLE:  # any other word may be a value in the wrong place
        raise NotFound(f"resource type {resource_type}" if resource_type in model.RESOURCE_TYPES else "resource type")
    if resource_type not in ACCEPTED:
        raise NotAllowed(f"{resource_type}: not written over the API")


def require_writer(door: Door, caller: Caller, request_id: str) -> None:
    """Raise the refusal of a caller who may write nothing at all, before anything is read of what they send."""
    refusals = [access.before_lookup(caller, access.Act(act), _facts(door)) for act in roles.WRITES]
    if all(refusals):
        records.refuse_early(door, caller, access.Act("create"), request_id)
    publisher_of(caller)


def _facts(door: Door) -> access.Facts:
    return access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing)


def write(door: Door, caller: Caller, changes: Sequence[Change], request_id: str, base: str = "") -> list[Done]:
    """https://hl7.org/fhir/R4/http.html#create

    Make all the changes, in this order, or none. Raises ``Forbidden`` for a caller who may not, ``NotFound`` and
    ``NotAllowed`` for what is not theirs, ``Stale`` for another version than the expected one, ``Conflict`` for an id
    that is taken, ``Unprocessable`` with the issues of what is not taken, ``Unavailable`` while a delivery of the
    source is loaded. ``base`` is our own address."""
    for act in dict.fromkeys((change.act, change.type) for change in changes):
        records.refuse_early(door, caller, access.Act(*act), request_id)
    source = _source()
    try:
        code = publisher_of(caller)
        with take.alone(door.store, source, door.store.patience), door.store.write() as session:
            writing_ = _Transaction(door, session, source, _owner(door, session, source, caller, code), base)
            done = writing_.run(changes)
            for change, version in zip(changes, done):
                record_write(session, writing_.event(change, version, request_id))
    except GatewayError as fault:
        _audit_refusal(door, caller, changes, fault, request_id)
        raise
    return done


@lru_cache(maxsize=1)
def _source() -> Source:
    """The source of what is written, found once: looking for sources reads folders."""
    return sources()[WRITTEN]


def _audit_refusal(door: Door, caller: Caller, changes: Sequence[Change], fault: GatewayError, request_id: str) -> None:
    """One event for each kind of change that was not made; of an outage there is none, and nothing to audit."""
    if isinstance(fault, Unavailable):
        return
    outcome = f"not written: {type(fault).__name__}"
    for act, type_ in dict.fromkeys((change.act, change.type) for change in changes):
        audited(door, caller, access.Act(act, type_), access.Decision(None), outcome, request_id)


def _owner(door: Door, session: Session, source: Source, caller: Caller, code: str) -> Owner:
    """The caller's publisher. A live store knows it only where the operator registered it."""
    store = door.store
    if not store.is_sandbox and not registry.is_known(session, WRITTEN, code):
        raise Forbidden("your organisation is not registered here as a contributor", "not-registered")
    key = registry.ensure_publisher(session, WRITTEN, code, source.kind_of(code) or source.kind)
    if not registry.publishers(session)[key].ods:
        sharing.describe(session, key, ods=code, name="", state="", order=session.now)
    return Owner(door, session, caller, registry.publishers(session)[key])


@dataclass
class _Transaction:
    """One write transaction of one contributor."""

    door: Door
    session: Session
    source: Source
    owner: Owner
    base: str
    patients: dict[Name, str] = field(default_factory=dict)
    """The ids of the patients whom what is written is about, for the audit."""
    places: dict[int, str] = field(default_factory=dict)
    """Where in the request each group of rows comes from; those that are written here are its keys."""

    def run(self, changes: Sequence[Change]) -> list[Done]:
        """Make the changes."""
        changes = [self._resolved(change) for change in changes]
        if len({change.name for change in changes}) < len(changes):
            raise Invalid("one resource is named twice")
        changes = self._referred(changes)
        held = {change.name: self._held(change) for change in changes}
        rows = self._rows(changes, held)
        delivery = self._delivery()
        mapped = self._keep(delivery, rows)
        written = self._put(delivery, mapped)
        return [self._done(change, held[change.name], written, mapped) for change in changes]

    def _referred(self, changes: Sequence[Change]) -> list[Change]:
        """The changes with their references to one another by id."""
        names, referring = names_of(changes), []
        for change in changes:
            with placed(change.place):
                referring.append(referred(self.owner, change, names) if change.place else change)
        return referring

    def _resolved(self, change: Change) -> Change:
        """The change with the id that its criteria lead to, and with the resource that its patch makes."""
        with placed(change.place):
            return self._identified(change)

    def _identified(self, change: Change) -> Change:
        if change.criteria is not None:
            change = by_criteria(self.owner, change)
        id_ = change.id or str(uuid.uuid4())
        resource = change.resource
        if change.patch is not None:
            held = self._held(replace(change, id=id_))
            if held is None or held.deleted:
                raise NotFound(change.type)
            resource = patching.patched(self.owner.sent(held), list(change.patch))
            if issues := model.check(build.encode(resource)):
                raise Unprocessable(issues)
        return replace(change, id=id_, resource=resource)

    def _held(self, change: Change) -> Stored | None:
        """What stands under the name of a change. Raises what forbids the change."""
        with placed(change.place):
            return self._permitted(change)

    def _permitted(self, change: Change) -> Stored | None:
        require_id(change.id)
        try:
            held = self.owner.held(change.type, change.id)
        except NotFound:  # with a condition it would be told from an id that nobody has
            if change.expected is not None and change.act != "delete":
                raise Stale(change.type) from None
            raise
        current = 0 if held is None or held.deleted else held.number
        if change.expected is not None and (not current or change.expected not in (current, ANY_VERSION)):
            raise Stale(f"{change.type}: another version is current")
        if held is None and change.act == "delete":
            raise NotFound(change.type)
        return held

    def _rows(self, changes: Sequence[Change], held: Mapping[Name, Stored | None]) -> list[Row]:
        """The rows that the changes are. What is deleted already has none."""
        keys = {change.name: self.owner.key(*change.name, held[change.name]) for change in changes}
        gone = {change.name for change in changes if change.act == "delete"}
        kept_here = {name: key for name, key in keys.items() if name not in gone}
        rows = []
        for change in changes:
            key, standing = keys[change.name], held[change.name]
            if change.act == FOUND:
                continue
            order = self._order(change.type, key)
            if change.act != "delete":
                with placed(change.place):
                    said = self.owner.referring(change.resource or {}, kept_here, self.base)
                    said = said if standing is None else _without_ours(said)
                    rows.append(_row(said, change.type, key, self.owner.publisher.code, order))
                self.places |= {self.owner.group_hash(group): change.place for group in rows[-1].groups}
                self.patients[change.name] = self.owner.id("Patient", rows[-1].patient) if rows[-1].patient else ""
            elif standing is not None and not standing.deleted:
                with placed(change.place):
                    self._require_nothing_of(standing, gone)
                self.places[standing.grp] = change.place
                rows.append(deletion_of(change.type, key, self.owner.publisher.code, order))
        return rows

    def _order(self, resource_type: str, key: str) -> int:
        """The order of a row that counts more than what is held, also where a sender's clock went ahead."""
        row = kept.row_at(self.session, self.owner.row_hash(resource_type, key))
        return max(self.session.now, row.order + 1 if row else 0)

    def _require_nothing_of(self, standing: Stored, gone: set[Name]) -> None:
        """Raise ``Conflict`` for a Patient of whom anything stays."""
        if standing.type == "Patient":
            stays = resources.of_patients(self.session, [standing.patient])
            if any((resource.type, resource.id) not in gone for resource in stays):
                raise Conflict("Patient: delete first what is recorded of the patient")

    def _delivery(self) -> int:
        """Today's delivery. Raises ``Unavailable`` where what this process knows is not what the store was made by."""
        rules, plan = sensitive.labelled_by(self.door.sets), index.fingerprint()
        other = outdated.labelled_otherwise(self.session, rules), outdated.indexed_otherwise(self.session, plan)
        if any(WRITTEN in names for names in other):
            raise Unavailable("the source is mapped by other rules: restart, or run `gateway remap fhir`", "code-sets")
        mapping = f"{self.source.version} {rules}"
        return deliveries.standing(self.session, WRITTEN, NAME, mapping, plan, self.session.now - DAY)

    def _keep(self, delivery: int, rows: Sequence[Row]) -> list[Mapped]:
        """Keep the rows and map the groups that they touch."""
        if not rows:
            return []
        session, publisher = self.session, self.owner.publisher
        first = session.next_key("kept")
        sent = [producers.sent(self.door.store.namespace.bytes, self.source, row) for row in rows]
        kept.keep(session, delivery, sent, {publisher.code: publisher.key})
        touched.touch_new(session, delivery, first)
        pairs = touched.pairs(session, delivery)
        patients = {grp: patient for patient, grp in reversed(pairs)}
        feed = Feed(NAME).within(self.door.store.namespace.bytes)
        context = Context(self.source, feed, feed.namespace, registry.publishers(session), self.door.sets)
        registry.received(session, [publisher.key])
        return map_groups(session, context, [(patient, grp) for grp, patient in sorted(patients.items())])

    def _put(self, delivery: int, mapped: Sequence[Mapped]) -> Written:
        """Write what the groups became. Raises where one that was asked for cannot be."""
        session = self.session
        own = [group for group in mapped if group.grp in self.places]
        if faults := [_within_place(self.places[group.grp], group) for group in own if group.puts is None]:
            raise Unprocessable(faults)
        written = writing.put_many(session, delivery, self.source.version, mapped)
        if any(group.puts is None for group in own):
            raise Conflict("id: it is taken")
        touched.depend(session, [(asked, group.patient, group.grp) for group in mapped for asked in group.asked])
        quarantine.settle(session, WRITTEN, delivery, mapped)
        derive.gather(session, mapped)
        derive.label(session, written.patients, self.door.sets)
        touched.untouch_all(session, delivery)
        return written

    def _done(self, change: Change, held: Stored | None, written: Written, mapped: Sequence[Mapped]) -> Done:
        stored = resources.head_of(self.session, *change.name)
        if stored is None:
            raise Conflict("id: it is taken")
        outcomes = {(version.type, version.id): version.outcome for version in written.versions}
        outcome = outcomes.get(change.name, "unchanged")
        if outcome == "updated" and (held is None or held.deleted):
            outcome = "created"
        outcome = {"delete": "deleted", FOUND: FOUND}.get(change.act, outcome)
        group = next((group for group in mapped if group.grp == stored.grp), None)
        shown = replace(stored, labels=stored.labels & ~labels.HIDDEN_ALWAYS)  # which are not the sender's to know
        version = stamped(shown, {self.owner.publisher.key: self.owner.publisher})
        return Done(version, outcome, _notes(group) if group and change.act != "delete" else ())

    def event(self, change: Change, done: Done, request_id: str) -> dict[str, object]:
        """The audit event of one change."""
        act = access.Act("create" if change.act == FOUND else change.act, change.type)
        decision = access.decide(self.owner.caller, act, _facts(self.door))
        version = done.version
        return {
            **event(self.owner.caller, act, decision, done.outcome, request_id),
            "patients": [id_] if (id_ := self.patients.get((version.type, version.id))) else [], "source": WRITTEN, "count": 1, "resources": [f"{version.type}/{version.id}/{version.version}"],
        }  # fmt: skip


def _row(said: dict[str, Any], resource_type: str, key: str, publisher: str, order: int) -> Row:
    try:
        return row_of(said, resource_type, key, publisher, order)
    except Invalid as fault:
        raise Unprocessable([_issue(str(fault))]) from None


def _without_ours(said: dict[str, Any]) -> dict[str, Any]:
    """A resource without the labels that it got here, which its next version gets anew by what it says. Taken for the
    sender's own they would hide it for ever. On what is new here they are a stranger's, and hide it."""
    meta = said.get("meta", {})
    marks = [mark for mark in meta.get("security", ()) if mark.get("system") != labels.OURS]
    rest = {name: value for name, value in meta.items() if name != "security"} | ({"security": marks} if marks else {})
    return {**{name: value for name, value in said.items() if name != "meta"}, **({"meta": rest} if rest else {})}


def _within_place(place: str, group: Mapped) -> Issue:
    """Why the mapping refuses a group, with its place in the request."""
    issue = _issue(group.place.partition(": ")[2])
    return within(place, issue) if place else issue


def _issue(words: str, severity: str = "error") -> Issue:
    """An issue of words that begin with a place (``Observation.focus``, ``code: why``)."""
    place, _, why = words.partition(": ")
    return Issue(severity, "business-rule", place, why or "not taken")


def _notes(group: Mapped) -> tuple[Issue, ...]:
    """What is said of what was taken: UK Core's constraints that it breaks, and what was left out."""
    broken = [_issue(words.partition(": ")[2], "warning") for words in group.faults]
    return (*broken, *(_issue(words, "information") for words in group.warnings))
