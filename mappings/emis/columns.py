"""The tables of the extract, version 8.2, and their columns in the order of the file. Facts of the supplier's specification."""

TABLES: dict[str, tuple[str, ...]] = {
    "Admin_Location": (
        "LocationGuid", "LocationName", "LocationTypeDescription", "ParentLocationGuid", "OpenDate", "CloseDate", "MainContactName",
        "FaxNumber", "EmailAddress", "PhoneNumber", "HouseNameFlatNumber", "NumberAndStreet", "Village", "Town", "County", "Postcode",
        "Deleted", "ProcessingId",
    ),  # fmt: skip
    "Admin_Organisation": (
        "OrganisationGuid", "CDB", "OrganisationName", "ODSCode", "ParentOrganisationGuid", "CCGOrganisationGuid", "OrganisationType",
        "OpenDate", "CloseDate", "MainLocationGuid", "ProcessingId",
    ),  # fmt: skip
    "Admin_OrganisationLocation": (
        "OrganisationGuid", "LocationGuid", "IsMainLocation", "Deleted", "ProcessingId",
    ),  # fmt: skip
    "Admin_Patient": (
        "PatientGuid", "OrganisationGuid", "UsualGpUserInRoleGuid", "Sex", "DateOfBirth", "DateOfDeath", "Title", "GivenName",
        "MiddleNames", "Surname", "DateOfRegistration", "NhsNumber", "PatientNumber", "PatientTypeDescription", "DummyType",
        "HouseNameFlatNumber", "NumberAndStreet", "Village", "Town", "County", "Postcode", "ResidentialInstituteCode", "NHSNumberStatus",
        "CarerName", "CarerRelation", "PersonGuid", "DateofDeactivation", "Deleted", "SpineSensitive", "IsConfidential", "EmailAddress",
        "HomePhone", "MobilePhone", "ExternalUsualGPGuid", "ExternalUsualGP", "ExternalUsualGPOrganisation", "ContactComments",
        "ProcessingId",
    ),  # fmt: skip
    "Admin_PatientHistory": (
        "PatientGuid", "OrganisationGuid", "HistoryDate", "HistoryTime", "StatusDescription", "ProcessingId",
    ),  # fmt: skip
    "Admin_UserInRole": (
        "UserInRoleGuid", "OrganisationGuid", "Title", "GivenName", "Surname", "JobCategoryCode", "JobCategoryName", "ContractStartDate",
        "ContractEndDate", "RegistrationNumber", "ProcessingId",
    ),  # fmt: skip
    "Agreements_SharingOrganisation": (
        "OrganisationGuid", "IsActivated", "LastModifiedDate", "Disabled", "Deleted",
    ),  # fmt: skip
    "Appointment_Session": (
        "AppointmentSessionGuid", "Description", "LocationGuid", "SessionTypeDescription", "SessionCategoryDisplayName", "StartDate",
        "StartTime", "EndDate", "EndTime", "Private", "OrganisationGuid", "Deleted", "ProcessingId",
    ),  # fmt: skip
    "Appointment_SessionUser": (
        "SessionGuid", "UserInRoleGuid", "Deleted", "ProcessingId",
    ),  # fmt: skip
    "Appointment_Slot": (
        "SlotGuid", "AppointmentDate", "AppointmentStartTime", "PlannedDurationInMinutes", "PatientGuid", "SendInTime", "LeftTime",
        "DidNotAttend", "PatientWaitInMin", "AppointmentDelayInMin", "ActualDurationInMinutes", "OrganisationGuid", "SessionGuid",
        "DnaReasonCodeId", "BookedDate", "BookedTime", "SlotStatus", "SlotType", "IsBookableOnline", "BookingMethod",
        "ExternalPatientGuid", "ExternalPatientOrganisation", "ModeOfContact", "IsBlocked", "ContextType", "ServiceSetting",
        "NationalSlotCategoryName", "NationalSlotCategoryDescription", "Deleted", "ProcessingId",
    ),  # fmt: skip
    "Audit_PatientAudit": (
        "ItemGuid", "PatientGuid", "OrganisationGuid", "ModifiedDate", "ModifiedTime", "UserInRoleGuid", "ItemType", "ModeType",
        "ProcessingId",
    ),  # fmt: skip
    "Audit_RegistrationAudit": (
        "PatientGuid", "OrganisationGuid", "ModifiedDate", "ModifiedTime", "UserInRoleGuid", "ModeType", "ProcessingId",
    ),  # fmt: skip
    "CareRecord_Consultation": (
        "ConsultationGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate", "EnteredTime",
        "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "AppointmentSlotGuid", "ConsultationSourceTerm", "ConsultationSourceCodeId",
        "Complete", "ConsultationType", "Deleted", "IsConfidential", "ProcessingId",
    ),  # fmt: skip
    "CareRecord_Diary": (
        "DiaryGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate", "EnteredTime",
        "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "CodeId", "OriginalTerm", "DurationTerm", "LocationTypeDescription",
        "Deleted", "IsConfidential", "IsActive", "IsComplete", "ConsultationGuid", "ProcessingId",
    ),  # fmt: skip
    "CareRecord_Observation": (
        "ObservationGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate", "EnteredTime",
        "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "ParentObservationGuid", "CodeId", "ProblemGuid", "ConsultationGuid",
        "Value", "NumericUnit", "ObservationType", "NumericRangeLow", "NumericRangeHigh", "DocumentGuid", "Qualifiers", "Abnormal",
        "AbnormalReason", "Episode", "Deleted", "IsConfidential", "ProcessingId",
    ),  # fmt: skip
    "CareRecord_ObservationReferral": (
        "ObservationGuid", "PatientGuid", "OrganisationGuid", "ReferralTargetOrganisationGuid", "ReferralUrgency", "ReferralServiceType",
        "ReferralMode", "ReferralReceivedDate", "ReferralReceivedTime", "ReferralEndDate", "ReferralSourceId",
        "ReferralSourceOrganisationGuid", "ReferralUBRN", "ReferralReasonCodeId", "ReferringCareProfessionalStaffGroupCodeId",
        "ReferralEpisodeRTTMeasurementTypeId", "ReferralEpisodeClosureDate", "ReferralEpisodeDischargeLetterIssuedDate",
        "ReferralClosureReasonCodeId", "TransportRequired", "ProcessingId",
    ),  # fmt: skip
    "CareRecord_Problem": (
        "ObservationGuid", "PatientGuid", "OrganisationGuid", "ParentProblemObservationGuid", "Deleted", "EndDate", "EndDatePrecision",
        "ExpectedDuration", "LastReviewDate", "LastReviewDatePrecision", "LastReviewUserInRoleGuid", "ParentProblemRelationship",
        "ProblemStatusDescription", "SignificanceDescription", "ProcessingId",
    ),  # fmt: skip
    "Coding_ClinicalCode": (
        "CodeId", "Term", "ReadTermId", "SnomedCTConceptId", "SnomedCTDescriptionId", "NationalCode", "NationalCodeCategory",
        "NationalDescription", "EmisCodeCategoryDescription", "ParentCodeID", "ProcessingId",
    ),  # fmt: skip
    "Coding_DrugCode": (
        "CodeId", "Term", "DmdProductCodeId", "BNFChapterRef", "ProcessingId",
    ),  # fmt: skip
    "Prescribing_DrugRecord": (
        "DrugRecordGuid", "PatientGuid", "OrganisationGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate", "EnteredTime",
        "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "CodeId", "Dosage", "Quantity", "QuantityUnit", "ProblemObservationGuid",
        "PrescriptionType", "IsActive", "CancellationDate", "NumberOfIssues", "NumberOfIssuesAuthorised", "IsConfidential", "Deleted",
        "ExpiryDate", "ProcessingId",
    ),  # fmt: skip
    "Prescribing_IssueRecord": (
        "IssueRecordGuid", "PatientGuid", "OrganisationGuid", "DrugRecordGuid", "EffectiveDate", "EffectiveDatePrecision", "EnteredDate",
        "EnteredTime", "ClinicianUserInRoleGuid", "EnteredByUserInRoleGuid", "CodeId", "Dosage", "Quantity", "QuantityUnit",
        "ProblemObservationGuid", "CourseDurationInDays", "EstimatedNhsCost", "IsConfidential", "EmisCode", "PatientMessage",
        "ScriptPharmacyStamp", "Compliance", "AverageCompliance", "IsPrescribedAsContraceptive", "IsPrivatelyPrescribed",
        "PharmacyMessage", "PharmacyText", "ConsultationGuid", "ExpiryDate", "ReviewDate", "IssueMethodDescription", "Deleted",
        "ProcessingId",
    ),  # fmt: skip
}
