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
from gateway.nhs.summary.sections.rows import (
    Row,
    clinical_status,
    codes,
    is_before,
    is_error,
    newest,
    row,
    shown_date,
    text,
    when,
)

RESUSCITATION, FRAILTY, ADJUSTMENTS = "resuscitation", "frailty", "adjustments"
WORDS: Mapping[str, re.Pattern[str]] = {
    RESUSCITATION: re.compile(
        r"\b(dna.?cpr|dnar|dnr|adrt)\b|\bresus(citation)?\b.{0,40}\b(status|decision|discuss|order|form|plan)|"
        r"\bresus(citation)?\b.{0,10}\bnot\b|\b(not )?for (attempted )?(cardio.?pulmonary )?(resus|cpr\b)|"
        r"\bdo.not.(attempt.(to.)?)?(cardio.?pulmonary.)?(resus|cpr\b)|\bnot for (itu|icu|hdu|intensive care|intubation|ventilation|escalation)\b|"
        r"\brecommended summary plan for emergency|\brespect (form|plan|process|document)|(?-i:\bReSPECT\b)|\btreatment escalation plan|"
        r"\bceilings? of (treatment|care)\b|\bemergency health ?care plan|\badvance (care plan|decision|directive|statement)",
        re.IGNORECASE,
    ),
    FRAILTY: re.compile(r"\b(frailty|frail|rockwood|efi)\b|\bcfs\b.{0,12}\d", re.IGNORECASE),
    ADJUSTMENTS: re.compile(
        r"\breasonable adjustment|\binterpreter (needed|required)|\b(requires|needs) (an? )?(\w+ ){0,3}(interpreter|advocate|easy ?read|braille|"
        r"large print|hearing loop)|\buses (british sign|makaton|hearing aid)|\bcommunication passport|\bhospital passport",
        re.IGNORECASE,
    ),
}  # fmt: skip
"""How an entry says what it is where its code is in no set: a local code, a placeholder for a lost one, or text."""
TYPES = ("Observation", "Condition", "Procedure", "Flag", "CarePlan", "ServiceRequest", "Consent", "DocumentReference")
"""Where sources file such an entry."""
OF_FAMILY = re.compile(r"\b(family history|fh)\b", re.IGNORECASE)
"""Words of an entry about somebody else."""
SAFEGUARDING = re.compile(
    r"safeguard|child(ren)? (protection|in need)|child.? exploitation|looked.after|care order|foster|\bvulnerable|\bmar?ac\b|\bmappa\b|"
    r"abus|neglect|exploit|genital mutilation|\bfgm\b|\bcse\b|domestic|violen|coerc|stalk|traffick|slavery|radicali|forced marriage|"
    r"honou?r.based|perpetrator|protection (plan|order)|section (42|47)\b|at risk (of|from) (harm|others)|sexual|police|refuge\b",
    re.IGNORECASE,
)  # fmt: skip
"""Words of an alert that puts the person in danger on paper. Too many is the safe side: it stands behind the click."""
PLAIN = re.compile(
    r"latex|allerg|infecti|\bmrsa\b|\bcpe\b|c(\.|lostridi\w+) ?diff|\b(fall|falls)\b|diabet|epilep|pacemaker|implant|steroid|"
    r"anticoag|bleed|learning disab|dementia|deaf|blind|hearing|sight|visual|wheelchair|mobility|bariatric|swallow|dysphag|"
    r"difficult (airway|intubation)|palliative|end of life|transplant|needle ?phob|interpreter|language|precaution",
    re.IGNORECASE,
)  # fmt: skip
"""Words of an alert that may stand on paper. One that neither these nor a set know stands behind the click."""


def marked(record: Record) -> dict[str, list[Held]]:
    """The entries of each mark (a name of ``WORDS``) in one walk through the record; one that says it is an error, or
    that something was refuted, is none."""
    entries: dict[str, list[Held]] = {name: [] for name in WORDS}
    known = record.risk_sets.by_code
    for type_ in TYPES:
        for held in record.by_type.get(type_, ()):
            resource = held.resource
            if not _is_said(resource):
                continue
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
        *({"text": words} for words in _titles(resource)),
    ]


def _titles(resource: dict[str, Any]) -> list[str]:
    """What a plan, a consent or a document is called beside its type: its title, description and attachments'."""
    attached = [content.get("attachment", {}).get("title", "") for content in resource.get("content", ())]
    said = [resource.get("title", ""), resource.get("description", ""), *attached]
    return list(dict.fromkeys(words for words in said if words))


NOT_SAID = frozenset({"not-done", "cancelled", "registered"})
"""States in which nothing was done or found yet."""


def _is_said(resource: dict[str, Any]) -> bool:
    """Whether an entry says anything of now: not an error, not refuted, not undone. A safeguarding alert stands under
    no mark, whatever its words: it would leave its click."""
    return not (
        is_error(resource)
        or resource.get("status") in NOT_SAID
        or "refuted" in codes(resource.get("verificationStatus"))
        or resource["resourceType"] == "Flag" and is_safeguarding(resource)
    )  # fmt: skip


def _add(entries: dict[str, list[Held]], held: Held, marks: Iterable[str]) -> None:
    """File an entry once under each of its marks."""
    for name in marks:
        if name in entries and not (entries[name] and entries[name][-1] is held):
            entries[name].append(held)


@lru_cache(maxsize=8192)
def _marks_of_words(words: str) -> frozenset[str]:
    if OF_FAMILY.search(words):
        return frozenset()
    return frozenset(name for name, pattern in WORDS.items() if pattern.search(words))


def entry_row(held: Held) -> Row:
    """A line of a marked entry: what it is and what it answers, when it was recorded, and whether it is past."""
    resource = held.resource
    type_ = resource["resourceType"]
    titles = [words for words in (text(resource.get("code") or resource.get("type")), *_titles(resource)) if words]
    if not titles:
        titles = [", ".join(filter(None, map(text, resource.get("category", ()))))]
    answer = value(resource) if type_ == "Observation" else ""
    return row(held, titles[0], _recorded(resource), (*titles[1:], answer), _states(resource))


STATES = {
    "superseded": "superseded", "revoked": "revoked", "rejected": "rejected", "inactive": "inactive", "draft": "draft", "proposed": "proposed",
    "preliminary": "preliminary", "on-hold": "on hold", "preparation": "planned", "stopped": "stopped", "unknown": "status not known",
}  # fmt: skip
"""What the state of an entry says of it."""
UNSURE = {"differential": "possible only", "provisional": "provisional", "unconfirmed": "unconfirmed"}
DONE = frozenset({"CarePlan", "ServiceRequest"})
"""Types of which "completed" says that it is over."""


def _states(resource: dict[str, Any]) -> tuple[str, ...]:
    """Why an entry is not a decision or a finding of now: its state, a past end, doubt."""
    type_, state = resource["resourceType"], resource.get("status", "")
    sure = next((words for code, words in UNSURE.items() if code in codes(resource.get("verificationStatus"))), "")
    is_over = type_ == "Condition" and clinical_status(resource) in ("inactive", "resolved", "remission")
    end = period_end(resource)
    return (
        "inactive" if is_over else "",
        "completed" if state == "completed" and type_ in DONE else STATES.get(state, ""),
        "proposed" if resource.get("intent") in ("proposal", "option") and state != "proposed" else "",
        "preliminary" if resource.get("docStatus") == "preliminary" else "",
        f"ended {shown_date(end)}" if end else "",
        sure,
    )


def period_end(resource: dict[str, Any]) -> str:
    """The end of the period of an alert, a plan or a contact; "" for none."""
    end: str = resource.get("period", {}).get("end", "")
    return end


def is_over(record: Record, element: dict[str, Any]) -> bool:
    """Whether the period of an element surely ended before today."""
    return is_before(period_end(element), record.today.isoformat())


DEGREES = frozenset({"mild", "moderate", "severe", "index"})
DEGREE = re.compile(
    r"\b(mild|moderate|severe)(ly)? frail|\bfrail\w*\b.{0,30}\b(mild|moderate|severe|\d+)\b|"
    r"\b(rockwood|cfs|efi)\b.{0,20}(mild|moderate|severe|\d)",
    re.IGNORECASE,
)


def is_degree(record: Record, held: Held) -> bool:
    """Whether an entry of frailty says how frail, by its code or in words."""
    concepts = [concept for name in CONCEPTS if (concept := held.resource.get(name))]
    effects = {
        effect
        for concept in concepts
        for coding in concept.get("coding", ())
        for name, effect in record.risk_sets.find(coding.get("system", ""), coding.get("code", ""))
        if name == FRAILTY
    }
    return bool(effects & DEGREES) or any(DEGREE.search(text(concept)) for concept in concepts)


def _recorded(resource: dict[str, Any]) -> str:
    return when(resource) or str(resource.get("date") or resource.get("created") or resource.get("dateTime") or "")


def flags_now(record: Record) -> tuple[list[Held], list[Held]]:
    """The alerts that are active: those that may stand on paper, and those that stand behind the click: of
    safeguarding, and those that no set and no word here knows."""
    active = [
        held
        for held in record.of("Flag")
        if held.resource.get("status") == "active"
        and not is_error(held.resource)
        and not is_over(record, held.resource)
    ]
    hidden = [held for held in active if not _is_plain(record, held.resource)]
    return [held for held in active if held not in hidden], hidden


def _is_plain(record: Record, resource: dict[str, Any]) -> bool:
    """Whether an alert may stand on paper: a set of the card or a word of ``PLAIN`` or ``WORDS`` knows it, and nothing
    in it is of safeguarding."""
    if is_safeguarding(resource):
        return False
    said = _said(resource)
    codings = resource.get("code", {}).get("coding", ())
    knows = any(record.risk_sets.find(coding.get("system", ""), coding.get("code", "")) for coding in codings)
    return bool(knows or PLAIN.search(said) or _marks_of_words(said))


def is_safeguarding(resource: dict[str, Any]) -> bool:
    """Whether a Flag is about safeguarding, by any word of its categories or its code."""
    return bool(SAFEGUARDING.search(_said(resource)))


def _said(resource: dict[str, Any]) -> str:
    """The text and every display of what a Flag is."""
    concepts = (*resource.get("category", ()), resource.get("code", {}))
    words = [
        part.get(name, "")
        for concept in concepts
        for part, name in ((concept, "text"), *((coding, "display") for coding in concept.get("coding", ())))
    ]
    return " | ".join(filter(None, words))


# Medicines

TOPICAL = re.compile(
    r"\b(cream|ointment|eye|ear|nasal|scalp|lotion|foam|gel|inhaler|shampoo|mouthwash|oromucosal|cutaneous|enema|"
    r"nebuliser)s?\b",
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
        for contact in (contact for contact in held.resource.get("contact", ()) if not is_over(record, contact)):
            lines.append(
                _person(held, contact.get("relationship", ()), contact.get("name"), contact.get("telecom", ()))
            )
    for held in record.of("RelatedPerson"):
        if held.resource.get("active") is not False and not is_over(record, held.resource):
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
