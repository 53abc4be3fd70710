"""Social care: what a council's return said, as at its quarter's end and never as if today."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from gateway.nhs import kinds
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import (
    Row,
    clinical_status,
    codes,
    extension,
    is_error,
    is_estimated,
    newest,
    row,
    shown_date,
    text,
    when,
)

AS_AT_URL = "urn:nhs-record-gateway:cld:as-at"
CLIENT_TYPE_URL, SERVICE_TYPE_URL = "urn:nhs-record-gateway:cld:client-type", "urn:nhs-record-gateway:cld:service-type"
RECEIVED_AS_URL, SILENT_URL = "urn:nhs-record-gateway:cld:received-as", "urn:nhs-record-gateway:cld:not-reported-since"
SERVICE_USER = "service user"
RECEIVED_AS = {"carer": "As an unpaid carer: ", "cared-for": "For the person's unpaid carer: "}
"""How a row begins whose care is not the person's own, by the codes of the mapping's extension."""
NOT_KNOWN = "not known"
STATED = frozenset({"Condition", "Observation"})
"""What a return states without saying since when: dated by the return's last day."""


class Said(NamedTuple):
    """What a row says of an entry. ``tells_day``: its state says the day that it is as at, which need not be said
    again; ``is_past``: the council states it no more."""

    title: str
    detail: str = ""
    state: str = ""
    tells_day: bool = False
    is_past: bool = False


def social_care(record: Record) -> list[Row]:
    """Services, requests, assessments, reviews, support reasons and circumstances; an open one is as it was on the
    return's last day. ``as_at_notes`` says once for all which day that is of most rows; a row of another day, or one
    that a later return does not hold, says its own."""
    stated = _stated(record)
    last = _last_days(stated)
    return newest(_row(held, last[held.publisher]) for held in stated)


def as_at_notes(record: Record) -> list[str]:
    """The newest day that any row of a council is as at, above its rows. A later return may have said nothing of the
    person: this is no claim about it."""
    days = ((name, shown_date(last)) for name, last in _last_days(_stated(record)).items() if last)
    return [f"{name}: as at {last}, unless a row says another day." for name, last in days]


def _stated(record: Record) -> list[Held]:
    stated = (held for type_ in WORDS for held in record.of(type_))
    return [held for held in stated if kinds.of(held.kind).is_social and not is_error(held.resource)]


def _last_days(stated: list[Held]) -> dict[str, str]:
    """By council, the last day that any of its entries is as at; "" where none says."""
    last: dict[str, str] = {}
    for held in stated:
        last[held.publisher] = max(last.get(held.publisher, ""), _as_at(held.resource))
    return last


def _as_at(resource: dict[str, Any]) -> str:
    last: str = extension(resource, AS_AT_URL).get("valueDate", "") or resource.get("effectivePeriod", {}).get(
        "end", ""
    )
    return last


def _row(held: Held, last: str) -> Row:
    resource = held.resource
    as_at = _as_at(resource)
    day = shown_date(as_at) if as_at else "an unknown day"
    said = WORDS[resource["resourceType"]](resource, day)
    silent = extension(resource, SILENT_URL).get("valueDate", "")
    is_told_above = bool(as_at) and as_at == last and not silent
    at = as_at if resource["resourceType"] in STATED else when(resource)
    flags = (
        said.state,
        "" if said.tells_day or is_told_above else f"as at {day}",
        "no longer stated" if said.is_past else "",
        f"not in the return to {shown_date(silent)}" if silent else "",
    )
    return row(held, _whose(resource) + said.title, at or as_at, (said.detail, _service_type(resource)), flags)


def _whose(resource: dict[str, Any]) -> str:
    """In which role the person was met, where that is not as the one who is cared for: the care of somebody else must
    not be read as the person's own. Where the council names no role, or one that the service contradicts, the mapping
    says whose care it is."""
    client = text(extension(resource, CLIENT_TYPE_URL).get("valueCodeableConcept"))
    if client and client.casefold() != SERVICE_USER:
        return f"As an {client[:1].lower()}{client[1:]}: " if client[:1] in "AEIOUaeiou" else f"As {client}: "
    received = extension(resource, RECEIVED_AS_URL).get("valueCodeableConcept")
    known = (RECEIVED_AS[code] for code in sorted(codes(received)) if code in RECEIVED_AS)
    return next(known, f"{text(received)}: " if text(received) else "")


def _service_type(resource: dict[str, Any]) -> str:
    return text(extension(resource, SERVICE_TYPE_URL).get("valueCodeableConcept"))


def _service(resource: dict[str, Any], as_at: str) -> Said:
    period, status = resource.get("period", {}), resource.get("status")
    provider = resource.get("managingOrganization", {}).get("display", "")
    title = text((resource.get("type") or [{}])[0]) or "Service"
    if status == "active":
        return Said(title, provider, f"was active on {as_at}", tells_day=True)
    if status in ("planned", "waitlist", "onhold"):
        return Said(title, provider, f"was {'on hold' if status == 'onhold' else 'planned'} on {as_at}", tells_day=True)
    ended = f"ended {shown_date(period['end'])}" if period.get("end") else "ended, date unknown"
    return Said(title, provider, ended + (" (estimated)" if is_estimated(period) else ""))


def _event(resource: dict[str, Any], as_at: str) -> Said:
    """A request, an assessment or a review: open ones as at the return, ended ones with their end."""
    reason = resource.get("reasonCode")
    said = "; ".join(text(concept) for concept in (reason if isinstance(reason, list) else [reason]) if concept)
    is_open = resource.get("status") not in ("completed", "revoked", "cancelled", "rejected", "failed")
    outcome = "; ".join(
        text(concept.get("valueCodeableConcept"))
        for concept in resource.get("output", ())
        if concept.get("valueCodeableConcept")
    )
    detail = " · ".join(part for part in (said, f"outcome: {outcome}" if outcome else "") if part)
    return Said(text(resource.get("code")), detail, f"was open on {as_at}" if is_open else "", tells_day=is_open)


def _support_reason(resource: dict[str, Any], as_at: str) -> Said:
    words = f"Support reason: {text(resource.get('code'), NOT_KNOWN)}"
    return Said(words, is_past=clinical_status(resource) == "inactive")


def _circumstance(resource: dict[str, Any], as_at: str) -> Said:
    return Said(text(resource.get("code")), text(resource.get("valueCodeableConcept"), NOT_KNOWN))


WORDS: dict[str, Callable[[dict[str, Any], str], Said]] = {
    "EpisodeOfCare": _service,
    "ServiceRequest": _event,
    "Task": _event,
    "Condition": _support_reason,
    "Observation": _circumstance,
}
"""What is said of each type that a council's return makes."""
