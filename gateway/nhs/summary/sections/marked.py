"""The entries of the risk card that no section of their own holds: found by code in the card's sets, or by the words of
an entry whose code no set knows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from gateway.nhs.codesets import CodeSets
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.measured import value
from gateway.nhs.summary.sections.rows import Row, clinical_status, codes, is_error, newest, row, text, when

RESUSCITATION, FRAILTY, ADJUSTMENTS = "resuscitation", "frailty", "adjustments"
WORDS: Mapping[str, re.Pattern[str]] = {
    RESUSCITATION: re.compile(
        r"\b(dnacpr|dnar|dnr)\b|\bresus(citation)?\b.{0,40}\b(status|decision|discuss|order|form|plan)|"
        r"\b(not )?for (attempted )?(cardio.?pulmonary )?(resus|cpr\b)|\bdo not (attempt )?(cardio.?pulmonary )?(resus|cpr\b)|"
        r"\brecommended summary plan for emergency|\brespect (form|plan|process)|\btreatment escalation plan|"
        r"\badvance (care plan|decision|directive|statement)",
        re.IGNORECASE,
    ),
    FRAILTY: re.compile(r"\b(frailty|frail)\b", re.IGNORECASE),
    ADJUSTMENTS: re.compile(
        r"\breasonable adjustment|\binterpreter (needed|required)|\b(requires|needs) (an? )?(\w+ ){0,3}(interpreter|advocate|easy ?read|braille|"
        r"large print|hearing loop)|\buses (british sign|makaton|hearing aid)|\bcommunication passport|\bhospital passport",
        re.IGNORECASE,
    ),
}  # fmt: skip
"""How an entry says what it is where its code is in no set: a local code, a placeholder for a lost one, or text."""
TYPES = ("Observation", "Condition", "Procedure", "Flag", "CarePlan", "ServiceRequest", "Consent", "DocumentReference")
"""Where sources file such an entry."""
SAFEGUARDING = re.compile(
    r"safeguard|child protection|at risk of (abuse|harm)|domestic (abuse|violence)", re.IGNORECASE
)


def marked(record: Record) -> dict[str, list[Held]]:
    """The entries of each mark (a name of ``WORDS``) in one walk through the record; one that says it is an error, or
    that something was refuted, is none."""
    entries: dict[str, list[Held]] = {name: [] for name in WORDS}
    known = record.risk_sets.by_code
    for held in record.of(*TYPES):
        resource = held.resource
        marks: set[str] = set()
        for concept in _concepts(resource):
            marks |= _marks_of_words(concept.get("text") or "")
            for coding in concept.get("coding", ()):
                if coding.get("code") in known:
                    marks |= {name for name, _ in record.risk_sets.find(coding.get("system", ""), coding["code"])}
                if display := coding.get("display"):
                    marks |= _marks_of_words(display)
        for name in marks & entries.keys():
            if not is_error(resource) and "refuted" not in codes(resource.get("verificationStatus")):
                entries[name].append(held)
    return entries


def _concepts(resource: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What an entry says it is: its code or type, and the value that answers it."""
    for name in ("code", "valueCodeableConcept", "type"):
        if isinstance(concept := resource.get(name), dict):
            yield concept
    if "category" in resource and resource["resourceType"] in ("CarePlan", "Consent", "Flag"):
        yield from resource["category"]
    if title := resource.get("title"):
        yield {"text": title}


@lru_cache(maxsize=8192)
def _marks_of_words(words: str) -> frozenset[str]:
    return frozenset(name for name, pattern in WORDS.items() if pattern.search(words))


def entry_row(held: Held) -> Row:
    """A line of a marked entry: what it is and what it answers, when it was recorded, and whether it is past."""
    resource = held.resource
    title = text(resource.get("code") or resource.get("type")) or resource.get("title", "")
    if not title:
        title = ", ".join(filter(None, map(text, resource.get("category", ()))))
    answer = value(resource) if resource["resourceType"] == "Observation" else ""
    status = clinical_status(resource) if resource["resourceType"] == "Condition" else ""
    flags = (
        "inactive" if status in ("inactive", "resolved", "remission") or resource.get("status") == "inactive" else "",
        "superseded" if resource.get("status") in ("superseded", "revoked", "rejected") else "",
    )
    return row(held, title, _recorded(resource), (answer,), flags)


def _recorded(resource: dict[str, Any]) -> str:
    return when(resource) or str(resource.get("date") or resource.get("created") or resource.get("dateTime") or "")


def flags_now(record: Record) -> tuple[list[Held], list[Held]]:
    """The alerts that are active: those of every reader, and those of safeguarding, which stand on no card."""
    active = [
        held for held in record.of("Flag") if held.resource.get("status") == "active" and not is_error(held.resource)
    ]
    secret = [held for held in active if is_safeguarding(held.resource)]
    return [held for held in active if held not in secret], secret


def is_safeguarding(resource: dict[str, Any]) -> bool:
    """Whether a Flag is about safeguarding, by its category or its words."""
    said = " ".join(text(concept) for concept in (*resource.get("category", ()), resource.get("code")))
    return bool(SAFEGUARDING.search(said))


# Medicines

TOPICAL = re.compile(
    r"\b(cream|ointment|eye|ear|nasal|scalp|lotion|foam|gel|inhaler|shampoo|mouthwash|oromucosal|cutaneous|enema)s?\b",
    re.IGNORECASE,
)
DEVICE = re.compile(r"\b(needles?|syringes? (?!.*units)|sharps|lancets?|pen needle)\b", re.IGNORECASE)
CLASSES = {
    "anticoagulant": "Anticoagulant", "insulin": "Insulin", "lithium": "Lithium", "opioid": "Opioid", "steroid": "Steroid",
    "methotrexate": "Methotrexate", "immunosuppressant": "Immunosuppressant", "antiepileptic": "Antiepileptic", "clozapine": "Clozapine",
    "digoxin": "Digoxin", "amiodarone": "Amiodarone", "theophylline": "Theophylline",
}  # fmt: skip
"""The classes of the list, in the order of the card."""


def classes_of(concept: dict[str, Any] | None, sets: CodeSets) -> frozenset[str]:
    """The high-risk classes of a medicine: by the code of its product, else by an ingredient or brand in its name. What
    is put on the skin or breathed in is none by its name.

    >>> from gateway.terminology.sets import risks
    >>> sorted(classes_of({"text": "Warfarin 3mg tablets"}, risks())), sorted(classes_of({"text": "Apomorphine"}, risks()))
    (['anticoagulant'], [])
    """
    by_code = {
        effect
        for coding in (concept or {}).get("coding", ())
        if coding.get("code") in sets.by_code
        for members in sets.by_code[coding["code"]].values()  # dm+d is a part of SNOMED CT, and sources name either
        for name, effect in members
        if name == "high-risk-medicines"
    }
    words = [text(concept), *(coding.get("display", "") for coding in (concept or {}).get("coding", ()))]
    return frozenset(by_code).union(*(_classes_of_name(name, _names(sets)) for name in words if name))


@lru_cache(maxsize=4)
def _named(sets: tuple[tuple[str, str], ...]) -> tuple[re.Pattern[str], dict[str, str]]:
    effects = dict(sets)
    longest = sorted(effects, key=len, reverse=True)
    return re.compile(rf"\b({'|'.join(map(re.escape, longest))})\b", re.IGNORECASE), effects


def _names(sets: CodeSets) -> tuple[tuple[str, str], ...]:
    return tuple(
        (code, effect)
        for set_ in sets.sets
        if set_.name == "high-risk-names"
        for (_, code), effect in set_.members.items()
    )


@lru_cache(maxsize=4096)
def _classes_of_name(name: str, names: tuple[tuple[str, str], ...]) -> frozenset[str]:
    if not names or DEVICE.search(name):
        return frozenset()
    pattern, effects = _named(names)
    classes = {effects[word.casefold()] for word in pattern.findall(name)}
    return frozenset(classes & {"opioid"}) if TOPICAL.search(name) else frozenset(classes)


# People


def people(record: Record) -> list[Row]:
    """Who is to be told or asked: the contacts that a Patient names, and the related persons, by source."""
    lines = []
    for held in record.patients:
        for contact in held.resource.get("contact", ()):
            lines.append(
                _person(held, contact.get("relationship", ()), contact.get("name"), contact.get("telecom", ()))
            )
    for held in record.of("RelatedPerson"):
        if held.resource.get("active") is not False:
            name = next(iter(held.resource.get("name", ())), None)
            lines.append(_person(held, held.resource.get("relationship", ()), name, held.resource.get("telecom", ())))
    return list(dict.fromkeys(lines))


def _person(
    held: Held, relations: list[dict[str, Any]], name: dict[str, Any] | None, telecom: list[dict[str, Any]]
) -> Row:
    said = ", ".join(dict.fromkeys(filter(None, map(text, relations)))) or "Contact"
    parts = (name or {}).get("text") or " ".join(
        [*(name or {}).get("given", ()), (name or {}).get("family", "")]
    ).strip()
    numbers = ", ".join(point["value"] for point in telecom if point.get("system") == "phone" and point.get("value"))
    line = row(held, f"{said}: {parts}" if parts else said, "", (numbers,))
    return Row(line.title, "", "", line.detail, line.sources, line.kind, line.references)


def languages(record: Record) -> list[Row]:
    """What to speak with the person, where that is not English, and whether an interpreter is needed."""
    lines = []
    for held in record.patients:
        for communication in held.resource.get("communication", ()):
            spoken = text(communication.get("language"))
            needs = any(
                extension.get("valueBoolean") is True and "nterpreter" in extension.get("url", "")
                for outer in (*held.resource.get("extension", ()), *communication.get("extension", ()))
                for extension in (outer, *outer.get("extension", ()))
            )
            if needs or (
                spoken
                and "en" not in {code[:2] for code in codes(communication.get("language"))}
                and spoken != "English"
            ):
                title = f"Speaks {spoken}" if spoken else "Interpreter"
                lines.append(row(held, title, "", ("interpreter needed" if needs else "",)))
    return [Row(line.title, "", "", line.detail, line.sources, line.kind, line.references) for line in lines]


def newest_first(entries: list[Held]) -> list[Row]:
    """The lines of some entries, newest first."""
    return newest(map(entry_row, entries))
