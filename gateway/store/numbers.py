"""The small numbers that stand for words in the tables: of resource types, of kinds of publisher, of a date that is
not there."""

TYPES = (
    "Patient", "AllergyIntolerance", "Condition", "MedicationRequest", "MedicationStatement", "Observation", "DiagnosticReport",
    "Encounter", "Procedure", "Immunization", "EpisodeOfCare", "ServiceRequest", "Task", "Organization", "Practitioner",
    "PractitionerRole", "Location", "Flag", "Consent", "FamilyMemberHistory", "Specimen", "DocumentReference", "RelatedPerson",
    "Medication", "Appointment", "Slot", "Schedule", "CarePlan", "CareTeam", "DeviceRequest", "Device", "List", "Communication",
    "Coverage", "Group", "HealthcareService", "Composition", "Bundle", "QuestionnaireResponse", "ClinicalImpression", "Provenance",
)  # fmt: skip
"""A type's number in ``head.type`` is its place here: add at the end, never reorder."""

TYPE_NUMBER = {name: number for number, name in enumerate(TYPES)}
KINDS = dict(
    enumerate(("", "gp", "hospital", "social-care", "community", "mental-health", "ambulance", "pharmacy", "care-home"))
)
"""Number → kind of publisher. ``nhs.kinds`` has the same numbers and says what each kind means."""
KIND_NUMBER = {name: number for number, name in KINDS.items()}
UNDATED = -(2**63)
"""``head.low`` and ``high`` of a resource without a clinical date: it sorts as the oldest."""
MAY_ATTEND = "type IN (7, 10, 11) AND deleted = 0"
"""The condition of the index by which a publisher's open care is found: Encounter, EpisodeOfCare and ServiceRequest, in
literal numbers, because a partial index is used only by a query that repeats its condition."""
