"""The columns of the tables that are read, and THE TABLE of columns that are deliberately mapped to nothing.

The names are those of the submitted fields in NHS England's model of CSDS v1.6 (``dsp.datasets.models.csds_v1_6`` and
its test of all submitted values); ``README.md`` tells where it was read. A header may spell them in any case, with or
without underscores.
"""

from __future__ import annotations

# fmt: off
TABLES: dict[str, tuple[str, ...]] = {
    "CYP000Header": (
        "Version", "OrgID_Provider", "OrgID_Submitter", "RP_StartDate", "RP_EndDate", "FileCreation_DateTime",
        "PrimarySystem",
    ),
    "CYP001MPI": (
        "LocalPatientID", "OrgID_LocalPatientID", "OrgID_EducationEstablishment", "NHSNumber", "NHSNumber_Status",
        "DateOfBirth", "Postcode", "Gender", "EthnicCategory", "EthnicCategory2021", "LanguagePreferred",
        "Relationship_MainCarer", "HVFAV_Date", "ChildLookedAfter_Indicator", "Safeguarding_Indicator",
        "Disability_SupervisionAndCare_Indicator", "EducationAssessment", "DiscussedPreferredDeathLocation_Indicator",
        "RiskOfUnexpectedDeath_Indicator", "DeathLocationPreferred_Type", "DateOfDeath", "DeathLocationActual_Type",
        "NotAtPreferredLocation_Reason", "NHSNumber_Mother", "NHSNumberStatus_Mother",
    ),
    "CYP002GP": ("LocalPatientID", "OrgID_GP", "GPRegistration_StartDate", "GPRegistration_EndDate"),
    "CYP003AccommType": ("LocalPatientID", "AccommStatus", "AccommStatus_Date"),
    "CYP006SocPerCircumstances": ("LocalPatientID", "SNOMED_ID", "Circumstance_RecordedDate"),
    "CYP101Referral": (
        "ServiceRequestID", "LocalPatientID", "OrgID_Commissioner", "ReferralRequest_ReceivedDate",
        "ReferralRequest_ReceivedTime", "ServiceLineAgreement", "SourceOfReferral", "OrgID_Referring",
        "Referring_StaffGroup", "Priority_Type", "PrimaryReferralReason", "Discharge_Date",
        "Discharge_LetterIssuedDate",
    ),
    "CYP102ServiceTypeReferredTo": (
        "ServiceRequestID", "TeamID_Local", "TeamType", "Referral_ClosureDate", "Referral_RejectionDate",
        "Referral_ClosureReason", "Referral_RejectionReason",
    ),
    "CYP103OtherReasonReferral": ("ServiceRequestID", "ReferralReason_Other"),
    "CYP105OnwardReferral": (
        "ServiceRequestID", "Onward_ReferralDate", "Onward_ReferralReason", "OrgID_Receiving",
    ),
    "CYP201CareContact": (
        "CareContactID", "ServiceRequestID", "TeamID_Local", "Contact_Date", "Contact_Time", "OrgID_Commissioner",
        "AdminCategory", "CareContact_Duration", "Consultation_Type", "CareContact_Subject", "ConsMechanism",
        "Activity_LocationType", "Treatment_OrgSiteID", "GroupTherapyIndicator", "AttendanceStatus",
        "ReasonableOffer_Date", "ClinicallyAppropriate_Date", "Contact_CancellationDate",
        "Contact_CancellationReason", "ReplacementAppointment_OfferedDate", "ReplacementAppointment_BookedDate",
    ),
    "CYP202CareActivity": (
        "CareActivityID", "CareContactID", "Activity_Type", "CareProfessionalID_Local", "CareActivity_Duration",
        "Procedure_Scheme", "CodedProcedure", "Finding_Scheme", "CodedFinding", "Observation_Scheme",
        "CodedObservation", "ObservationValue", "UC_UnitOfMeasurement",
    ),
    "CYP402SVF": ("LocalPatientID", "SafeguardingFactors_Type"),
    "CYP403CPP": ("LocalPatientID", "CPP_Reason", "CPP_StartDate", "CPP_EndDate"),
    "CYP404AssTechToSupportDisTyp": ("LocalPatientID", "SNOMED_ID", "SNOMED_Date"),
    "CYP501CodedImm": (
        "LocalPatientID", "Immunisation_Date", "Procedure_Scheme", "ImmunisationProcedure",
        "OrgID_ImmunisationResponsible",
    ),
    "CYP502Imm": (
        "LocalPatientID", "Immunisation_Date", "ChildhoodImmunisation_Type", "OrgID_ImmunisationResponsible",
    ),
    "CYP601MedicalHistory": ("LocalPatientID", "Diagnosis_Scheme", "PreviousDiagnosis", "Diagnosis_Date"),
    "CYP602DisabilityType": ("LocalPatientID", "Disability", "DisabilityImpactPerception"),
    "CYP603NewbornHearingScreening": (
        "LocalPatientID", "Result_HearingScreening", "ServiceRequest_Date", "Procedure_Date",
        "Result_HearingAudiology",
    ),
    "CYP604BloodSpotResult": (
        "LocalPatientID", "CardCompletion_Date", "TestResult_ReceivedDate", "Result_Phenylketonuria",
        "Result_SickleCellDisease", "Result_CysticFibrosis", "Result_CongenitalHypothyroidism", "Result_MCADD",
        "Result_Homocystinuria", "Result_MapleSyrupUrineDisease", "Result_GlutaricAciduriaTypeOne",
        "Result_IsovalericAciduria",
    ),
    "CYP605IPE": ("LocalPatientID", "Examination_Date", "Result_Hips", "Result_Heart", "Result_Eyes", "Result_Testes"),
    "CYP606ProvDiag": ("ServiceRequestID", "Diagnosis_Scheme", "ProvisionalDiagnosis", "ProvisionalDiagnosis_Date"),
    "CYP607PrimDiag": ("ServiceRequestID", "Diagnosis_Scheme", "PrimaryDiagnosis", "PrimaryDiagnosis_Date"),
    "CYP608SecDiag": ("ServiceRequestID", "Diagnosis_Scheme", "SecondaryDiagnosis", "SecondaryDiagnosis_Date"),
    "CYP609CodedAssessmentReferral": ("ServiceRequestID", "SNOMED_ID", "Score", "AssessmentCompletion_Date"),
    "CYP610BreastfeedingStatus": ("CareActivityID", "BreastFeedingStatus"),
    "CYP611Obs": ("CareActivityID", "Weight", "Height", "Length"),
    "CYP612CodedAssessmentContact": ("CareActivityID", "SNOMED_ID", "Score"),
    "CYP901StaffDetails": (
        "CareProfessionalID_Local", "RegistrationBody", "RegistrationEntryID", "StaffGroup", "OccupationCode",
        "JobRoleCode",
    ),
}
_WAITING_TIME = "how long somebody waited, and nothing of what was done"
_PAYS = "who pays, and nothing of care"
NOT_MAPPED: dict[tuple[str, str], str] = {
    ("CYP000Header", "Version"): "of the data set; the columns that are read are those of v1.6",
    ("CYP000Header", "OrgID_Submitter"): "who sent it for the provider",
    ("CYP000Header", "RP_StartDate"): "orders the rows, and says which month they are of",
    ("CYP000Header", "RP_EndDate"): "the start of the month says which it is",
    ("CYP000Header", "FileCreation_DateTime"): "orders the rows",
    ("CYP000Header", "PrimarySystem"): "which product the provider uses",
    ("CYP001MPI", "OrgID_EducationEstablishment"): "where a child is to be found each day",
    ("CYP001MPI", "HVFAV_Date"): "of the mother, before the child was born",
    ("CYP001MPI", "EducationAssessment"): "of education, and its list is not published where we could read it",
    ("CYP001MPI", "DeathLocationActual_Type"): "of how somebody died, for audit",
    ("CYP001MPI", "NotAtPreferredLocation_Reason"): "of how somebody died, for audit",
    ("CYP001MPI", "NHSNumber_Mother"): "never kept: a relative would be found through the patient's record",
    ("CYP001MPI", "NHSNumberStatus_Mother"): "of a number that is never kept",
    ("CYP101Referral", "OrgID_Commissioner"): _PAYS,
    ("CYP101Referral", "ServiceLineAgreement"): _PAYS,
    ("CYP101Referral", "Discharge_LetterIssuedDate"): "the letter is not sent",
    ("CYP201CareContact", "OrgID_Commissioner"): _PAYS,
    ("CYP201CareContact", "AdminCategory"): _PAYS,
    ("CYP201CareContact", "ReasonableOffer_Date"): _WAITING_TIME,
    ("CYP201CareContact", "ClinicallyAppropriate_Date"): _WAITING_TIME,
    ("CYP201CareContact", "Contact_CancellationDate"): "the status says that it was cancelled",
    ("CYP201CareContact", "Contact_CancellationReason"): (
        "the status says by whom it was cancelled; FHIR R4 has no place for why"
    ),
    ("CYP201CareContact", "ReplacementAppointment_OfferedDate"): _WAITING_TIME,
    ("CYP201CareContact", "ReplacementAppointment_BookedDate"): _WAITING_TIME,
    ("CYP202CareActivity", "CareActivity_Duration"): "that of its contact is told",
    ("CYP603NewbornHearingScreening", "ServiceRequest_Date"): "when it was asked for; names the row",
    ("CYP604BloodSpotResult", "TestResult_ReceivedDate"): "when the provider heard of it",
}
"""Table and column → why nothing is made of it."""
LEFT: dict[str, str] = {
    "CYP004CarePlanType": (
        "care plans: the data set says that there is one and not what is in it, and no section of a care record shows "
        "CarePlan to a clinician yet"
    ),
    "CYP005CarePlanAgreement": "who agreed to a care plan: as CYP004CarePlanType",
    "CYP007EmpStatus": "employment, which decides nothing in care",
    "CYP008OverseasVisitorChargCat": "who pays, and a person's immigration status with it",
    "CYP104RTT": "waiting times, for a national return",
    "CYP301GroupSession": "of no patient",
    "CYP401SpEdNeedID": "education",
    "CYP613AnonSelfAssessment": "of no patient who is named",
}
"""Tables that are not read → why."""
# fmt: on


def reason(table: str, column: str) -> str:
    """Return why a column is mapped to nothing, "" for one that is mapped."""
    return NOT_MAPPED.get((table, column), "")
