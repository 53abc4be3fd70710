"""Immunization: given, or not given with the reason. Who entered it is not who gave it.

Only one that is completed, or has no status, and is not dated after its answer counts as given.
"""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.dates import interval
from mappings.emis.clinical import REASONS, VACCINATION
from mappings.emis.entry import NOT_DONE, Entry
from mappings.gp_connect.allergy import ERROR, code_of, is_null
from mappings.gp_connect.concepts import entry_of, with_text
from mappings.gp_connect.repair import repaired_time
from mappings.gp_connect.stu3 import Sent, value_of
from mappings.vocabulary import HL7, UK_CORE, UK_CORE_EXTENSION, UNKNOWN

PROFILE = UK_CORE + "UKCore-Immunization"
PARENT_PRESENT = UK_CORE_EXTENSION + "ParentPresent"
NAMELESS = {"text": "Vaccination not named in the data received"}
NOT_GIVEN = NOT_DONE | {"absent", "planned", "suspected", "uncertain"}
UNFINISHED = frozenset({"preparation", "in-progress", "on-hold", "stopped", "aborted"})
"""Statuses of an act that was not completed. STU3 has none of them here; senders write them."""
KNOWN = UNFINISHED | {"", "completed", "not-done", ERROR}
LATER = "Dated after the answer that tells of it"
ENTERED = "EP"
"""The function of who entered it (v2 table 0443): no performer."""
ORIGINS = HL7 + "immunization-origin"


def to_immunisation(sent: Sent) -> list[dict[str, Any]]:
    """Return the Immunization. It is ``not-done`` where the sender says so, the words of its code do, or it cannot have
    been completed by then. Raises ``Invalid`` for a status that is not known."""
    procedure = with_text(sent.extension_value("VaccinationProcedure"))
    vaccine = sent.one("vaccineCode") or {}
    vaccine = with_text(vaccine) if vaccine and not is_null(vaccine) else {}
    entry = entry_of(sent.row, procedure or vaccine, sent.look)
    is_error = status_of(sent) == ERROR
    is_not_done = not is_error and (
        sent.one("notGiven") is True
        or status_of(sent) == "not-done"
        or entry.sense in NOT_GIVEN
        or bool(unfinished(sent))
    )
    at = sent.text("date")
    immunisation = sent.built(
        "Immunization",
        PROFILE,
        extension=extensions(sent, procedure),
        identifier=sent.identifiers(),
        status=ERROR if is_error else "not-done" if is_not_done else "completed",
        statusReason=why_not(sent, entry) if is_not_done else None,
        vaccineCode=vaccine or procedure or NAMELESS,
        patient=sent.subject(),
        encounter=sent.encounter("encounter"),
        occurrenceDateTime=at,
        _occurrenceDateTime=None if at else UNKNOWN,
        recorded=recorded(sent),
        primarySource=sent.one("primarySource"),
        reportOrigin=sent.one("reportOrigin"),
        location=sent.one("location"),
        manufacturer=sent.one("manufacturer"),
        lotNumber=sent.text("lotNumber"),
        expirationDate=sent.text("expirationDate"),
        site=sent.one("site"),
        route=sent.one("route"),
        doseQuantity=sent.one("doseQuantity"),
        performer=[] if is_not_done else performers(sent),
        note=[*sent.many("note"), *entered_by(sent)],
        reasonCode=reasons(sent, "reason"),
        reasonReference=sent.problems(),
        reaction=[reaction(item) for item in sent.many("reaction")],
        protocolApplied=[protocol(item) for item in sent.many("vaccinationProtocol")],
    )
    return [immunisation]


def extensions(sent: Sent, procedure: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = [{"url": VACCINATION, "valueCodeableConcept": procedure}] if procedure else []
    present = value_of(sent.extension("ParentPresent"))
    return [*nodes, {"url": PARENT_PRESENT, "valueBoolean": present}] if isinstance(present, bool) else nodes


def status_of(sent: Sent) -> str:
    """Return the status, "" for none. Raises ``Invalid`` for one that is not known: it may mean anything."""
    status = code_of(sent.one("status"))
    if status not in KNOWN or (not status and sent.one("status") is not None):
        raise Invalid("Immunization.status")
    return status


def unfinished(sent: Sent) -> str:
    """Return why it cannot have been given when the answer was, "" where it can. The whole day of the answer counts as
    before it: times of an answer are often only days. One without a time hinders nothing."""
    status, at = status_of(sent), sent.text("date")
    if status in UNFINISHED:
        return f"Not completed: {status}"
    begins = min(interval(at)[0], interval(at[:10])[0]) if at else 0
    return LATER if 0 < sent.row.order < begins else ""


def recorded(sent: Sent) -> str:
    """Return when it was entered. Some senders write the time as a string."""
    return repaired_time(value_of(sent.extension("DateRecorded")))


def why_not(sent: Sent, entry: Entry) -> dict[str, Any]:
    """Return why it was not given: as the sender says, else the words of the code."""
    said = reasons(sent, "reasonNotGiven")
    if said:
        return said[0]
    code = REASONS.get(entry.sense)
    words = entry.code.text if entry.sense in NOT_GIVEN else unfinished(sent) or "Not given, without a reason"
    return {"coding": [code], "text": words} if code else {"text": words}


def reasons(sent: Sent, name: str) -> list[dict[str, Any]]:
    explanation = sent.one("explanation")
    concepts = explanation.get(name, []) if isinstance(explanation, dict) else []
    return [with_text(concept) for concept in concepts]


def performers(sent: Sent) -> list[dict[str, Any]]:
    """Return who gave it, each with the function that was told. Who entered it is none."""
    return [
        {"function": item.get("role"), "actor": item["actor"]}
        for item in sent.many("practitioner")
        if item.get("actor") and function(item) != ENTERED
    ]


def entered_by(sent: Sent) -> list[dict[str, Any]]:
    """Return as a note's author who entered it: R4 has no other place."""
    entered = [item["actor"] for item in sent.many("practitioner") if item.get("actor") and function(item) == ENTERED]
    return [
        {"authorReference": actor, "text": "Entered in the practice's system"}
        for actor in entered
        if "reference" in actor
    ]


def function(item: dict[str, Any]) -> str:
    codings = (item.get("role") or {}).get("coding", [{}])
    return str(codings[0].get("code", "")) if codings else ""


def reaction(item: dict[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in ("date", "detail", "reported") if name in item}


def protocol(item: dict[str, Any]) -> dict[str, Any]:
    """Return a part of a course. R4 wants the number of the dose: one that was not told is said to be unknown."""
    dose, series = item.get("doseSequence"), item.get("seriesDoses")
    known = {"doseNumberPositiveInt": dose} if isinstance(dose, int) and dose > 0 else {"_doseNumberString": UNKNOWN}
    return {
        "series": item.get("series", ""),
        "authority": item.get("authority"),
        "targetDisease": item.get("targetDisease", []),
        **known,
        **({"seriesDosesPositiveInt": series} if isinstance(series, int) and series > 0 else {}),
    }
