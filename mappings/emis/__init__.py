"""EMIS Web: the IM1 bulk extract, version 8.2, 21 tables as CSV.

A row belongs to the organisation that its OrganisationGuid names; what has none, or is one, to the sharing agreement
in the file's name. A group is what one family of resources is made from: ``pat:`` a patient with the registration,
``obs:`` an observation with its problem, referral and children, ``drug:`` a course with its issues… ``README.md``
tells the quirks and what a clinician has to sign.
"""

from mappings import Group, Publisher, Row, Source, by_family
from mappings.emis.appointment import to_session, to_slot
from mappings.emis.arrivals import arrivals
from mappings.emis.audit import audited
from mappings.emis.columns import reason
from mappings.emis.delivery import cells, check, read, reread, unread
from mappings.emis.diary import to_diary
from mappings.emis.directory import to_location, to_organisation, to_user
from mappings.emis.encounter import to_encounter
from mappings.emis.medication import to_course, to_issue
from mappings.emis.observation import to_observation
from mappings.emis.patient import to_patient
from mappings.emis.tables import AGREEMENT, DATED, NEVER, REPLACED
from mappings.emis.values import guid, is_true

FAMILIES = {
    "obs": audited(to_observation),
    "pat": to_patient,
    "enc": audited(to_encounter),
    "drug": audited(to_course),
    "issue": audited(to_issue),
    "diary": audited(to_diary),
    "session": to_session,
    "slot": to_slot,
    "org": to_organisation,
    "loc": to_location,
    "user": to_user,
}


def publisher(row: Row) -> Publisher | None:
    """Return what a row says of a publisher: its name and ODS code, or whether it still shares."""
    values = row.values
    if row.table == "Admin_Organisation":
        return Publisher(
            row.key, values["ODSCode"].strip().upper(), values["OrganisationName"].strip(), order=row.order
        )
    if row.table == AGREEMENT:
        return Publisher(guid(values["OrganisationGuid"]), state=state(row), order=row.order, agreement=row.directory)
    return None


def state(row: Row) -> str:
    """Return whether an organisation shares: a removed agreement withdraws, a disabled or not activated one
    withholds."""
    if is_true(row.values["Deleted"]):
        return "withdrawn"
    if is_true(row.values["Disabled"]) or not is_true(row.values["IsActivated"]):
        return "withheld"
    return "active"


def hides(group: Group) -> bool:
    """Whether any row of the group is confidential, or its patient sensitive."""
    return any(
        is_true(row.values.get(column, "")) for row in group.rows for column in ("IsConfidential", "SpineSensitive")
    )


SOURCE = Source(
    name="emis",
    kind="gp",
    title="EMIS Web IM1 extract 8.2",
    version="5",
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
    reread=reread,
    settings=frozenset({"partial"}),
    arrivals=arrivals,
)
