"""How good the data of each publisher is, in counts: its people and its list, what is coded, what was rejected, how
fresh it is. Nobody can be known from it, so it is asked about no person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.errors import Forbidden
from gateway.fhir import build
from gateway.fhir.dates import DAY
from gateway.nhs import access, identity, kinds, sensitive
from gateway.nhs.identifiers import name_in_reports
from gateway.nhs.roles import Caller
from gateway.records.door import Door, who
from gateway.store import deliveries, registry, tallies
from gateway.store.database import Store
from gateway.store.registry import PublisherRow
from gateway.store.serving import instant
from gateway.store.session import Session

WRITTEN = "fhir"
"""The source whose rows are also written over the API."""
DAYS = 30
"""Days of deliveries that are looked at."""


@dataclass(frozen=True)
class Quality:
    """One publisher. ``listed`` are the people with a current regular registration, None where the kind of publisher
    registers nobody; ``stated`` is what the publisher says of its list (0: nothing). ``concepts`` and ``coded`` are of
    the last ``DAYS`` days; ``age`` are the seconds since it last sent something."""

    publisher: PublisherRow
    patients: int
    numbered: int
    gathered: int
    mismatched: int
    listed: int | None
    stated: int
    concepts: int
    coded: int
    age: int

    @property
    def title(self) -> str:
        return self.publisher.name or self.publisher.ods or self.publisher.code

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        row = self.publisher
        return {
            "source": row.source, "publisher": row.code, "ods": row.ods, "name": row.name, "kind": row.kind,
            "state": row.state, "patients": self.patients, "withNhsNumber": self.numbered, "gathered": self.gathered,
            "notGathered": self.mismatched, "listSize": self.listed, "statedListSize": self.stated or None,
            "concepts": self.concepts, "coded": self.coded, "received": instant(row.received), "ageSeconds": self.age,
        }  # fmt: skip


@dataclass(frozen=True)
class SourceQuality:
    """What the deliveries of a source came to in the last ``DAYS`` days, by cause. ``lag`` is the longest time from an
    extract until all of it could be seen (seconds), None where no source said."""

    source: str
    deliveries: int = 0
    lag: int | None = None
    causes: Mapping[str, Counter[str]] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON."""
        causes = {name: dict(counts.most_common()) for name, counts in self.causes.items()}
        return {"source": self.source, "deliveries": self.deliveries, "lagSeconds": self.lag, **causes}


CAUSES = {
    "rejects": "rejected",
    "warnings": "left out or mended",
    "unmappedCodes": "codes without a standard code, by system",
    "unlistedValues": "values that no code table lists, by column",
    "unreadColumns": "columns that are not known",
    "ukCore": "UK Core's constraints broken",
}
"""The parts of a load report that are added up and shown, with their titles. ``rows`` are added up beside them."""


def measure(store: Store, stated: Mapping[str, int] = {}) -> tuple[list[Quality], list[SourceQuality]]:  # noqa: B006
    """Count, for every publisher and source. ``stated`` has the list sizes that are known from elsewhere, by ODS or
    publisher code. It reads every person of the store."""
    now = store.clock()
    with store.read() as session:
        publishers = registry.publishers(session)
        counts = tallies.people(session)
        registered = _registered(tallies.episodes(session), publishers)
        reports = [report for _, report in tallies.reports(session, now - DAYS * DAY)]
        reports += _of_api(session, publishers, now - DAYS * DAY)
    coded = _coded(reports)
    rows = [
        _quality(
            row, counts, registered, coded.get((row.source, name_in_reports(row.ods, row.key)), Counter()), stated, now
        )
        for row in publishers.values()
    ]
    shown = [row for row in rows if row.patients or row.concepts]
    sources = [_of_source(name, reports) for name in sorted({report["source"] for report in reports})]
    return sorted(shown, key=lambda row: (row.publisher.source, row.title, row.publisher.code)), sources


def _quality(
    row: PublisherRow,
    counts: Mapping[str, Mapping[int, int]],
    registered: Mapping[int, int],
    coded: Mapping[str, int],
    stated: Mapping[str, int],
    now: int,
) -> Quality:
    registers = kinds.of(row.kind).registers
    of_it = {which: counts[which].get(row.key, 0) for which in tallies.WHICH}
    return Quality(
        row, of_it["patients"], of_it["numbered"], of_it["gathered"], of_it["mismatched"],
        registered.get(row.key, 0) if registers else None, stated.get(row.ods) or stated.get(row.code) or 0,
        coded.get("concepts", 0), coded.get("coded", 0), max(now - row.received, 0) // 1_000_000,
    )  # fmt: skip


def _registered(episodes: Any, publishers: Mapping[int, PublisherRow]) -> Counter[int]:
    """How many people are regularly registered with each publisher now."""
    listed: set[tuple[int, int]] = set()
    for publisher, patient, body in episodes:
        if publisher in publishers and kinds.of(publishers[publisher].kind).registers:
            try:
                episode = build.decode(bytes(body))
            except msgspec.DecodeError:  # `gateway check` names what is damaged
                continue
            if identity.is_regular_registration(episode):
                listed.add((publisher, patient))
    return Counter(publisher for publisher, _ in listed)


def _of_api(session: Session, publishers: Mapping[int, PublisherRow], since: int) -> list[dict[str, Any]]:
    """What a load would have reported of what was written over the API, by day. Who writes one by one waits for no
    report, so it is counted when it is asked."""
    days = deliveries.by_api(session, WRITTEN, since)
    if not days:
        return []
    rows: dict[int, Counter[str]] = {day: Counter() for day in days}
    concepts: dict[int, dict[str, Counter[str]]] = {day: {} for day in days}
    for day, publisher, body in tallies.written(session, days):
        try:
            resource = build.decode(bytes(body))
        except msgspec.DecodeError:  # `gateway check` names what is damaged
            continue
        if publisher in publishers:
            count, standard, _ = sensitive.coded(resource)
            rows[day][resource["resourceType"]] += 1
            name = name_in_reports(publishers[publisher].ods, publisher)
            concepts[day].setdefault(name, Counter()).update({"concepts": count, "coded": standard})
    return [{"source": WRITTEN, "rows": rows[day], "publishers": concepts[day]} for day in days if rows[day]]


def _coded(reports: list[dict[str, Any]]) -> dict[tuple[str, str], Counter[str]]:
    """Main concepts, and those with a standard code, by source and what reports call a publisher."""
    coded: dict[tuple[str, str], Counter[str]] = {}
    for report in reports:
        for name, counts in report.get("publishers", {}).items():  # a report of an earlier version has none
            coded.setdefault((report["source"], name), Counter()).update(counts)
    return coded


def _of_source(name: str, reports: list[dict[str, Any]]) -> SourceQuality:
    own = [report for report in reports if report["source"] == name]
    causes = {cause: Counter[str]() for cause in ("rows", *CAUSES)}
    for report in own:
        for cause, counts in causes.items():
            counts.update(report.get(cause, {}))
    lags = [report["lagSeconds"] for report in own if report.get("lagSeconds") is not None]
    return SourceQuality(name, len(own), max(lags, default=None), causes)


def ask(
    door: Door, caller: Caller, request_id: str, stated: Mapping[str, int]
) -> tuple[list[Quality], list[SourceQuality]]:
    """``measure`` for whoever may run the gateway, audited before it leaves. Raises ``Forbidden``."""
    refusal = access.before_lookup(caller, access.Act("jobs"), access.Facts.of_nobody(0))
    outcome = "refused" if refusal else "ok"
    door.audit.record({"act": "quality", **who(caller), "outcome": outcome, "request": request_id})
    if refusal:
        raise Forbidden("the quality of data is for operators", refusal.code)
    return measure(door.store, stated)
