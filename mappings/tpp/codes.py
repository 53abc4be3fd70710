"""Clinical codes: CTV3 and SNOMED CT side by side, what they make of an entry, and medicines.

What a GP's term says (its sense, an allergy, an operation) is decided where EMIS's terms are: ``mappings.emis``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from gateway.fhir.codes import DMD, SNOMED
from mappings import Listed, Look, Row, Values
from mappings.emis import allergen, category
from mappings.emis.codes import DEGRADED_MEDICATION, Code, is_concept, pressure_part
from mappings.emis.sense import sense_of
from mappings.emis.words import head, matches, words
from mappings.tpp.lists import term

CTV3 = "http://read.info/ctv3"
LOCAL = "urn:nhs-record-gateway:systmone-code"
"""Codes of SystmOne's own, which begin with Y: they look like CTV3 codes and are not of its release."""
MULTILEX = "https://fhir.hl7.org.uk/Id/multilex-drug-codes"
_CTV3 = re.compile(r"[0-9A-Za-z][0-9A-Za-z.]{4}")
_READ_V2 = re.compile(r"(?!U[a-z])[0-9A-WZ][0-9A-Za-z.]{4}")


def code_of(row: Row, look: Look) -> Code:
    """Return the clinical code of a coded entry. An entry without any code is what its words are; one without words
    too says so."""
    values = row.values
    ctv3, snomed = values.get("CTV3Code", "").strip(), values.get("SNOMEDCode", "").strip()
    texts = values.get("CTV3Text", "").strip() or term(ctv3, look), values.get("SNOMEDText", "").strip()
    return clinical(ctv3, texts[0], snomed, texts[1], look.listed)


@lru_cache(maxsize=1 << 16)
def clinical(ctv3: str, ctv3_text: str, snomed: str, snomed_text: str, listed: Listed) -> Code:
    """Decide once for each code and the code sets that ``listed`` belongs to."""
    chapter, texts = read_v2(ctv3), [text for text in dict.fromkeys((snomed_text, ctv3_text)) if text]
    text = texts[0] if texts else ""
    codings = codings_of(ctv3, ctv3_text, snomed, snomed_text)
    is_stated = category.is_stated(chapter)
    sense = next((sense for words_of in texts if (sense := sense_of(words_of, is_stated))), "")
    kind = category.kind("Unset", chapter, text, sense)
    memberships = [pair for coding in codings for pair in listed(coding["system"], coding["code"])]
    allergy = allergen.listed(memberships) or next(
        (said for words_of in texts or [""] if (said := allergen.allergy_of(chapter, snomed, words_of, sense))), ""
    )
    spoken = text if ctv3 else "; ".join(texts)  # the words of a code that was not sent stand nowhere else
    concept = {"coding": codings, "text": spoken} if codings and text else {"coding": codings} if codings else {}
    route = "allergy" if allergy else "medication" if is_drug(ctv3) and not sense else kind.route
    part = pressure_part(snomed, chapter)
    return Code(
        concept or {"text": spoken or "Entry without a code"},
        text,
        route,
        "vital-signs" if part else kind.observation_category,
        "nil" if allergy == "nil" else sense,
        part,
        is_concept(snomed),
        is_stated or route not in ("allergy", "medication") and kind.is_disease,
        any(matches("result", words(words_of)) for words_of in texts),
        None if route in ("allergy", "medication") or is_told(chapter, texts, sense) else ctv3 or snomed,
    )


def codings_of(ctv3: str, ctv3_text: str, snomed: str, snomed_text: str) -> list[dict[str, Any]]:
    """Return the codings: the CTV3 or local code with its term, then SNOMED CT. -1 stands for no concept."""
    codings: list[dict[str, Any]] = []
    if ctv3:
        codings.append({"system": system_of(ctv3), "code": ctv3, **({"display": ctv3_text} if ctv3_text else {})})
    if is_concept(snomed):
        codings.append({"system": SNOMED, "code": snomed, **({"display": snomed_text} if snomed_text else {})})
    return codings


def concept_of(ctv3: str, snomed: str, look: Look) -> dict[str, Any]:
    """Return the concept of a code that is sent without its words, {} for none."""
    text = term(ctv3, look)
    codings = codings_of(ctv3, text, snomed, "")
    return {"coding": codings, "text": text} if codings else {}


def system_of(ctv3: str) -> str:
    """Return the system of what the column CTV3Code holds.

    >>> system_of("XaQVY"), system_of("Y1234").rpartition(":")[2], system_of("a long code").rpartition(":")[2]
    ('http://read.info/ctv3', 'systmone-code', 'systmone-code')
    """
    return CTV3 if _CTV3.fullmatch(ctv3) and not ctv3.startswith("Y") else LOCAL


def read_v2(ctv3: str) -> str:
    """Return a CTV3 code that it took over from Read v2, "" for any other: only those stand in a chapter. What CTV3
    added begins with X, Ua or Ub, and SystmOne's own with Y.

    >>> read_v2("H33.."), read_v2("XaQVY"), read_v2("Y1234"), read_v2("Ua1Jk"), read_v2("U12..")
    ('H33..', '', '', '', 'U12..')
    """
    return ctv3 if _READ_V2.fullmatch(ctv3) else ""


def is_drug(ctv3: str) -> bool:
    """Whether a code is one of the drug chapters of the Read codes, which begin with a small letter.

    >>> is_drug("x00aG"), is_drug("bu23."), is_drug("H33.."), is_drug("XaQVY")
    (True, True, False, False)
    """
    return bool(_CTV3.fullmatch(ctv3)) and ctv3[0].islower()


def is_told(chapter: str, texts: list[str], sense: str) -> bool:
    """Whether a chapter or the words of a code say what it is. What neither says is a Condition, and is counted."""
    return bool(sense or category.by_chapter(chapter)[0] or any(head(words(text)) for text in texts))


def drug_concept(values: Values) -> dict[str, Any]:
    """Return the concept of a medicine: dm+d where it has it, else the transfer-degraded concept; Multilex; the name.
    Shared between resources: not to be changed."""
    get = values.get
    return _drug(get("IDMultiLexProduct", ""), get("IDMultiLexDMD", ""), get("NameOfMedication", ""))


@lru_cache(maxsize=1 << 15)
def _drug(product: str, dmd: str, name: str) -> dict[str, Any]:
    text, number = name.strip(), product.strip()
    display = {"display": text} if text else {}
    own = [{"system": MULTILEX, "code": number, **display}] if number and not number.startswith("-") else []
    codings = [{"system": DMD, "code": dmd.strip(), **display}] if is_concept(dmd.strip()) else [DEGRADED_MEDICATION]
    return {"coding": [*codings, *own], **({"text": text} if text else {})}
