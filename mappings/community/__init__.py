"""Community services: a provider's monthly CSDS submission, a CSV for each table of version 1.6.

A row belongs to the provider that the header table names. A group is what one family of resources is made from:
``pat:`` a person with their practices, ``ref:`` a referral with its services and contacts, ``contact:`` a contact,
``activity:`` what was done in it… ``README.md`` tells the quirks and what a clinician has to sign.
"""

from mappings import Group, Publisher, Row, Source, by_family
from mappings.community.care import to_onward, to_referral
from mappings.community.columns import reason
from mappings.community.contact import to_activity, to_contact
from mappings.community.delivery import cells, check, read, unread
from mappings.community.diagnosis import to_diagnosis
from mappings.community.directory import to_provider, to_staff
from mappings.community.facts import to_coded, to_fact
from mappings.community.person import tells_of_danger, to_about, to_patient, to_risk
from mappings.community.tables import ACCOMMODATION, HEADER, NEVER, PERSON, PROTECTION, TABLES, VULNERABILITY
from mappings.community.vaccine import to_vaccine

FAMILIES = {
    "org": to_provider,
    "staff": to_staff,
    "pat": to_patient,
    "about": to_about,
    "risk": to_risk,
    "housing": to_fact,
    "fact": to_fact,
    "coded": to_coded,
    "ref": to_referral,
    "onward": to_onward,
    "contact": to_contact,
    "activity": to_activity,
    "diagnosis": to_diagnosis,
    "vaccine": to_vaccine,
}
CONFIDENTIAL = frozenset({ACCOMMODATION, PROTECTION, VULNERABILITY})


def publisher(row: Row) -> Publisher | None:
    """Return the provider of a submission, by its ODS code: the data set has no name."""
    return Publisher(row.publisher, row.publisher, order=row.order) if row.table == HEADER else None


def hides(group: Group) -> bool:
    """Whether a row tells of danger or where somebody lives: safeguarding and accommodation always do; the row of a
    person does where an indicator says yes, in the group that the flags are made in."""
    if any(row.table in CONFIDENTIAL for row in group.rows):
        return True
    return group.key.startswith("about:") and any(map(tells_of_danger, group.of(PERSON)))


SOURCE = Source(
    name="community",
    kind="community",
    title="Community Services Data Set (CSDS) version 1.6, as a provider submits it",
    version="1",
    check=check,
    read=read,
    to_fhir=by_family(FAMILIES),
    publisher=publisher,
    hides=hides,
    never=NEVER,
    dated=frozenset(TABLES),
    unread=unread,
    cells=cells,
    unmapped=reason,
)
