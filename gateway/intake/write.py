"""Writes over the API: rows of the source ``fhir``, kept, mapped and audited in one transaction, or not at all.

A contributor writes what its own organisation recorded, and nothing else: what another source said would come again
with its next delivery. Nothing waits in quarantine: what the mapping refuses is refused, and is not kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType
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
    TooLarge,
    Unavailable,
    Unprocessable,
)
from gateway.fhir import build, index, model, params
from gateway.fhir.dates import DAY
from gateway.fhir.issues import Issue
from gateway.intake import derive, mapping, patching, producers, take
from gateway.intake.change import FOUND, Ahead, Change, in_order, placed, within
from gateway.intake.mapping import Context, map_groups
from gateway.intake.ownership import Owner, place_of, require_id
from gateway.intake.resolving import identified, resolved
from gateway.intake.unmade import about, refused
from gateway.nhs import access, labels, roles
from gateway.nhs.identifiers import is_ods_code
from gateway.nhs.roles import Caller
from gateway.records import Door, Found
from gateway.records.door import event, stamped
from gateway.store import deliveries, kept, outdated, quarantine, registry, resources, sent, sharing, touched, writing
from gateway.store.changes import record_write
from gateway.store.mapped import Mapped, Name, Written
from gateway.store.resources import Stored
from gateway.store.session import Session
from mappings import WRITTEN, Feed, Row, Source, sources
from mappings.fhir.mapped import TYPES, UNKNOWN, WRITES, is_known
from mappings.fhir.read import deletion_of, row_of, written_over

ACCEPTED = TYPES
"""The types that are written over the API."""
NOTHING_SET: Mapping[str, str] = MappingProxyType({})
"""The defaults where no operator set any."""
ATTEMPTS = 3
"""How often patches are made anew of what somebody changed while they were made."""
MOST_INDEXED = 2000
"""Values by which one resource can be found at most: each is written while others wait."""
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
    """The ODS code of the publisher that a caller writes for: its own organisation, which a client of our registry is
    registered to write for. Raises ``Forbidden`` where there is none."""
    is_its_own = not caller.publishers or f"{WRITTEN}:{caller.organisation}" in caller.publishers
    if caller.kind != "system" or caller.project or not is_ods_code(caller.organisation) or not is_its_own:
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


def write(
    door: Door,
    caller: Caller,
    changes: Sequence[Change],
    request_id: str,
    base: str = "",
    defaults: Mapping[str, str] = NOTHING_SET,
) -> list[Done]:
    """https://hl7.org/fhir/R4/http.html#create

    Make all the changes or none, in the order of the specification; return what was done in the order given. Raises
    ``Forbidden`` for a caller who may not, ``NotFound`` for what is not theirs, ``Stale`` for another version than the
    expected one, ``Conflict`` for an id that is taken, ``Unprocessable`` with the issues of what is not taken,
    ``TooLarge`` for what would make others wait, ``Unavailable`` while a delivery of the source is loaded. ``base`` is
    our own address. ``defaults`` say by publisher what becomes of uncoded results that are new here (``share``,
    ``withhold``); of a publisher that they do not name, a live store withholds them."""
    for act in dict.fromkeys((change.act, change.type) for change in changes):
        records.refuse_early(door, caller, access.Act(*act), request_id)
    try:
        code, order = publisher_of(caller), in_order(changes)
        default = defaults.get(code) or ("share" if door.store.is_sandbox else "withhold")
        wish = _Wish(door, caller, code, base, default, request_id)
        done = _made(wish, [changes[place] for place in order])
    except GatewayError as fault:
        refused(door, caller, changes, fault, request_id)
        raise
    by_place = dict(zip(order, done))
    return [by_place[place] for place in range(len(changes))]


@dataclass(frozen=True)
class _Wish:
    """Who writes for which publisher, under which settings."""

    door: Door
    caller: Caller
    code: str
    base: str
    default: str
    request_id: str


def _made(wish: _Wish, changes: Sequence[Change]) -> list[Done]:
    """The changes made, with their audit. What takes long is done before others have to wait. Raises ``Unavailable``
    where what is patched changes each time before it is written."""
    source, store = _source(), wish.door.store
    for change in changes:
        with placed(change.place):
            _require_findable(change.resource)
    for _ in range(ATTEMPTS):
        ready = _ahead(wish, changes)
        with suppress(_Moved), take.alone(store, source, store.patience), store.write() as session:
            owner = _owner(wish.door, session, source, wish.caller, wish.code)
            writing_ = _Transaction(wish.door, session, source, owner, wish.base, wish.default)
            done = writing_.run(ready)
            for change, version in zip(changes, done):
                record_write(session, writing_.event(change, version, wish.request_id))
            return done
    raise Unavailable("what is patched changes too often: try again")


class _Moved(Exception):
    """What a patch was made of is no more what stands."""


def _ahead(wish: _Wish, changes: Sequence[Change]) -> Sequence[Change]:
    """The changes with what their patches make of what stands now, read while nobody waits."""
    if all(change.patch is None for change in changes):
        return changes
    with wish.door.store.read() as session:
        known = registry.publishers(session).values()
        rows = [row for row in known if (row.source, row.code) == (WRITTEN, wish.code)]
        if not rows:
            return changes
        owner = Owner(wish.door, session, wish.caller, rows[0])
        reading = _Transaction(wish.door, session, _source(), owner, wish.base, wish.default)
        return [reading.patched_ahead(change) for change in changes]


def _require_findable(resource: dict[str, Any] | None) -> None:
    """Raise ``TooLarge`` for a resource of which too much would be indexed."""
    if resource is None:
        return
    entries = index.entries({"id": "new", **resource})
    if sum(map(len, (entries.tokens, entries.globals, entries.words, entries.dates))) > MOST_INDEXED:
        raise TooLarge(f"{resource.get('resourceType')}: too many values to be found by")


@lru_cache(maxsize=1)
def _source() -> Source:
    """The source of what is written, found once: looking for sources reads folders."""
    return sources()[WRITTEN]


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
    default: str
    patients: dict[Name, set[str]] = field(default_factory=dict)
    """The ids of the patients whom each resource is about, before and after, for the audit."""
    places: dict[int, str] = field(default_factory=dict)
    """Where in the request each group of rows comes from; those that are written here are its keys."""

    def run(self, changes: Sequence[Change]) -> list[Done]:
        """Make the changes."""
        changes = resolved(self.owner, changes, self._patched)
        held = {change.name: self._held(change) for change in changes}
        rows = self._rows(changes, held)
        delivery = self._delivery()
        mapped = self._keep(delivery, rows)
        written = self._put(delivery, mapped)
        return [self._done(change, held[change.name], written, mapped) for change in changes]

    def patched_ahead(self, change: Change) -> Change:
        """The change with what its patch makes of what stands now."""
        if change.patch is None:
            return change
        with placed(change.place):
            named = identified(self.owner, change)
            held = self._standing_of(named)
            resource = patching.patched(self.owner.sent(held), change.patch, self.owner.looked)
            if issues := model.check(build.encode(resource)):
                raise Unprocessable(issues)
            _require_findable(resource)
        return replace(change, ahead=Ahead(named.id, held.number, resource))

    def _patched(self, change: Change) -> Change:
        """The change with the resource that its patch makes. Raises ``_Moved`` where that is of another version."""
        if change.patch is None:
            return change
        held = self._standing_of(change)
        if change.ahead is None or (change.ahead.id, change.ahead.number) != (held.id, held.number):
            raise _Moved
        return replace(change, resource=change.ahead.resource)

    def _standing_of(self, change: Change) -> Stored:
        held = self._permitted(change)
        if held is None or held.deleted:
            raise NotFound(change.type)
        return held

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
        if change.is_new and current:
            raise Stale(f"{change.type}: there is one already")
        if held is None and change.act == "delete":
            raise NotFound(change.type)
        return held

    def _rows(self, changes: Sequence[Change], held: Mapping[Name, Stored | None]) -> list[Row]:
        """The rows that the changes are. What is deleted already has none."""
        keys = {change.name: self.owner.key(*change.name, held[change.name]) for change in changes}
        gone = {change.name for change in changes if change.act == "delete"}
        kept_here = {name: None if name in gone else key for name, key in keys.items()}
        renewed = {change.name for change in changes if change.act != FOUND}
        rows = []
        for change in changes:
            key, standing = keys[change.name], held[change.name]
            self.patients[change.name] = about(standing)
            if change.act == FOUND:
                continue
            before = kept.row_at(self.session, self.owner.row_hash(change.type, key))
            # It counts more than what is held, also where a sender's clock went ahead.
            order = max(self.session.now, before.order + 1 if before else 0)
            if change.act != "delete":
                with placed(change.place):
                    said = self.owner.referring(change.resource or {}, kept_here, self.base)
                    said = said if standing is None else _without_ours(said)
                    row = _row(said, change.type, key, self.owner.publisher.code, order)
                    rows.append(written_over(row, self._standing(before), self.default))
                self.places |= {self.owner.group_hash(group): change.place for group in rows[-1].groups}
                if rows[-1].patient:
                    self.patients[change.name].add(self.owner.id("Patient", rows[-1].patient))
            elif standing is not None and not standing.deleted:
                with placed(change.place):
                    self._require_nothing_of(standing, renewed)
                self.places[standing.grp] = change.place
                rows.append(deletion_of(change.type, key, self.owner.publisher.code, order))
        return rows

    def _standing(self, before: sent.Kept | None) -> Row | None:
        """The row that another takes the place of. Raises ``Unprocessable`` for one that does not say by what feed it
        came: what that decided would be lost."""
        row = mapping.row_of(before, self.owner.publisher.code) if before else None
        if row and not is_known(row):
            raise Unprocessable([_issue(f"{row.table}: {UNKNOWN}")])
        return row

    def _require_nothing_of(self, standing: Stored, renewed: set[Name]) -> None:
        """Raise ``Conflict`` for a Patient of whom anything stays, and for what anything of its patient names that
        stays. What the request deletes or writes does not: no reference to what it deletes is taken. An entry of the
        directory may go: whoever names it has its name."""
        if standing.type in params.DIRECTORY_TYPES:
            return
        theirs = resources.of_patients(self.session, [standing.patient])
        stays = [resource for resource in theirs if (resource.type, resource.id) not in renewed]
        if standing.type == "Patient" and stays:
            raise Conflict("Patient: delete first what is recorded of the patient")
        address = f"{standing.type}/{standing.id}"
        for resource in stays:
            if address.encode() in resource.body and (place := place_of(build.decode(resource.body), address)):
                raise Conflict(f"{standing.type}: {place} refers to it")

    def _delivery(self) -> int:
        """Today's delivery. Raises ``Unavailable`` where what this process knows is not what the store was made by."""
        rules, plan = self.door.made_by
        other = outdated.labelled_otherwise(self.session, rules), outdated.indexed_otherwise(self.session, plan)
        if any(WRITTEN in names for names in other):
            raise Unavailable("the source is mapped by other rules: restart, or run `gateway remap fhir`", "code-sets")
        made_by = f"{self.source.version} {rules}"
        return deliveries.standing(self.session, WRITTEN, deliveries.BY_API, made_by, plan, self.session.now - DAY)

    def _keep(self, delivery: int, rows: Sequence[Row]) -> list[Mapped]:
        """Keep the rows and map the groups that they touch."""
        if not rows:
            return []
        session, publisher = self.session, self.owner.publisher
        first = session.next_key("kept")
        ready = [producers.sent(self.door.store.namespace.bytes, self.source, row) for row in rows]
        kept.keep(session, delivery, ready, {publisher.code: publisher.key})
        touched.touch_new(session, delivery, first)
        pairs = touched.pairs(session, delivery)
        patients = {grp: patient for patient, grp in reversed(pairs)}
        feed = Feed(deliveries.BY_API, settings={WRITES: True}).within(self.door.store.namespace.bytes)
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
            "patients": sorted(self.patients.get((version.type, version.id), ())), "source": WRITTEN, "count": 1, "resources": [f"{version.type}/{version.id}/{version.version}"],
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
