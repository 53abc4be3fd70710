"""What is asked, the facts that decide, and the decision: the values that ``access.decide`` takes and gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.fhir.search import Limits, PatientKey
from gateway.nhs import identity, kinds, labels, reasons
from gateway.nhs.refusals import Refusal
from gateway.nhs.roles import CORE, Caller, Rule


@dataclass(frozen=True, slots=True)
class Act:
    """What is asked: ``name`` as in ``roles.RULES``; ``type`` of resource; whether the person was named by number
    rather than by id."""

    name: str
    type: str = ""
    by_number: bool = False


@dataclass(frozen=True, slots=True)
class PatientFact:
    """One Patient resource as the decision sees it. ``registered``: now regularly registered with its publisher.
    ``attending``: an encounter, referral or care package of its publisher is active now. ``deceased``: confirmed, by
    PDS or by the GP's record."""

    id: str
    key: PatientKey
    publisher: int
    ods: str
    kind: str
    labels: int = 0
    grade: str = identity.CLAIMED
    registered: bool = False
    attending: bool = False
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Permission:
    """Permission to view as recorded: on what basis, until when (µs UTC), by which organisation."""

    basis: str
    until: int
    organisation: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All a decision knows about one person. ``patients`` are gathered (narrow: what may be shown); ``claimants`` are
    all Patients that claim any of their numbers (wide: what may refuse). ``own`` and ``active`` are publishers.
    ``missing`` are code sets a live store lacks. ``consented``: the patient's express consent to local sharing stands.
    ``claim`` is what the caller's organisation recorded that stands in for a relationship. ``recorded``, ``claimed``
    and ``refused``: its permission, its claim or the patient's refusal stands for the very number that was asked,
    whether or not anybody has it. What is left out refuses."""

    patients: tuple[PatientFact, ...] = ()
    claimants: tuple[PatientFact, ...] = ()
    persons: tuple[int, ...] = ()
    own: frozenset[int] = frozenset()
    active: frozenset[int] = frozenset()
    permission: Permission | None = None
    live: bool = True
    missing: tuple[str, ...] = ("unknown",)
    now: int = 0
    consented: bool = False
    recorded: bool = False
    claim: Permission | None = None
    claimed: bool = False
    refused: bool = False
    barred: tuple[str, ...] = ("unknown",)
    """Why nothing of this person's is shown to themself online (``oneself.bars``)."""

    @classmethod
    def of_nobody(cls, now: int, live: bool = False, missing: tuple[str, ...] = ()) -> Facts:
        """Facts for an act that is about no person."""
        return cls(live=live, missing=missing, now=now)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: a refusal, or the limits within which to look. ``sections`` are those the role opens; ``hidden`` are
    the label bits that hide what others recorded; ``trace`` the rules that fired, in words. ``withheld``: something
    may be hidden, so the fixed sentence may have to be said (``hides`` tells of an item). ``core_only`` are publishers
    of whom no more than the core of a summary is shown, by the patient's choice."""

    refusal: Refusal | None
    limits: Limits = Limits()
    sections: frozenset[str] = frozenset()
    hidden: int = 0
    withheld: bool = False
    trace: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    basis: str = ""
    core_only: frozenset[int] = frozenset()

    def hides(self, publisher: int, bits: int) -> bool:
        """Whether an item with these labels is hidden from this caller for its labels: what the fixed sentence speaks
        of."""
        hidden = self.hidden & ~labels.HIDDEN_ALWAYS
        if publisher in self.facts.own or not hidden:
            return False
        return bool(bits & (hidden if bits & labels.BLANKED else hidden | labels.HIDDEN_UNLESS_KEPT))

    def blanks(self, publisher: int, bits: int) -> bool:
        """Whether an item is served blanked (``links.redact``): somebody else recorded it, and it points at something
        hidden."""
        return bool(bits & (labels.BLANKED | labels.HIDDEN_UNLESS_KEPT)) and publisher not in self.facts.own

    def closed(self, resource_type: str, publisher: int, kind: str) -> frozenset[str]:
        """The elements of a publisher's resources that tell of a section that is closed to this caller."""
        rights = self.sections & CORE if publisher in self.core_only else self.sections
        return reasons.closed(resource_type, kind, rights)


@dataclass(frozen=True, slots=True)
class Case:
    """One question about one person: who asks for what, the facts, the rows of the role that open it, what the
    caller's organisation holds, and the rules that have fired so far."""

    caller: Caller
    act: Act
    facts: Facts
    rules: Sequence[Rule]
    own: frozenset[int]
    own_patients: tuple[PatientFact, ...]
    trace: list[str]

    @classmethod
    def of(cls, caller: Caller, act: Act, facts: Facts, rules: Sequence[Rule], trace: list[str]) -> Case:
        """The case with what the caller's organisation holds: its active publishers, and its Patients."""
        own = facts.own & facts.active
        patients = tuple(patient for patient in facts.patients if patient.publisher in own)
        return cls(caller, act, facts, rules, own, patients, trace)

    @property
    def everyone(self) -> tuple[PatientFact, ...]:
        """Every Patient whose labels can cause a refusal: gathered ones and claimants."""
        return (*self.facts.patients, *self.facts.claimants)

    @property
    def practices(self) -> frozenset[int]:
        """The publishers that hold the person's Patients and register patients: who authors the GP summary."""
        return frozenset(patient.publisher for patient in self.facts.patients if kinds.of(patient.kind).registers)

    def has_label(self, bits: int) -> bool:
        """Whether any of them carries one of these labels."""
        return any(patient.labels & bits for patient in self.everyone)
