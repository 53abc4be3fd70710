"""Asks the rules of ``nhs.snooping`` of the views in the audit, and raises the alerts that they find."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import DAY, interval
from gateway.nhs import alerting, identifiers, snooping
from gateway.nhs.snooping import Evidence, Finding, Known, Period, View
from gateway.oversight.hindsight import is_view
from gateway.records.door import Door
from gateway.records.looked_at import looked_at
from gateway.store import alerts
from gateway.store.alerts import Raised
from gateway.store.changes import record_write

STAFF, ROSTER = ("user", "surname", "number", "line", "postcode"), ("user", "start", "end")
"""The columns of the files that an organisation gives."""


@dataclass(frozen=True, slots=True)
class Staff:
    """What an organisation tells of its staff; empty where it gives no file, and then the rules that need it are not
    met. A user is named as in the audit."""

    known: Mapping[str, Known] = field(default_factory=dict)
    shifts: Mapping[str, Sequence[Period]] = field(default_factory=dict)


def staff(register: Path | None, roster: Path | None) -> Staff:
    """Read the register (CSV: user, surname, number, line, postcode) and the roster (CSV: user, start, end, as FHIR
    writes moments). Raises ``Invalid`` with the place."""
    known = {
        row["user"]: Known(
            snooping.surname_of(row["surname"]),
            snooping.address_of(row["line"], row["postcode"]),
            identifiers.normalise(row["number"]),
        )
        for row in _rows(register, STAFF)
    }
    shifts = defaultdict[str, list[Period]](list)
    for number, row in enumerate(_rows(roster, ROSTER), 2):
        try:
            shifts[row["user"]].append((interval(row["start"])[0], interval(row["end"])[1]))
        except Invalid:
            raise Invalid(f"--roster: line {number}") from None
    return Staff(known, dict(shifts))


def _rows(path: Path | None, columns: Sequence[str]) -> list[dict[str, str]]:
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if not set(columns) <= set(reader.fieldnames or ()):
                raise Invalid(f"a file with the columns {', '.join(columns)} is wanted")
            return [{name: (row[name] or "").strip() for name in columns} for row in reader]
    except (OSError, ValueError, csv.Error):
        raise Invalid(f"not a CSV file that can be read: the columns {', '.join(columns)} are wanted") from None


def suspect(door: Door, organisation: str, known: Staff, days: int, most: int, by: str) -> int:
    """Ask the rules of an organisation's views of the last ``days``, and raise ``most`` alerts of each day at most.
    Returns how many there are, also of those that an earlier run raised: it raises none twice. It is audited."""
    since = door.store.clock() - days * DAY
    events = [event for event in door.audit.events("read") if event["at"] >= since and _is_view(event, organisation)]
    findings = snooping.daily(_findings(door, organisation, known, events), most)
    by_request = {_view(event): event for event in events}
    with door.store.write(is_aside=True) as session:
        keys = {
            alerts.raise_alert(session, _raised(by_request[finding.view], finding), alerting.OPEN, _cause(finding))
            for finding in findings
        }
        counts = {"days": days, "views": len(events), "alerts": len(keys)}
        record_write(session, {"act": "audit.rules", "by": by, "organisation": organisation, **counts})
    return len(keys)


def _is_view(event: Mapping[str, Any], organisation: str) -> bool:
    return is_view(event) and bool(event.get("role")) and event.get("organisation") == organisation


def _view(event: Mapping[str, Any]) -> View:
    """A view; the person of several Patients goes by the first of them."""
    return View(event["at"], event["user"], event["patients"][0], event["request"])


def _findings(door: Door, organisation: str, known: Staff, events: Iterable[Mapping[str, Any]]) -> list[Finding]:
    now, people, visits = door.store.clock(), dict[str, Known](), dict[str, Sequence[Period]]()
    colleagues, views = dict(known.known), []
    with door.store.read() as session:
        for event in events:
            view = _view(event)
            views.append(view)
            if view.patient not in people:
                people[view.patient], visits[view.patient] = looked_at(session, event["patients"], organisation, now)
            colleague = colleagues.get(view.user, Known())
            if not colleague.surname:  # the sign-in tells it
                colleagues[view.user] = replace(colleague, surname=snooping.surname_of(event["name"]))
    return snooping.findings(views, Evidence(colleagues, people, visits, known.shifts))


def _raised(event: Mapping[str, Any], finding: Finding) -> Raised:
    who = (event["organisation"], event["user"], event["name"], event["role"], event["request"])
    return Raised(*who, rule=" ".join(finding.relations))


def _cause(finding: Finding) -> str:
    """One alert for each user, person and day, whatever more a later run knows."""
    return f"{finding.view.user} {finding.view.patient} {finding.view.at // DAY}"
