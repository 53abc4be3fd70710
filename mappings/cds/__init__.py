"""Commissioning data sets: CDS 6-2 of fixed width, emergency care (ECDS) and what SUS gives back as CSV.

A row is one CDS record (``Inpatient``, ``Outpatient``, ``Emergency`` or ``Waiting``) or what a bulk extract replaces in
a month (``Replacement 2024-03``, only looked up). A group is one hospital provider spell, one attendance, one entry of
a waiting list, or one patient. ``README.md`` tells the rules and what a clinician has to sign.
"""

from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Publisher, Row, Source, by_family
from mappings.cds.attendance import to_attendance
from mappings.cds.columns import reason
from mappings.cds.delivery import cells, check, read, unread
from mappings.cds.emergency import to_emergency
from mappings.cds.patient import to_patient
from mappings.cds.record import is_withheld
from mappings.cds.spell import to_spell
from mappings.cds.waiting import to_entry

FAMILIES = {
    "pat": to_patient,
    "spell": to_spell,
    "visit": to_attendance,
    "emergency": to_emergency,
    "wait": to_entry,
}


def publisher(row: Row) -> Publisher | None:
    """Return the provider that a record names, by its ODS code."""
    return Publisher(row.publisher, row.publisher if is_ods_code(row.publisher) else "", order=row.order)


def hides(group: Group) -> bool:
    """Whether a record withholds the patient's identity, or tells of a safeguarding concern."""
    return any(
        is_withheld(row.values) or any(name.startswith("Safeguarding") for name in row.values) for row in group.rows
    )


SOURCE = Source(
    name="cds",
    kind="hospital",
    title="Commissioning data sets: CDS 6-2, ECDS and SUS extracts",
    version="1",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    unread=unread,
    cells=cells,
    unmapped=reason,
    settings=frozenset({"provider", "trimmed"}),
)
