"""THE TABLES of privacy alerts: the types and subtypes that there are, and the states that one passes through.

Types and subtypes are of the Summary Care Record FHIR API's ``POST /AuditEvent``
(https://digital.nhs.uk/developer/api-catalogue/summary-care-record-fhir).
"""

from __future__ import annotations

import re

from gateway.errors import Invalid
from gateway.nhs import identifiers

CLAIMED, ACCESSED = "1", "2"
TYPES = {CLAIMED: "Relationship claimed by the user", ACCESSED: "Access alert"}
SUBTYPES = {
    "1": "public interest",
    "2": "statute",
    "3": "court order",
    "4": "emergency, relationship claimed",
    "5": "access made in an emergency",
    "6": "other",
}
PAIRS = frozenset(
    {
        (CLAIMED, "1"), (CLAIMED, "2"), (CLAIMED, "3"), (CLAIMED, "4"), (CLAIMED, "6"),
        (ACCESSED, "1"), (ACCESSED, "2"), (ACCESSED, "3"), (ACCESSED, "5"),
    }
)  # fmt: skip
"""The pairs of type and subtype that are taken. Every other is refused."""

OPEN, INVESTIGATED, CLOSED = "open", "under-investigation", "closed"
MOVES = {OPEN: (INVESTIGATED, CLOSED), INVESTIGATED: (OPEN, CLOSED), CLOSED: (INVESTIGATED,)}
"""State → the states that an alert may come to from there. A closed one is opened again as under investigation."""
TITLES = {OPEN: "open", INVESTIGATED: "under investigation", CLOSED: "closed"}
LEAST_NOTE, LONGEST_NOTE = 10, 1000
"""Characters of a note. One is needed to close an alert, and to look into a closed one again."""
_DIGITS = re.compile(r"(?<!\d)\d(?:[\s-]?\d){9}(?!\d)")


def check_pair(type_: str, subtype: str) -> None:
    """Raise ``Invalid`` for a type and subtype that do not go together.

    >>> check_pair("1", "4")
    >>> check_pair("1", "5")
    Traceback (most recent call last):
    gateway.errors.Invalid: type and subtype of the alert
    """
    if (type_, subtype) not in PAIRS:
        raise Invalid("type and subtype of the alert")


def check_move(before: str, after: str, note: str) -> None:
    """Raise ``Invalid`` for a step that there is not, or a note that is missing, too long or holds an NHS number."""
    if after not in MOVES[before]:
        raise Invalid(f"state: from {TITLES[before]} to {' or '.join(TITLES[state] for state in MOVES[before])}")
    least = LEAST_NOTE if CLOSED in (before, after) else 0
    if not least <= len(note.strip()) or len(note) > LONGEST_NOTE:
        raise Invalid(f"note: {least} to {LONGEST_NOTE} characters")
    if any(identifiers.is_valid(identifiers.normalise(text)) for text in _DIGITS.findall(note)):
        raise Invalid("note: it holds an NHS number")


def words(type_: str, subtype: str) -> str:
    """What an alert says, for its officer: nothing of a patient.

    >>> words("2", "5")
    'Access alert: access made in an emergency'
    """
    return f"{TYPES[type_]}: {SUBTYPES[subtype]}"
