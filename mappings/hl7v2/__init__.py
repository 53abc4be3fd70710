"""HL7 v2 from hospitals, in files and over MLLP: ADT (stays, people, merges) and ORU^R01 (results).

A row is a message. A group is what one family of resources is made from: ``pat:`` a hospital number (Patient,
allergies), ``visit:`` a visit number (Encounter, diagnoses, procedures), ``order:`` a filler number (reports,
results). Messages are replayed in the order the events happened, so that the order of arrival plays no part.
``README.md`` tells the settings of a feed and the quirks.
"""

from typing import Any

from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Look, Publisher, Row, Source, by_family
from mappings.hl7v2 import bookings, letters, report, service_requests, vaccinations
from mappings.hl7v2.cells import message_cells
from mappings.hl7v2.encounter import to_encounter
from mappings.hl7v2.message import parse
from mappings.hl7v2.patient import to_patient
from mappings.hl7v2.reader import check, read, reread
from mappings.hl7v2.replay import says_shielded

SETTINGS = frozenset(
    """authorities authority authority_aliases charset identifier_fields identifier_systems ignore_msh7_offset listen
    publisher pv1_36 section senders systems test_numbers""".split()
)
"""The settings of a feed that ``README.md`` tells."""
FAMILIES = {
    "pat": to_patient,
    "visit": to_encounter,
    "order": report.to_reports,
    "doc": letters.to_letters,
    "request": service_requests.to_requests,
    "vax": vaccinations.to_vaccinations,
    "appt": bookings.to_bookings,
}


def publisher(row: Row) -> Publisher:
    """Return who sent the message. HL7 v2 says nothing of names or agreements."""
    return Publisher(row.publisher, row.publisher if is_ods_code(row.publisher) else "", order=row.order)


def hides(group: Group) -> bool:
    """Whether any message of the group says that the patient's whereabouts must not be shown, or that its document is
    for few."""
    is_document = group.key.startswith("doc:")
    messages = (parse(row.values["message"]) for row in group.rows)
    return any(says_shielded(message) or (is_document and letters.hides(message)) for message in messages)


def withdrawn(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the messages of a group take back, in as few elements as FHIR asks for."""
    return letters.withdrawn(group, look) if group.key.startswith("doc:") else report.withdrawn(group, look)


SOURCE = Source(
    name="hl7v2",
    kind="hospital",
    title="HL7 v2 messages of hospitals",
    version="5",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    withdrawn=withdrawn,
    settings=SETTINGS,
    reread=reread,
    cells=lambda file, feed: message_cells(file),
    is_keyed_by_feed=True,
)
