"""THE TABLE of elements: what of each STU3 resource is mapped, and what deliberately is not, with the reason.

An element or extension that is in neither is counted in the load report. A test asks for each element of the standard,
and another changes each element of the samples and looks whether a resource changes.
"""

from __future__ import annotations

import re
from functools import lru_cache

_EXTENSION = re.compile(r"(?:Extension-?)?(?:coding-)?(?:CareConnect-|UKCore-)?(?:GPC-)?(.+?)(?:-\d+)?", re.IGNORECASE)


@lru_cache(maxsize=1024)
def extension_name(url: str) -> str:
    """Return what an extension is called, whoever published it: the same ones have several addresses.

    >>> extension_name("https://fhir.nhs.uk/STU3/StructureDefinition/Extension-CareConnect-GPC-ActualProblem-1")
    'ActualProblem'
    >>> extension_name("https://fhir.hl7.org.uk/STU3/StructureDefinition/Extension-coding-sctdescid")
    'coding-sctdescid'
    """
    last = url.rstrip("/").rpartition("/")[2]
    if last.casefold().removeprefix("extension-") in ("coding-sctdescid", "coding-sctdecsid"):
        return last.casefold().removeprefix("extension-")
    match = _EXTENSION.fullmatch(last)
    return match[1] if match else last


def _mapped(names: str) -> frozenset[str]:
    return frozenset(names.split())


ENCOUNTER = "extension:encounter-associatedEncounter"
MAPPED = {
    "Patient": _mapped(
        "identifier active name telecom gender birthDate deceasedBoolean deceasedDateTime address maritalStatus "
        "multipleBirthBoolean multipleBirthInteger contact communication generalPractitioner managingOrganization "
        "extension:RegistrationDetails extension:NHSCommunication extension:EthnicCategory"
    ),
    "AllergyIntolerance": _mapped(
        "identifier clinicalStatus verificationStatus type category criticality code patient onsetAge onsetDateTime onsetPeriod "
        f"onsetRange onsetString assertedDate recorder asserter lastOccurrence note reaction {ENCOUNTER} "
        "extension:AllergyIntoleranceEnd extension:Evidence extension:AllergyIntoleranceEvidence"
    ),
    "Condition": _mapped(
        "identifier clinicalStatus verificationStatus category severity code bodySite subject context onsetAge onsetDateTime "
        "onsetPeriod onsetRange onsetString abatementAge abatementBoolean abatementDateTime abatementPeriod abatementRange "
        "abatementString assertedDate asserter stage evidence note extension:ActualProblem extension:ProblemSignificance "
        "extension:RelatedProblemHeader extension:RelatedClinicalContent extension:ConditionEpisode"
    ),
    "MedicationStatement": _mapped(
        "identifier basedOn partOf context status category medicationCodeableConcept medicationReference effectiveDateTime "
        "effectivePeriod dateAsserted informationSource subject derivedFrom taken reasonNotTaken reasonCode reasonReference note "
        "dosage extension:MedicationStatementLastIssueDate extension:PrescribingAgency extension:DosageLastChanged "
        "extension:MedicationDosageLastChanged extension:MedicationStatementDosageLastChanged"
    ),
    "MedicationRequest": _mapped(
        "identifier basedOn groupIdentifier status intent category priority medicationCodeableConcept medicationReference subject "
        "context supportingInformation authoredOn requester recorder reasonCode reasonReference note dosageInstruction "
        "dispenseRequest substitution priorPrescription extension:MedicationRepeatInformation extension:MedicationStatusReason "
        "extension:PrescriptionType"
    ),
    "Medication": _mapped("code"),
    "Immunization": _mapped(
        "identifier status notGiven vaccineCode patient encounter date primarySource reportOrigin location manufacturer lotNumber "
        "expirationDate site route doseQuantity practitioner note explanation reaction vaccinationProtocol extension:DateRecorded "
        "extension:VaccinationProcedure extension:ParentPresent"
    ),
    "Observation": _mapped(
        "identifier basedOn status category code subject context effectiveDateTime effectivePeriod issued performer valueBoolean "
        "valueCodeableConcept valueDateTime valuePeriod valueQuantity valueRange valueRatio valueSampledData valueString "
        "valueTime dataAbsentReason interpretation comment bodySite method specimen referenceRange related component"
    ),
    "DiagnosticReport": _mapped(
        "identifier basedOn status category code subject context effectiveDateTime effectivePeriod issued performer specimen "
        "result conclusion codedDiagnosis presentedForm"
    ),
    "Specimen": _mapped(
        "identifier accessionIdentifier status type subject receivedTime parent request collection note"
    ),
    "ProcedureRequest": _mapped(
        "identifier basedOn replaces requisition status intent priority doNotPerform category code subject context "
        "occurrenceDateTime occurrencePeriod occurrenceTiming asNeededBoolean asNeededCodeableConcept authoredOn requester "
        "performerType performer reasonCode reasonReference supportingInfo specimen bodySite note"
    ),
    "ReferralRequest": _mapped(
        "identifier basedOn replaces groupIdentifier status intent type priority serviceRequested subject context "
        "occurrenceDateTime occurrencePeriod authoredOn requester specialty recipient reasonCode reasonReference description "
        "supportingInfo note"
    ),
    "DocumentReference": _mapped(
        "masterIdentifier identifier status docStatus type class subject created indexed author authenticator custodian relatesTo "
        "description securityLabel content context"
    ),
    "Encounter": _mapped(
        "identifier status class type priority subject episodeOfCare participant period length reason location serviceProvider"
    ),
    "Organization": _mapped("identifier active type name alias telecom address partOf contact extension:MainLocation"),
    "Practitioner": _mapped(
        "identifier active name telecom address gender qualification communication extension:NHSCommunication"
    ),
    "PractitionerRole": _mapped(
        "identifier active period practitioner organization code specialty location telecom"
    ),
    "Location": _mapped(
        "identifier status operationalStatus name alias description mode type telecom address physicalType managingOrganization partOf"
    ),
    "HealthcareService": _mapped("name"),
    "List": _mapped(
        "status title code subject encounter date entry emptyReason extension:ListWarningCode "
        "extension:RelatedProblemHeader"
    ),
    "QuestionnaireResponse": _mapped("item"),
}  # fmt: skip
"""Type → its elements, and extensions by name, that are mapped."""

_UNUSED = "GP Connect does not populate it"
_ELSEWHERE = "not taken: it refers to what is not part of the record"
LEFT: dict[str, dict[str, str]] = {
    "Patient": {
        "animal": "a person is no animal", "photo": "no picture is part of the record", "link": _UNUSED,
        "extension:DeathNotificationStatus": "the date of death is taken; the status is PDS's to tell",
        "extension:ReligiousAffiliation": "UK Core retired it, and no reader here may see it",
        "extension:CadavericDonor": "a wish that is registered elsewhere", "extension:PatientCadavericDonor": "a wish that is registered elsewhere",
        "extension:ResidentialStatus": "says who pays, and nothing of care", "extension:TreatmentCategory": "UK Core retired it",
        "extension:NominatedPharmacy": "UK Core retired it", "extension:BirthSex": "not taken: no reader may infer a change of sex",
    },
    "AllergyIntolerance": {},
    "Condition": {},
    "MedicationStatement": {},
    "MedicationRequest": {
        "definition": _UNUSED, "detectedIssue": _UNUSED, "eventHistory": "the versions are the supplier's own",
    },
    "Medication": {
        "status": _UNUSED, "isBrand": _UNUSED, "isOverTheCounter": _UNUSED, "manufacturer": _UNUSED, "form": _UNUSED,
        "ingredient": _UNUSED, "package": _UNUSED, "image": "no picture is part of the record",
    },
    "Immunization": {},
    "Observation": {
        "device": _ELSEWHERE, "valueAttachment": "R4 has no value that is a file",
    },
    "DiagnosticReport": {"image": "no picture is part of the record", "imagingStudy": _ELSEWHERE},
    "Specimen": {"processing": _UNUSED, "container": _UNUSED},
    "ProcedureRequest": {
        "definition": _UNUSED, "relevantHistory": "the versions are the supplier's own",
    },
    "ReferralRequest": {
        "definition": _UNUSED, "relevantHistory": "the versions are the supplier's own",
    },
    "DocumentReference": {},
    "Encounter": {
        "statusHistory": _UNUSED, "classHistory": _UNUSED, "incomingReferral": _UNUSED, "appointment": _ELSEWHERE,
        "diagnosis": "problems name their consultation themselves", "account": "nobody is billed",
        "hospitalization": "a practice admits nobody", "partOf": _UNUSED,
    },
    "Organization": {"endpoint": "an address of a system, and nothing of care"},
    "Practitioner": {"birthDate": "private: nothing of the patient's care", "photo": "no picture is part of the record"},
    "PractitionerRole": {
        "healthcareService": _ELSEWHERE, "availableTime": "opening times change without notice",
        "notAvailable": "opening times change without notice", "availabilityExceptions": "opening times change without notice",
        "endpoint": "an address of a system, and nothing of care",
    },
    "Location": {"position": _UNUSED, "endpoint": "an address of a system, and nothing of care"},
    "HealthcareService": dict.fromkeys(
        "identifier active providedBy category type specialty location comment extraDetails photo telecom coverageArea "
        "serviceProvisionCode eligibility eligibilityNote programName characteristic referralMethod appointmentRequired "
        "availableTime notAvailable availabilityExceptions endpoint".split(),
        "a service is shown by its name where a referral names it",
    ),
    "List": {
        "identifier": _UNUSED, "source": _UNUSED, "orderedBy": "the order of a page", "mode": "always a snapshot",
        "note": "the words of the warning codes and of the reason for an empty List",
        "extension:ClinicalSetting": "always general practice, and UK Core retired it",
    },
    "QuestionnaireResponse": dict.fromkeys(
        "identifier basedOn parent questionnaire status subject context authored author source".split(),
        "it only groups items, which say it themselves",
    ),
}  # fmt: skip
"""Type → element → why it is not mapped. One that is sent is counted with this reason."""

NAMES = frozenset(
    name for table in (MAPPED, LEFT) for names in table.values() for name in names if not name.startswith("extension:")
)
"""Every top-level element of the tables."""


def reason(type_: str, path: str) -> str:
    """Return why an element is mapped to nothing, "" for one that is mapped."""
    return LEFT.get(type_, {}).get(path.partition(".")[0], "")
