"""THE TABLE of kinds of publisher: what a relationship, a registration, a current problem and silence mean for each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from gateway.fhir.dates import DAY

Conditions = Literal["by list", "all", "support reasons"]

SECTIONS = frozenset({
    "allergies", "allergies-past", "acute", "repeat", "discontinued", "problems", "problems-past", "visit-diagnoses", "diagnoses",
    "results", "immunisations", "procedures", "encounters",
})  # fmt: skip
"""The clinical sections of the summary. A kind of publisher names those it could hold something of."""
MEDICINES = frozenset({"acute", "repeat", "discontinued"})
SOCIAL = frozenset({"social-care"})

CONTACTS = frozenset({"Encounter", "ServiceRequest"})
"""Types by which any publisher may show that it attends to somebody now: an open encounter, an active referral."""
CARE = CONTACTS | {"EpisodeOfCare"}
"""The same where an active EpisodeOfCare is care that is being given. A practice's episode is a registration."""

SOCIAL_CARE = "social-care"
"""The right to social care (``roles.SECTION_TYPES``), which has the name of the kind of publisher."""
SOCIAL_CARE_TYPES = frozenset({
    "Task", "CarePlan", "CareTeam", "DeviceRequest", "QuestionnaireResponse", "EpisodeOfCare", "Condition", "ServiceRequest",
    "Observation", "Encounter", "Flag", "RelatedPerson",
})  # fmt: skip
"""What the right to social care opens of a social-care publisher: there an EpisodeOfCare is a service and a Condition a
support reason."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of publisher.

    ``number`` stands for the kind in the store and is never reused. ``title`` is the word in the completeness grid.
    ``registers``: it registers patients, so an active regular registration is a relationship, it alone authors the GP
    summary, its medicines may be current and its record of a death is a confirmation. ``attends`` are the types whose
    open resources are a legitimate relationship; ``relationship_days`` is how long after its last delivery such a
    resource still counts (None: always); ``RELATIONSHIP_DAYS`` says how long after it began. ``conditions`` says what a
    Condition is: on the problem list or a diagnosis of one day (``by list``), always a problem (``all``), or the reason
    for social care (``support reasons``). ``diagnosis`` flags the problems of a kind that has no list. ``is_social``:
    its episodes are services and its observations are circumstances. ``sections`` are the summary sections that it
    could contribute to.
    ``silent_days`` is how long it may send nothing before its data is stale.
    """

    name: str
    number: int
    title: str
    sections: frozenset[str]
    conditions: Conditions
    attends: frozenset[str] = CONTACTS
    registers: bool = False
    is_social: bool = False
    diagnosis: str = ""
    relationship_days: int | None = 30
    silent_days: int = 7


ROWS = (
    Kind("gp", 1, "GP", SECTIONS, "by list", registers=True),
    Kind("hospital", 2, "hospital", SECTIONS - MEDICINES - {"immunisations"}, "all", diagnosis="hospital diagnosis"),
    Kind("social-care", 3, "social care", SOCIAL, "support reasons", CARE, is_social=True, relationship_days=120, silent_days=120),
    Kind("community", 4, "community", SECTIONS, "all", CARE, diagnosis="community diagnosis", relationship_days=60),
    Kind("mental-health", 5, "mental health", SECTIONS, "all", CARE, diagnosis="mental health diagnosis", relationship_days=60),
    Kind("ambulance", 6, "ambulance", SECTIONS - MEDICINES - {"immunisations"}, "by list", relationship_days=7),
    Kind("pharmacy", 7, "pharmacy", MEDICINES | {"allergies", "allergies-past", "immunisations", "encounters"}, "by list"),
    Kind("care-home", 8, "care home", SECTIONS, "by list", CARE),
)  # fmt: skip
"""THE TABLE. A council's return comes each quarter, and its feed is stale after 120 days; other feeds send daily.
Hospital feeds carry no medicines and no immunisations. The rows after ``social-care`` are our default, for governance
to sign before the first feed: units of SystmOne are ``community``, or what the operator says; the others have no
source."""

ANY = ""
UNDATED_DAYS = 7
"""How long an open resource without any date counts, from when it was stored: an old one that is loaded today must not
open a record for long."""
RELATIONSHIP_DAYS: dict[tuple[str, str, str], int | None] = {
    # kind, type, class: a row of the kind itself decides before one of any kind
    (ANY, "Encounter", ANY): 30,
    (ANY, "Encounter", "EMER"): 3,
    (ANY, "Encounter", "IMP"): 365,
    (ANY, "Encounter", "ACUTE"): 365,
    (ANY, "Encounter", "NONAC"): 365,
    ("mental-health", "Encounter", "IMP"): 3 * 365,
    ("ambulance", "Encounter", ANY): 3,
    ("pharmacy", "Encounter", ANY): 3,
    (ANY, "ServiceRequest", ANY): 365,
    ("hospital", "ServiceRequest", ANY): 548,
    (ANY, "EpisodeOfCare", ANY): None,
}
"""THE TABLE of how many days after it began an open resource is still a relationship (direct-care step 4: an active
encounter, referral or care team with an end). Nobody has signed these numbers: they are our default, for governance.
A visit to an emergency department is over in days, a stay in hospital in a year at most, a referral waits up to 18
months. A care package may last for life, so it ends by its own end or by its publisher's silence
(``relationship_days``)."""

REGISTRATION_DAYS: dict[str, int | None] = {"E": 31, "IN": 31, "P": None, "T": 92}
"""THE TABLE of how many days after it began a registration that is not regular is a relationship, by its type:
emergency, immediately necessary, private, temporary. A practice accepts a temporary resident for three months at most,
and treats who is immediately necessary for 14 days; such registrations are often never ended. Our default, for
governance."""

KINDS: dict[str, Kind] = {kind.name: kind for kind in ROWS}

UNKNOWN = Kind("", 0, "unknown", frozenset(), "all", frozenset(), diagnosis="diagnosis of an unknown kind of source")
"""A publisher of no known kind: it has no relationships and contributes to no section, but its problems are never
dropped."""


def of(name: str) -> Kind:
    """The row of a kind.

    >>> of("gp").registers, of("no such kind").registers
    (True, False)
    """
    return KINDS.get(name, UNKNOWN)


def attending(resource_type: str) -> tuple[str, ...]:
    """The kinds of publisher for which an open resource of this type is a relationship."""
    return tuple(kind.name for kind in KINDS.values() if resource_type in kind.attends)


def is_recent(name: str, received: int, now: int) -> bool:
    """Whether what a publisher last said of its care still counts as a relationship. Times are µs UTC."""
    days = of(name).relationship_days
    return days is None or now - received <= days * DAY


def open_days(name: str, resource_type: str, class_: str = ANY) -> int | None:
    """How many days after it began an open resource of a publisher of this kind is a relationship; None: no limit.

    >>> open_days("hospital", "Encounter", "EMER"), open_days("hospital", "Encounter", "a word of the sender")
    (3, 30)
    """
    for row in ((name, class_), (name, ANY), (ANY, class_), (ANY, ANY)):
        if (days := RELATIONSHIP_DAYS.get((row[0], resource_type, row[1]), -1)) != -1:
            return days
    return 0


def registered_days(types: Iterable[str]) -> int | None:
    """How many days after it began a registration of these types that is not regular is a relationship; None: no limit,
    0: it is none.

    >>> registered_days(["T"]), registered_days(["P"]), registered_days(["no such type"])
    (92, None, 0)
    """
    days = [REGISTRATION_DAYS[type_] for type_ in types if type_ in REGISTRATION_DAYS]
    return None if None in days else max((limit for limit in days if limit is not None), default=0)


def opened_by(rights: Iterable[str], kind: Kind) -> frozenset[str]:
    """The types that rights open of this kind of publisher beyond those that they open of every kind."""
    return SOCIAL_CARE_TYPES if kind.is_social and SOCIAL_CARE in rights else frozenset()
