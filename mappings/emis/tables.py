"""THE TABLE of tables: what names a row, whose it is, and with which groups it is mapped."""

from __future__ import annotations

from typing import NamedTuple


class Table(NamedTuple):
    """``key`` are the columns that name a row. ``groups`` are (kind, column): the row's own group first. ``central``
    rows carry no organisation, or are one: they are unique within the sharing agreement and belong to it. ``agreed``
    rows say something of an organisation under one agreement, and are named by both."""

    key: tuple[str, ...]
    groups: tuple[tuple[str, str], ...] = ()
    central: bool = False
    agreed: bool = False
    never: frozenset[str] = frozenset()


AGREEMENT = "Agreements_SharingOrganisation"
ORGANISATION = "Admin_Organisation"
OBSERVATION = "CareRecord_Observation"
PROBLEM = "CareRecord_Problem"
REFERRAL = "CareRecord_ObservationReferral"
CODE = "Coding_ClinicalCode"
DRUG_CODE = "Coding_DrugCode"
DRUG = "Prescribing_DrugRecord"
ISSUE = "Prescribing_IssueRecord"
PATIENT = "Admin_Patient"
HISTORY = "Admin_PatientHistory"
DIARY = "CareRecord_Diary"
SESSION = "Appointment_Session"
SESSION_USER = "Appointment_SessionUser"
SLOT = "Appointment_Slot"
PATIENT_AUDIT = "Audit_PatientAudit"
REGISTRATION_AUDIT = "Audit_RegistrationAudit"
REGISTRATION = "Registration"
"""No table of EMIS: each registration that a row of Admin_Patient tells. EMIS overwrites it by the next."""
OF_A_REGISTRATION = (
    "DateOfRegistration",
    "DateofDeactivation",
    "PatientTypeDescription",
    "PatientGuid",
    "OrganisationGuid",
    "UsualGpUserInRoleGuid",
)

TABLES: dict[str, Table] = {
    # what others look up comes first
    AGREEMENT: Table(("OrganisationGuid",), (("org", "OrganisationGuid"),), agreed=True),
    ORGANISATION: Table(("OrganisationGuid",), (("org", "OrganisationGuid"),), central=True),
    "Admin_Location": Table(
        ("LocationGuid",), (("loc", "LocationGuid"),), central=True, never=frozenset({"MainContactName"})
    ),
    "Admin_OrganisationLocation": Table(("OrganisationGuid", "LocationGuid"), (("loc", "LocationGuid"),), central=True),
    "Admin_UserInRole": Table(("UserInRoleGuid",), (("user", "UserInRoleGuid"),)),
    CODE: Table(("CodeId",), central=True),
    DRUG_CODE: Table(("CodeId",), central=True),
    PATIENT: Table(("PatientGuid",), (("pat", "PatientGuid"),), never=frozenset({"ContactComments"})),
    HISTORY: Table(("PatientGuid", "HistoryDate", "HistoryTime", "StatusDescription"), (("pat", "PatientGuid"),)),
    "CareRecord_Consultation": Table(("ConsultationGuid",), (("enc", "ConsultationGuid"),)),
    PROBLEM: Table(("ObservationGuid",), (("obs", "ObservationGuid"),)),
    REFERRAL: Table(("ObservationGuid",), (("obs", "ObservationGuid"),)),
    # a child is mapped with its parent too: blood pressures and reports are made from both
    OBSERVATION: Table(("ObservationGuid",), (("obs", "ObservationGuid"), ("obs", "ParentObservationGuid"))),
    # an issue is mapped with its course too, which knows its last issue from it
    DRUG: Table(("DrugRecordGuid",), (("drug", "DrugRecordGuid"),)),
    ISSUE: Table(
        ("IssueRecordGuid",),
        (("issue", "IssueRecordGuid"), ("drug", "DrugRecordGuid")),
        never=frozenset(
            {
                "EstimatedNhsCost",
                "PharmacyMessage",
                "PharmacyText",
                "ScriptPharmacyStamp",
                "Compliance",
                "AverageCompliance",
            }
        ),
    ),
    DIARY: Table(("DiaryGuid",), (("diary", "DiaryGuid"),)),
    SESSION: Table(
        ("AppointmentSessionGuid",), (("session", "AppointmentSessionGuid"),), never=frozenset({"Description"})
    ),
    # the users of a session belong to the agreement: the session looks up their group
    SESSION_USER: Table(("SessionGuid", "UserInRoleGuid"), (("session", "SessionGuid"),), central=True),
    # a slot is used again for another patient, and its Appointments are told apart by all its rows
    SLOT: Table(("PatientGuid", "SlotGuid"), (("slot", "SlotGuid"),), never=frozenset({"ExternalPatientOrganisation"})),
    # mapped with the item that it is of (``delivery.groups_of``)
    PATIENT_AUDIT: Table(("ItemGuid", "ItemType", "ModeType", "ModifiedDate", "ModifiedTime")),
    REGISTRATION_AUDIT: Table(("PatientGuid", "ModeType", "ModifiedDate", "ModifiedTime"), (("pat", "PatientGuid"),)),
}

MAY_BE_EMPTY = frozenset({"HistoryTime", "StatusDescription", "ModifiedTime", "ItemType", "ModeType"})
"""Parts of a key that a row need not fill. An empty slot of an appointment has no patient."""

REPLACED = frozenset(
    {PATIENT, HISTORY, "CareRecord_Consultation", PROBLEM, REFERRAL, OBSERVATION, DRUG, ISSUE, "CareRecord_Diary"}
)
"""Tables of which a bulk has every row of a practice. Audits and appointments begin some day; code tables are not of a
practice."""

DATED = frozenset({PATIENT, REGISTRATION, DRUG, ISSUE, SLOT, ORGANISATION, "Admin_Location"})
"""Tables of which the mapping reads when a row was extracted: a date counts as past by then, and a slot is whose row
came last."""

NEVER = {name: table.never for name, table in TABLES.items() if table.never}

ALIASES = {"UsusalGpUserInRoleGuid": "UsualGpUserInRoleGuid"}
"""Column names as versions 5.0 and 5.1 misspelt them."""
