"""A coded entry (SRCode), with the problem it may be, to what it is."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.emis.clinical import ENCOUNTER, why
from mappings.emis.entry import NEGATIVE, NOT_DONE, Entry
from mappings.emis.request import REFERRAL
from mappings.emis.result import CATEGORY
from mappings.emis.statement import is_statement
from mappings.emis.values import is_number, quantity
from mappings.tpp.allergy import allergy
from mappings.tpp.condition import condition
from mappings.tpp.entry import clinician, encounter, entry, has_value, name, notes, recorder, security, subject
from mappings.tpp.immunisation import coded_immunisation
from mappings.tpp.lists import coded
from mappings.tpp.medication import coded_medicine
from mappings.tpp.tables import CODE, PROBLEM
from mappings.tpp.times import is_doubtful, when
from mappings.vocabulary import HL7, UK_CORE, absent, tagged

WHEN = ("DateEvent", "DateEventRecorded")


def to_coded(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the entry makes, and the Condition that its problem is beside it. Problem status is one more view of
    an entry and never its first: an allergy on the problem list is still an allergy."""
    row = next(iter(group.of(CODE)), None)
    problem = problem_of(group.of(PROBLEM))
    if row is None:
        if problem is not None and not any(kept.table == CODE for kept in group.rows):
            raise Invalid("column IDCode")  # the entry has not come: the problem is not lost but waits
        return []
    if problem is not None and problem.patient != row.patient:
        look.warn("IDCode", "a problem of another patient's entry")
        problem = None
    built = entry(row, look)
    if built.code.unlisted is not None:
        look.unlisted(CODE, "CTV3Code", built.code.unlisted)
    if built.route == "condition":
        return [condition(built, problem, look)]
    answer = [MAKERS.get(built.route, observation)(built, look)]
    if problem is not None or is_disease_too(built):
        answer.append(condition(built, problem, look))
    return answer


def problem_of(problems: list[Row]) -> Row | None:
    """Return the problem that counts, None for none. SystmOne has several of one entry: an open one counts before one
    that ended, then the latest."""
    ordered = sorted(
        problems, key=lambda row: (not row.values["DateEnd"].strip(), when(row.values, "DateEventRecorded"), row.order)
    )
    return ordered[-1] if ordered else None


def is_disease_too(built: Entry) -> bool:
    """Whether an entry that is an allergy names a disease as well, such as a diabetes that a drug caused."""
    return built.route == built.code.route == "allergy" and built.code.is_disease and built.sense not in NEGATIVE


def observation(built: Entry, look: Look) -> dict[str, Any]:
    """Return the Observation. Each reading of a blood pressure is one of its own: SystmOne says by the code which it
    is, and nowhere which two belong together."""
    row, values, code = built.row, built.values, built.code
    issued, category = when(values, "DateEventRecorded"), code.category
    number = value(built) or ({"valueBoolean": True} if is_statement(code) else {})
    is_lab = category == "laboratory"
    is_missing = is_lab and not number and not code.is_result
    observation = resource(
        "Observation",
        look.id("Observation", name(row)),
        UK_CORE + ("UKCore-Observation-Lab" if is_lab else "UKCore-Observation"),
        security(row),
        status="final",
        category=CATEGORY[category] if category else [],
        code=code.concept,
        subject=subject(row, look),
        encounter=encounter(values, look),
        effectiveDateTime=when(values, "DateEvent"),
        issued=issued if "T" in issued else "",
        performer=[clinician(values, look)],
        **number,
        dataAbsentReason=absent("unknown") if is_missing else None,
        note=notes(built),
    )
    return tagged(observation, is_doubtful(values, *WHEN))


def value(built: Entry) -> dict[str, Any]:
    """Return the value of an entry that has one, {} for any other. A comparator that FHIR has no sign for is said in a
    note; what is no number stays words."""
    if not has_value(built.values):
        return {}
    number, unit = built.values["NumericValue"].strip(), built.values["NumericUnit"].strip()
    if not is_number(number):
        return {"valueString": f"{built.values['NumericComparator'].strip()} {number} {unit}".strip()}
    comparator = coded("comparator", built.values["NumericComparator"], "comparator")
    amount = quantity(number, unit)
    return {"valueQuantity": {"value": amount.pop("value"), "comparator": comparator, **amount}}


def procedure(built: Entry, look: Look) -> dict[str, Any]:
    """Return the Procedure: completed, ``not-done`` with its reason, or of unknown status where it is only
    suspected."""
    row, values = built.row, built.values
    is_not_done = built.sense in NOT_DONE or built.sense == "absent"
    person = clinician(values, look)
    procedure = resource(
        "Procedure",
        look.id("Procedure", name(row)),
        UK_CORE + "UKCore-Procedure",
        security(row),
        status="not-done" if is_not_done else "unknown" if built.sense in ("suspected", "uncertain") else "completed",
        statusReason=why(built) if is_not_done else None,
        code=built.code.concept,
        subject=subject(row, look),
        encounter=encounter(values, look),
        performedDateTime=when(values, "DateEvent"),
        recorder=recorder(values, look),
        performer=[{"actor": person}] if person and not is_not_done else None,
        note=notes(built),
    )
    return tagged(procedure, is_doubtful(values, *WHEN))


def family_history(built: Entry, look: Look) -> dict[str, Any]:
    """Return the FamilyMemberHistory: of a relative, never of the patient."""
    row, values = built.row, built.values
    family = {"coding": [{"system": HL7 + "v3-RoleCode", "code": "FAMMEMB"}], "text": "Family member"}
    history = resource(
        "FamilyMemberHistory",
        look.id("FamilyMemberHistory", name(row)),
        UK_CORE + "UKCore-FamilyMemberHistory",
        security(row),
        extension=of_event(built, look),
        status="completed",
        patient=subject(row, look),
        date=when(values, "DateEvent"),
        relationship=family,
        condition=[{"code": built.code.concept, "note": notes(built)}],
    )
    return tagged(history, is_doubtful(values, *WHEN))


def of_event(built: Entry, look: Look) -> list[dict[str, Any]]:
    """Return the extension that points at the event, for types that have no element for it; [] for none."""
    event = encounter(built.values, look)
    return [{"url": ENCOUNTER, "valueReference": event}] if event else []


def referral(built: Entry, look: Look) -> dict[str, Any]:
    """Return the ServiceRequest of a coded referral. Whether it is still open the entry does not say."""
    row, values = built.row, built.values
    asked = resource(
        "ServiceRequest",
        look.id("ServiceRequest", name(row)),
        UK_CORE + "UKCore-ServiceRequest",
        security(row),
        status="unknown",
        intent="order",
        category=[REFERRAL],
        code=built.code.concept,
        subject=subject(row, look),
        encounter=encounter(values, look),
        authoredOn=when(values, "DateEvent"),
        requester=clinician(values, look),
        note=notes(built),
    )
    return tagged(asked, is_doubtful(values, *WHEN))


MAKERS = {
    "allergy": allergy,
    "family": family_history,
    "immunisation": coded_immunisation,
    "medication": coded_medicine,
    "procedure": procedure,
    "referral": referral,
}
