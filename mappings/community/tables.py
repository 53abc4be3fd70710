"""THE TABLE of tables: what names a row, whose it is, and with which groups it is mapped."""

from __future__ import annotations

from typing import NamedTuple

PATIENT_ID, REFERRAL_ID, CONTACT_ID, ACTIVITY_ID = (
    "LocalPatientID",
    "ServiceRequestID",
    "CareContactID",
    "CareActivityID",
)
HEADER, PERSON, GP, ACCOMMODATION = "CYP000Header", "CYP001MPI", "CYP002GP", "CYP003AccommType"
CIRCUMSTANCE, TECHNOLOGY = "CYP006SocPerCircumstances", "CYP404AssTechToSupportDisTyp"
REFERRAL, SERVICE, REASON, ONWARD = (
    "CYP101Referral", "CYP102ServiceTypeReferredTo", "CYP103OtherReasonReferral", "CYP105OnwardReferral",
)  # fmt: skip
CONTACT, ACTIVITY = "CYP201CareContact", "CYP202CareActivity"
VULNERABILITY, PROTECTION = "CYP402SVF", "CYP403CPP"
CODED_IMMUNISATION, IMMUNISATION = "CYP501CodedImm", "CYP502Imm"
HISTORY, DISABILITY, HEARING = "CYP601MedicalHistory", "CYP602DisabilityType", "CYP603NewbornHearingScreening"
BLOOD_SPOT, EXAMINATION = "CYP604BloodSpotResult", "CYP605IPE"
PROVISIONAL, PRIMARY, SECONDARY = "CYP606ProvDiag", "CYP607PrimDiag", "CYP608SecDiag"
ASSESSMENT, BREASTFEEDING, BODY = "CYP609CodedAssessmentReferral", "CYP610BreastfeedingStatus", "CYP611Obs"
CONTACT_ASSESSMENT, STAFF = "CYP612CodedAssessmentContact", "CYP901StaffDetails"
SUBMISSION, PERIOD, MADE = "Submission", "Period", "Made"
"""A table of a submission that was read whole; the month that a row is of and the day its submission was made, kept
with each row. Both decide what comes of it, so a row that is sent again has changed."""


class Table(NamedTuple):
    """``key`` are the columns that name a row: the first ``least`` of them have to be filled. ``groups`` are (family,
    column): the row's own group first; no column stands for the whole key. ``whose`` is the column that says whose it
    is: the patient, or the referral or contact by which the patient is found."""

    key: tuple[str, ...]
    groups: tuple[tuple[str, str], ...]
    whose: str = PATIENT_ID
    least: int = 1
    never: frozenset[str] = frozenset()


def of_patient(family: str, *columns: str, least: int = 2) -> Table:
    """A table of facts of a patient, each named by what it says."""
    return Table((PATIENT_ID, *columns), ((family, ""),), least=least)


def of_referral(family: str, *columns: str, least: int = 2) -> Table:
    return Table((REFERRAL_ID, *columns), ((family, ""),), REFERRAL_ID, least)


TABLES: dict[str, Table] = {
    HEADER: Table(("OrgID_Provider",), (("org", "OrgID_Provider"),), ""),
    STAFF: Table(("CareProfessionalID_Local",), (("staff", "CareProfessionalID_Local"),), ""),
    # a fault in a birth date must not keep back what is said of safeguarding: a group of its own
    PERSON: Table((PATIENT_ID,), (("pat", PATIENT_ID), ("about", PATIENT_ID)), never=frozenset({"NHSNumber_Mother"})),
    GP: Table((PATIENT_ID, "OrgID_GP", "GPRegistration_StartDate"), (("pat", PATIENT_ID),), least=2),
    ACCOMMODATION: of_patient("housing", "AccommStatus", "AccommStatus_Date"),
    CIRCUMSTANCE: of_patient("coded", "SNOMED_ID", "Circumstance_RecordedDate"),
    TECHNOLOGY: of_patient("coded", "SNOMED_ID", "SNOMED_Date"),
    REFERRAL: Table((REFERRAL_ID,), (("ref", REFERRAL_ID),), least=1),
    SERVICE: Table((REFERRAL_ID, "TeamID_Local", "TeamType"), (("ref", REFERRAL_ID),), REFERRAL_ID),
    REASON: Table((REFERRAL_ID, "ReferralReason_Other"), (("ref", REFERRAL_ID),), REFERRAL_ID, 2),
    ONWARD: of_referral("onward", "Onward_ReferralDate", "OrgID_Receiving", least=1),
    # a referral is mapped with its contacts too: care begins with the first that took place
    CONTACT: Table((CONTACT_ID,), (("contact", CONTACT_ID), ("ref", REFERRAL_ID)), REFERRAL_ID),
    # a contact is mapped with its activities too, which say who saw the patient
    ACTIVITY: Table((ACTIVITY_ID,), (("activity", ACTIVITY_ID), ("contact", CONTACT_ID)), CONTACT_ID),
    BREASTFEEDING: Table((ACTIVITY_ID,), (("activity", ACTIVITY_ID),), ACTIVITY_ID),
    BODY: Table((ACTIVITY_ID,), (("activity", ACTIVITY_ID),), ACTIVITY_ID),
    CONTACT_ASSESSMENT: Table((ACTIVITY_ID, "SNOMED_ID"), (("activity", ACTIVITY_ID),), ACTIVITY_ID, 2),
    VULNERABILITY: of_patient("risk", "SafeguardingFactors_Type"),
    PROTECTION: of_patient("risk", "CPP_StartDate", "CPP_Reason", least=1),
    CODED_IMMUNISATION: of_patient("vaccine", "ImmunisationProcedure", "Immunisation_Date"),
    IMMUNISATION: of_patient("vaccine", "ChildhoodImmunisation_Type", "Immunisation_Date"),
    HISTORY: of_patient("diagnosis", "PreviousDiagnosis", "Diagnosis_Scheme", "Diagnosis_Date"),
    DISABILITY: of_patient("fact", "Disability"),
    HEARING: of_patient("fact", "Procedure_Date", "ServiceRequest_Date", least=1),
    BLOOD_SPOT: of_patient("fact", "CardCompletion_Date", least=1),
    EXAMINATION: of_patient("fact", "Examination_Date", least=1),
    PROVISIONAL: of_referral("diagnosis", "ProvisionalDiagnosis", "Diagnosis_Scheme", "ProvisionalDiagnosis_Date"),
    PRIMARY: of_referral("diagnosis", "PrimaryDiagnosis", "Diagnosis_Scheme", "PrimaryDiagnosis_Date"),
    SECONDARY: of_referral("diagnosis", "SecondaryDiagnosis", "Diagnosis_Scheme", "SecondaryDiagnosis_Date"),
    ASSESSMENT: of_referral("coded", "SNOMED_ID", "AssessmentCompletion_Date"),
}
NEVER = {name: table.never for name, table in TABLES.items() if table.never}
REQUIRED = {
    name: tuple(dict.fromkeys((*table.key[: table.least], *([table.whose] if table.whose else ()))))
    for name, table in TABLES.items()
} | {HEADER: ("OrgID_Provider", "RP_StartDate", "FileCreation_DateTime")}
"""The columns that a file must have, and a row must fill."""
MANDATORY = (HEADER, PERSON, GP)
"""The tables that NHS England asks of every submission."""
