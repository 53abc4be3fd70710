"""A diagnosis of a referral, or one from before it, to Condition."""

from __future__ import annotations

from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Row
from mappings.community import codes
from mappings.community.care import referred
from mappings.community.delivery import standing
from mappings.community.tables import HISTORY, PRIMARY, PROVISIONAL, SECONDARY
from mappings.community.times import day
from mappings.vocabulary import CONDITION_VERIFICATION, ENCOUNTER_DIAGNOSIS, UK_CORE, status

COLUMNS = {
    PROVISIONAL: ("ProvisionalDiagnosis", "ProvisionalDiagnosis_Date", "provisional", "Provisional diagnosis"),
    PRIMARY: ("PrimaryDiagnosis", "PrimaryDiagnosis_Date", "", "Primary diagnosis of a referral"),
    SECONDARY: ("SecondaryDiagnosis", "SecondaryDiagnosis_Date", "", "Secondary diagnosis of a referral"),
    HISTORY: ("PreviousDiagnosis", "Diagnosis_Date", "", "Previous diagnosis, as the service was told"),
}
"""Table → the columns of its code and date, what it says of certainty, and what to call it."""


def to_diagnosis(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the Condition. Nothing says whether it is over, so it has no clinical status: a referral that ends heals
    nobody, and a previous diagnosis may still hold."""
    resources = []
    for row in standing(group.rows, look):
        column, date, certainty, words = COLUMNS[row.table]
        code = codes.clinical("diagnosis", row.values["Diagnosis_Scheme"], row.values[column], look, "Diagnosis_Scheme")
        patient = look.reference("Patient", row.patient) if row.table == HISTORY else referred(row, look)
        resources.append(
            condition(row, code, patient, look, when=day(row.values, date), certainty=certainty, words=words)
        )
    return resources


def condition(
    row: Row,
    code: dict[str, Any],
    patient: dict[str, Any],
    look: Look,
    when: str = "",
    encounter: dict[str, Any] | None = None,
    certainty: str = "",
    words: str = "",
) -> dict[str, Any]:
    """Return a Condition of unknown clinical status, recorded on the day that the row says."""
    return resource(
        "Condition",
        look.id("Condition", f"{row.table}|{row.key}"),
        UK_CORE + "UKCore-Condition",
        verificationStatus=status(CONDITION_VERIFICATION, certainty),
        category=[ENCOUNTER_DIAGNOSIS],
        code=code,
        subject=patient,
        encounter=encounter or {},
        recordedDate=when,
        note=[{"text": words}] if words else [],
    )
