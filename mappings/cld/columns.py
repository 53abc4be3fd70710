"""The fifty columns of DHSC Client Level Data, divided into those about the person and those about the event."""

COLUMNS = (
    "LA Code",
    "Reporting Period Start Date",
    "Reporting Period End Date",
    "NHS Number",
    "LA Person Unique Identifier",
    "First Name",
    "Last Name",
    "GP Practice Name",
    "GP Practice Code",
    "Gender",
    "Ethnicity",
    "Date of Birth",
    "Date of Death",
    "Client Type",
    "Primary Support Reason",
    "Postcode",
    "Accommodation Status",
    "Employment Status",
    "Has Unpaid Carer",
    "Autism Spectrum Disorder (ASD)",
    "Visual Impairment",
    "Hearing Impairment",
    "Dementia",
    "Client Funding Status",
    "Event Type",
    "Event Reference",
    "Event Start Date",
    "Event End Date",
    "Event Description",
    "Event Outcome",
    "Request: Route of Access",
    "Assessment Type",
    "Eligible Needs Identified",
    "Method of Assessment",
    "Total Hrs Caring per week",
    "No. of adults being cared for",
    "Adult 1 Linked Person_ID",
    "Adult 2 Linked Person_ID",
    "Adult 3 Linked Person_ID",
    "Service Type",
    "Service Component",
    "Delivery Mechanism",
    "Provider CQC Location Name",
    "Provider CQC Location ID",
    "Review Reason",
    "Review Outcomes Achieved",
    "Method of Review",
    "Unit Cost",
    "Cost Frequency (Unit Type)",
    "Planned units per week",
)

SUBMISSION = COLUMNS[:3]
"""Council and reporting period: on every row of a file, and on every row we keep."""

NEVER = "Event Description"
"""Free text about people: read past, never kept."""

PERSON = (*SUBMISSION, *COLUMNS[3:13], *COLUMNS[14:23])
"""The person, repeated by the file on each of their events. The support reason is here too: it becomes a Condition of
the person."""

EVENT = (*SUBMISSION, "LA Person Unique Identifier", *COLUMNS[13:15], *(name for name in COLUMNS[23:] if name != NEVER))
"""What the event says, with the client type and the support reason it was recorded with."""

DISCRIMINATORS = {
    "Request": ("Request: Route of Access",),
    "Assessment": ("Assessment Type",),
    "Service": ("Service Type", "Service Component"),
    "Review": (),
}
"""What tells two events of one person, type, start and client type apart (DHSC: unique events)."""

_CARER_FOR = "another person's number: who is cared for is never found through the carer's record"
_COST = "what care costs: it only tells two lines of one event apart"
NOT_MAPPED = {
    "Client Funding Status": "who pays, and nothing of care",
    "Event Reference": "the council's own number, which may be of several events: it only tells lines apart",
    NEVER: "free text about people: never kept",
    "Adult 1 Linked Person_ID": _CARER_FOR,
    "Adult 2 Linked Person_ID": _CARER_FOR,
    "Adult 3 Linked Person_ID": _CARER_FOR,
    "Unit Cost": _COST,
    "Cost Frequency (Unit Type)": _COST,
    "Planned units per week": _COST,
}
"""Column → why nothing is made of it."""
