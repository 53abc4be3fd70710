"""The true facts about a synthetic person, before a source records them late, in part or wrongly. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Address:
    house: str
    street: str
    town: str
    county: str
    postcode: str


@dataclass(frozen=True, slots=True)
class Staff:
    """Someone who works at a practice or a trust. ``number`` is a registration number that no register holds."""

    title: str
    given: str
    family: str
    job: str
    job_code: str
    number: str


@dataclass(frozen=True, slots=True)
class Practice:
    """A practice. ``system`` is the GP system it uses, and so which writer tells of its patients."""

    ods: str
    name: str
    address: Address
    staff: tuple[Staff, ...]
    system: Literal["emis", "tpp"] = "emis"


@dataclass(frozen=True, slots=True)
class Trust:
    ods: str
    site: str
    name: str
    staff: tuple[Staff, ...]


@dataclass(frozen=True, slots=True)
class Council:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem-list entry's own facts; the diagnosis is the entry that carries it."""

    ended: date | None = None
    significant: bool = True


@dataclass(frozen=True, slots=True)
class Entry:
    """One coded entry of a GP record. ``code`` is a key of ``codes``; ``parent`` and ``about`` (a problem) are keys of
    entries."""

    key: str
    code: str
    at: date
    consultation: str = ""
    value: str = ""
    unit: str = ""
    low: str = ""
    high: str = ""
    parent: str = ""
    about: str = ""
    problem: Problem | None = None
    precision: str = "YMD"
    abnormal: bool = False
    episode: str = ""
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class Consultation:
    key: str
    at: datetime
    kind: str = "GP Surgery"
    confidential: bool = False


@dataclass(frozen=True, slots=True)
class Medicine:
    """A prescription with its issues; ``stopped`` ends a repeat."""

    key: str
    drug: str
    dosage: str
    quantity: str
    unit: str
    start: date
    repeat: bool = True
    stopped: date | None = None
    issues: tuple[date, ...] = ()
    days: int = 28
    about: str = ""


@dataclass(frozen=True, slots=True)
class Reminder:
    key: str
    code: str
    due: date
    made: date


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a visit. ``at`` is when it happened (for a cancellation, when that was done), ``of`` the time of
    what is cancelled."""

    event: str
    at: datetime
    ward: str = ""
    of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A hospital visit: ``kind`` is E (emergency department) or I (inpatient). ``number`` is made of the person and
    ``key``."""

    key: str
    kind: str
    moves: tuple[Move, ...]
    reason: str = ""
    specialty: str = "300"
    method: str = "21"
    diagnoses: tuple[tuple[str, str], ...] = ()
    procedures: tuple[tuple[str, str], ...] = ()
    destination: str = "19"
    disposal: str = "1"
    retired_number: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a report: ``kind`` is the HL7 value type NM, SN, CE or TX."""

    code: str
    words: str
    kind: str
    value: str
    unit: str = ""
    range: str = ""
    flag: str = ""


@dataclass(frozen=True, slots=True)
class Issue:
    """One sending of a report: P preliminary, F final or C corrected."""

    status: str
    at: datetime
    items: tuple[Item, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    key: str
    code: str
    words: str
    section: str
    taken: datetime
    issues: tuple[Issue, ...]
    visit: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter that the hospital wrote; ``kind`` is its title, ``visit`` the key of what it is about."""

    key: str
    at: datetime
    kind: str
    lines: tuple[str, ...]
    visit: str = ""


@dataclass(frozen=True, slots=True)
class Clinic:
    """One outpatient appointment. ``attended`` is the code ATTENDED OR DID NOT ATTEND, ``first`` FIRST ATTENDANCE,
    ``outcome`` OUTCOME OF ATTENDANCE."""

    key: str
    at: datetime
    specialty: str
    attended: str = "5"
    first: bool = False
    outcome: str = "2"
    procedures: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Course:
    """A referral to a team of the community trust, with the days it saw the person. ``team`` is the code SERVICE OR
    TEAM TYPE REFERRED TO (COMMUNITY CARE), ``source`` SOURCE OF REFERRAL FOR COMMUNITY."""

    key: str
    asked: date
    team: str
    source: str
    contacts: tuple[datetime, ...]
    ended: date | None = None


@dataclass(frozen=True, slots=True)
class Support:
    """One social-care event. ``kind`` is Request, Assessment, Service or Review; ``words`` holds its own columns by
    neutral names.

    ``forgotten`` is a service that the council leaves out of its next snapshot without ending it.
    """

    kind: str
    start: date
    end: date | None
    outcome: str = ""
    words: dict[str, str] = field(default_factory=dict)
    forgotten: bool = False


@dataclass(frozen=True, slots=True)
class Story:
    """What happened to a person, by who recorded it. Stories add up."""

    consultations: tuple[Consultation, ...] = ()
    entries: tuple[Entry, ...] = ()
    medicines: tuple[Medicine, ...] = ()
    reminders: tuple[Reminder, ...] = ()
    visits: tuple[Visit, ...] = ()
    reports: tuple[Report, ...] = ()
    support: tuple[Support, ...] = ()
    letters: tuple[Letter, ...] = ()
    clinics: tuple[Clinic, ...] = ()
    courses: tuple[Course, ...] = ()

    def __add__(self, other: Story) -> Story:
        return Story(*(getattr(self, name) + getattr(other, name) for name in Story.__slots__))


@dataclass(frozen=True, slots=True)
class Seen:
    """How one source holds a person: what differs from the truth, and its own number. ``nhs_number`` may be missing or
    another's."""

    number: str
    nhs_number: str
    birth: date
    given: str
    family: str
    verified: bool = False
    retired: str = ""
    sex: str = ""


@dataclass(frozen=True, slots=True)
class Mess:
    """Something that a source has otherwise than the truth, or a trap: a key of ``mess.KINDS``, in which source, and
    the number by which that source knows the record."""

    kind: str
    source: Literal["gp", "hospital", "care", "pds", ""]
    record: str


@dataclass(frozen=True, slots=True)
class Person:
    """A person and how each kind of source holds them (None: not known there). ``roles`` are keys of ``roles.ROLES``.

    ``also`` are further records of the same person, as if each were somebody: a second registration, a former
    practice, a second hospital number. Only the source that holds it is not None there, and ``key`` is its own.

    Someone who ``moved`` house lived at ``old_address`` before that day. ``key`` is the hex digest all of this
    person's generated ids are made from; ``word`` is what free text about them carries ("" or a canary).
    """

    number: int
    key: str
    roles: frozenset[str]
    nhs_number: str
    sex: str
    birth: date
    death: date | None
    title: str
    given: str
    middle: str
    family: str
    address: Address
    email: str
    home_phone: str
    mobile: str
    carer: str
    ethnicity: str
    practice: Practice
    trust: Trust
    council: Council
    registered: date
    gp: Seen | None
    hospital: Seen | None
    care: Seen | None
    story: Story
    moved: date | None = None
    old_address: Address | None = None
    word: str = ""
    left: date | None = None
    former_numbers: tuple[str, ...] = ()
    mess: tuple[Mess, ...] = ()
    also: tuple[Person, ...] = ()

    @property
    def records(self) -> tuple[Person, ...]:
        """The person and all further records of them."""
        return (self, *self.also)

    @property
    def known_death(self) -> date | None:
        """When the person died, as far as this practice knows: not one that they had left, or that was not told."""
        return None if self.is_("death not known") or self.left else self.death

    def address_on(self, day: date) -> Address:
        """Return where the person lived on a day."""
        return self.old_address if self.moved and self.old_address and day < self.moved else self.address

    def seen(self, by: Literal["gp", "hospital", "care"]) -> Seen:
        """Return how the person is known there. Raises ``LookupError`` for a person who is not."""
        held: Seen | None = getattr(self, by)
        if held is None:
            raise LookupError(by)
        return held

    def is_(self, role: str) -> bool:
        return role in self.roles

    def free(self, text: str) -> str:
        """Return free text about this person, with their canary in it where they carry one."""
        return f"{text} {self.word}" if self.word else text
