"""The access decision: one pure function over facts about one person, answering with limits and with the rules that
fired.

The order is that of the national requirements: 0 who, 1 activity, 2 organisation — up to here nothing is looked up — 3
own record, 4 relationship and permission, 5 patient status, 6 the patient's choices, 7 role, 8 sensitive items. 9, the
audit, is ``records``'. The values are in ``decision``, the table of refusals in ``refusals``, steps 7 and 8 in
``showing``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.fhir.search import Allow, Limits, Whose
from gateway.nhs import identity, kinds, labels, oneself, roles, scopes
from gateway.nhs.decision import Act, Case, Decision, Facts, PatientFact, Permission
from gateway.nhs.refusals import (
    DECEASED,
    NO_ACTIVITY,
    NO_ORGANISATION,
    NO_RECORD,
    NO_RELATIONSHIP,
    NO_ROLE,
    NO_SCOPE,
    NOT_FOUND,
    NOT_KNOWN,
    NOT_READY,
    NOT_SHOWN,
    NOT_YOUR_ROLE,
    PERMISSION_REFUSED,
    PTV_REQUIRED,
    REFUSALS,
    WITHHELD,
    Refusal,
)
from gateway.nhs.relationship import ANSWERS, ATTENDING, BASES
from gateway.nhs.roles import Caller, Rule
from gateway.nhs.showing import SHARED, SUMMARY, limited

__all__ = [
    "ABOUT_NOBODY", "ANSWERS", "ATTENDING", "BASES", "DECEASED", "NOT_FOUND", "NOT_SHOWN", "NOT_YOUR_ROLE", "NO_RECORD", "NO_RELATIONSHIP",
    "NO_SCOPE", "PERMISSION_REFUSED", "PTV_REQUIRED", "REFUSALS", "SHARED", "SUMMARY", "VIEWS", "WITHHELD", "Act", "Decision", "Facts", "PatientFact",
    "Permission", "Refusal", "before_lookup", "decide", "is_related", "refused_early",
]  # fmt: skip

ABOUT_NOBODY = (
    frozenset({"permit", "break-glass", "override", "audit", "export", "export-admin", "jobs", "subscribe"})
    | roles.WRITES
    | roles.VALIDATE
)
"""Acts that depend on the caller alone. What is written is the caller's own organisation's, which intake sees to."""
WITHOUT_PROJECT = roles.WRITES | roles.VALIDATE
"""Acts of a system client that is bound to no project."""
VIEWS = frozenset({SUMMARY, SHARED})
"""Documents that speak of the whole person: they need relationship and permission even of who recorded part of it."""


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
    if act.name in ABOUT_NOBODY or _is_of_directory(act):
        return _about_nobody(rules, act, facts, trace)
    if caller.kind == roles.CITIZEN:
        return oneself.decided(Case.of(caller, act, facts, rules, trace))
    opening = tuple(rule for rule in rules if act.name in VIEWS or roles.opens(rule, act.type))
    return _about_a_person(Case.of(caller, act, facts, opening, trace))


def before_lookup(caller: Caller, act: Act, facts: Facts) -> Refusal | None:
    """Return the refusal that depends on the caller alone (and on the gateway being ready), for asking before anything
    is looked up."""
    return refused_early(caller, act, facts).refusal


def refused_early(caller: Caller, act: Act, facts: Facts) -> Decision:
    """``before_lookup`` with the rules that fired; a decision without a refusal is none yet, and shows nothing."""
    trace: list[str] = []
    refusal = _caller_alone(caller, act, facts, trace)
    return Decision(refusal, trace=tuple(trace), facts=_without_persons(facts))


def _caller_alone(caller: Caller, act: Act, facts: Facts, trace: list[str]) -> Refusal | None:
    """Steps 0 to 2, and whether the gateway may answer anybody."""
    if not caller.user or _is_anonymous(caller, act):
        return _refuse(NOT_KNOWN, trace, "0 authenticate: no selected role, or a client of no project or publisher")
    who = {roles.CITIZEN: "a person, of whom their issuer proved the number", "system": "system client"}.get(
        caller.kind, roles.ROLES.get(caller.role, "unknown role")
    )
    trace.append(f"0 authenticate: {who}")
    if refusal := _by_role(caller, act, trace):
        return refusal
    trace.append(f"1 activity: {act.name} is allowed to the role")
    if caller.kind == roles.CITIZEN:
        trace.append("2 organisation: none, for oneself")
    elif not caller.organisation:
        return _refuse(NO_ORGANISATION, trace, "2 organisation: none")
    else:
        trace.append("2 organisation: the selected role's")
    if not _is_in_scope(caller, act):
        return _refuse(NO_SCOPE, trace, "2 scopes: they do not cover this")
    if facts.live and facts.missing:
        return _refuse(NOT_READY, trace, "code sets are missing")
    return None


def _is_anonymous(caller: Caller, act: Act) -> bool:
    """Whether a caller is nobody for this act: of no role or of no project. What writes, or is told of changes in
    care, is bound to no project: one client both in care and fetching for secondary use would join the two."""
    if caller.kind == roles.CITIZEN:
        return not caller.number
    if caller.kind == "user":
        return not caller.role
    if act.name in roles.WRITES | roles.NOTIFIES:
        return bool(caller.project)
    return not caller.project and act.name not in WITHOUT_PROJECT


def _is_of_directory(act: Act) -> bool:
    """Whether an act reads organisations, staff or books."""
    return act.type in roles.DIRECTORY and act.name not in ABOUT_NOBODY


def _by_role(caller: Caller, act: Act, trace: list[str]) -> Refusal | None:
    """Step 1: a row of the role, with its activity."""
    if _is_of_directory(act):
        if caller.kind != "user" or caller.role not in roles.ROLES or not caller.activities:
            return _refuse(NO_ROLE, trace, "1 activity: a known role with an activity reads the directory")
    elif not any(roles.opens(rule, act.type) for rule in roles.rules_for(caller, act.name)):
        known = roles.knows(caller, act.name, act.type)
        refusal, without = (NO_ACTIVITY, " without its activity") if known else (NO_ROLE, "")
        return _refuse(refusal, trace, f"1 activity: no row of the role allows {act.name}{without}")
    return None


def _is_in_scope(caller: Caller, act: Act) -> bool:
    """Whether the token's scopes cover the act; a document is covered when they cover one of its sections."""
    if not scopes.cover(caller.scopes, caller.level, act.name, act.type):
        return False
    if caller.patient and act.name in ABOUT_NOBODY:
        return False
    scoped = scopes.types(caller.scopes, caller.level, act.name)
    return act.name not in VIEWS or any(
        roles.covered(rule.sections, scoped) for rule in roles.rules_for(caller, act.name)
    )


def _refuse(refusal: Refusal, trace: list[str], why: str) -> Refusal:
    trace.append(f"{why}: refused, {refusal.code}")
    return refusal


def _without_persons(facts: Facts) -> Facts:
    return replace(facts, patients=(), claimants=(), persons=())


def _about_nobody(rules: Sequence[Rule], act: Act, facts: Facts, trace: list[str]) -> Decision:
    trace += [f"7 role: {rule.reason}" for rule in rules]
    if _is_of_directory(act):
        trace.append("7 role: organisations and staff are open to any role, an appointment book to its own")
        own = facts.own & facts.active
        allows = (
            Allow(roles.DIRECTORY - roles.BOOK, facts.active, None, labels.HIDDEN_ALWAYS),
            Allow(roles.BOOK, own, None, labels.HIDDEN_ALWAYS),
        )
        history = own if act.name in ("vread", "history") else None
        return Decision(None, Limits(allows, Whose.NOBODY, history), trace=tuple(trace), facts=facts)
    return Decision(None, Limits(), trace=tuple(trace), facts=facts)


def _about_a_person(case: Case) -> Decision:
    """Steps 3 to 8."""
    if case.caller.patient not in ("", *(patient.id for patient in case.facts.patients)):
        return _refused(case, NOT_FOUND, "2 scopes: the app was launched for another patient")
    held = "what the organisation recorded is not withheld from it" if case.own_patients else "none held"
    case.trace.append(f"3 own record: {held}")
    basis = _basis(case)
    if not basis and (not case.own_patients or case.act.name in VIEWS):
        return _refused(case, _missing(case), "4 relationship and permission: not both")
    if len(case.facts.persons) > 1:
        return _refused(case, NOT_SHOWN, "5 patient status: more than one person is asked about")
    if case.has_label(labels.RESTRICTED):
        return _refused(case, NOT_SHOWN, "5 patient status: restricted")
    own, others = _shown(case, basis)
    if not any(patient.publisher in own | others for patient in case.facts.patients):
        return _refused(case, NOT_SHOWN, "6 choices: nothing is left to show")
    return limited(case, basis, own, others)


def _basis(case: Case) -> str:
    """Step 4: a legitimate relationship of the caller's own organisation, and permission to view. "" where either is
    missing."""
    organisation, trace = case.caller.organisation, case.trace
    if any(patient.registered and patient.ods == organisation for patient in case.own_patients):
        trace.append("4 relationship: registered here; permission is implied")
        return "registered"
    is_attending, permission = _is_attending(case), case.facts.permission
    known = "an active encounter, referral or care package here" if is_attending else "none"
    trace.append(f"4 relationship: {known}")
    if is_attending and permission is not None and _is_in_force(permission, case):
        trace.append(f"4 permission: {permission.basis}")
        return permission.basis
    claim = case.facts.claim if case.caller.kind == "user" else None
    if claim is not None and _is_in_force(claim, case) and BASES[claim.basis].stands_in:
        trace.append(f"4 permission: {claim.basis}, which stands in for a relationship too")
        return claim.basis
    if is_attending:
        trace.append("4 permission: none in force")
    return ""


def is_related(caller: Caller, facts: Facts) -> bool:
    """Whether the caller's organisation has a relationship with the person that a system tells of."""
    own = facts.own & facts.active
    return any(
        (patient.registered or patient.attending) and patient.publisher in own and patient.ods == caller.organisation
        for patient in facts.patients
    )


def _is_attending(case: Case) -> bool:
    return any(patient.attending and patient.ods == case.caller.organisation for patient in case.own_patients)


def _is_in_force(permission: Permission, case: Case) -> bool:
    is_ours = permission.organisation == case.caller.organisation
    return is_ours and permission.until > case.facts.now and permission.basis in BASES


def _missing(case: Case) -> Refusal:
    """The refusal that says what is missing. It depends only on what the caller's own organisation recorded: its
    patients, and its permission for the number asked."""
    if any(patient.deceased for patient in case.own_patients):
        return DECEASED
    if case.facts.claimed:
        return NOT_SHOWN
    if case.facts.refused:
        return PERMISSION_REFUSED
    return NO_RELATIONSHIP if case.facts.recorded and not _is_attending(case) else PTV_REQUIRED


def _shown(case: Case, basis: str) -> tuple[frozenset[int], frozenset[int]]:
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


def _others(case: Case) -> frozenset[int]:
    """Steps 5 and 6 for what others recorded: which other publishers may show anything at all."""
    patients, trace = case.facts.patients, case.trace
    if any(patient.deceased for patient in patients):
        trace.append("5 patient status: deceased, so the relationship has ended; own record only")
        return frozenset()
    if all(patient.grade == identity.CLAIMED for patient in patients):
        trace.append("5 patient status: the number is not traced; own record only")
        return frozenset()
    trace.append("5 patient status: not restricted")
    if case.act.name != SUMMARY and case.has_label(labels.OBJECTION):
        trace.append("6 choices: objection to sharing stands; own record only")
        return frozenset()
    others = case.facts.active - case.own
    if case.act.name in VIEWS and case.has_label(labels.SUMMARY_DISSENT):
        trace.append("6 choices: dissent from the summary stands; nothing of a practice but one's own")
        return others - case.practices
    trace.append("6 choices: none against")
    return others


def _refused(case: Case, refusal: Refusal, why: str) -> Decision:
    """A refusal after the look-up: by number as the table says, by resource id always as an unknown id."""
    shown = refusal if case.act.by_number else NOT_FOUND
    case.trace.append(f"{why}: refused, {refusal.code}{'' if shown is refusal else ', answered as not found'}")
    return Decision(shown, trace=tuple(case.trace), facts=case.facts)
