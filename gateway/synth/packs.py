"""THE TABLE of packs: fixed people for those who test an integration, each with what must be seen of them.

The people of a pack are numbered after any ordinary world's, so that packs and a world can be loaded side by side. The
pack ``demo`` is the ten who are in every world.
"""

from __future__ import annotations

from gateway.synth.roles import FIXED, Fixed

FIRST = 800_001
"""The number of the first person of a pack. No ordinary world is as large."""

EACH = 100
"""Numbers of one pack."""

_SEEN = ("check_up", "attendance")
"""What makes somebody known to the practice and to the hospital."""


def _numbered(place: int, *scenarios: Fixed) -> dict[int, Fixed]:
    return dict(enumerate(scenarios, FIRST + place * EACH))


def _mess(role: str, kind: str, shows: str, **more: object) -> Fixed:
    """Return somebody of 47, known to practice and hospital, with one kind of mess."""
    sex = "F" if "surname" in kind else "M"
    return Fixed(role, sex, 47, (*_SEEN, "pneumonia"), shows, mess=(kind,), **more)  # type: ignore[arg-type]


_IDENTITY = _numbered(
    0,
    Fixed("clean", "F", 51, (*_SEEN, "contact"), "known rightly to all three sources: one person"),
    _mess("no-number", "hospital: number missing", "no NHS number at the hospital: not gathered"),
    _mess("check-digit", "hospital: wrong check digit", "a number that cannot be: not gathered by it"),
    _mess("spaces", "hospital: number with spaces", "999 000 0000 is the number without its spaces: gathered"),
    _mess("not-theirs", "hospital: somebody else's number", "the NHS number of `spaces`: gathered with neither"),
    _mess("misspelt", "hospital: surname misspelt", "number, birth date and forename agree: gathered"),
    _mess("swapped-date", "hospital: day and month of birth swapped", "another birth date: not gathered, for review"),
    _mess("placeholder", "hospital: placeholder birth date", "1900-01-01 is no birth date: not gathered"),
    _mess("names-swapped", "hospital: names in each other's place", "forename and surname swapped: not gathered, for review"),
    _mess("former-name", "hospital: former surname", "the surname of before a marriage: gathered by forename"),
    _mess("merged", "hospital: merged", "two hospital numbers made one: both are the person's"),
    _mess("two-numbers", "hospital: two numbers", "two hospital numbers never made one: both gathered by NHS number"),
    _mess("overlaid", "hospital: overlaid", "somebody else's details over the record: never gathered"),
    _mess("moved", "gp: moved practice", "a former practice's record: gathered, and not the current one", at=0),
    _mess("twice", "gp: registered twice", "two records of one practice: gathered, none lost"),
    Fixed("twin-first", "F", 31, _SEEN, "the twin born first: never gathered with the second"),
    Fixed(
        "twin-second", "M", 31, _SEEN, "the hospital has the first twin's number: with nobody gathered there",
        mess=("hospital: twin's number",), twin=FIRST + 15,
    ),
    Fixed("young-twin-first", "M", 6, _SEEN, "a child, the twin born first: never gathered with the second"),
    Fixed(
        "young-twin-second", "M", 6, _SEEN, "his brother, at one address: the hospital has the first twin's number",
        mess=("hospital: twin's number",), twin=FIRST + 17,
    ),
    _mess("superseded", "hospital: superseded number", "the NHS number of before: not gathered until PDS says it"),
    _mess("gender-changed", "hospital: gender and number changed", "former number, name and sex: nothing may link them"),
)  # fmt: skip
_PRIVACY = _numbered(
    1,
    Fixed("open", "F", 45, (*_SEEN, "contact"), "nothing to hide: the control"),
    Fixed("opted-out", "M", 58, _SEEN, "national data opt-out: in no export, shown for care", roles=("opted-out",)),
    Fixed("restricted", "F", 33, _SEEN, "restricted on the Spine: shown to nobody, in no export", roles=("restricted",)),
    Fixed("type-1", "M", 62, (*_SEEN, "objection"), "type 1 objection: the practice's data stay at home"),
    Fixed("dissent", "F", 49, (*_SEEN, "dissent"), "dissent from the Summary Care Record: recorded as a choice"),
    Fixed("sexual-health", "M", 29, (*_SEEN, "sensitive"), "an item of the sexual health set is withheld"),
    Fixed("pregnancy-ended", "F", 30, (*_SEEN, "sensitive_pregnancy"), "an item of the termination set is withheld"),
    Fixed("fertility", "F", 36, (*_SEEN, "sensitive_fertility"), "an item of the fertility set is withheld"),
    Fixed("gender", "F", 41, (*_SEEN, "sensitive_gender"), "an item of the gender set is withheld"),
    Fixed("died", "M", 84, (*_SEEN, "hypertension"), "has died: the date is known to all", dies=True),
)  # fmt: skip
_JOURNEYS = _numbered(
    2,
    Fixed("hip", "F", 83, ("check_up", "hip_fracture"), "hip fracture: emergency, ward, theatre, letter, reablement"),
    Fixed("pneumonia", "M", 71, ("check_up", "pneumonia"), "pneumonia: bloods, swab, film, antibiotic"),
    Fixed("heart", "M", 66, ("check_up", "heart_attack"), "heart attack: stent, rehabilitation, tablets"),
    Fixed("stroke", "F", 74, ("check_up", "stroke"), "stroke: stroke unit, home early with a team, reablement"),
    Fixed("diabetes", "M", 59, ("check_up", "diabetes"), "type 2 diabetes with reviews"),
    Fixed("copd", "M", 70, ("check_up", "copd"), "COPD with reviews"),
    Fixed("frailty", "F", 88, ("check_up", "frailty"), "severe frailty, long-term care from the council"),
    Fixed("cancer", "F", 57, ("check_up", "cancer"), "urgent referral, operation, clinics"),
    Fixed("mother", "F", 30, ("check_up", "birth_given"), "pregnancy and birth"),
    Fixed("baby", "M", 0, ("born",), "her baby: with its own NHS number from birth", mother=FIRST + 208),
    Fixed("child", "F", 8, ("check_up", "child_asthma"), "a child's asthma attack"),
    Fixed("self-harm", "M", 24, ("check_up", "self_harm"), "an overdose, a night in hospital"),
    Fixed("learning-disability", "F", 38, ("check_up", "learning_disability"), "on the register, with yearly checks"),
    Fixed("dementia", "M", 81, ("check_up", "dementia"), "dementia, assessed by the council"),
    Fixed("homeless", "M", 44, ("homeless",), "comes to the emergency department again and again"),
    Fixed("knee", "F", 69, ("check_up", "knee"), "a new knee, and help at home"),
    Fixed("cataract", "M", 77, ("check_up", "cataract"), "a cataract taken out in a day"),
)  # fmt: skip

PACKS: dict[str, dict[int, Fixed]] = {
    "demo": FIXED,
    "identity": _IDENTITY,
    "privacy": _PRIVACY,
    "journeys": _JOURNEYS,
}
CAST: dict[int, Fixed] = {number: fixed for pack in PACKS.values() for number, fixed in pack.items()}
"""Everyone who is fixed, by number."""
