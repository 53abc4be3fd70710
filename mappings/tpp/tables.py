"""THE TABLE of tables: what names a row, whose it is, with which groups it is mapped; and the tables left unread."""

from __future__ import annotations

from typing import NamedTuple

CENTRAL = "SYSTMONE"
"""The publisher of what all units share: code tables, organisations, staff. TPP's keys of them are the same at every
unit, and a live store has to know it as a publisher."""


class Table(NamedTuple):
    """``key`` is the column that names a row. ``groups`` are (family, column): the row's own group first.
    ``is_central`` rows are of no unit (``CENTRAL``). ``is_personal`` rows are of a patient."""

    key: str = "RowIdentifier"
    groups: tuple[tuple[str, str], ...] = ()
    is_central: bool = False
    is_personal: bool = True
    never: frozenset[str] = frozenset()


def looked_up(key: str = "RowIdentifier") -> Table:
    """Return a table that is only looked up: its rows are of no group, and TPP's own."""
    return Table(key, is_central=True, is_personal=False)


MAPPING, OPTION, CTV3, CONTENT = "SRMapping", "SRConfiguredListOption", "SRCtv3", "SRImmunisationContent"
DRUG_CODE = "SRMedicationReadCodeDetails"
TRUST, CCG, ORGANISATION, BRANCH = "SRTrust", "SRCcg", "SROrganisation", "SROrganisationBranch"
STAFF, PROFILE = "SRStaffMember", "SRStaffMemberProfile"
PATIENT, REGISTRATION, ADDRESS = "SRPatient", "SRPatientRegistration", "SRPatientAddressHistory"
CONTACT, RELATIONSHIP = "SRPatientContactDetails", "SRPatientRelationship"
EVENT, CODE, PROBLEM, SENSITIVITY = "SREvent", "SRCode", "SRProblem", "SRDrugSensitivity"
IMMUNISATION, TEMPLATE, MEDICATION = "SRImmunisation", "SRRepeatTemplate", "SRPrimaryCareMedication"
REFERRAL_OUT, REFERRAL_STATUS, REFERRAL_IN = "SRReferralOut", "SRReferralOutStatusDetails", "SRReferralIn"
RECALL, CHILD, PERSON, NOTE = "SRRecall", "SRChildAtRisk", "SRPersonAtRisk", "SRSpecialNotes"
APPOINTMENT = "SRAppointment"

TABLES: dict[str, Table] = {
    # what others look up comes first
    MAPPING: looked_up(),
    OPTION: looked_up(),
    CTV3: looked_up("Ctv3Code"),
    CONTENT: looked_up(),
    DRUG_CODE: looked_up("IDMultiLexProduct"),
    TRUST: Table(groups=(("trust", "RowIdentifier"),), is_central=True, is_personal=False),
    CCG: Table(groups=(("ccg", "RowIdentifier"),), is_central=True, is_personal=False),
    # everywhere else an organisation is named by its ID, which is its ODS code
    ORGANISATION: Table(groups=(("org", "ID"),), is_central=True, is_personal=False),
    BRANCH: Table(groups=(("branch", "RowIdentifier"),), is_personal=False),
    STAFF: Table(
        groups=(("staff", "RowIdentifier"),), is_central=True, is_personal=False, never=frozenset({"StaffUserName"})
    ),
    PROFILE: Table(groups=(("profile", "RowIdentifier"),), is_central=True, is_personal=False),
    PATIENT: Table(groups=(("pat", "RowIdentifier"),)),
    REGISTRATION: Table(groups=(("pat", "IDPatient"),)),
    ADDRESS: Table(groups=(("pat", "IDPatient"),)),
    CONTACT: Table(groups=(("pat", "IDPatient"),)),
    RELATIONSHIP: Table(
        groups=(("pat", "IDPatient"),), never=frozenset({"CodeRelationshipWithUser", "RelationshipWithDateOfBirth"})
    ),
    EVENT: Table(groups=(("event", "RowIdentifier"),)),
    # a problem is mapped with the entry that it is one of; one that names none is mapped alone
    PROBLEM: Table(groups=(("code", "IDCode"),)),
    CODE: Table(groups=(("code", "RowIdentifier"),)),
    SENSITIVITY: Table(groups=(("sensitivity", "RowIdentifier"),)),
    IMMUNISATION: Table(groups=(("immunisation", "RowIdentifier"),)),
    # an issue is mapped with its template too, which knows its last issue from it
    TEMPLATE: Table(groups=(("repeat", "RowIdentifier"),)),
    MEDICATION: Table(groups=(("medication", "RowIdentifier"), ("repeat", "IDRepeatTemplate"))),
    REFERRAL_OUT: Table(groups=(("referral", "RowIdentifier"),)),
    REFERRAL_STATUS: Table(groups=(("referral", "IDReferralOut"),)),
    REFERRAL_IN: Table(groups=(("received", "RowIdentifier"),)),
    RECALL: Table(groups=(("recall", "RowIdentifier"),)),
    CHILD: Table(groups=(("child", "RowIdentifier"),)),
    PERSON: Table(groups=(("person", "RowIdentifier"),)),
    NOTE: Table(groups=(("note", "RowIdentifier"),)),
    APPOINTMENT: Table(groups=(("appointment", "RowIdentifier"),), never=frozenset({"RotaName"})),
}
NEVER = {name: table.never for name, table in TABLES.items() if table.never}
REPLACED = frozenset(name for name, table in TABLES.items() if table.is_personal) - {APPOINTMENT}
"""Tables of which a bulk has every row of a unit. Appointments begin some day; code tables and directories are not of a
unit."""
DATED = frozenset(
    {
        *(ORGANISATION, PATIENT, REGISTRATION, ADDRESS, RELATIONSHIP, PROBLEM, SENSITIVITY, TEMPLATE, MEDICATION),
        *(REFERRAL_STATUS, REFERRAL_IN, CHILD, PERSON, NOTE),
    }
)
"""Tables of which the mapping reads when a row was extracted: a date counts as past by then."""
REQUIRED = {
    name: (
        *((table.key,) if table.key == "RowIdentifier" else ("RowIdentifier", table.key)),
        *(() if table.is_central else ("IDOrganisationVisibleTo",)),
        *(("IDPatient",) if table.is_personal and name != PATIENT else ()),
    )
    for name, table in TABLES.items()
}
"""The columns without which a table cannot be read: what names a row, whose it is, and of which patient."""

_LEFT: dict[str, str] = {
    "the book around appointments, and lists whose words are not published (the status of a visit)": (
        "SRAppointmentFlags SRAppointmentRoom SRAppointmentVisitOutcomes SRRota SRRotaSlot "
        "SRVisit SREventLink SRContacts SRScheduledEvent SRPatientContactProperty SRAppointmentAttendees"
    ),
    "a hospital's module: what a hospital does comes by its own feed": (
        "SRAAndEAttendance SRAAndEEvent SRBedClosure SRBedLocation SRBedPatient SRClinicalCode "
        "SRDischargeDelay SRHospitalAAndECode SRHospitalAAndENumber SRHospitalAdmissionAndDischarge "
        "SRHospitalAdmissionReason SRHospitalAlertIndicator SRHospitalConsultantEvent SRHospitalNoteTracking "
        "SRHospitalPatientAlertIndicator SRHospitalTransport SRHospitalWaitingList "
        "SRHospitalWaitingListIntendedProcedure SRHospitalWaitingListSuspension SRHospitalWardBooking "
        "SRPatientLeave SRPatientLocation SRTheatreBooking SRTheatreSession SRTheatreSessionAttendees "
        "SRWardStay SROnAdmissionMedication SROutPatientMedication SRPlaceHolderMedication SRTTOMedication "
        "SRVariableDoseCDMedication"
    ),
    "how a unit organises its work, and nothing of a patient's care": (
        "SRActivityEvent SRAAddressBookEntry SRAddressBookEntry SRCHSStatusHistory SRCaseload "
        "SRCaseloadHistory SRChildHealthGroupAction SRChildHealthGroupActionSchedulingParameters SRCluster "
        "SREquipment SRExpense SRLocation SRLocationAttribute SROnlineServices SROnlineUsers SRPatientGroups "
        "SRRecordStatus SRReferralAllocation SRReferralAllocationStaff SRReferralContactEvent "
        "SRResponsibleParty SRSchedulingSuspension SRService SRServiceDeliverySchedule SRSmsConsent SRStaff "
        "SRStaffActivity SRStaffMemberProfileRole SRStaffSkillSet SRStaffSpecialty SRSystmOnline SRTeam "
        "SRTeamMember SRTreatmentCentreExclusions SRTreatmentCentrePreference SRTreatmentCentreSession "
        "SRTreatmentCentreSessionTemporaryAmendments SRWaitingList SRRefusedOffer"
    ),
    "a form's questions and answers without codes: the coded ones are in SRCode": (
        "SRAnsweredQuestionnaire SRQuestionnaire SRTemplate SRCodeTemplateLink SRImmunisationConsent "
        "SRAssessment SRAssessmentOutcome SRAssessmentReportedHealthCondition SRMentalHealthAssessment "
        "SRRiskReview SRNeeds SRNeedsLinkage SRGoal"
    ),
    "care plans: no table of the store speaks of CarePlan": (
        "SRCarePlan SRCarePlanDetail SRCarePlanFrequency SRCarePlanItem SRCarePlanPerformance "
        "SRCarePlanReview SRCarePlanSkillset"
    ),
    "mental-health law and treatment: needs a decision of its own on who may see it": (
        "SRECTCourse SRECTTreatment SRMHAWOL SRMHConsent SRMHEpisode SRCPA SRSection SRSectionAppeal "
        "SRSectionRecall SRSectionRightsExplained SRSectionedBy"
    ),
    "the out-of-hours module: cases and calls, not a practice's or community unit's record": (
        "SROohAction SROohAssessment SROohCallBack SROohEmergencyCall SROohNewCase SROohPassToPCC "
        "SROohPathways SROohThirdPartyCall SROohTransport SROohVisit"
    ),
    "a national return, not care": (
        "SR18WeekWait SRRtt SRRttPause SRRttStatus SRReferralInIntervention SRReferralInReferralReason "
        "SRReferralInStatusDetails"
    ),
    "free text about people, not asked for": ("SRLetter SRMedia SRFreeText"),
    "what the practice knows of other organisations' care": ("SRGPPracticeHistory SRSchoolHistory"),
    "repeats SRPatient and SRPatientRegistration": ("SRPatientInformation"),
    "chapters and words decide: the hierarchy is not needed yet": ("SRCtv3Hierarchy"),
    "one CTV3 code has several SNOMED CT concepts there: the entry's own is used": ("SRCtv3ToSnomed SRCtv3ToVersion2"),
    "names of the groups of SRMapping": ("SRMappingGroup"),
}
LEFT = {table: reason for reason, names in _LEFT.items() for table in names.split()}
"""Table -> why it is not read. Its rows are not kept either. A table in neither place is named in the load report."""
