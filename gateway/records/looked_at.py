"""What the rules of oversight are asked with about people whose records were looked at. No answer shows any of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gateway.errors import Invalid
from gateway.fhir import build
from gateway.fhir.codes import NHS_NUMBER
from gateway.fhir.dates import interval
from gateway.nhs import labels
from gateway.nhs.snooping import Known, Period, address_of, surname_of
from gateway.store import registry, resources
from gateway.store.session import Session

VISITS = ("Encounter", "Appointment", "ServiceRequest")
"""What accounts for a view. A registration does not: it would account for every view of a practice's staff."""


def looked_at(session: Session, ids: Sequence[str], organisation: str, now: int) -> tuple[Known, list[Period]]:
    """Who the person of some Patients is, as the rules compare it, and their visits to an organisation. The address of
    a restricted person is compared with nobody's."""
    heads = [head for id_ in ids if (head := resources.head_of(session, "Patient", id_)) and not head.deleted]
    is_restricted = any(head.labels & labels.RESTRICTED for head in heads)
    known = [_known(build.decode(head.body), is_restricted) for head in heads]
    own = {key for key, row in registry.publishers(session).items() if row.ods == organisation}
    stored = resources.of_patients(session, sorted({head.patient for head in heads}), VISITS) if heads else []
    visits = [period for row in stored if row.publisher in own for period in _periods(build.decode(row.body), now)]
    return Known(*(next(filter(None, values), "") for values in zip(*known))) if known else Known(), visits


def _known(patient: dict[str, Any], is_restricted: bool) -> tuple[str, str, str]:
    names = [name["family"] for name in patient.get("name", ()) if name.get("family")]
    places = [] if is_restricted else patient.get("address", ())
    addresses = [address_of(next(iter(place.get("line", ())), ""), place.get("postalCode", "")) for place in places]
    numbers = [row["value"] for row in patient.get("identifier", ()) if row.get("system") == NHS_NUMBER]
    surname = surname_of(names[0]) if names else ""
    return surname, next(filter(None, addresses), ""), next(iter(numbers), "")


def _periods(resource: dict[str, Any], now: int) -> Iterator[Period]:
    """From and until when a resource accounts for a view; one without an end until now, one without a date never."""
    period = resource.get("period") or {name: resource.get(name) for name in ("start", "end")}
    begin = period.get("start") or resource.get("authoredOn")
    try:
        if begin:
            end = period.get("end")
            yield interval(begin)[0], interval(end)[1] if end else max(now, interval(begin)[1])
    except Invalid:
        return
