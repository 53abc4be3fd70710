"""The door itself: what a read needs, how a version is served, how a refusal is answered, and the audit that comes
before any answer."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from gateway.errors import Forbidden, GatewayError, NotFound, Refused, Unauthenticated, Unavailable
from gateway.fhir import build, index, params
from gateway.fhir.dates import moment
from gateway.nhs import access, codesets, labels, links, policy_table, reasons, sensitive
from gateway.nhs.codesets import CodeSets
from gateway.nhs.roles import Caller
from gateway.records.cache import Cache
from gateway.store import faults, outdated, serving
from gateway.store.audit import Audit
from gateway.store.database import Store
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored

T = TypeVar("T")


@dataclass(frozen=True)
class Door:
    """What every read needs: the store, its audit, the code sets in force, and the cache of facts."""

    store: Store
    audit: Audit
    sets: CodeSets
    cache: Cache = field(default_factory=Cache)

    @cached_property
    def made_by(self) -> tuple[str, str]:
        """What labels and index entries are made by in this process, as fingerprints."""
        return sensitive.labelled_by(self.sets), index.fingerprint()

    @cached_property
    def cursor_key(self) -> bytes:
        """The key of the store's links. It is made from the two random names that the store was born with, so that a
        link holds after a restart and at every server of the store. Neither name is ever served."""
        names = f"{self.store.id} {self.store.namespace}".encode()
        return base64.urlsafe_b64encode(hashlib.blake2b(names, digest_size=32, person=b"gateway cursors").digest())

    @cached_property
    def missing(self) -> tuple[str, ...]:
        """The code sets that a live store lacks. With any of them, nothing is answered."""
        return missing_sets(self.store, self.sets)


@dataclass(frozen=True, slots=True)
class Found:
    """One version as served: its bytes with versionId, lastUpdated, source and labels spliced in."""

    type: str
    id: str
    version: int
    updated: int
    body: bytes
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a search: what matched, what was included, where the next begins, the total when it was asked for,
    the handle of this page where its parameters may not stand in a link, and what the answer does not hold."""

    matches: list[Found]
    included: list[Found]
    next: str | None
    total: int | None
    here: str | None = None
    notes: tuple[str, ...] = ()


def require_sets(store: Store, sets: CodeSets) -> None:
    """Raise ``Refused`` for a live store that lacks code sets, and for any whose labels or index were made otherwise.

    Until every source is mapped again, what the new code sets hide would be shown, and what a new search parameter
    should find would be missed without a word.
    """
    if missing := missing_sets(store, sets):
        raise Refused(f"code sets are missing: {', '.join(missing)}")
    with store.read() as session:
        labelled = outdated.labelled_otherwise(session, sensitive.labelled_by(sets))
        indexed = outdated.indexed_otherwise(session, index.fingerprint())
    if labelled or indexed:
        reasons = ["labels were made with other code sets or rules"] if labelled else []
        reasons += ["the search index was made with other search parameters"] if indexed else []
        sources = ", ".join(sorted({*labelled, *indexed}))
        raise Refused(f"{' and '.join(reasons)}: run `gateway remap` for {sources}")


def missing_sets(store: Store, sets: CodeSets) -> tuple[str, ...]:
    """What a live store lacks of the code sets that protect people; a sandbox needs none."""
    return () if store.is_sandbox else codesets.missing(sets)


def open_door(store: Store, sets: CodeSets, audit: Audit | None = None) -> Door:
    """The door of a store. Without an ``audit`` it is one without keys, beside the store."""
    return Door(store, audit or Audit(store), sets)


def check(door: Door) -> None:
    """Raise ``Unavailable`` with the code of what is not ready: code sets are missing, the database cannot be read or
    was found damaged, or its audit not written."""
    if door.missing:
        raise Unavailable("code-sets", "code-sets")
    if door.store.is_damaged:
        raise faults.unavailable(faults.DAMAGED)
    try:
        with door.store.read() as session:
            session.stamp()
    except Unavailable:
        raise
    except Exception as error:  # any failure means that it is not ready
        raise Unavailable("database", faults.meaning(error) or "database") from None
    try:
        door.audit.probe()
    except Exception:
        raise Unavailable("audit", "audit") from None


def before_lookup(door: Door, caller: Caller, act: access.Act) -> access.Decision:
    """The refusal that depends on the caller alone, if any: it comes before anything is looked up."""
    facts = access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing)
    return access.refused_early(caller, act, facts)


def refuse_early(door: Door, caller: Caller, act: access.Act, request_id: str, names: Iterable[str] = ()) -> None:
    """If the caller alone is refused, audit the refusal and raise it."""
    early = before_lookup(door, caller, act)
    if early.refusal:
        audited(door, caller, act, early, "refused", request_id, names=names)
        raise error(early.refusal, act.type)


def may_read(door: Door, caller: Caller) -> bool:
    """Whether a caller may search any type at all, as far as the caller alone decides it. It is no answer to anything:
    each read is decided and audited by itself."""
    return any(not before_lookup(door, caller, access.Act("search", type_)).refusal for type_ in params.SEARCHABLE)


def served(stored: Stored, publishers: dict[int, PublisherRow], decision: access.Decision) -> Found:
    """Return a stored version as served to this caller: as they may see it, with labels and source spliced in."""
    return stamped(visible(stored, decision), publishers)


def visible(stored: Stored, decision: access.Decision) -> Stored:
    """A stored version as this caller may see it: blanked where the decision says so, and without what tells of a
    section that is closed."""
    if stored.deleted or not (_closed(stored, decision) or decision.blanks(stored.publisher, stored.labels)):
        return stored
    return replace(stored, body=build.encode(as_seen(stored, decision)))


def as_seen(stored: Stored, decision: access.Decision) -> dict[str, Any]:
    """The resource of a version as this caller may see it: what a search may ask of it."""
    resource = build.decode(stored.body)
    if closed := _closed(stored, decision):  # before anything is blanked
        resource = reasons.without(resource, closed)
    return links.redact(resource) if decision.blanks(stored.publisher, stored.labels) else resource


def _closed(stored: Stored, decision: access.Decision) -> frozenset[str]:
    """The elements that tell of a closed section, where a version may hold one of them."""
    closed = decision.closed(stored.type, stored.publisher, stored.kind)
    return closed if closed and tells(stored, closed) else frozenset()


def tells(stored: Stored, closed: frozenset[str]) -> bool:
    """Whether a version may hold one of the closed elements."""
    return any(name.encode() in stored.body for name in (*closed, "contained"))


def stamped(seen: Stored, publishers: dict[int, PublisherRow]) -> Found:
    """A version that may be seen, with its number, time, source and labels spliced in."""
    if seen.deleted:
        return Found(seen.type, seen.id, seen.number, seen.updated, b"", True)
    publisher = publishers[seen.publisher]
    source = f"{_urn(publisher.source, publisher.ods or publisher.code)}#{seen.delivery}"
    body = serving.splice(seen, source, labels.security(seen.labels))
    return Found(seen.type, seen.id, seen.number, seen.updated, body)


@lru_cache(maxsize=4096)
def _urn(source: str, code: str) -> str:
    """A publisher as a URI. Its code is the source's word, and may hold anything: here it goes between quotes,
    unparsed."""
    return quote(f"urn:{source}:{code}", safe=":")


def error(refusal: access.Refusal, resource_type: str) -> GatewayError:
    """Return the exception for a refusal."""
    match refusal.status:
        case 401:
            return Unauthenticated(refusal.text)
        case 404:
            return NotFound(resource_type)
        case 503:
            return Unavailable(refusal.text, refusal.code)
    return Forbidden(refusal.text, refusal.code)


@dataclass(frozen=True, slots=True)
class Sealed(Generic[T]):
    """An answer that is not yet audited. ``open`` writes the audit event and then returns the answer or raises the
    refusal. It raises ``Unavailable`` when the audit cannot be written."""

    _audit: Audit
    _event: dict[str, Any]
    _answer: T | None = None
    _refusal: GatewayError | None = None

    def open(self) -> T:
        self._audit.record(self._event)
        return self._opened()

    async def opened(self) -> T:
        """``open``, for the event loop."""
        await self._audit.recorded(self._event)
        return self._opened()

    def _opened(self) -> T:
        if self._refusal is not None or self._answer is None:
            raise self._refusal or AssertionError("an answer or a refusal")
        return self._answer


def audited(
    door: Door,
    caller: Caller,
    act: access.Act,
    decision: access.Decision,
    outcome: str,
    request_id: str,
    stored: Iterable[Stored] = (),
    names: Iterable[str] = (),
) -> None:
    """Write what was asked, by whom, why and how it was answered, before anything leaves. Raises ``Unavailable``: then
    nothing may."""
    door.audit.record(event(caller, act, decision, outcome, request_id, stored, names))


def event(
    caller: Caller,
    act: access.Act,
    decision: access.Decision,
    outcome: str,
    request_id: str,
    stored: Iterable[Stored] = (),
    names: Iterable[str] = (),
) -> dict[str, Any]:
    """The audit event of one act: what was asked, by whom, why and how it was answered. It holds every version that was
    shown, the ``names`` of the parameters of the request, never their values, and by which version of the tables of
    roles and for which activities it was decided."""
    seen = list(stored)
    return {
        "act": act.name, "type": act.type, **who(caller), "basis": decision.basis, "outcome": outcome,
        "refusal": decision.refusal.code if decision.refusal else "", "trace": list(decision.trace),
        "patients": sorted({patient.id for patient in decision.facts.patients}), "count": len(seen),
        "resources": [f"{version.type}/{version.id}/{version.number}" for version in seen], "request": request_id,
        "parameters": sorted(set(names)), "policy": policy_table.name_in_force(), "activities": sorted(caller.activities),
    }  # fmt: skip


def who(caller: Caller) -> dict[str, str]:
    """Return the caller's identity as fields of the audit event: who, as which issuer names them, by which token (its
    ``jti``) and from where; of a system also its project. A user's or client's id is its issuer's own: another's of the
    same name is a stranger."""
    return {
        **({"project": caller.project} if caller.project else {}),
        "issuer": caller.issuer, "user": caller.user, "name": caller.name, "role": caller.role, "organisation": caller.organisation, "token": caller.token,
        "address": caller.address,
    }  # fmt: skip


@lru_cache(maxsize=4096)
def http_date(microseconds: int) -> str:
    """A time for an HTTP header."""
    return format_datetime(moment(microseconds), usegmt=True)
