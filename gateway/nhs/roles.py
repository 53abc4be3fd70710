"""THE TABLE of who may do what. A caller needs a row of their one role, with that row's activity code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Unauthenticated
from gateway.fhir import params
from gateway.nhs import identifiers, kinds, scopes

VERSION = "2026-11"
"""Version of these tables. The national role baseline was not available: this is our default policy, for governance to
sign."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: one person in one selected role at one organisation, or a system bound to one project. Made from
    verified claims only. ``scopes`` are those of the token, None where it names none; ``issuer`` vouches for the
    rest."""

    user: str
    name: str
    organisation: str
    role: str = ""
    activities: frozenset[str] = frozenset()
    kind: str = "user"
    scopes: frozenset[str] | None = None
    token: str = ""
    project: str = ""
    issuer: str = ""
    address: str = ""
    """Where the request came from, for the audit; never a reason to permit anything."""
    publishers: frozenset[str] = frozenset()
    """Of a system that is registered here: the publishers (``source:code``) that it may write for."""
    registered: int = 0
    """Of a system that is registered here: when its registration was last changed before the token (µs UTC)."""
    patient: str = ""
    """The id of the only Patient that an app was launched for; "" where it was launched for none."""
    number: str = ""
    """Of a person who looks at their own record: the NHS number that their issuer proved to be theirs."""
    born: str = ""
    """Of such a person: their birth date, as the issuer knows it; "" where it does not say."""

    @property
    def level(self) -> str:
        """The level of the scopes that count: of a person, and of an app that was launched for one patient, only those
        about patients."""
        return "patient" if self.patient or self.kind == CITIZEN else self.kind


CITIZEN = "citizen"
"""The kind of caller that is a person who looks at their own record. They hold no role and act for no organisation."""
VECTORS = ("P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm")
"""What NHS login is asked for, and all that is taken, of patients: identity proved (P9), and more than a password.
https://nhsconnect.github.io/nhslogin/vectors-of-trust/"""


ROLES: Mapping[str, str] = {
    "R8000": "Clinical Practitioner",
    "R8001": "Nurse",
    "R8003": "Health Professional",
    "R8004": "Healthcare Student",
    "R8006": "Medical Secretary",
    "R8008": "Admin/Clinical Support",
    "R8009": "Receptionist",
    "R8010": "Clerical",
    "R8014": "Social Worker",
    "R8015": "Systems Support",
    "R8016": "Midwife",
    "R0001": "Privacy Officer",
    "R5105": "Caldicott Guardian",
    "R0260": "General Medical Practitioner",
    "R1290": "Pharmacist",
}
"""The roles we know, by the last part of a national role code (``S8000:G8000:R8001``)."""

INCLUDES: Mapping[str, tuple[str, ...]] = {
    "B8029": ("B8028",),
    "B8028": ("B0380",),
    "B0380": ("B0360",),
    "B0825": ("B0820",),
}
"""Activities that include others. CIS2 does not expand them; a baseline that is not in the token is refused, not
assumed."""

VIEW_SUMMARY, VIEW_DETAIL, TRACE = "B0370", "B0360", "B0264"
DEMOGRAPHICS, AUDIT_TRAILS, LOCAL_ADMIN = "B0820", "B0011", "B0062"
EMERGENCY, LEGAL_OVERRIDE = "B0168", "B0082"
ACTIVITIES: Mapping[str, str] = {
    VIEW_SUMMARY: "View Summary Health Records",
    VIEW_DETAIL: "View Detailed Health Records",
    TRACE: "Access SCR Application (Perform Patient Trace)",
    DEMOGRAPHICS: "View Patient Demographics",
    AUDIT_TRAILS: "Analyse Audit Trails",
    LOCAL_ADMIN: "Local System Administration",
    EMERGENCY: "Emergency Access",
    LEGAL_OVERRIDE: "Legal Override of Consent",
}

SECTION_TYPES: Mapping[str, frozenset[str]] = {
    "allergies": frozenset({"AllergyIntolerance"}),
    "medicines": frozenset({"MedicationRequest", "MedicationStatement", "Medication"}),
    "problems": frozenset({"Condition"}),
    "results": frozenset({"Observation", "DiagnosticReport", "Specimen"}),
    "immunisations": frozenset({"Immunization"}),
    "procedures": frozenset({"Procedure"}),
    "encounters": frozenset({"Encounter", "EpisodeOfCare", "Appointment"}),
    "documents": frozenset({"DocumentReference"}),
    "referrals": frozenset({"ServiceRequest"}),
    "family": frozenset({"FamilyMemberHistory"}),
    "alerts": frozenset({"Flag"}),
    "choices": frozenset({"Consent"}),
    "provenance": frozenset({"Provenance"}),
    "contacts": frozenset({"RelatedPerson"}),
    kinds.SOCIAL_CARE: frozenset({"Task", "CarePlan", "CareTeam", "DeviceRequest", "QuestionnaireResponse"}),
}
"""A right is to a section; these are the types it opens. ``Patient`` comes with any of them; a type in no section is
nobody's."""

DIRECTORY = frozenset(params.DIRECTORY_TYPES)
BOOK = frozenset(params.BOOK_TYPES)
"""Of the directory, what only the organisation's own staff read: a book that fills up while somebody waits outside may
tell of a person, and shows when each member of staff works."""

CORE = frozenset({"allergies", "medicines"})
ALL = frozenset(SECTION_TYPES)
PHARMACY = CORE | {"problems", "results", "immunisations", "alerts"}
SOCIAL = CORE | {"immunisations", "encounters", kinds.SOCIAL_CARE, "alerts", "contacts"}
ADDITIONAL = ALL - {kinds.SOCIAL_CARE, "provenance"}
CONTRIBUTED = ALL - {"choices", "provenance"}
"""What a contributor's client may write: no Consent, which would change who may see what."""
UNWRITTEN = frozenset({"Task"})
"""Of what those sections hold, what nobody writes: a Task is a request to somebody, whom a gateway cannot ask."""
NOTIFIED = ALL - {"choices", "provenance"}
"""What a contributor's client may be told to have changed: nothing that speaks of who may see what."""

CLINICIANS = frozenset({"R8000", "R8001", "R8016", "R0260"})
PHARMACISTS = frozenset({"R8003", "R1290"})
SOCIAL_WORKERS = frozenset({"R8014"})
OFFICE = frozenset({"R8006", "R8008", "R8009", "R8010"})
GUARDIANS = frozenset({"R0001", "R5105"})
SUPPORT = frozenset({"R8015"})
SYSTEM = frozenset({"system"})
"""A system client has no role; it has a project."""
CITIZENS = frozenset({CITIZEN})
"""A person who looks at their own record has no role; their identity is proved."""

RESOURCES = frozenset({"read", "vread", "search", "history", "everything"})
WRITES = frozenset({"create", "update", "delete"})
VALIDATE = frozenset({"validate"})
CASELOAD = frozenset({"caseload"})
NOTIFIES = frozenset({"subscribe", "notify"})
"""What a system keeps subscriptions by, and is told of changes by: ``notify`` is asked when a notification leaves."""
NONE: frozenset[str] = frozenset()


DIRECT_CARE, SECONDARY_USE = "Direct care", "Secondary use"
"""The issues that rows wait for: nothing asks such a row until that issue lands, and a test lists them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: these roles, holding this activity, may do these acts, on these sections. ``own`` limits the row to
    what the caller's own organisation recorded. ``scope`` is asked of system clients instead of an activity. ``waits``
    names the issue that will ask the row, where nothing does yet."""

    roles: frozenset[str]
    activity: str
    acts: frozenset[str]
    sections: frozenset[str]
    reason: str
    own: bool = False
    demographics: bool = False
    scope: str = ""
    waits: str = ""


SUMMARY, SHARED, PERMIT = frozenset({"summary"}), frozenset({"shared"}), frozenset({"permit"})
RULES: tuple[Rule, ...] = (
    Rule(CLINICIANS, VIEW_SUMMARY, SUMMARY, ADDITIONAL, "the summary, core and additional, for who treats the patient"),
    Rule(CLINICIANS, VIEW_DETAIL, RESOURCES | SHARED, ALL, "the shared record and its resources, for who treats the patient"),
    Rule(CLINICIANS, VIEW_SUMMARY, PERMIT, NONE, "who asks the patient records the answer"),
    Rule(PHARMACISTS, VIEW_SUMMARY, SUMMARY, ADDITIONAL, "access in community pharmacy is limited to registered professionals"),
    Rule(PHARMACISTS, VIEW_SUMMARY, SHARED, PHARMACY, "medicines, allergies, problems, results, immunisations, alerts"),
    Rule(PHARMACISTS, VIEW_DETAIL, RESOURCES, PHARMACY, "the same sections as resources"),
    Rule(PHARMACISTS, VIEW_SUMMARY, PERMIT, NONE, "who asks the patient records the answer"),
    Rule(SOCIAL_WORKERS, VIEW_SUMMARY, SUMMARY, SOCIAL - {kinds.SOCIAL_CARE, "alerts", "contacts"},
         "medicines, allergies, immunisations, encounters"),
    Rule(SOCIAL_WORKERS, VIEW_SUMMARY, SHARED, SOCIAL, "the same, with social care, alerts and contacts"),
    Rule(SOCIAL_WORKERS, VIEW_DETAIL, RESOURCES, SOCIAL, "the same sections as resources"),
    Rule(SOCIAL_WORKERS, VIEW_SUMMARY, PERMIT, NONE, "who asks the patient records the answer"),
    Rule(CLINICIANS | SOCIAL_WORKERS, VIEW_DETAIL, CASELOAD, NONE, "who is in the care of their own organisation now, as a list, for who treats them",
         own=True, demographics=True),
    Rule(OFFICE, TRACE, PERMIT, NONE, "reception may record relationship and permission, and sees nothing clinical"),
    Rule(CLINICIANS | PHARMACISTS, EMERGENCY, frozenset({"break-glass"}), NONE, "who treats somebody that cannot be asked says why; an alert is raised"),
    Rule(CLINICIANS | GUARDIANS, LEGAL_OVERRIDE, frozenset({"override"}), NONE, "a court order, a statute or the public interest, with its reason; an alert is raised"),
    Rule(OFFICE, DEMOGRAPHICS, frozenset({"read", "search", "everything"}), NONE, "reception finds its own organisation's patients", own=True, demographics=True),
    Rule(GUARDIANS, AUDIT_TRAILS, frozenset({"audit"}), NONE, "who looked, for the organisation they answer for"),
    Rule(GUARDIANS, AUDIT_TRAILS, frozenset({"history", "vread"}), ALL, "superseded and deleted versions of their own organisation", own=True),
    Rule(SUPPORT, LOCAL_ADMIN, frozenset({"jobs"}), NONE, "runs the gateway; sees no patient"),
    Rule(SUPPORT, LOCAL_ADMIN, frozenset({"export-admin"}), NONE, "runs the exports of projects; sees no patient", waits=SECONDARY_USE),
    Rule(SYSTEM, "", frozenset({"export"}), NONE, "a project's client fetches its own export", scope="system"),
    Rule(SYSTEM, "", WRITES, CONTRIBUTED, "a contributor's client writes what its own organisation recorded, and no Task", own=True, scope="system"),
    Rule(SYSTEM, "", VALIDATE, NONE, "a client checks what it would send; nobody is shown", scope="system"),
    Rule(SYSTEM, "", NOTIFIES, NOTIFIED, "a contributor's client is told that something of a person in its organisation's care has changed", scope="system"),
    Rule(CLINICIANS, VIEW_DETAIL, VALIDATE, NONE, "checks a resource that they hold; nobody is shown"),
    Rule(SUPPORT, LOCAL_ADMIN, VALIDATE, NONE, "checks what integrators send; nobody is shown"),
    Rule(CITIZENS, "", frozenset({"looked", "choices"}), NONE, "a person sees who looked at their own record, refusals too, and which choices of theirs are held"),
)  # fmt: skip
"""THE TABLE of who may do what."""


def expanded(activities: Iterable[str], includes: Mapping[str, Iterable[str]] = INCLUDES) -> frozenset[str]:
    """Return the activities with all they include; ``includes`` may be another version's table.

    >>> sorted(expanded(["B0380"]))
    ['B0360', 'B0380']
    """
    held: set[str] = set()
    waiting = list(activities)
    while waiting:
        activity = waiting.pop()
        if activity not in held:
            held.add(activity)
            waiting += includes.get(activity, ())
    return frozenset(held)


def rules_for(caller: Caller, act: str) -> tuple[Rule, ...]:
    """Return the rows that let this caller do this act, whoever the patient is; none means refused."""
    return _rules(_role_of(caller), caller.activities, caller.scopes or frozenset(), act)


@lru_cache(maxsize=4096)
def _rules(role: str, activities: frozenset[str], scopes: frozenset[str], act: str) -> tuple[Rule, ...]:
    held = expanded(activities)
    return tuple(rule for rule in RULES if role in rule.roles and act in rule.acts and _has(rule, held, scopes))


def knows(caller: Caller, act: str, resource_type: str = "") -> bool:
    """Whether the caller's role has a row for the act at all, activity or not: tells a missing role from a missing
    activity."""
    role = _role_of(caller)
    return any(role in rule.roles and act in rule.acts and opens(rule, resource_type) for rule in RULES)


def _role_of(caller: Caller) -> str:
    """Whom the rows call this caller. A member of staff whose role code reads like another kind of caller is nobody."""
    if caller.kind in (CITIZEN, "system"):
        return caller.kind
    return "" if caller.role in CITIZENS | SYSTEM else caller.role


def opens(rule: Rule, resource_type: str) -> bool:
    """Whether a row opens a type of resource at all; a row that is about no type does."""
    if not resource_type or not rule.acts & (RESOURCES | WRITES | NOTIFIES):
        return True
    if rule.acts & WRITES and resource_type in UNWRITTEN:
        return False
    if rule.acts & WRITES and resource_type in DIRECTORY - BOOK:
        return True
    if resource_type in types_of(rule.sections) or (rule.demographics and resource_type == "Patient"):
        return True
    return any(resource_type in kinds.opened_by(rule.sections, kind) for kind in kinds.KINDS.values())


def _has(rule: Rule, held: frozenset[str], scopes: frozenset[str]) -> bool:
    if rule.scope:
        return any(scope.startswith(rule.scope + "/") for scope in scopes)
    if rule.roles == CITIZENS:
        return True
    return bool(rule.activity) and rule.activity in held


def system_acts() -> frozenset[str]:
    """The acts that a system client may do at all."""
    return frozenset().union(*(rule.acts for rule in RULES if rule.roles >= SYSTEM))


def types_of(sections: Iterable[str]) -> frozenset[str]:
    """The resource types that sections open; the Patient comes with any."""
    return _types(frozenset(sections))


@lru_cache(maxsize=256)
def _types(sections: frozenset[str]) -> frozenset[str]:
    opened = frozenset().union(*(SECTION_TYPES[section] for section in sections))
    return opened | {"Patient"} if opened else opened


def covered(sections: frozenset[str], scoped: frozenset[str] | None) -> frozenset[str]:
    """The sections that scopes let be shown whole: one of which they leave out a type is not shown at all, because
    what is left of it would read as all there is.

    ``scoped`` are types as ``scopes.types`` gives them.
    """
    if scoped is None or scopes.EVERY in scoped:
        return sections
    return frozenset(section for section in sections if _whole(section) <= scoped)


def _whole(section: str) -> frozenset[str]:
    """The types that a section is made of, of those that are served at all."""
    whole = SECTION_TYPES[section] | (kinds.SOCIAL_CARE_TYPES if section == kinds.SOCIAL_CARE else frozenset())
    return whole & frozenset(params.SEARCHABLE) or whole


def caller_from_claims(claims: Mapping[str, Any]) -> Caller:
    """Return the caller of verified claims, in the shape CIS2 gives them. Raises ``Unauthenticated`` where several
    roles could be meant.

    Roles are never combined: only the selected role's organisation and activities count. Someone without a role may do
    nothing.
    """
    held = scopes.from_claims(claims)
    levels = {scope.partition("/")[0] for scope in held or () if "/" in scope}
    if "client_id" in claims and "system" in levels:
        if levels & {"user", "patient"}:
            raise Unauthenticated("token: system and user scopes are mixed")
        client = _text(claims, "client_id")
        return Caller(
            client,
            client,
            _text(claims, "org_code"),
            kind="system",
            scopes=held,
            token=_text(claims, "jti"),
            project=_text(claims, "project"),
            issuer=_text(claims, "iss"),
            publishers=_publishers(claims),
            registered=_registered(claims),
        )
    if "system" in levels:
        raise Unauthenticated("token: system scopes of no client")
    if "nhs_number" in claims and "nhsid_nrbac_roles" not in claims:
        return citizen_from_claims(claims)
    role = _selected(claims)
    return Caller(
        user=_text(claims, "nhsid_useruid") or _text(claims, "sub"),
        name=_text(claims, "name"),
        organisation=_text(role, "org_code"),
        role=_text(role, "role_code").rpartition(":")[2],
        activities=frozenset(code for code in role.get("activity_codes", ()) if isinstance(code, str)),
        scopes=held,
        token=_text(claims, "jti"),
        issuer=_text(claims, "iss"),
        patient=_text(claims, "patient") if "patient" in levels else "",
    )


def citizen_from_claims(claims: Mapping[str, Any]) -> Caller:
    """https://nhsconnect.github.io/nhslogin/user-attributes/

    Return a person who looks at their own record, by verified claims in the shape of NHS login. Whatever else the
    claims say, they hold no role. Without a valid NHS number they are shown nothing. Raises ``Unauthenticated`` where
    they did not prove who they are.
    """
    if claims.get("identity_proofing_level") != "P9" or claims.get("vot") not in VECTORS:
        raise Unauthenticated("token: identity_proofing_level")
    number = identifiers.normalise(_text(claims, "nhs_number"))
    return Caller(
        user=_text(claims, "sub"),
        name=_text(claims, "name"),
        organisation="",
        kind=CITIZEN,
        scopes=scopes.from_claims(claims),
        token=_text(claims, "jti"),
        issuer=_text(claims, "iss"),
        number=number if identifiers.is_valid(number) else "",
        born=_text(claims, "birthdate"),
    )


def _selected(claims: Mapping[str, Any]) -> Mapping[str, Any]:
    roles = claims.get("nhsid_nrbac_roles", ())
    if not isinstance(roles, (list, tuple)) or not all(isinstance(role, Mapping) for role in roles):
        raise Unauthenticated("token: nhsid_nrbac_roles")
    selected = claims.get("selected_roleid")
    if selected is not None:
        roles = [role for role in roles if role.get("person_roleid") == selected]
    if len(roles) > 1:
        raise Unauthenticated("token: one role must be selected")
    return roles[0] if roles else {}


def _registered(claims: Mapping[str, Any]) -> int:
    changed = claims.get("registered", 0)
    if type(changed) is not int:
        raise Unauthenticated("token: registered")
    return changed


def _publishers(claims: Mapping[str, Any]) -> frozenset[str]:
    publishers = claims.get("publishers", [])
    if not isinstance(publishers, list) or not all(isinstance(name, str) for name in publishers):
        raise Unauthenticated("token: publishers")
    return frozenset(publishers)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name, "")
    if not isinstance(value, str):
        raise Unauthenticated(f"token: {name}")
    return value
