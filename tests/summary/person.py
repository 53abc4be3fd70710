"""One invented person who has something in every section, and what is hard to say of each."""

from decimal import Decimal

from gateway.nhs.summary.record import Record
from tests.nhs.records import (
    COUNCIL,
    DEGRADED_DRUG_ALLERGY,
    FORMER,
    HL7,
    TRUST,
    allergy,
    condition,
    held,
    issue,
    nil,
    patient,
    plan,
    record,
    result,
    service,
    statement,
    status,
)  # fmt: skip

RASH = [{"manifestation": [{"text": "Rash"}], "severity": "moderate"}]
HIGH = [{**status("v3-ObservationInterpretation", "H"), "text": "High"}]
HARMFUL = '<script>alert("x")</script> & Sons'


def person(**changes) -> Record:
    """The record of the person, as a practice's clinician sees it."""
    subject = {"subject": {"reference": "Patient/p1"}}
    whose = {"patient": {"reference": "Patient/p1"}}
    here = [
        allergy("a1", reaction=RASH, verification="unconfirmed", **whose),
        nil("a2", **whose),
        allergy("a3", "Allergy to latex", "300916003", clinical="resolved", **whose),
        allergy("a4", concept={"coding": [DEGRADED_DRUG_ALLERGY], "text": "Reaction to eye drops"}, **whose),
        plan("m1", **subject),
        issue("m2", "m1", "2024-08-10", **subject),
        statement("m3", "m1", **subject),
        plan("m4", "Amoxicillin 500mg capsules", "acute", "completed", authoredOn="2026-02-20", **subject),
        plan("m5", "Simvastatin 40mg tablets", status="stopped", **subject),
        statement("m6", "m5", "2026-01-10", estimated=True, **subject),
        plan("m7", "Herbal tonic", "", medicationCodeableConcept={"text": HARMFUL}, **subject),
        condition("c1", "Type 2 diabetes mellitus", **subject),
        condition("c2", "Depressive disorder", "inactive", abatementDateTime="2021-12-22", **subject),
        condition("c3", "Cough", "", category="encounter-diagnosis", **subject),
        result("o1", Decimal("5.10"), interpretation=HIGH, referenceRange=[{"low": {"value": Decimal("3.5")}, "high": {"value": 5}}], **subject),
        {
            "resourceType": "Immunization", "id": "v1", "meta": {}, "status": "not-done", "vaccineCode": {"text": "Influenza vaccination"},
            "statusReason": {"text": "Patient declined"}, "occurrenceDateTime": "2025-10-25", **whose,
        },
    ]  # fmt: skip
    of = {"subject": {"reference": "Patient/p2"}}
    there = [
        allergy("h1", reaction=RASH, onsetDateTime="", patient={"reference": "Patient/p2"}),
        condition("h2", "Pneumonia", "", category="encounter-diagnosis", verification="provisional", onsetDateTime="2026-02-11", **of),
        result("h3", Decimal("5.10"), **of),
        result("h4", 5, words="C-reactive protein", code="1001371000000100", status="corrected", text={"status": "generated", "div": SECRET},
               effectiveDateTime="2026-02-11T14:05:00+00:00", **of),
        {
            "resourceType": "Encounter", "id": "h5", "meta": {}, "status": "in-progress", "period": {"start": "2026-02-11T10:14:00+00:00"},
            "class": {"system": HL7 + "v3-ActCode", "code": "IMP", "display": "Inpatient"}, "reasonCode": [{"text": "Breathless"}], **of,
        },
    ]  # fmt: skip
    council = service("s1", patient={"reference": "Patient/p3"})
    gathered = (patient(), held({**patient(), "id": "p2"}, TRUST), held({**patient(), "id": "p3"}, COUNCIL))
    former = held(plan("f1", "Aspirin 75mg tablets", subject={"reference": "Patient/p1"}), FORMER)
    made = (*here, *(held(each, TRUST) for each in there), held(council, COUNCIL), former)
    return record(*made, patients=gathered, **{"withheld": True, "mismatch": True, **changes})


SECRET = '<div xmlns="http://www.w3.org/1999/xhtml">a narrative that a source wrote</div>'
