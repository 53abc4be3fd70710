"""Procedures, and the implants that they left: an implant comes first and is never cut off."""

from __future__ import annotations

import re
from typing import Any

from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import Row, is_error, newest, notes, row, text, when

IMPLANT = "implant or device"
IMPLANTS = re.compile(
    r"\b(pacemaker|defibrillator|icd\b|stent|implant|prosthe|arthroplasty|aneurysm clip|coil\b|shunt|stimulator|pump|port-?a-?cath|"
    r"(hip|knee|shoulder|joint|valve) replacement|replacement of|intrauterine|iucd|iud\b|cochlear|intraocular lens|graft|plate|"
    r"internal fixation|mesh|filter)",
    re.IGNORECASE,
)  # fmt: skip
"""Words of what stays in the body, and matters for scanning, infection and resuscitation."""
TAKEN_OUT = re.compile(r"\b(remov|explant|extract|taking out|revision)", re.IGNORECASE)
STATUS = {
    "not-done": "NOT DONE", "preparation": "planned", "in-progress": "in progress", "on-hold": "on hold", "stopped": "stopped before its end",
    "unknown": "not known whether done",
}  # fmt: skip


def procedures(record: Record) -> list[Row]:
    """Every procedure that is no error, implants first; one that was not done is never shown as done."""
    rows = newest(_procedure(held) for held in record.of("Procedure") if not is_error(held.resource))
    return sorted(rows, key=lambda line: IMPLANT not in line.flags)


def is_implant(resource: dict[str, Any]) -> bool:
    """Whether a procedure left something in the body: it says so with a device, or in its name. A removal did not.

    >>> [is_implant({"code": {"text": name}}) for name in ("Insertion of cardiac pacemaker", "Removal of stent")]
    [True, False]
    """
    name = text(resource.get("code"))
    is_done = resource.get("status") not in ("not-done", "preparation")
    return is_done and not TAKEN_OUT.search(name) and (bool(resource.get("focalDevice")) or bool(IMPLANTS.search(name)))


def _procedure(held: Held) -> Row:
    resource, status = held.resource, held.resource.get("status", "")
    site = ", ".join(filter(None, map(text, resource.get("bodySite", ()))))
    outcome, reason = text(resource.get("outcome")), text(resource.get("statusReason"))
    details = (site, f"outcome: {outcome}" if outcome else "", reason, notes(resource))
    flags = (IMPLANT if is_implant(resource) else "", STATUS.get(status, ""))
    return row(held, text(resource.get("code")), when(resource), details, flags)
