"""FHIR R4 as a contributor sends it: Bundles, NDJSON and single resources, in files.

A row is one resource as sent, by type and id. A group is one resource; a Patient and its EpisodesOfCare are one group,
because a registration says whose number is sure. ``README.md`` tells the settings of a feed and what is changed.
"""

from mappings import Publisher, Row, Source
from mappings.fhir.mapped import default, hides, to_fhir, withdrawn
from mappings.fhir.read import check, read, reread
from mappings.readers.cells import json_cells


def publisher(row: Row) -> Publisher:
    """Return who contributes: the feed says it, and the resources say nothing of agreements."""
    return Publisher(row.publisher, row.publisher)


SOURCE = Source(
    name="fhir",
    kind="hospital",
    title="FHIR R4 Bundles and NDJSON",
    version="1",
    check=check,
    read=read,
    to_fhir=to_fhir,
    publisher=publisher,
    hides=hides,
    withdrawn=withdrawn,
    default=default,
    reread=reread,
    cells=lambda file, feed: json_cells(file),
    settings=frozenset({"publisher", "base", "numbers"}),
)
