"""The door itself: what a read needs, how a version is served, how a refusal is answered, and the audit that comes
before any answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from cryptography.fernet import Fernet

from gateway.errors import Forbidden, GatewayError, NotFound, Refused, Unauthenticated, Unavailable
from gateway.fhir import build
from gateway.fhir.dates import moment
from gateway.fhir.search import Limits
from gateway.nhs import access, codesets, labels, links
from gateway.nhs.codesets import CodeSets
from gateway.nhs.roles import Caller
from gateway.store import deliveries, resources
from gateway.store.audit import Audit
from gateway.store.database import Store
from gateway.store.registry import PublisherRow
from gateway.store.resources import Stored

T = TypeVar("T")


@dataclass(frozen=True)
class Door:
    """What every read needs: the store, its audit, the code sets in force, and a key that binds cursors to caller and
    query."""

    store: Store
    audit: Audit
    sets: CodeSets
    missing: tuple[str, ...] = ()
    cursor_key: bytes = field(default_factory=Fernet.generate_key)
    known: dict[str, Any] = field(default_factory=dict)


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
    """One page of a search: what matched, what was included, where the next begins, and the total when it was asked
    for."""

    matches: list[Found]
    included: list[Found]
    next: str | None
    total: int | None


def require_sets(store: Store, sets: CodeSets) -> None:
    """Raise ``Refused`` for a live store that lacks code sets, and for any whose labels were made with others: what
    the new ones hide would be shown until every source is mapped again."""
    missing = () if store.is_sandbox else codesets.missing(sets)
    if missing:
        raise Refused(f"code sets are missing: {', '.join(missing)}")
    with store.read() as session:
        stale = deliveries.labelled_otherwise(session, sets.fingerprint)
    if stale:
        raise Refused(f"labels were made with other code sets: run `gateway remap` for {', '.join(stale)}")


def open_door(store: Store, sets: CodeSets, missing: tuple[str, ...] = (), audit: Path | None = None) -> Door:
    """The door of a store. ``missing`` are the code sets a live store lacks; with any, nothing is answered."""
    return Door(store, Audit(store, audit), sets, missing)


def check(door: Door) -> None:
    """Raise ``Unavailable`` naming what is not ready: code sets are missing, the database cannot be read, or its audit
    not written."""
    if not door.store.is_sandbox and door.missing:
        raise Unavailable("code-sets")
    try:
        with door.store.read() as session:
            session.stamp()
        door.audit.probe()
    except Exception:  # whatever the reason, it is not ready
        raise Unavailable("database") from None


def before_lookup(door: Door, caller: Caller, act: access.Act) -> access.Decision:
    """The refusal that depends on the caller alone, if any: it comes before anything is looked up."""
    refusal = access.before_lookup(
        caller, act, access.Facts.of_nobody(door.store.clock(), not door.store.is_sandbox, door.missing)
    )
    return access.Decision(refusal, facts=access.Facts.of_nobody(0))


def refuse_early(door: Door, caller: Caller, act: access.Act, request: str) -> None:
    """Audit and raise that refusal, if there is one."""
    early = before_lookup(door, caller, act)
    if early.refusal:
        audited(door, caller, act, early, "refused", request)
        raise error(early.refusal, act.type)


def served(found: Stored, publishers: dict[int, PublisherRow], decision: access.Decision) -> Found:
    """A stored version as this caller may have it: blanked where the decision says so, labels and source spliced in."""
    if found.deleted:
        return Found(found.type, found.id, found.number, found.updated, b"", True)
    if decision.blanks(found.publisher, found.labels):
        found = replace(found, body=build.encode(links.redact(build.decode(found.body))))
    publisher = publishers[found.publisher]
    source = f"{_urn(publisher.source, publisher.ods or publisher.code)}#{found.delivery}"
    return Found(
        found.type,
        found.id,
        found.number,
        found.updated,
        resources.splice(found, source, labels.security(found.labels)),
    )


@lru_cache(maxsize=4096)
def _urn(source: str, code: str) -> str:
    """A publisher as a URI. Its code is the source's word, and may hold anything: here it goes between quotes,
    unparsed."""
    return quote(f"urn:{source}:{code}", safe=":")


def passes(found: Stored, limits: Limits) -> bool:
    """Whether a stored resource lies within limits: the same conditions ``store.find`` puts into SQL."""
    return any(
        (allow.types is None or found.type in allow.types)
        and (allow.publishers is None or found.publisher in allow.publishers)
        and (allow.kinds is None or found.kind in allow.kinds)
        and not found.labels & allow.hidden
        for allow in limits.allow
    )


def error(refusal: access.Refusal, resource_type: str) -> GatewayError:
    """The error a refusal is raised as."""
    match refusal.status:
        case 401:
            return Unauthenticated(refusal.text)
        case 404:
            return NotFound(resource_type)
        case 503:
            return Unavailable(refusal.text)
    return Forbidden(refusal.text, refusal.code)


@dataclass(frozen=True, slots=True)
class Sealed(Generic[T]):
    """An answer that nobody has seen. It is opened by writing its audit, and by nothing else; opening gives what was
    found, or raises the refusal or ``Unavailable`` when the audit cannot be written."""

    _audit: Audit
    _event: dict[str, Any]
    _answer: T | None = None
    _refusal: GatewayError | None = None

    def open(self) -> T:
        self._audit.record(self._event)
        return self._given()

    async def opened(self) -> T:
        """``open``, for the event loop."""
        await self._audit.recorded(self._event)
        return self._given()

    def _given(self) -> T:
        if self._refusal is not None:
            raise self._refusal
        return self._answer


def audited(
    door: Door,
    caller: Caller,
    act: access.Act,
    decision: access.Decision,
    outcome: str,
    request: str,
    found: Iterable[Stored] = (),
) -> None:
    """Write what was asked, by whom, why and how it was answered, before anything leaves. Raises ``Unavailable``: then
    nothing may."""
    door.audit.record(event(caller, act, decision, outcome, request, found))


def event(
    caller: Caller, act: access.Act, decision: access.Decision, outcome: str, request: str, found: Iterable[Stored] = ()
) -> dict[str, Any]:
    """The audit event of one act: what was asked, by whom, why and how it was answered."""
    seen = list(found)
    return {
        "act": act.name, "type": act.type, **who(caller), "basis": decision.basis, "outcome": outcome,
        "refusal": decision.refusal.code if decision.refusal else "", "trace": list(decision.trace),
        "patients": sorted({patient.id for patient in decision.facts.patients}), "count": len(seen),
        "resources": [f"{one.type}/{one.id}/{one.number}" for one in seen[:50]], "request": request,
    }  # fmt: skip


def who(caller: Caller) -> dict[str, str]:
    """Who asks, as at the event."""
    return {"user": caller.user, "name": caller.name, "role": caller.role, "organisation": caller.organisation}


@lru_cache(maxsize=4096)
def http_date(microseconds: int) -> str:
    """A time for an HTTP header."""
    return format_datetime(moment(microseconds), usegmt=True)
