"""TPP SystmOne: the Strategic Reporting extract, a CSV for each table (``SR…``), whole or what changed.

A row belongs to the unit that its IDOrganisationVisibleTo names; code tables, organisations and staff are TPP's own
(``CENTRAL``). A group is what one family of resources is made from: ``pat:`` a patient with addresses and
registrations, ``code:`` a coded entry with its problem, ``repeat:`` a template with its issues… ``README.md`` tells
the quirks and what a clinician has to sign.
"""

from gateway.nhs.identifiers import is_ods_code, is_practice_code
from mappings import Group, Publisher, Row, Source, by_family
from mappings.tpp.allergy import to_sensitivity
from mappings.tpp.appointment import to_appointment
from mappings.tpp.arrivals import arrivals
from mappings.tpp.coded import to_coded
from mappings.tpp.columns import reason
from mappings.tpp.condition import to_problem
from mappings.tpp.delivery import cells, check, read, unread
from mappings.tpp.directory import to_branch, to_organisation, to_profile, to_staff, to_trust
from mappings.tpp.encounter import to_event
from mappings.tpp.entry import is_hidden
from mappings.tpp.flag import to_child, to_note, to_person
from mappings.tpp.immunisation import to_immunisation
from mappings.tpp.medication import to_medication, to_repeat
from mappings.tpp.patient import to_patient
from mappings.tpp.request import to_recall, to_received, to_referral
from mappings.tpp.tables import CENTRAL, CHILD, DATED, NEVER, ORGANISATION, PERSON, REPLACED

FAMILIES = {
    "pat": to_patient,
    "event": to_event,
    "code": to_coded,
    "problem": to_problem,
    "sensitivity": to_sensitivity,
    "immunisation": to_immunisation,
    "repeat": to_repeat,
    "medication": to_medication,
    "referral": to_referral,
    "received": to_received,
    "recall": to_recall,
    "child": to_child,
    "person": to_person,
    "note": to_note,
    "appointment": to_appointment,
    "org": to_organisation,
    "trust": to_trust,
    "ccg": to_trust,
    "branch": to_branch,
    "staff": to_staff,
    "profile": to_profile,
}


def publisher(row: Row) -> Publisher | None:
    """Return what a row says of a unit: its ODS code, and its name where the row is an organisation's."""
    if row.table == ORGANISATION and not row.deleted and (code := row.values["ID"].strip().upper()):
        return Publisher(code, code if is_ods_code(code) else "", row.values["Name"].strip(), order=row.order)
    if row.publisher == CENTRAL:
        return None
    return Publisher(row.publisher, row.publisher if is_ods_code(row.publisher) else "", order=row.order)


def kind_of(code: str) -> str:
    """Return the kind of a unit by its ODS code: one that is no practice's is a community unit's, for all that the
    extract says."""
    return "gp" if code == CENTRAL or is_practice_code(code) else "community"


def hides(group: Group) -> bool:
    """Whether a row asks to be hidden: safeguarding always does."""
    return any(row.table in (CHILD, PERSON) or is_hidden(row) for row in group.rows)


SOURCE = Source(
    name="tpp",
    kind="gp",
    title="TPP SystmOne Strategic Reporting extract",
    version="2",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    never=NEVER,
    replaces=REPLACED,
    dated=DATED,
    unread=unread,
    cells=cells,
    unmapped=reason,
    settings=frozenset({"delimiter", "organisation", "partial"}),
    kind_of=kind_of,
    arrivals=arrivals,
)
