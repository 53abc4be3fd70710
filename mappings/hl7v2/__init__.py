"""HL7 v2 from hospitals, in files and over MLLP: ADT (stays, people, merges) and ORU^R01 (results).

A row is a message. A group is what one family of resources is made from: ``pat:`` a hospital number (Patient,
allergies), ``visit:`` a visit number (Encounter, diagnoses, procedures), ``order:`` a filler number (reports,
results). Messages are replayed in the order the events happened, so that the order of arrival plays no part.
``README.md`` tells the settings of a feed and the quirks.
"""

from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Publisher, Row, Source, by_family
from mappings.hl7v2.cells import message_cells
from mappings.hl7v2.encounter import to_encounter
from mappings.hl7v2.message import parse
from mappings.hl7v2.patient import to_patient
from mappings.hl7v2.reader import check, read, reread
from mappings.hl7v2.replay import says_shielded
from mappings.hl7v2.report import to_reports, withdrawn

SETTINGS = frozenset(
    """authorities authority authority_aliases charset identifier_fields identifier_systems ignore_msh7_offset listen
    publisher pv1_36 section senders systems test_numbers""".split()
)
"""The settings of a feed that ``README.md`` tells."""
FAMILIES = {"pat": to_patient, "visit": to_encounter, "order": to_reports}


def publisher(row: Row) -> Publisher:
    """Return who sent the message. HL7 v2 says nothing of names or agreements."""
    return Publisher(row.publisher, row.publisher if is_ods_code(row.publisher) else "", order=row.order)


def hides(group: Group) -> bool:
    """Whether any message of the group says that the patient's whereabouts must not be shown."""
    return any(says_shielded(parse(row.values["message"])) for row in group.rows)


SOURCE = Source(
    name="hl7v2",
    kind="hospital",
    title="HL7 v2 ADT and ORU messages",
    version="4",
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
