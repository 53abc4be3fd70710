"""Observations, with the parts of a blood pressure, and diagnostic reports with their results."""

from __future__ import annotations

from typing import Any

from gateway.fhir.codes import SNOMED
from mappings import Look, Values
from mappings.emis.codes import coded
from mappings.emis.entry import Entry, clinician, encounter, filed, subject
from mappings.emis.statement import is_statement
from mappings.emis.values import entered, identifier, is_number, is_true, partial, quantity
from mappings.vocabulary import AMBIGUOUS, HL7, TAG, UK_CORE, absent, tagged

CATEGORY = {
    code: [{"coding": [{"system": HL7 + "observation-category", "code": code}]}]
    for code in ("laboratory", "vital-signs", "exam", "social-history", "imaging")
}
LAB_REPORT = [{"coding": [{"system": HL7 + "v2-0074", "code": "LAB"}]}]
PROFILE, LAB_PROFILE = [UK_CORE + "UKCore-Observation"], [UK_CORE + "UKCore-Observation-Lab"]
REPORT_PROFILE = [UK_CORE + "UKCore-DiagnosticReport-Lab"]
INTERPRETATION = HL7 + "v3-ObservationInterpretation"
PART_UNCLEAR = {"system": TAG, "code": "blood-pressure-part-unclear"}
ABSENT = {"coding": [{"system": SNOMED, "code": "2667000", "display": "Absent"}]}
SUSPECTED = {"coding": [{"system": SNOMED, "code": "415684004", "display": "Suspected"}]}
NOT_DONE = {"declined": "asked-declined", "not-given": "not-performed", "contraindicated": "not-performed"}


def says_so(entry: Entry) -> bool:
    """Whether nothing but the code's own words changes what an entry says."""
    return not entry.sense or entry.in_words


def observation(
    entry: Entry, parts: list[Entry], members: list[dict[str, Any]], specimens: list[dict[str, Any]], look: Look
) -> dict[str, Any]:
    """Return the Observation. Built element by element: nine of ten rows of a practice come this way. FHIR lets it have
    one specimen."""
    values, code = entry.values, entry.code
    # a part kept confidential hides the whole: half a blood pressure gives the other half away
    is_confidential = entry.is_confidential or (bool(parts) and any(part.is_confidential for part in parts))
    profile = LAB_PROFILE if code.category == "laboratory" else PROFILE
    built = begun("Observation", look.id("Observation", entry.key), entry, profile, is_confidential, look)
    meta = built["meta"]
    built["status"] = "final"
    if code.category:
        built["category"] = CATEGORY[code.category]
    built["code"] = code.concept
    built["subject"] = subject(values, look)
    ambiguous = circumstances(built, values, look)
    number = values.get("Value")
    if number:
        built.update(value(values))
    if entry.sense and not entry.in_words:
        changed(built, entry)
    notes = entry.notes if entry.said.notes or entry.said.words else []
    if number and entry.sense == "history" and not (entry.in_words or entry.said.is_mixed):
        notes.append({"text": entry.said.words})  # a value of the past is still the value: only words can say so
    if (
        not number
        and code.category == "laboratory"
        and not code.is_result
        and not members
        and "valueCodeableConcept" not in built
    ):
        built.setdefault("dataAbsentReason", absent("unknown"))
    if not number and not (members or parts) and says_so(entry) and is_statement(code):
        built["valueBoolean"] = True
    if is_true(values.get("Abnormal", "")):
        built["interpretation"] = [*built.get("interpretation", ()), abnormal(values)]
    if code.part == "panel" and number:
        notes.append({"text": "A blood pressure: the code does not say whether systolic or diastolic."})
        meta["tag"] = [PART_UNCLEAR]
    if notes:
        built["note"] = notes
    if limits := reference_range(values):
        built["referenceRange"] = [limits]
    if len(specimens) == 1:
        built["specimen"] = specimens[0]
    if members:
        built["hasMember"] = members
    if parts:
        built["component"] = [component(part) for part in parts]
    if ambiguous:
        meta["tag"] = [*meta.get("tag", []), AMBIGUOUS]
    return built


def begun(
    resource_type: str, id_: str, entry: Entry, profile: list[str], is_confidential: bool, look: Look
) -> dict[str, Any]:
    """Return what an Observation and a DiagnosticReport begin with: id, meta, and the problem they are filed under."""
    meta: dict[str, Any] = {"profile": profile}
    if is_confidential:
        meta["security"] = ["R"]
    built: dict[str, Any] = {"resourceType": resource_type, "id": id_, "meta": meta}
    if problem := filed(entry, look):
        built["extension"] = problem
    return built


def circumstances(built: dict[str, Any], values: Values, look: Look) -> bool:
    """Add where, when and by whom; return whether the clock showed a time of it twice."""
    if reference := encounter(values, look):
        built["encounter"] = reference
    if when := partial(values, "EffectiveDate"):
        built["effectiveDateTime"] = when
    issued, ambiguous = entered(values)
    if "T" in issued:
        built["issued"] = issued
    if reference := clinician(values, look):
        built["performer"] = [reference]
    return ambiguous


def value(values: Values) -> dict[str, Any]:
    """Return the value: a number with its unit as written, anything else as the words it is, {} for none."""
    number = values.get("Value", "").strip()
    if not number:
        return {}
    if is_number(number):
        return {"valueQuantity": quantity(number, values.get("NumericUnit", ""))}
    return {"valueString": f"{number} {values['NumericUnit']}".strip()}


def changed(built: dict[str, Any], entry: Entry) -> None:
    """Say in the Observation what a qualifier says of it: absent, suspected, not done. A number also denied is of
    unknown status."""
    sense = entry.sense
    if entry.values.get("Value"):
        if sense not in ("confirmed", "history"):
            built["status"] = "unknown"
            built["interpretation"] = [{"text": entry.said.words}]
    elif sense in NOT_DONE:
        built["status"] = "cancelled"
        built["dataAbsentReason"] = {**absent(NOT_DONE[sense]), "text": entry.said.words}
    elif sense == "refuted":
        built["valueCodeableConcept"] = {**ABSENT, "text": entry.said.words}
    elif sense == "suspected":
        built["valueCodeableConcept"] = {**SUSPECTED, "text": entry.said.words}
    elif sense != "confirmed":
        built["valueCodeableConcept"] = {"text": entry.said.words}


def abnormal(values: Values) -> dict[str, Any]:
    """Return the interpretation of an entry marked abnormal, {} for any other: not abnormal is not "normal"."""
    if not is_true(values.get("Abnormal", "")):
        return {}
    words = values["AbnormalReason"].strip()
    coding = {"coding": [{"system": INTERPRETATION, "code": coded("abnormal", words) or "A"}]}
    return {**coding, "text": words} if words else coding


def reference_range(values: Values) -> dict[str, Any]:
    """Return the range, {} for none. Both bounds are of the range itself. One alone is a limit that is not part of it
    ("<" or ">"), which FHIR says in words."""
    if "NumericRangeLow" not in values and "NumericRangeHigh" not in values:
        return {}
    low, high, unit = values["NumericRangeLow"].strip(), values["NumericRangeHigh"].strip(), values["NumericUnit"]
    if is_number(low) and is_number(high):
        return {"low": quantity(low, unit), "high": quantity(high, unit)}
    words = (
        f"> {low} {unit}" if low and not high else f"< {high} {unit}" if high and not low else f"{low} - {high} {unit}"
    )
    return {"text": words.strip()}


def component(part: Entry) -> dict[str, Any]:
    """Return a part of a blood pressure."""
    built = {"code": part.code.concept, **value(part.values)}
    if len(built) == 1:
        built["dataAbsentReason"] = absent("unknown")
    if interpretation := abnormal(part.values):
        built["interpretation"] = [interpretation]
    if limits := reference_range(part.values):
        built["referenceRange"] = [limits]
    return built


def report(entry: Entry, results: list[dict[str, Any]], specimens: list[dict[str, Any]], look: Look) -> dict[str, Any]:
    """Return the DiagnosticReport of a laboratory battery with its results and specimens."""
    values = entry.values
    id_ = look.id("DiagnosticReport", entry.key)
    built = begun("DiagnosticReport", id_, entry, REPORT_PROFILE, entry.is_confidential, look)
    built["identifier"] = [identifier(entry.key)]
    built |= {"status": "final", "category": LAB_REPORT, "code": entry.code.concept, "subject": subject(values, look)}
    ambiguous = circumstances(built, values, look)
    if specimens:
        built["specimen"] = specimens
    if results:
        built["result"] = results
    if words := "; ".join(note["text"] for note in entry.notes):
        built["conclusion"] = words
    return tagged(built, ambiguous)
