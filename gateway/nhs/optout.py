"""The patient's coded choices (summary, local sharing, Type 1): how one is recognised, and which of several stands."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from gateway.nhs import labels
from gateway.nhs.codesets import CodeSets

SETS = ("scr-preference", "sharing", "type1")
"""The sets whose members are choices."""
UNRECOGNISED = "unrecognised"
"""A consent-like code that no set holds: the most restrictive reading of every set, until reviewed."""

RESTRICTIVE: dict[str, tuple[str, ...]] = {
    "scr-preference": ("dissent", "core-only", "core", "core-and-additional"),
    "sharing": ("objection", "consent"),
    "type1": ("dissent", "withdrawn"),
}
"""Each set's effects, the most restrictive first. An effect that is not here (``none``) is known and says nothing."""

BITS = {
    ("scr-preference", "dissent"): labels.SUMMARY_DISSENT,
    ("scr-preference", "core-only"): labels.SUMMARY_CORE_ONLY,
    ("scr-preference", "core"): labels.SUMMARY_CORE_ONLY,
    ("sharing", "objection"): labels.OBJECTION,
    ("type1", "dissent"): labels.TYPE1,
}
"""The label that a choice in force puts on the Patient."""

STATED_IN = frozenset({"Observation", "Condition", "Procedure", "Consent", "Flag", "Communication"})
_VOID = frozenset({"entered-in-error", "cancelled", "rejected", "not-done"})
_DATES = (
    "effectiveDateTime",
    "performedDateTime",
    "recordedDate",
    "onsetDateTime",
    "dateTime",
    "sent",
    "issued",
    "date",
)
_CONSENT = re.compile(r"consent|dissent|object|opt(ed|ing|s)?[ -]?out|declin|refus|withdr[ae]w")
_SHARING = re.compile(
    r"summary care record|record sharing|upload|secondary use|type (1|2|one|two)\b|patient identifiable"
)
_GIVING = (
    (re.compile(r"shar(e|ed|ing)\b"), re.compile(r"\b(record|data|information)")),
    (re.compile(r"disclos|extract|releas"), re.compile(r"data|information|record")),
)
"""Words of giving, and what is given: one of each, in this order, on one line. One pattern for both would try every
pair of them, and a long text would hold up a load."""


def preference(resource: dict[str, Any], sets: CodeSets) -> tuple[str, str] | None:
    """Return (``set:effect``, date text) of the choice a resource states, or None. A code no set holds but whose words
    are of consent to sharing is ``unrecognised:dissent``.

    >>> preference({"resourceType": "Patient"}, CodeSets())
    """
    if resource["resourceType"] not in STATED_IN or resource.get("status") in _VOID:
        return None
    unrecognised = False
    for concept in _concepts(resource):
        choice, known = _choice(concept, sets)
        if choice:
            return choice, _date(resource)
        unrecognised |= not known and is_consent_like(concept)
    return (f"{UNRECOGNISED}:dissent", _date(resource)) if unrecognised else None


def has_consent_like_words(resource: dict[str, Any]) -> bool:
    """Whether any concept that could state a choice speaks of consenting to the sharing of records. Quick: asked of
    every resource."""
    for concept in _concepts(resource):
        if is_consent_like(concept):
            return True
    return False


def is_consent_like(concept: dict[str, Any]) -> bool:
    """Whether the words of a concept speak of consenting to the sharing of records."""
    words = concept.get("text")
    if words and _speaks_of_sharing(words):
        return True
    for coding in concept.get("coding", ()):
        if "display" in coding and _speaks_of_sharing(coding["display"]):
            return True
    return False


def standing(preferences: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return set → effect of the choices that stand: the latest dated one; of those whose dates cannot be told apart,
    the most restrictive.

    A choice without a date might be the latest, so it stands if it restricts.

    >>> standing([("type1:dissent", "2019-02-01"), ("type1:withdrawn", "2020")])
    {'type1': 'withdrawn'}
    >>> standing([("type1:dissent", "2020-05-01"), ("type1:withdrawn", "2020")])
    {'type1': 'dissent'}
    """
    stated: dict[str, list[tuple[int, int, str]]] = {}
    for name, when in preferences:
        set_name, _, effect = name.partition(":")
        low, high = _interval(when)
        if set_name == UNRECOGNISED:
            for other_set, effects in RESTRICTIVE.items():
                stated.setdefault(other_set, []).append((low, high, effects[0]))
        elif effect in RESTRICTIVE.get(set_name, ()):
            stated.setdefault(set_name, []).append((low, high, effect))
    return {name: _latest(choices, RESTRICTIVE[name]) for name, choices in sorted(stated.items())}


def strictest(stated: Iterable[tuple[int, str, str]]) -> dict[str, str]:
    """Set → effect of what stands in several Patients of a person, as it is acted on: each Patient's own latest, and of
    these the most restrictive, because any of them withholds. ``stated`` are (patient, name, date).

    >>> strictest([(1, "sharing:objection", "2015"), (2, "sharing:consent", "2020")])
    {'sharing': 'objection'}
    """
    by_patient: dict[int, list[tuple[str, str]]] = {}
    for key, name, at in stated:
        by_patient.setdefault(key, []).append((name, at))
    effects: dict[str, str] = {}
    for said in by_patient.values():
        for name, effect in standing(said).items():
            effects[name] = min(effects.get(name, effect), effect, key=RESTRICTIVE[name].index)
    return effects


def bits(standing: dict[str, str]) -> int:
    """The label bits a Patient carries for the choices that stand."""
    return sum(BITS.get(item, 0) for item in standing.items())


def _latest(choices: list[tuple[int, int, str]], order: tuple[str, ...]) -> str:
    latest = max(low for low, _, _ in choices)
    return min((effect for low, high, effect in choices if high > latest or low == latest), key=order.index)


def _concepts(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """Where a choice is stated: the resource's code, or a Consent's policy, category and provision."""
    if resource["resourceType"] != "Consent":
        return [resource["code"]] if "code" in resource else list(resource.get("category", ()))
    provision = resource.get("provision", {})
    return [
        *resource.get("category", ()),
        *([resource["policyRule"]] if "policyRule" in resource else ()),
        *provision.get("code", ()),
    ]


def _choice(concept: dict[str, Any], sets: CodeSets) -> tuple[str | None, bool]:
    """(the choice a concept states, whether any set knows it). Two codings of one concept: the most restrictive."""
    choices: list[tuple[int, str]] = []
    known = False
    for coding in concept.get("coding", ()):
        for name, effect in sets.find(coding.get("system", ""), coding.get("code", "")):
            known = True
            if name in SETS and effect in RESTRICTIVE[name]:
                choices.append((RESTRICTIVE[name].index(effect), f"{name}:{effect}"))
    return (min(choices)[1] if choices else None), known


def _date(resource: dict[str, Any]) -> str:
    """When the choice was made, as the source wrote it; empty where it does not say."""
    for element in _DATES:
        if element in resource:
            return str(resource[element])
    for element in ("effectivePeriod", "performedPeriod", "period"):
        if element in resource:
            return str(resource[element].get("start", ""))
    return ""


@lru_cache(maxsize=65536)
def _speaks_of_sharing(words: str) -> bool:
    words = words.lower()
    return bool(_CONSENT.search(words) and (_SHARING.search(words) or any(map(_speaks_of_giving, words.split("\n")))))


def _speaks_of_giving(line: str) -> bool:
    """Whether a line names what is given after a word of giving. What follows the first such word holds whatever
    follows a later one, so each pattern is searched once."""
    for verb, noun in _GIVING:
        giving = verb.search(line)
        if giving and noun.search(line, giving.end()):
            return True
    return False


_ALWAYS = (-(2**62), 2**62)


@lru_cache(maxsize=4096)
def _interval(text: str) -> tuple[int, int]:
    """A FHIR date as half-open seconds; without a date, or with one that cannot be read, any time at all."""
    try:
        match len(text):
            case 4:
                return _day(date(int(text), 1, 1)), _day(date(int(text) + 1, 1, 1))
            case 7:
                first = date.fromisoformat(text + "-01")
                return _day(first), _day((first + timedelta(days=32)).replace(day=1))
            case 10:
                first = date.fromisoformat(text)
                return _day(first), _day(first + timedelta(days=1))
            case 0:
                return _ALWAYS
        moment = datetime.fromisoformat(text)
        second = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        return second, second + 1
    except ValueError:
        return _ALWAYS


def _day(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
