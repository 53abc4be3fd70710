"""The code tables of EMIS, and a practice's clinical codes: concept, resource type, and words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.codes import DMD, SNOMED
from mappings import Look, Row, Values
from mappings.emis.delivery import directory
from mappings.emis.tables import CODE, DRUG_CODE
from mappings.vocabulary import READ, code_table

EGTON = "https://fhir.hl7.org.uk/Id/egton-codes"
EMIS_DRUG = "https://fhir.hl7.org.uk/Id/emis-drug-codes"
DESCRIPTION_ID = "http://hl7.org/fhir/StructureDefinition/coding-sctdescid"

DEGRADED_MEDICATION = {"system": SNOMED, "code": "196421000000109", "display": "Transfer-degraded medication entry"}
DEGRADED_ALLERGY = {"system": SNOMED, "code": "196461000000101", "display": "Transfer-degraded drug allergy"}
DEGRADED_OTHER_ALLERGY = {"system": SNOMED, "code": "196471000000108", "display": "Transfer-degraded non-drug allergy"}

NOT_OF_AN_ALLERGY = ("planned", "declined", "not-given", "family", "not-family")
"""Senses of words that speak of an allergy clinic, a test or a relative: such a term is an allergy by its code or
category only."""

_LOCAL = re.compile(r"(EMIS|ESCT|FUNDHC|JHCC|RAFME).*|.*(KC60|SHHAPT)")
_READ = re.compile(r"[A-Za-z0-9][A-Za-z0-9.]{1,4}([0-9A-Za-z]{2})?")


@dataclass(frozen=True, slots=True)
class Code:
    """A clinical code of the practice. ``concept`` is shared between resources: it is not to be changed.

    ``route`` is what its category makes it; ``category`` the FHIR observation category; ``sense`` what its words add
    (see ``sense``); ``part`` panel, systolic or diastolic; ``is_coded`` whether it has a SNOMED concept.
    """

    concept: dict[str, Any]
    text: str
    route: str
    category: str
    sense: str
    part: str
    is_coded: bool


def code_of(row: Row, look: Look, column: str = "CodeId") -> Code:
    """Return the clinical code of a row. Raises ``Invalid`` naming the column while the code has not arrived: guessing
    is not an option."""
    code = look.row(CODE, row.values[column], directory(row))
    if code is None:
        raise Invalid(f"column {column}")
    return clinical(code.values, row.values[column])


def clinical(code: Values, code_id: str) -> Code:
    """Return what a row of the code table says."""
    get = code.get
    return _clinical(
        code_id,
        get("Term", ""),
        get("ReadTermId", ""),
        get("SnomedCTConceptId", ""),
        get("SnomedCTDescriptionId", ""),
        get("EmisCodeCategoryDescription", ""),
    )


@lru_cache(maxsize=1 << 16)
def _clinical(code_id: str, term: str, read: str, snomed: str, description: str, category: str) -> Code:
    text = term.strip()
    read = read_code(read)
    own = own_coding(read, code_id, text)
    codings = [own]
    if is_concept(snomed):
        standard: dict[str, Any] = (
            {"extension": [{"url": DESCRIPTION_ID, "valueId": description}]} if is_description(description) else {}
        )
        codings.append({**standard, "system": SNOMED, "code": snomed})
    route, observation_category = _categories().get(category.strip().casefold(), ("observation", ""))
    said = sense_of(text)
    if allergy := _allergy(read if own["system"] == READ else "", snomed, text, said):
        route, said = "allergy", allergy[0] or said
    if route == "condition" and own["system"] == READ and _is_procedure(read):
        route = "procedure"
    concept = {"coding": codings, "text": text} if text else {"coding": codings}
    part = _parts().get(("snomed", snomed)) or _parts().get(("read", read)) or ""
    return Code(concept, text, route, observation_category, said, part, len(codings) > 1)


def own_coding(read: str, code_id: str, text: str) -> dict[str, Any]:
    """Return the coding the clinician chose, in the practice's own system: Read v2, else EMIS's."""
    if read and _READ.fullmatch(read) and not _LOCAL.fullmatch(read):
        coding = {"system": READ, "code": read}
    else:
        coding = {"system": EGTON, "code": read or code_id}
    if text:
        coding["display"] = text
    return {**coding, "userSelected": True}


def read_code(text: str) -> str:
    """Return a ReadTermId as a code: five bytes padded with dots, without the number of its synonym.

    >>> read_code("H33..00"), read_code("14L1.-2"), read_code("246"), read_code("EMISNQFR12")
    ('H33..', '14L1.', '246..', 'EMISNQFR12')
    """
    code = text.strip()
    if not code or _LOCAL.fullmatch(code) or " " in code:
        return re.sub(r"\s+", " ", code)
    code = code.partition("-")[0]
    if len(code) == 7 and _READ.fullmatch(code):
        code = code[:5]
    return code.ljust(5, ".") if len(code) < 5 else code


def is_concept(text: str) -> bool:
    """Whether ``text`` has the shape of a SNOMED CT concept id of a released edition. EMIS fills its own extension's
    ids (namespace 1000006 and 1000033) in for local codes: those are local codes still.

    >>> is_concept("195967001"), is_concept("1777541000006100"), is_concept("1777541000006110")
    (True, False, False)
    """
    if not (text.isascii() and text.isdigit() and 6 <= len(text) <= 18) or text[-3:-1] not in ("00", "10"):
        return False
    return not (text[-3] == "1" and text[-10:-3] in ("1000006", "1000033"))


def is_description(text: str) -> bool:
    """Whether ``text`` has the shape of a released SNOMED CT description id."""
    if not (text.isascii() and text.isdigit() and 6 <= len(text) <= 18) or text[-3:-1] not in ("01", "11"):
        return False
    return not (text[-3] == "1" and text[-10:-3] in ("1000006", "1000033"))


def sense_of(term: str) -> str:
    """Return what the words of a term say beyond their code, "" for nothing.

    >>> sense_of("Influenza vaccination declined"), sense_of("Asthma"), sense_of("Deafness due to noise")
    ('declined', '', '')
    """
    folded = term.casefold()
    return next((sense for pattern, sense in _senses() if pattern.search(folded)), "")


def _allergy(read: str, snomed: str, text: str, said: str) -> tuple[str] | None:
    """The sense of a code that is an allergy whatever its category, in a tuple; None if it is none. Its words make it
    one where they tell of the allergy itself, and not of a test, a referral or advice about it."""
    for system, code, match, sense in _allergies():
        given = read if system == "read" else snomed
        if system != "words" and given and (given == code if match == "exact" else given.startswith(code)):
            return (sense,)
    if said == "nil":
        return ("nil",)
    is_told = said not in (*NOT_OF_AN_ALLERGY, "absent") and any(
        pattern.search(text.casefold()) for pattern in _allergy_words()
    )
    return ("",) if is_told else None


def drug_concept(row: Row, look: Look) -> dict[str, Any]:
    """Return the concept of a medicine: EMIS's own code, dm+d where the practice has it, else the transfer-degraded
    concept.

    Raises ``Invalid("column CodeId")`` while the code has not arrived. Shared between resources: not to be changed.
    """
    code_id = row.values["CodeId"]
    code = look.row(DRUG_CODE, code_id, directory(row))
    if code is None:
        raise Invalid("column CodeId")
    return _drug(code_id, code.values.get("Term", ""), code.values.get("DmdProductCodeId", ""))


@lru_cache(maxsize=1 << 15)
def _drug(code_id: str, term: str, dmd: str) -> dict[str, Any]:
    text = term.strip()
    own = {"system": EMIS_DRUG, "code": code_id, **({"display": text} if text else {}), "userSelected": True}
    codings = [own, {"system": DMD, "code": dmd}] if is_concept(dmd) else [DEGRADED_MEDICATION, own]
    return {"coding": codings, "text": text} if text else {"coding": codings}


def coded(table: str, word: str, key: str = "", target: str = "code") -> str:
    """Return the target of ``word`` in ``codes_<table>.csv`` (first column is the key), "" where no row has it. Case
    plays no part."""
    return _table(table, target).get(word.strip().casefold(), "")


def label(table: str, word: str) -> str:
    """Return the label people read of ``word`` in ``codes_<table>.csv``."""
    return _table(table, "label").get(word.strip().casefold(), "")


@lru_cache
def _table(name: str, target: str) -> dict[str, str]:
    rows = rows_of(name)
    first = next(iter(rows[0]))
    return {row[first].casefold(): row[target] for row in rows}


def rows_of(name: str) -> list[dict[str, str]]:
    """Return the rows of ``codes_<name>.csv``; lines beginning with ``#`` tell the origin."""
    return code_table(__package__, f"codes_{name}")


@lru_cache
def _categories() -> dict[str, tuple[str, str]]:
    return {row["category"].casefold(): (row["route"], row["observation_category"]) for row in rows_of("category")}


@lru_cache
def _senses() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(row["pattern"]), row["sense"]) for row in rows_of("sense")]


@lru_cache
def _allergies() -> list[tuple[str, str, str, str]]:
    """(system, code, match, sense): those of the terminology sets, which every door knows, then this source's own."""
    systems = {READ: "read", SNOMED: "snomed"}
    known = [
        (systems[row["system"]], row["code"], "exact", sense)
        for name, sense in (("no-known-allergy", "nil"), ("allergy", ""))
        for row in code_table("terminology", f"sets/{name}")
        if row["system"] in systems
    ]
    return known + [(row["system"], row["code"], row["match"], row["sense"]) for row in rows_of("allergy")]


@lru_cache
def _allergy_words() -> list[re.Pattern[str]]:
    return [re.compile(row["code"]) for row in rows_of("allergy") if row["system"] == "words"]


@lru_cache
def _parts() -> dict[tuple[str, str], str]:
    return {(row["system"], row["code"]): row["part"] for row in rows_of("blood_pressure")}


@lru_cache
def _is_procedure(read: str) -> bool:
    prefixes = [row for row in rows_of("procedure") if read.startswith(row["read"])]
    return bool(prefixes) and max(prefixes, key=lambda row: len(row["read"]))["procedure"] == "yes"
