"""The entries of the risk card that no section of their own holds: found by code in the card's sets, or by the words of
an entry whose code no set knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
    for type_ in TYPES:
        for held in record.by_type.get(type_, ()):
            resource = held.resource
            concepts = [concept for name in CONCEPTS if (concept := resource.get(name))]
            if type_ in FILED_BY_MORE:
                concepts += _filed_by(resource)
            for concept in concepts:
                if (words := concept.get("text")) and (marks := _marks_of_words(words)):
                    _add(entries, held, marks)
                for coding in concept.get("coding", ()):
                    if coding.get("code") in known:
                        sets = record.risk_sets.find(coding.get("system", ""), coding["code"])
                        _add(entries, held, [name for name, _ in sets])
                    if (words := coding.get("display")) and (marks := _marks_of_words(words)):
                        _add(entries, held, marks)
    return entries


CONCEPTS = ("code", "valueCodeableConcept")
"""What an entry is about, and the value that answers it."""
FILED_BY_MORE = frozenset({"CarePlan", "Consent", "Flag", "DocumentReference"})


def _filed_by(resource: dict[str, Any]) -> list[dict[str, Any]]:
    """What else says of a plan, a consent, an alert or a document what it is."""
    type_ = resource.get("type")
    return [
        *resource.get("category", ()),
        *([type_] if isinstance(type_, dict) else []),
        {"text": resource.get("title", "")},
    ]


def _add(entries: dict[str, list[Held]], held: Held, marks: Iterable[str]) -> None:
    """File an entry once under each of its marks, unless it is an error or refuted."""
    if is_error(held.resource) or "refuted" in codes(held.resource.get("verificationStatus")):
        return
    for name in marks:
        if name in entries and not (entries[name] and entries[name][-1] is held):
            entries[name].append(held)


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
    r"\b(cream|ointment|eye|ear|nasal|scalp|lotion|foam|gel|inhaler|shampoo|mouthwash|oromucosal|cutaneous|enema|nebuliser)s?\b",
    re.IGNORECASE,
)
DEVICE = re.compile(
    r"\b(needles?|syringes?|sharps|lancets?|pens?|pumps?|reservoirs?|cannulas?|infusion sets?|test strips?)\b",
    re.IGNORECASE,
)
DRUG = re.compile(r"\d\s?(mg|micrograms?|mcg|units?|iu)\b|\bpre-?filled|\bcartridges?\b|\bfor injection", re.IGNORECASE)
"""What a drug's name says and that of a device for it does not: a strength, or the form it is given in."""
CLASSES = {
    "anticoagulant": "Anticoagulant", "insulin": "Insulin", "lithium": "Lithium", "opioid": "Opioid", "steroid": "Steroid",
    "methotrexate": "Methotrexate", "immunosuppressant": "Immunosuppressant", "antiepileptic": "Antiepileptic", "clozapine": "Clozapine",
    "digoxin": "Digoxin", "amiodarone": "Amiodarone", "theophylline": "Theophylline",
}  # fmt: skip
"""The classes of the list, in the order of the card."""


@dataclass(frozen=True, slots=True)
class HighRisk:
    """Knows the high-risk medicines of some sets: made once for a record."""

    sets: CodeSets
    effects: Mapping[str, str]

    def classes(self, concept: dict[str, Any] | None) -> frozenset[str]:
        """The classes of a medicine: by the code of its product, else by an ingredient or brand in its name. What is
        put on the skin or breathed in is none by its name.

        >>> from gateway.terminology.sets import risks
        >>> [sorted(high_risk(risks()).classes({"text": name})) for name in ("Warfarin 3mg tablets", "Apomorphine")]
        [['anticoagulant'], []]
        """
        classes: set[str] = set()
        for coding in (concept or {}).get("coding", ()):
            # dm+d is a part of SNOMED CT, and sources name either
            for members in self.sets.by_code.get(coding.get("code"), {}).values():
                classes |= {effect for name, effect in members if name == "high-risk-medicines"}
            classes |= self._by_name(coding.get("display", ""))
        return frozenset(classes | self._by_name(text(concept)))

    def _by_name(self, name: str) -> set[str]:
        words = WORD.findall(name.casefold())
        classes = {self.effects[word] for word in words if word in self.effects}
        classes |= {
            self.effects[part] for word in words if "-" in word for part in word.split("-") if part in self.effects
        }
        if not classes or DEVICE.search(name) and not DRUG.search(name):
            return set()
        return classes & {"opioid"} if TOPICAL.search(name) else classes


WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")


def high_risk(sets: CodeSets) -> HighRisk:
    """The knowledge of these sets."""
    named = (set_ for set_ in sets.sets if set_.name == "high-risk-names")
    return HighRisk(sets, {name: effect for set_ in named for (_, name), effect in set_.members.items()})


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
