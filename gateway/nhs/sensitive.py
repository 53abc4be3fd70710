"""Finds sensitive items by their codes and flags, and labels what would reveal a hidden item."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from gateway.nhs import labels, links, optout
from gateway.nhs.codesets import READ, SNOMED, CodeSets
from gateway.nhs.labels import LABELS
from gateway.nhs.links import KEPT_TYPES
from gateway.nhs.optout import preference, standing
from gateway.nhs.roles import DIRECTORY

CODED: dict[str, tuple[str, ...]] = {
    "Observation": ("code",),
    "Condition": ("code",),
    "Procedure": ("code",),
    "DiagnosticReport": ("code",),
    "ServiceRequest": ("code",),
    "DocumentReference": ("type",),
    "Composition": ("type",),
    "Task": ("code",),
    "Flag": ("code",),
    "Encounter": ("type", "serviceType", "reasonCode"),
    "EpisodeOfCare": ("type",),
    "CarePlan": ("category",),
    "FamilyMemberHistory": ("condition",),
    "Specimen": ("type",),
    "ClinicalImpression": ("code",),
    "Immunization": ("vaccineCode",),
    "Communication": ("reasonCode",),
    "QuestionnaireResponse": (),
    "Appointment": ("serviceType", "reasonCode"),
    "DeviceRequest": ("codeCodeableConcept",),
}
"""The elements that say what a resource is about. Where none is coded in a system that the sets cover, its words are
read (of ``WORDS_ALWAYS_READ`` in any case)."""
WITHHELD_UNREVIEWED = frozenset(
    {
        "Observation",
        "Condition",
        "Procedure",
        "DiagnosticReport",
        "DocumentReference",
        "Composition",
        "FamilyMemberHistory",
        "Specimen",
        "ClinicalImpression",
        "QuestionnaireResponse",
        "Communication",
        "Flag",
        "Task",
    }
)
"""Of these, an uncovered item of a feed that is not reviewed (``withhold``) is unclassified, whatever its words."""

WORDS_ALWAYS_READ = frozenset({"DocumentReference", "Composition", "Appointment"})
"""Of these, the words are read whatever the code: it says which kind of document or service it is, not what it is
about."""

_HINT = re.compile(
    r"\bhiv\b|\baids\b|chlamydia|gonorrh|syphil|treponem|trichomon|genital "
    r"(herpes|wart)|sexual|\bsti\b|\bstd\b|venereal"
    r"|genito-?urinary|\bgum\b"
    r"|terminat\w{0,12} of pregnan|\btop\b clinic|abortion|\bivf\b|\bicsi\b|assisted "
    r"(concep|fertil|reprod)|fertilit|insemination|embryo"
    r"|surrogac"
    r"|gender (identity|dysphor|reassign|incongru|recogn)|transgender|trans-?sexual|\bsarc\b|\brape\b"
)
"""Words that hint at sensitive content, for codes that no set covers."""

_SECURITY = {
    "U": 0,
    "N": 0,
    "L": 0,
    "M": 0,
    "NOPAT": labels.NOT_TO_PATIENT,
    "withheld": labels.WITHHELD,
    "ambiguous-time": labels.AMBIGUOUS_TIME,
}
"""A source's flag → bit. Any other flag of an item is confidential, any but U of a Patient restricted: fail closed."""

_EFFECT = {
    "sensitive": labels.SENSITIVE,
    "confidential-marker": labels.SENSITIVE,
    "sensitive-services": labels.SERVICE,
    "legal": labels.LEGAL | labels.SENSITIVE,
    **dict.fromkeys(optout.SETS, labels.CHOICE),
}


def labelled_by(sets: CodeSets) -> str:
    """Return a fingerprint of all that labels are made from: the code sets, and the tables of rules of this package.

    A store whose labels have another fingerprint is not shown until its sources are mapped again.
    """
    rules = (
        sorted(CODED.items()),
        sorted(WITHHELD_UNREVIEWED),
        sorted(WORDS_ALWAYS_READ),
        _HINT.pattern,
        sorted(_SECURITY.items()),
        sorted(_EFFECT.items()),
        sorted((link.type, link.path, link.referrer, link.target) for link in links.LINKS),
        sorted(KEPT_TYPES),
        sorted(links.BLANKED_TYPES),
        sorted(DIRECTORY),
        sorted((label.name, label.bit) for label in LABELS),
        labels.SPREADING,
        _WRITTEN,
    )
    return blake2b(repr((sets.fingerprint, rules)).encode(), digest_size=8).hexdigest()


def own_labels(
    resource: dict[str, Any], security: Sequence[str], sets: CodeSets, kind: str, feed_default: str
) -> tuple[int, dict[int, str]]:
    """Return the label bits of one resource by itself, and the cause of each bit: its flags, every coding anywhere in
    it, its words.

    ``security`` are the flags the mapping gave (``R``, ``NOPAT``, ``withheld``); ``feed_default`` is ``share`` or
    ``withhold``. ``kind`` of publisher changes nothing today and is in the cause of what is unclassified, where the
    load report counts by feed.
    """
    resource_type = resource["resourceType"]
    causes: dict[int, str] = {}
    for flag in security:
        causes[_flag(resource_type, flag)] = (
            f"the source's flag {flag}" if flag in _SECURITY or flag in "RV" else "a flag of the source"
        )
    causes.pop(0, None)
    if "tag" in resource.get("meta", ()) and any(
        tag.get("code") == "ambiguous-time" for tag in resource["meta"]["tag"]
    ):
        causes[labels.AMBIGUOUS_TIME] = "the source's time"
    if resource_type in DIRECTORY:
        return (sum(causes), causes) if causes else (0, causes)
    known = sets.by_code
    for system, code in _codings(resource):
        if code in known or system in READ:
            for name, effect in sets.find(system, code):
                _judge(resource_type, name, effect, causes)
    for element in ("serviceType", "specialty"):
        if element in resource:
            for _, code in _codings({element: resource[element]}):
                for name, effect in sets.find("*", code):
                    _judge(resource_type, name, effect, causes)
    if resource_type in CODED:
        if not _is_covered(resource, resource_type, sets):
            _doubt(resource, resource_type, kind, feed_default, causes)
        elif resource_type in WORDS_ALWAYS_READ and _words_hint(resource):
            causes[labels.UNCLASSIFIED] = f"the code is of its kind alone, its words hint ({kind or 'unknown'})"
    if resource_type in optout.STATED_IN and labels.CHOICE not in causes and optout.has_consent_like_words(resource):
        choice = preference(resource, sets)
        if choice and choice[0].startswith(optout.UNRECOGNISED):
            causes[labels.CHOICE] = "consent-like words"
            causes[labels.REVIEW] = "a consent-like code that no set holds"
    return (sum(causes), causes) if causes else (0, causes)


def flagged() -> tuple[int, int]:
    """The bits that a source's flag puts on a Patient, and on anything else."""
    return _flag("Patient", "R"), _flag("", "R")


def _flag(resource_type: str, flag: str) -> int:
    if resource_type == "Patient" and flag not in ("withheld", "ambiguous-time"):
        return 0 if flag == "U" else labels.RESTRICTED
    return _SECURITY.get(flag, labels.CONFIDENTIAL)


def _codings(resource: dict[str, Any]) -> list[tuple[str, str]]:
    """Every (system, code) in a resource, however deep: codings, and whatever else has a system and a code."""
    codings = []
    waiting: list[Any] = [resource]
    for value in waiting:  # grows as it is walked
        if type(value) is dict:
            code = value.get("code")
            if type(code) is str:
                codings.append((value.get("system", ""), code))
            for inner in value.values():
                kind = type(inner)
                if kind is dict or kind is list:
                    waiting.append(inner)
        else:
            for inner in value:
                kind = type(inner)
                if kind is dict or kind is list:
                    waiting.append(inner)
    return codings


def _judge(resource_type: str, name: str, effect: str, causes: dict[int, str]) -> None:
    """One code found in one set. An allergy or medicine is never removed for its code: what it was given for is
    blanked."""
    bits = _EFFECT.get(name, 0)
    if resource_type in KEPT_TYPES and bits & (labels.SENSITIVE | labels.SERVICE):
        bits = (bits & ~(labels.SENSITIVE | labels.SERVICE)) | labels.BLANKED
    for label in LABELS:
        if bits & label.bit:
            causes.setdefault(label.bit, f"code set {name}: {effect}")


def _is_covered(resource: dict[str, Any], resource_type: str, sets: CodeSets) -> bool:
    """Return whether a main code of the resource is of a system that the sets cover."""
    covered = sets.covered
    for element in CODED[resource_type]:
        concepts = resource.get(element, [])
        for concept in concepts if type(concepts) is list else (concepts,):
            concept = concept.get("code", concept) if resource_type == "FamilyMemberHistory" else concept
            for coding in concept.get("coding", ()):
                if coding.get("system") in covered:
                    return True
    return False


def _doubt(resource: dict[str, Any], resource_type: str, kind: str, feed_default: str, causes: dict[int, str]) -> None:
    """An item no set covers: unclassified when its feed is not reviewed, or when its words hint."""
    if feed_default == "withhold" and resource_type in WITHHELD_UNREVIEWED:
        causes[labels.UNCLASSIFIED] = f"no covered code, {kind or 'unknown'} feed not reviewed"
    elif _words_hint(resource):
        causes[labels.UNCLASSIFIED] = f"no covered code, its words hint ({kind or 'unknown'})"


_WORDS = frozenset({"display", "text", "title", "name", "description", "conclusion", "comment", "valueString"})
_WRITTEN = ("text/", "application/rtf", "application/xml")
"""How the types of documents begin whose bytes are words. Those of a PDF or an image nobody reads."""


def _words(resource: dict[str, Any]) -> Iterator[str]:
    """The words of a resource: displays, texts, titles, names of services and clinics, and documents that are text; not
    its narrative, which is never served."""
    waiting: list[Any] = [
        {key: value for key, value in resource.items() if key not in ("meta", "text", "subject", "patient")}
    ]
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting += [inner for inner in value if type(inner) is dict or type(inner) is list]
            continue
        if "data" in value and str(value.get("contentType", "")).startswith(_WRITTEN):
            yield _written(value["data"])
        for key, inner in value.items():
            if type(inner) is dict or type(inner) is list:
                waiting.append(inner)
            elif key in _WORDS and type(inner) is str:
                yield inner


def _written(data: str) -> str:
    try:
        return base64.b64decode(data).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return ""


def _words_hint(resource: dict[str, Any]) -> bool:
    return any(_hints(words) for words in _words(resource))


def _hints(words: str) -> bool:
    return _hints_briefly(words) if len(words) < 100 else _HINT.search(words.lower()) is not None


@lru_cache(maxsize=65536)
def _hints_briefly(words: str) -> bool:
    return _HINT.search(words.lower()) is not None


def derive(items: Iterable[tuple[int, dict[str, Any], int]], sets: CodeSets) -> dict[int, tuple[int, dict[int, str]]]:
    """Return key → (bits, causes) of what one Patient's record puts on each of its resources, beyond their own labels.

    ``items`` are (key, resource, own bits) of everything of one Patient resource. Every key is answered, with 0 where
    nothing is derived: a label that no longer holds is taken off. Pure, and the same in any order.
    """
    items = list(items)
    derived: dict[int, dict[int, str]] = {key: {} for key, _, _ in items}
    patient = 0
    for _, resource, own in items:
        if resource["resourceType"] == "Patient":
            patient |= own
    choices = standing(
        choice for _, resource, own in items if own & labels.CHOICE and (choice := preference(resource, sets))
    )
    chosen = optout.bits(choices)
    for key, resource, _ in items:
        causes = derived[key]
        for bit, cause in (
            (labels.RESTRICTED, "the Patient is restricted"),
            (labels.WITHHELD, "the Patient is withheld"),
        ):
            if patient & bit:
                causes[bit] = cause
        if chosen & labels.TYPE1:
            causes[labels.TYPE1] = "the patient's Type 1 opt-out"
        if resource["resourceType"] == "Patient":
            for name, effect in choices.items():
                if bit := optout.BITS.get((name, effect), 0):
                    causes[bit] = f"the patient's choice, {name}: {effect}"
    links.spread(items, derived)
    return {key: (sum(causes), causes) for key, causes in derived.items()}


def unmapped(resource: dict[str, Any]) -> list[str]:
    """The main codes of a resource that have no SNOMED CT or dm+d beside them, as ``system|code``, to be counted in
    the load report."""
    return coded(resource)[2]


def coded(resource: dict[str, Any]) -> tuple[int, int, list[str]]:
    """How many main concepts a resource has, how many of them have a standard code, and ``unmapped`` of the others.
    One that holds words alone has none."""
    codes: list[str] = []
    count = standard = 0
    for element in CODED.get(resource["resourceType"], ()):
        concepts = resource.get(element, [])
        for concept in concepts if type(concepts) is list else (concepts,):
            count += 1
            codings = concept.get("coding", ())
            if any(coding.get("system", "").startswith(_STANDARD) for coding in codings):
                standard += 1
            elif codings:
                codes.append(f"{codings[0].get('system', 'no system')}|{codings[0].get('code', '')}")
    return count, standard, codes


_STANDARD = (
    SNOMED,
    "https://dmd.nhs.uk",
    "http://hl7.org/fhir/sid/icd-10",
    "http://terminology.hl7.org/",
    "urn:nhs-record-gateway:",
)
"""Standard codes, and those this gateway itself gives meaning to: neither waits for a map."""
