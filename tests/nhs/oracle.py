"""Who may see what, once more and plainly: an oracle of the access decision, for ``test_matrix``.

It is written from the design of direct care (the order of the ten steps, what each choice governs, what an own record
lifts) and from the tables that governance signs in docs/privacy-officer.md, and uses nothing of ``gateway.nhs.access``.
"""

from __future__ import annotations

from dataclasses import dataclass

ALLERGIES, MEDICINES = {"AllergyIntolerance"}, {"MedicationRequest", "MedicationStatement", "Medication"}
PROBLEMS, RESULTS, FLAGS = {"Condition"}, {"Observation", "DiagnosticReport", "Specimen"}, {"Flag"}
VISITS, CARE = {"Encounter", "EpisodeOfCare", "Appointment"}, {"Task", "CarePlan", "CareTeam", "DeviceRequest", "QuestionnaireResponse"}  # fmt: skip
SECTIONS = {
    "allergies": ALLERGIES, "medicines": MEDICINES, "problems": PROBLEMS, "results": RESULTS, "immunisations": {"Immunization"},
    "procedures": {"Procedure"}, "encounters": VISITS, "documents": {"DocumentReference"}, "referrals": {"ServiceRequest"},
    "family": {"FamilyMemberHistory"}, "alerts": FLAGS, "choices": {"Consent"}, "provenance": {"Provenance"}, "contacts": {"RelatedPerson"},
    "social-care": CARE,
}  # fmt: skip
UNSERVED = {"Medication", "CareTeam", "DeviceRequest", "QuestionnaireResponse"}
"""Types that no address serves, so no scope has to cover them."""
COUNCILS = {
    "Task", "CarePlan", "CareTeam", "DeviceRequest", "QuestionnaireResponse", "EpisodeOfCare", "Condition", "ServiceRequest", "Observation", "Encounter", "Flag", "RelatedPerson",
}  # fmt: skip
"""What a council calls its support reasons, requests, services and assessments: social care, in its own records."""
EVERY, CORE = set(SECTIONS), {"allergies", "medicines"}
PHARMACY = CORE | {"problems", "results", "immunisations", "alerts"}
SOCIAL = CORE | {"immunisations", "encounters", "social-care", "alerts", "contacts"}
ADDITIONAL = EVERY - {"social-care", "provenance"}
BY_RESOURCE = {"read", "vread", "search", "history", "everything"}
CLINICIANS, PHARMACISTS, SOCIAL_WORKERS = {"R8000", "R8001"}, {"R1290"}, {"R8014"}

# role, activity, acts, sections, own record only, the Patient alone
RIGHTS = (
    (CLINICIANS, "B0370", {"summary"}, ADDITIONAL, False, False),
    (CLINICIANS, "B0360", BY_RESOURCE | {"shared"}, EVERY, False, False),
    (PHARMACISTS, "B0370", {"summary"}, ADDITIONAL, False, False),
    (PHARMACISTS, "B0370", {"shared"}, PHARMACY, False, False),
    (PHARMACISTS, "B0360", BY_RESOURCE, PHARMACY, False, False),
    (SOCIAL_WORKERS, "B0370", {"summary"}, SOCIAL - {"social-care", "alerts", "contacts"}, False, False),
    (SOCIAL_WORKERS, "B0370", {"shared"}, SOCIAL, False, False),
    (SOCIAL_WORKERS, "B0360", BY_RESOURCE, SOCIAL, False, False),
    ({"R8009"}, "B0820", {"read", "search", "everything"}, set(), True, True),
    ({"R0001"}, "B0011", {"history", "vread"}, EVERY, True, False),
)
LETTERS = {
    "read": "r",
    "vread": "r",
    "history": "r",
    "search": "s",
    "everything": "rs",
    "summary": "rs",
    "shared": "rs",
}
VIEWS = ("summary", "shared")


@dataclass(frozen=True)
class Person:
    """A Patient as one organisation holds it."""

    id: str
    publisher: int
    ods: str
    kind: str
    registered: bool = False
    attending: bool = False
    deceased: bool = False
    claimed: bool = False
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Question:
    """Everything that a decision may depend on. ``scopes`` are (type, letters), None where the token names none;
    ``permission`` is (organisation, whether it is in force, whether its basis is known), and ``claim`` (organisation,
    whether it is in force, whether its basis stands in for a relationship)."""

    role: str
    activities: frozenset[str]
    organisation: str
    scopes: tuple[tuple[str, str], ...] | None
    launched: str
    act: str
    type: str
    by_number: bool
    people: tuple[Person, ...]
    claimants: tuple[Person, ...]
    several: bool
    own: frozenset[int]
    active: frozenset[int]
    permission: tuple[str, bool, bool] | None
    recorded: bool
    consented: bool
    claim: tuple[str, bool, bool] | None = None
    claimed: bool = False
    refused: bool = False


@dataclass(frozen=True)
class Item:
    """One resource of the person: its type, who recorded it, and the words of its labels."""

    type: str
    publisher: int
    kind: str
    marks: frozenset[str]


def types(sections: set[str], kind: str) -> set[str]:
    opened: set[str] = set().union(*(SECTIONS[section] for section in sections))
    opened |= {"Patient"} if opened else set()
    return opened | (COUNCILS if kind == "social-care" and "social-care" in sections else set())


def rights(asked: Question) -> list[tuple[set[str], bool, bool]]:
    """The rows that the caller's role and activities have for the act and the type."""
    held = asked.activities | ({"B0360"} if "B0380" in asked.activities else set())
    return [
        (sections, own, alone)
        for roles, activity, acts, sections, own, alone in RIGHTS
        if asked.role in roles and activity in held and asked.act in acts and _opens(asked, sections, alone)
    ]


def _opens(asked: Question, sections: set[str], alone: bool) -> bool:
    """Whether a right is to the type that is asked for, in whoever's record."""
    reached = types(sections, "") | types(sections, "social-care") | ({"Patient"} if alone else set())
    return asked.act in VIEWS or asked.type in reached


def scoped(asked: Question) -> set[str] | None:
    """The types that the token lets the act reach; None for all."""
    if asked.scopes is None:
        return None
    needed = set(LETTERS[asked.act])
    of_all = {letter for type_, letters in asked.scopes if type_ == "*" for letter in letters}
    if needed <= of_all:
        return None
    named = {type_ for type_, _ in asked.scopes if type_ != "*"}
    return {
        type_ for type_ in named if needed <= of_all | {one for name, letters in asked.scopes if name == type_ for one in letters}
    }  # fmt: skip


def whole(sections: set[str], reached: set[str] | None) -> set[str]:
    """The sections of a document that scopes cover whole."""
    if reached is None:
        return sections
    needed = {name: SECTIONS[name] | (COUNCILS if name == "social-care" else set()) for name in sections}
    return {name for name, wanted in needed.items() if (wanted - UNSERVED or wanted) <= reached}


def refusal(asked: Question) -> str | None:
    """The code of the refusal, or None."""
    if not asked.role:
        return "login"
    rows = rights(asked)
    if not rows:
        every = [(roles, acts, sections, alone) for roles, _, acts, sections, _, alone in RIGHTS]
        knows = any(asked.role in roles and asked.act in acts and _opens(asked, sections, alone) for roles, acts, sections, alone in every)  # fmt: skip
        return "activity" if knows else "role"
    if not asked.organisation:
        return "organisation"
    reached = scoped(asked)
    if reached is not None and asked.type not in reached:
        return "scope"
    if asked.act in VIEWS and not any(whole(sections, reached) for sections, _, _ in rows):
        return "scope"
    after = _after_lookup(asked, rows)
    if after is None:
        return None
    return after if asked.by_number else "not-found"


def _after_lookup(asked: Question, rows: list[tuple[set[str], bool, bool]]) -> str | None:
    if asked.launched and asked.launched not in {person.id for person in asked.people}:
        return "not-found"
    mine = [person for person in asked.people if person.publisher in asked.own & asked.active]
    if not has_basis(asked) and (not mine or asked.act in VIEWS):
        if any(person.deceased for person in mine):
            return "deceased"
        if asked.claimed or asked.refused:
            return "no-record" if asked.claimed else "permission-refused"
        attends = any(person.attending and person.ods == asked.organisation for person in mine)
        return "no-relationship" if asked.recorded and not attends else "ptv-required"
    if asked.several or _marked(asked, "restricted"):
        return "no-record"
    if not any(reaches(asked, person.publisher) for person in asked.people):
        return "no-record"
    return None


def _marked(asked: Question, mark: str) -> bool:
    return any(mark in person.marks for person in (*asked.people, *asked.claimants))


def has_basis(asked: Question) -> bool:
    """A relationship of the caller's own organisation, and permission to view."""
    mine = [person for person in asked.people if person.publisher in asked.own & asked.active]
    mine = [person for person in mine if person.ods == asked.organisation]
    if any(person.registered for person in mine):
        return True
    if asked.claim == (asked.organisation, True, True):
        return True
    attends = any(person.attending for person in mine)
    return bool(attends and asked.permission and asked.permission == (asked.organisation, True, True))


def reaches(asked: Question, publisher: int) -> bool:
    """Steps 3 to 6: whether a publisher may show this caller anything of this person."""
    practices = {person.publisher for person in asked.people if person.kind == "gp"}
    authors = {person.publisher for person in asked.people if person.registered and person.kind == "gp"}
    if publisher not in asked.active:
        return False
    if publisher in asked.own:
        visited = {person.publisher for person in asked.people if person.attending and person.kind == "gp"}
        return asked.act != "summary" or publisher in authors | visited
    if not has_basis(asked) or all(own for _, own, _ in rights(asked)):
        return False
    if any(person.deceased for person in asked.people) or all(person.claimed for person in asked.people):
        return False
    if asked.act != "summary" and _marked(asked, "objection"):
        return False
    if asked.act in VIEWS and _marked(asked, "dissent") and publisher in practices:
        return False
    return asked.act != "summary" or publisher in authors


HIDES = {"confidential", "not-to-patient", "sensitive", "linked", "unclassified", "service"}
STAYS = {"AllergyIntolerance", "MedicationRequest", "MedicationStatement", "Medication", "Immunization"}


def shows(asked: Question, item: Item) -> bool:
    """Steps 7 and 8: whether one item is shown."""
    if refusal(asked) or not reaches(asked, item.publisher):
        return False
    is_own = item.publisher in asked.own
    reached, opened = scoped(asked), set()
    for sections, own_only, alone in rights(asked):
        if own_only and not is_own:
            continue
        row = whole(sections, reached) if asked.act in VIEWS else sections
        is_practice = item.publisher in {person.publisher for person in asked.people if person.kind == "gp"}
        if asked.act in VIEWS and not is_own and is_practice and _marked(asked, "core-only"):
            row = row & CORE
        opened |= types(row, item.kind) | ({"Patient"} if alone else set())
    if item.type not in opened or not (reached is None or item.type in reached):
        return False
    if item.marks & {"restricted", "withheld"}:
        return False
    if is_own:
        return True
    hides = HIDES - ({"service"} if asked.consented else set())
    return not item.marks & (hides if item.type in STAYS else hides | {"legal"})
