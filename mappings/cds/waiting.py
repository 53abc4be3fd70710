"""An entry of an elective admission list to a ServiceRequest: what the newest record of it says."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.cds import codes
from mappings.cds.clinical import diagnoses, opcs, operations, procedure_code
from mappings.cds.people import consultant, referrer, service
from mappings.cds.record import WAITING, labels, subject
from mappings.cds.replaced import standing
from mappings.cds.values import past, when
from mappings.hl7v2 import codes as shared
from mappings.hl7v2.datatypes import organisation
from mappings.vocabulary import UK_CORE


def to_entry(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest of a ``wait:`` group; nothing of records that were deleted or replaced."""
    rows = sorted(standing(group, WAITING, look), key=lambda row: (row.order, row.key))
    return [entry(rows[-1], group.key.removeprefix("wait:"), look)] if rows else []


def entry(row: Row, key: str, look: Look) -> dict[str, Any]:
    number, offered = row.values["EntryNumber"].strip(), when(row.values, "OfferedDate", "")
    planned = list(operations(row))
    intended = [procedure_code(row, operation, look) for operation in planned]
    removed, words = removal(row, look)
    elective = codes.concept("admission_method", row, "ElectiveType", look)
    return resource(
        "ServiceRequest",
        look.id("ServiceRequest", f"wait|{key}"),
        UK_CORE + "UKCore-ServiceRequest",
        labels(row),
        identifier=[{"system": shared.local(row.publisher, "WaitingListEntry", "Id"), "value": number}] if number else [],
        status=removed or "active",
        intent="order",
        category=[{"text": "Elective admission list"}, elective],
        priority=codes.table("priority").get(row.values["Priority"].strip(), ("", ""))[0],
        code=intended[0] if intended else {"text": "Elective admission"},
        orderDetail=intended[1:],
        subject=subject(row, look),
        occurrenceDateTime=offered,
        authoredOn=past(row, "DecidedDate", look),
        requester=next((clinician["individual"] for clinician in referrer(row)), {}),
        performerType=service(row),
        performer=[*(clinician["individual"] for clinician in consultant(row)), organisation(row.publisher)],
        bodySite=[opcs(code, row, look) for operation in planned for code in operation.sites],
        reasonCode=[coded.concept for coded in diagnoses(row, look)],
        note=[{"text": text} for text in (words, suspended(row)) if text],
    )  # fmt: skip


def removal(row: Row, look: Look) -> tuple[str, str]:
    """Return the status of an entry that was taken off the list and why; ("", "") while it stands on it."""
    date, reason = past(row, "RemovalDate", look), row.values["Removal"].strip()
    if not date:
        return "", ""
    state, words = codes.table("removal").get(reason, ("unknown", "for a reason that is not listed"))
    if reason not in codes.table("removal"):
        look.unlisted(row.table, "Removal", reason)
    return state, f"Removed from the list on {date}: {words}"


def suspended(row: Row) -> str:
    """Return that a patient is not available for treatment (ELECTIVE ADMISSION LIST STATUS 02)."""
    return "Not available for treatment" if row.values["ListStatus"].strip() == "02" else ""
