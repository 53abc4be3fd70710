"""Client Level Data from councils: what each adult asked for, was assessed for and receives, restated every quarter
for twelve months.

A row is what one submission says of one event (table ``Event``) or person (``Person``), a submission itself
(``Snapshot``, only looked up) or a council (``Authority``). A group is one event, one person or one council.
``README.md`` tells what a snapshot's silence means.
"""

from mappings import Group, Publisher, Row, Source, by_family
from mappings.cld.arrivals import arrivals
from mappings.cld.columns import NEVER, NOT_MAPPED
from mappings.cld.event import to_event
from mappings.cld.person import council, in_refuge, to_person
from mappings.cld.read import cells, check, read, reread, unread

FAMILIES = {"event": to_event, "person": to_person, "la": council}


def publisher(row: Row) -> Publisher | None:
    """Return the council that a file is about. The file holds only its social-care (CASSR) code."""
    return Publisher(row.publisher, row.publisher, f"Council {row.publisher}") if row.table == "Authority" else None


def hides(group: Group) -> bool:
    """Return whether any line of the group says that the person is in a refuge."""
    return in_refuge(list(group.rows))


SOURCE = Source(
    name="cld",
    kind="social-care",
    title="DHSC Client Level Data, adult social care",
    version="3",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    unread=unread,
    cells=cells,
    unmapped=lambda table, column: NOT_MAPPED.get(column, ""),
    reread=reread,
    never={"Event": frozenset({NEVER})},
    settings=frozenset({"councils"}),
    arrivals=arrivals,
)
