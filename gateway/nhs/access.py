"""The access decision: one pure function over facts about one person, answering with limits and with the rules that
fired.

The order is that of the national requirements: 0 who, 1 activity, 2 organisation — up to here nothing is looked up — 3
own record, 4 relationship and permission, 5 patient status, 6 the patient's choices, 7 role, 8 sensitive items. 9, the
audit, is ``records``'.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from gateway.fhir.search import Allow, Limits, PatientKey, Whose
from gateway.nhs import identity, kinds, labels, roles
from gateway.nhs.roles import Caller, Rule

GRADES = identity.GRADES
ATTENDING = {
    "Encounter": ("in-progress", "arrived", "triaged", "onleave"),
    "ServiceRequest": ("active",),
    "EpisodeOfCare": ("active",),
}
"""Type → the statuses in which a resource of an organisation may be a relationship with it. ``kinds`` says for which
kinds of publisher."""

PERMISSION_REQUIRED = "Permission to view is required: ask the patient and record it."
NO_RECORD = (
    "No record can be shown. This does not mean there is no record or no allergies. "
    "Ask the patient; contact the GP or the organisation's privacy officer."
)
WITHHELD = "One or more entries have been deliberately withheld."
"""The only words ever shown about hidden items: no section, no count."""
NOT_YOUR_ROLE = "Not available to your role."


@dataclass(frozen=True, slots=True)
class Refusal:
    """One row of the table of refusals: HTTP status, machine-readable code, the words. ``before_lookup`` depends on
    the caller alone."""

    status: int
    code: str
    text: str
    before_lookup: bool = False


NOT_KNOWN = Refusal(401, "login", "Sign in with one selected role.", True)
NO_ROLE = Refusal(403, "role", "Your role may not do this.", True)
NO_ACTIVITY = Refusal(403, "activity", "Your role lacks the activity this needs.", True)
NO_ORGANISATION = Refusal(403, "organisation", "You act for no organisation.", True)
NO_SCOPE = Refusal(403, "scope", "The token's scopes do not cover this.", True)
NOT_READY = Refusal(503, "code-sets", "The gateway lacks the code sets it needs to protect people.", True)
PTV_REQUIRED = Refusal(403, "ptv-required", PERMISSION_REQUIRED)
NOT_FOUND = Refusal(404, "not-found", "Not found.")
NOT_SHOWN = Refusal(403, "no-record", NO_RECORD)

REFUSALS = {
    refusal.code: refusal
    for refusal in (
        NOT_KNOWN,
        NO_ROLE,
        NO_ACTIVITY,
        NO_ORGANISATION,
        NO_SCOPE,
        NOT_READY,
        PTV_REQUIRED,
        NOT_FOUND,
        NOT_SHOWN,
    )
}
"""THE TABLE of refusals. Asked by number, missing permission is ``ptv-required`` whatever the number; asked by
resource id, whatever is refused after the look-up is ``not-found``; after permission, none held, dissent and
restricted are the one ``no-record``."""


@dataclass(frozen=True, slots=True)
class Basis:
    """Why somebody may view: ``least_reason`` is the shortest reason text taken, ``longest`` the hours it may last at
    most."""

    title: str
    least_reason: int
    longest: int


BASES = {
    "permission": Basis("the patient was asked and agreed this time", 0, 24),
    "permission-extended": Basis("the patient agreed for a stated time", 10, 24 * 90),
}
"""What may be recorded as permission to view. The emergency and legal bases come with alerts, and are not in this
version."""


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
    What is left out refuses."""

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

    @classmethod
    def of_nobody(cls, now: int, live: bool = False, missing: tuple[str, ...] = ()) -> Facts:
        """Facts for an act that is about no person."""
        return cls(live=live, missing=missing, now=now)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer: a refusal, or the limits within which to look. ``sections`` are those the role opens; ``hidden`` are
    the label bits that hide what others recorded; ``trace`` the rules that fired, in words. ``withheld``: something
    may be hidden, so the fixed sentence may have to be said (``hides`` tells of an item)."""

    refusal: Refusal | None
    limits: Limits = Limits()
    sections: frozenset[str] = frozenset()
    hidden: int = 0
    withheld: bool = False
    trace: tuple[str, ...] = ()
    facts: Facts = field(default_factory=Facts)
    basis: str = ""

    def hides(self, publisher: int, bits: int) -> bool:
        """Whether an item with these labels is hidden from this caller for its labels: what the fixed sentence speaks
        of."""
        return bool(
            bits & (labels.HIDDEN_ALWAYS if publisher in self.facts.own else self.hidden) & ~labels.HIDDEN_ALWAYS
        )

    def blanks(self, publisher: int, bits: int) -> bool:
        """Whether an item is served blanked (``links.redact``): somebody else recorded it, and it points at something
        hidden."""
        return bool(bits & labels.BLANKED) and publisher not in self.facts.own


def decide(caller: Caller, act: Act, facts: Facts) -> Decision:
    """Decide. Pure: the same caller, act and facts, the same answer; whatever is not allowed by a row is refused.

    >>> decide(Caller("u", "n", "A99001"), Act("read", "Patient"), Facts.of_nobody(0)).refusal.code
    'login'
    """
    trace: list[str] = []
    refusal = _caller_alone(caller, act, facts, trace)
    if refusal:
        return Decision(refusal, trace=tuple(trace), facts=_without_persons(facts))
    rules = roles.rules_for(caller, act.name)
    if act.name in ABOUT_NOBODY or act.type in roles.DIRECTORY:
        return _about_nobody(rules, act, facts, trace)
    opening = tuple(rule for rule in rules if act.name in VIEWS or roles.opens(rule, act.type))
    return _about_a_person(_Case.of(caller, act, facts, opening, trace))


ABOUT_NOBODY = frozenset({"permit", "audit", "export", "export-admin", "jobs"})
"""Acts that depend on the caller alone."""
SUMMARY, SHARED = "summary", "shared"
VIEWS = frozenset({SUMMARY, SHARED})
"""Documents that speak of the whole person: they need relationship and permission even of who recorded part of it."""


def before_lookup(caller: Caller, act: Act, facts: Facts) -> Refusal | None:
    """Return the refusal that depends on the caller alone (and on the gateway being ready), for asking before anything
    is looked up."""
    return _caller_alone(caller, act, facts, [])


def _caller_alone(caller: Caller, act: Act, facts: Facts, trace: list[str]) -> Refusal | None:
    """Steps 0 to 2, and whether the gateway may answer anybody."""
    if (
        not caller.user
        or (caller.kind == "user" and not caller.role)
        or (caller.kind == "system" and not caller.project)
    ):
        return _refuse(NOT_KNOWN, trace, "0 authenticate: no selected role, or a client of no project")
    trace.append(
        f"0 authenticate: {roles.ROLES.get(caller.role, 'unknown role') if caller.kind == 'user' else 'system client'}"
    )
    name = act.name
    if act.type in roles.DIRECTORY:
        if caller.kind != "user" or caller.role not in roles.ROLES or not caller.activities:
            return _refuse(NO_ROLE, trace, "1 activity: a known role with an activity reads the directory")
    elif not [rule for rule in roles.rules_for(caller, name) if roles.opens(rule, act.type)]:
        known = roles.knows(caller, name, act.type)
        return _refuse(
            NO_ACTIVITY if known else NO_ROLE,
            trace,
            f"1 activity: no row of the role allows {name}{' without its activity' if known else ''}",
        )
    trace.append(f"1 activity: {act.name} is allowed to the role")
    if not caller.organisation:
        return _refuse(NO_ORGANISATION, trace, "2 organisation: none")
    trace.append("2 organisation: the selected role's")
    scoped = roles.scoped_types(caller, act.name)
    if act.type and scoped is not None and "*" not in scoped and act.type not in scoped:
        return _refuse(NO_SCOPE, trace, "2 scopes: the type is not among them")
    if facts.live and facts.missing:
        return _refuse(NOT_READY, trace, "code sets are missing")
    return None


def _refuse(refusal: Refusal, trace: list[str], why: str) -> Refusal:
    trace.append(f"{why}: refused, {refusal.code}")
    return refusal


def _without_persons(facts: Facts) -> Facts:
    return replace(facts, patients=(), claimants=(), persons=())


def _about_nobody(rules: Sequence[Rule], act: Act, facts: Facts, trace: list[str]) -> Decision:
    trace += [f"7 role: {rule.reason}" for rule in rules]
    if act.type in roles.DIRECTORY:
        trace.append("7 role: organisations and staff are open to any role")
        allow = Allow(roles.DIRECTORY, facts.active, None, labels.HIDDEN_ALWAYS)
        history = facts.own & facts.active if act.name in ("vread", "history") else None
        return Decision(None, Limits((allow,), Whose.NOBODY, history), trace=tuple(trace), facts=facts)
    return Decision(None, Limits(), trace=tuple(trace), facts=facts)


@dataclass(frozen=True, slots=True)
class _Case:
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
    def of(cls, caller: Caller, act: Act, facts: Facts, rules: Sequence[Rule], trace: list[str]) -> _Case:
        """The case with what the caller's organisation holds: its active publishers, and its Patients."""
        own = facts.own & facts.active
        patients = tuple(patient for patient in facts.patients if patient.publisher in own)
        return cls(caller, act, facts, rules, own, patients, trace)

    @property
    def everyone(self) -> tuple[PatientFact, ...]:
        """Every Patient whose labels can cause a refusal: gathered ones and claimants."""
        return (*self.facts.patients, *self.facts.claimants)

    def has_label(self, bits: int) -> bool:
        """Whether any of them carries one of these labels."""
        return any(patient.labels & bits for patient in self.everyone)


def _about_a_person(case: _Case) -> Decision:
    """Steps 3 to 8."""
    held = "what the organisation recorded is not withheld from it" if case.own_patients else "none held"
    case.trace.append(f"3 own record: {held}")
    basis = _basis(case)
    if not basis and (not case.own_patients or case.act.name in VIEWS):
        return _refused(case, PTV_REQUIRED, "4 relationship and permission: not both")
    if len(case.facts.persons) > 1:
        return _refused(case, NOT_SHOWN, "5 patient status: more than one person is asked about")
    if case.has_label(labels.RESTRICTED):
        return _refused(case, NOT_SHOWN, "5 patient status: restricted")
    own, others = _shown(case, basis)
    if not any(patient.publisher in own | others for patient in case.facts.patients):
        return _refused(case, NOT_SHOWN, "6 choices: nothing is left to show")
    return _limited(case, basis, own, others)


def _basis(case: _Case) -> str:
    """Step 4: a legitimate relationship of the caller's own organisation, and permission to view. "" where either is
    missing."""
    organisation, trace = case.caller.organisation, case.trace
    if any(patient.registered and patient.ods == organisation for patient in case.own_patients):
        trace.append("4 relationship: registered here; permission is implied")
        return "registered"
    if not any(patient.attending and patient.ods == organisation for patient in case.own_patients):
        trace.append("4 relationship: none")
        return ""
    trace.append("4 relationship: an active encounter, referral or care package here")
    permission = case.facts.permission
    if permission is None or not _is_in_force(permission, case):
        trace.append("4 permission: none in force")
        return ""
    trace.append(f"4 permission: {permission.basis}")
    return permission.basis


def _is_in_force(permission: Permission, case: _Case) -> bool:
    is_ours = permission.organisation == case.caller.organisation
    return is_ours and permission.until > case.facts.now and permission.basis in BASES


def _shown(case: _Case, basis: str) -> tuple[frozenset[int], frozenset[int]]:
    """The publishers that may show anything: the caller's own, and others. Only who registers the patient authors the
    GP summary; a practice that attends to a temporary resident sees its own part of it."""
    is_own_only = not basis or all(rule.own for rule in case.rules)
    own, others = case.own, frozenset() if is_own_only else _others(case)
    if case.act.name != SUMMARY:
        return own, others
    authors = {
        patient.publisher for patient in case.facts.patients if patient.registered and kinds.of(patient.kind).registers
    }
    visited = {
        patient.publisher for patient in case.own_patients if patient.attending and kinds.of(patient.kind).registers
    }
    return own & (authors | visited), others & authors


def _others(case: _Case) -> frozenset[int]:
    """Steps 5 and 6 for what others recorded: which other publishers may show anything at all."""
    patients, trace = case.facts.patients, case.trace
    if any(patient.deceased for patient in patients):
        trace.append("5 patient status: deceased, so the relationship has ended; own record only")
        return frozenset()
    if all(patient.grade == identity.CLAIMED for patient in patients):
        trace.append("5 patient status: the number is not traced; own record only")
        return frozenset()
    trace.append("5 patient status: not restricted")
    governing, choice = _governing(case.act)
    if case.has_label(governing):
        trace.append(f"6 choices: {choice} stands; own record only")
        return frozenset()
    trace.append("6 choices: none against")
    return case.facts.active - case.own


def _governing(act: Act) -> tuple[int, str]:
    """The choice that governs what others recorded, as a label and in words."""
    if act.name == SUMMARY:
        return labels.SUMMARY_DISSENT, "dissent from the summary"
    return labels.OBJECTION, "objection to sharing"


def _limited(case: _Case, basis: str, own: frozenset[int], others: frozenset[int]) -> Decision:
    """Steps 7 and 8: the limits, the sections and what is hidden."""
    hidden = labels.HIDDEN_FROM_OTHERS & ~(labels.SERVICE if case.facts.consented else 0)
    is_core_only = case.act.name == SUMMARY and case.has_label(labels.SUMMARY_CORE_ONLY)
    scoped = roles.scoped_types(case.caller, case.act.name)
    allow: list[Allow] = []
    sections: set[str] = set()
    for rule in case.rules:
        case.trace.append(f"7 role: {rule.reason}")
        of_others = rule.sections & roles.CORE if is_core_only else rule.sections
        for publishers, bits, opened in (
            (own, labels.HIDDEN_ALWAYS, rule.sections),
            (frozenset() if rule.own else others, hidden, of_others),
        ):
            if publishers:
                sections |= opened
                allow += _allows(rule, opened, publishers, bits, scoped)
    if is_core_only and others:
        case.trace.append("6 choices: core summary only")
    sensitive = "hidden in what others recorded" if others else "own record, nothing withheld"
    case.trace.append(f"8 sensitive: {sensitive}")
    return Decision(
        None,
        Limits(tuple(allow), frozenset(patient.key for patient in case.facts.patients), _history(case, own)),
        frozenset(sections),
        hidden if others else labels.HIDDEN_ALWAYS,
        bool(others),
        tuple(case.trace),
        case.facts,
        basis or "own-record",
    )


def _history(case: _Case, own: frozenset[int]) -> frozenset[int] | None:
    """The publishers whose superseded versions may be seen: the caller's own, by who has a row for history."""
    if not own or case.act.name not in ("vread", "history", "read"):
        return None
    return own if roles.rules_for(case.caller, "history") else None


def _allows(
    rule: Rule, sections: frozenset[str], publishers: frozenset[int], hidden: int, scoped: frozenset[str] | None
) -> list[Allow]:
    """The rows of limits for one rule: types by kind of publisher, because social care's episodes and problems are its
    services."""
    types = roles.types_of(sections) | ({"Patient"} if rule.demographics else frozenset())
    if kinds.SOCIAL_CARE not in sections:
        types = _scoped(types, scoped)
        return [Allow(types, publishers, None, hidden)] if types else []
    opened: dict[frozenset[str], frozenset[str]] = {}
    for kind in kinds.KINDS.values():
        more = kinds.opened_by(sections, kind)
        of_kind = _scoped(types | more if more else types, scoped)
        opened[of_kind] = opened.get(of_kind, frozenset()) | {kind.name}
    if len(opened) == 1:
        return [Allow(of_all, publishers, None, hidden) for of_all in opened if of_all]
    return [Allow(of_kind, publishers, names, hidden) for of_kind, names in opened.items()]


def _scoped(types: frozenset[str], scoped: frozenset[str] | None) -> frozenset[str]:
    """Types as SMART scopes narrow them; None narrows nothing."""
    return types if scoped is None or "*" in scoped else types & scoped


def _refused(case: _Case, refusal: Refusal, why: str) -> Decision:
    """A refusal after the look-up: by number as the table says, by resource id always as an unknown id."""
    shown = refusal if case.act.by_number else NOT_FOUND
    case.trace.append(f"{why}: refused, {refusal.code}{'' if shown is refusal else ', answered as not found'}")
    return Decision(shown, trace=tuple(case.trace), facts=case.facts)
