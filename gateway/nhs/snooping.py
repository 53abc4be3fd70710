"""THE TABLE of rules by which a view of a record looks like curiosity, and the views that meet enough of them.

Pure: what is known of staff, patients, visits and shifts comes in. A finding accuses nobody: it asks a privacy officer
to look.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.fhir.dates import DAY

Period = tuple[int, int]
"""From and until when, µs UTC."""
BEFORE, AFTER = 14 * DAY, 14 * DAY
"""How long before and after a visit a view of the record belongs to it."""
LEAST, MOST = 4, 50
"""The weight from which a view becomes an alert, and the alerts of a day at most: what an office can look into."""
REPEATED_DAYS = 3
RARE_SHARE, RARE = 0.005, 3
"""A surname tells something where at most this share of the people bear it, or so many."""


@dataclass(frozen=True, slots=True)
class View:
    """One view of one person's record: ``at`` in µs UTC; ``request`` leads to its event of the audit."""

    at: int
    user: str
    patient: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """Who somebody is, of staff or a patient; "" for what is not known. ``address`` is one line, as ``address_of``
    makes it."""

    surname: str = ""
    address: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rules are asked with: staff by user, people by Patient id, visits by Patient id, shifts by user. A rule
    that needs what is missing is not met; without ``shifts`` of a user nothing is said of theirs."""

    staff: Mapping[str, Known]
    people: Mapping[str, Known]
    visits: Mapping[str, Sequence[Period]]
    shifts: Mapping[str, Sequence[Period]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """A view with what is known about it; ``days`` is on how many days so far this user looked without a visit."""

    colleague: Known
    person: Known
    is_rare: bool
    is_attended: bool
    is_on_shift: bool | None
    days: int


@dataclass(frozen=True, slots=True)
class Relation:
    """One row: a name, the words for the officer, what it weighs, and when it is met."""

    name: str
    words: str
    weight: int
    is_met: Callable[[Look], bool]


def _same(first: str, second: str) -> bool:
    return bool(first) and first == second


RELATIONS: tuple[Relation, ...] = (
    Relation("own-record", "the user's own record", 10, lambda look: _same(look.colleague.number, look.person.number)),
    Relation("same-address", "the user lives at the same address", 5, lambda look: _same(look.colleague.address, look.person.address)),
    Relation("same-surname", "the same surname, which is rare here", 3,
             lambda look: look.is_rare and _same(look.colleague.surname, look.person.surname)),
    Relation("repeat-views", f"looked at on {REPEATED_DAYS} days or more without a visit", 3, lambda look: look.days >= REPEATED_DAYS),
    Relation("no-attendance", "no visit, appointment or referral near the view", 2, lambda look: not look.is_attended),
    Relation("off-shift", "outside of the user's shifts", 2, lambda look: look.is_on_shift is False),
    Relation("common-surname", "the same surname, which many bear here", 1,
             lambda look: not look.is_rare and _same(look.colleague.surname, look.person.surname)),
)  # fmt: skip
"""THE TABLE. The weights are our default, measured on the drill, for governance to decide: no visit alone is no alert,
because advice, results and letters are read without one."""
WORDS = {relation.name: relation.words for relation in RELATIONS}


@dataclass(frozen=True, slots=True)
class Finding:
    """A view that meets enough: the first of its user, patient and day that does so. ``relations`` are names of
    ``RELATIONS``, the weightiest first."""

    view: View
    relations: tuple[str, ...]
    weight: int


def findings(views: Iterable[View], evidence: Evidence, least: int = LEAST) -> list[Finding]:
    """The views that weigh at least ``least``, in the order of time; one for each user, patient and day."""
    rare, days = _rare(evidence), defaultdict[tuple[str, str], set[int]](set)
    weighed: dict[tuple[str, str, int], Finding] = {}
    for view in sorted(views, key=lambda view: view.at):
        look = _look(view, evidence, rare, days[view.user, view.patient])
        met = [relation for relation in RELATIONS if relation.is_met(look)]
        weight, key = sum(relation.weight for relation in met), (view.user, view.patient, view.at // DAY)
        if weight >= least and (key not in weighed or weight > weighed[key].weight):
            weighed[key] = Finding(view, tuple(relation.name for relation in met), weight)
    return sorted(weighed.values(), key=lambda finding: finding.view.at)


def daily(suspected: Iterable[Finding], most: int = MOST) -> list[Finding]:
    """Of each day the weightiest ``most``."""
    by_day = defaultdict[int, list[Finding]](list)
    for finding in suspected:
        by_day[finding.view.at // DAY].append(finding)
    return [
        finding
        for day in sorted(by_day)
        for finding in sorted(by_day[day], key=lambda finding: (-finding.weight, finding.view.at))[:most]
    ]


def address_of(line: str, postcode: str) -> str:
    """The first line and the postcode as they are compared; "" where either is missing.

    >>> address_of("1,  High Street", "ls1 4ab") == address_of("1 High street", "LS14AB")
    True
    """
    first = " ".join("".join(letter if letter.isalnum() else " " for letter in line.casefold()).split())
    code = "".join(postcode.casefold().split())
    return f"{first}|{code}" if first and code else ""


def surname_of(name: str) -> str:
    """The surname as it is compared, of a name or of ``SURNAME, Given (Title)``.

    >>> surname_of("GREEN, Asha (Dr)"), surname_of("O'Neil")
    ('green', 'oneil')
    """
    return "".join(letter for letter in name.partition(",")[0].casefold() if letter.isalpha())


def _rare(evidence: Evidence) -> frozenset[str]:
    counts = Counter(person.surname for person in evidence.people.values() if person.surname)
    most = max(RARE, len(evidence.people) * RARE_SHARE)
    return frozenset(surname for surname, count in counts.items() if count <= most)


def _look(view: View, evidence: Evidence, rare: frozenset[str], days: set[int]) -> Look:
    """What is known about a view. It notes the day in ``days`` where nothing accounts for it."""
    person = evidence.people.get(view.patient, Known())
    periods = evidence.visits.get(view.patient, ())
    is_attended = any(begin - BEFORE <= view.at <= end + AFTER for begin, end in periods)
    if not is_attended:
        days.add(view.at // DAY)
    shifts = evidence.shifts.get(view.user)
    on_shift = None if shifts is None else any(begin <= view.at <= end for begin, end in shifts)
    colleague = evidence.staff.get(view.user, Known())
    return Look(colleague, person, person.surname in rare, is_attended, on_shift, len(days))
