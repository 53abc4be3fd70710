"""Care Act assessments and plans of a council, as the SocialCareData standard writes them: JSON-LD documents.

A group is one assessment, one plan, one person or the council. ``README.md`` tells what is kept of a document.
"""

from mappings import Group, Publisher, Row, Source, by_family
from mappings.care_act.documents import ASSESSMENT, COUNCIL, PLAN, check, documents_in, read
from mappings.care_act.needs import labels, said_of, to_assessment, to_council, to_person, to_plan
from mappings.readers.cells import json_cells

FAMILIES = {"assessment": to_assessment, "plan": to_plan, "person": to_person, "council": to_council}


def publisher(row: Row) -> Publisher | None:
    """Return the council whose documents they are, by its social-care (CASSR) code."""
    return Publisher(row.publisher, row.publisher, f"Council {row.publisher}") if row.table == COUNCIL else None


def hides(group: Group) -> bool:
    """Whether a document is about somebody who has not agreed that it is shared."""
    return any(labels(said_of(row)) for row in group.rows if row.table in (ASSESSMENT, PLAN) and not row.deleted)


SOURCE = Source(
    name="care_act",
    kind="social-care",
    title="Care Act assessments and plans (SocialCareData standard)",
    version="1",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    settings=frozenset({"council"}),
    cells=lambda file, feed: json_cells(file, documents_in),
)
