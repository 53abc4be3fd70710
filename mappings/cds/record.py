"""One record to a row: who sent it, what names it, in which order it counts, whose it is, which groups it makes.

Source: NHS Data Model and Dictionary, Commissioning Data Set Submission Protocol
(https://www.datadictionary.nhs.uk/supporting_information/commissioning_data_set_submission_protocol.html).
"""

from __future__ import annotations

import re
from typing import Any

from gateway.errors import Invalid
from gateway.nhs.identifiers import is_trust_code
from mappings import Feed, Look, Reject, Row, Values
from mappings.cds.codes import table
from mappings.cds.columns import FIXED, SUS
from mappings.cds.values import LINE_BITS, day, month_of, seconds
from mappings.vocabulary import without_nhs_number

INPATIENT, OUTPATIENT, EMERGENCY, WAITING = "Inpatient", "Outpatient", "Emergency", "Waiting"
NET, BULK = "010", "020"
DELETE, ORIGINAL = "1", "9"
WITHHELD = "withheld"
LAST_LINE = (1 << LINE_BITS) - 1
"""The place of a deletion within its second: without a time all records of a day are of one second, and the lines of
two files say nothing of which was first."""
LONGEST_PERIOD = 36
"""Months that one bulk replacement may speak of: SUS works by financial years, and a slip of the key takes back all."""
TABLE_OF = {**FIXED, **SUS, "ecds": EMERGENCY}
"""The table of the rows of a format; one of several lines holds all."""
HAVE_A_VERSION = frozenset({*FIXED, "lines"})
NUMBER = {INPATIENT: "SpellNumber", OUTPATIENT: "Attendance", EMERGENCY: "Attendance", WAITING: "EntryNumber"}
"""The item that numbers what a record tells of."""
IDENTIFYING = re.compile(
    r"LocalId(Organisation)?|Nhs\w+|NumberStatus|BirthDate|FullName|RequestedName|Title|Forename|Surname|Suffix|Initials|Address\w*"
    r"|Postcode|SpellNumber|Attendance|EntryNumber|Gp|Practice|Referrer|ReferringOrganisation|Language|Gender|Ethnicity|MaritalStatus"
    r"|PatientPathwayIdentifier|UniqueBookingReference\w+|AmbulanceIncidentNumber|OrganisationCodeResidenceResponsibility"
)  # fmt: skip
"""The items that a record whose identity is withheld does not keep, whatever its sender left in them."""


def is_version(text: str) -> bool:
    """Whether a version says 6-2.

    >>> is_version("NHS6-2"), is_version("CDS062"), is_version("NHS6-1"), is_version("620000")
    (True, True, False, False)
    """
    return bool(re.fullmatch(r"[A-Z]{1,4}0?6-?2 *", text))


def row(form: str, line: int, values: Values, feed: Feed) -> Row | Reject:
    """Return the row of a record, or a reject that names the item at fault."""
    try:
        return _row(form, line, values, feed)
    except Invalid as fault:
        return Reject(f"line {line}", str(fault))


def _row(form: str, line: int, values: Values, feed: Feed) -> Row:
    about = table("cds_type").get(values["Type"].strip())
    if about is None or TABLE_OF.get(form, about[0]) != about[0]:
        raise Invalid("column Type")
    if form in HAVE_A_VERSION and not is_version(values["Version"]):
        raise Invalid("column Version")
    if values["Test"].strip().upper() in ("1", "Y", "YES", "T", "TRUE"):
        raise Invalid("a test interchange")
    protocol = protocol_of(values)
    is_bulk, name = protocol == BULK, about[0]
    count = seconds(values, *(("ExtractDate", "ExtractTime") if is_bulk else ("ApplicableDate", "ApplicableTime")))
    is_deleted = not is_bulk and values["UpdateType"].strip() == DELETE
    publisher = provider(values, feed)
    key = key_of(name, values, is_bulk, feed)
    kept = Values({**(anonymous(values) if is_withheld(values) else values), "Protocol": protocol})
    patient = patient_of(kept, key, publisher, feed)
    return Row(
        table=name,
        key=key,
        publisher=publisher,
        order=(count << LINE_BITS) + (LAST_LINE if is_deleted else line),
        values=kept,
        patient="" if is_deleted else patient,
        groups=() if is_deleted else groups(name, kept, key, patient, feed),
        deleted=is_deleted,
        bare=is_deleted,  # all that it has to say is its identifier: the last values stay
        line=line,
    )


def protocol_of(values: Values) -> str:
    """Return net change or bulk replacement. Raises ``Invalid`` for a record that is neither, or that lacks what its
    protocol asks for."""
    protocol = values["Protocol"].strip() or (NET if values["UpdateType"].strip() else BULK)
    if protocol not in (NET, BULK):
        raise Invalid("column Protocol")
    if protocol == NET and values["UpdateType"].strip() not in (DELETE, ORIGINAL):
        raise Invalid("column UpdateType")
    if protocol == BULK:
        for item in ("BulkGroup", "Sender"):
            if not values[item].strip():
                raise Invalid(f"column {item}")
        if not day(values, "ActivityDate"):
            raise Invalid("column ActivityDate")
        start, end = day(values, "PeriodStart"), day(values, "PeriodEnd")
        if not start or start > end:
            raise Invalid("column PeriodStart" if not start else "column PeriodEnd")
        if month_of(end) - month_of(start) >= LONGEST_PERIOD:
            raise Invalid("column PeriodEnd")
    return protocol


def provider(values: Values, feed: Feed) -> str:
    """Return the provider's ODS code; where a record does not say it, the feed's setting, else the sender's."""
    stated = (values["Provider"], str(feed.settings.get("provider", "")), values["Sender"])
    code: str = next((short(text) for text in stated if text.strip()), "")
    if not code:
        raise Invalid("column Provider")
    return code


def short(code: str) -> str:
    """Return an organisation's code without the zeros that fill a trust's up to five characters.

    >>> short("RZZ00"), short("RZZ01"), short(" 8A123 ")
    ('RZZ', 'RZZ01', '8A123')
    """
    text = code.strip().upper()
    return text[:3] if len(text) == 5 and text.endswith("00") and is_trust_code(text[:3]) else text


def key_of(name: str, values: Values, is_bulk: bool, feed: Feed) -> str:
    """Return what names a record: CDS UNIQUE IDENTIFIER, which bulk replacement need not have; there the number of the
    spell, attendance or entry."""
    unique: str = values["UniqueId"].strip()
    if unique:
        return without_nhs_number(unique, feed.namespace)
    number = values[NUMBER[name]].strip()
    if not is_bulk or not number or is_withheld(values):
        raise Invalid("column UniqueId")
    parts = (values["LocalId"].strip(), number, values["EpisodeNumber"].strip())
    return "|".join(("bulk", *(without_nhs_number(part, feed.namespace) for part in parts)))


def is_withheld(values: Values) -> bool:
    """Whether the patient's identity is withheld: by the flag, or by a reason."""
    flag, reason = values["WithheldFlag"].strip().upper(), values["WithheldReason"].strip()
    return flag in ("1", "Y", "T") or bool(reason) or values[WITHHELD] == "1"


def labels(row: Row) -> tuple[str, ...]:
    """Return the labels of all that a record makes: restricted where the patient's identity is withheld."""
    return ("R",) if is_withheld(row.values) else ()


def subject(row: Row, look: Look) -> dict[str, Any]:
    """Return the reference to the patient of a record."""
    return look.reference("Patient", row.patient)


def anonymous(values: Values) -> Values:
    """Return what a record whose identity is withheld may keep."""
    return Values({**{name: text for name, text in values.items() if not IDENTIFYING.fullmatch(name)}, WITHHELD: "1"})


def patient_of(values: Values, key: str, publisher: str, feed: Feed) -> str:
    """Return the local key of the patient. One whose identity is withheld, or who has no local number, is the patient
    of this record alone."""
    number = without_nhs_number(values["LocalId"].strip(), feed.namespace)
    if is_withheld(values):
        return f"{WITHHELD}|{key}"
    return f"{short(values['LocalIdOrganisation']) or publisher}|{number}" if number else f"record|{key}"


def groups(name: str, values: Values, key: str, patient: str, feed: Feed) -> tuple[str, ...]:
    """Return the groups of a row, its own first: the spell, attendance or list entry, and the patient."""
    number = without_nhs_number(values[NUMBER[name]].strip(), feed.namespace)
    if name == INPATIENT:
        own = f"spell:{patient}|{number}" if number else f"spell:record|{key}"
    elif name == WAITING:
        own = f"wait:{patient}|{number}" if number else f"wait:record|{key}"
    else:
        own = f"{'visit' if name == OUTPATIENT else 'emergency'}:{key}"
    return own, f"pat:{patient}"
