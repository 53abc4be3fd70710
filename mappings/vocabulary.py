"""Vocabulary shared by all sources: URIs, placeholders for missing values, units, and the reading of code tables."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any

from gateway.fhir.codes import UCUM
from gateway.nhs.identifiers import is_valid

HL7 = "http://terminology.hl7.org/CodeSystem/"
"""The start of HL7's own code systems."""
UK_CORE = "https://fhir.hl7.org.uk/StructureDefinition/"
"""The start of UK Core's profiles (``UKCore-Patient``)."""
UK_CORE_EXTENSION = UK_CORE + "Extension-UKCore-"
UK_CORE_CODES = "https://fhir.hl7.org.uk/CodeSystem/UKCore-"
ETHNIC_CATEGORY = UK_CORE_CODES + "EthnicCategoryEngland"
NUMBER_STATUS = UK_CORE_CODES + "NHSNumberVerificationStatusEngland"
NUMBER_VERIFICATION = UK_CORE_EXTENSION + "NHSNumberVerificationStatus"
"""The extension of an NHS number that says how it was verified, by a code of ``NUMBER_STATUS``."""
WRONG_NUMBER = {"text": "NHS number as sent; its check digit is wrong"}
"""The type of an identifier that is shown and identifies nobody."""
GMC_NUMBER = "https://fhir.hl7.org.uk/Id/gmc-number"
GMP_NUMBER = "https://fhir.hl7.org.uk/Id/gmp-number"
NMC_NUMBER = "https://fhir.hl7.org.uk/Id/nmc-number"
LOCAL_NUMBER = "https://fhir.nhs.uk/Id/local-patient-identifier"
ODS_SITE = "https://fhir.nhs.uk/Id/ods-site-code"
READ = "http://read.info/readv2"
ALLERGY_CLINICAL, ALLERGY_VERIFICATION = HL7 + "allergyintolerance-clinical", HL7 + "allergyintolerance-verification"
CONDITION_CLINICAL, CONDITION_VERIFICATION = HL7 + "condition-clinical", HL7 + "condition-ver-status"
CONDITION_CATEGORY = HL7 + "condition-category"
ENCOUNTER_DIAGNOSIS = {"coding": [{"system": CONDITION_CATEGORY, "code": "encounter-diagnosis"}]}
REGISTRATION_TYPE = "urn:nhs-record-gateway:registration-type"
"""The registration types that practice systems' own words are translated to; ``R`` is a regular, GMS, patient."""

ABSENT_REASON = HL7 + "data-absent-reason"
UNKNOWN = {"extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]}
"""What stands in a place that FHIR requires and the source leaves empty."""
ESTIMATED = {"extension": [{"url": "urn:nhs-record-gateway:estimated", "valueBoolean": True}]}
"""Stands beside a date that we worked out and nobody wrote."""
TAG = "urn:nhs-record-gateway:tag"
AMBIGUOUS = {"system": TAG, "code": "ambiguous-time"}
"""The tag of a resource with a time that the clock showed twice."""


def absent(code: str) -> dict[str, Any]:
    """Return the concept of a reason why a value is absent (``unknown``, ``not-performed``…)."""
    return {"coding": [{"system": ABSENT_REASON, "code": code}]}


def status(system: str, code: str) -> dict[str, Any]:
    """Return the concept of a status; {} for none.

    >>> status(CONDITION_CLINICAL, "active")["coding"][0]["code"], status(CONDITION_CLINICAL, "")
    ('active', {})
    """
    return {"coding": [{"system": system, "code": code}]} if code else {}


CANNOT_BE = "a date that cannot be"
"""The warning for a date that is left out: before birth, after what is known, or one that stands for none."""
NO_DAYS = frozenset({"0001-01-01", "1753-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1901-01-01"})
"""Days that systems fill in where a date is not known."""


def can_be(day: str, born: str, known: str) -> bool:
    """Whether something of a life that was known on the day ``known`` can have happened on ``day``: not before birth,
    not after it was told, and not on a day that stands for none. Days are ISO; ``born`` may be "".

    >>> can_be("2024-01-02", "1960-01-15", "2024-03-12"), can_be("9999-12-31", "", "2024-03-12")
    (True, False)
    """
    return day not in NO_DAYS and born <= day <= known


YEARS_AHEAD = 10
"""How far ahead something may be planned; what lies further ahead is a slip, or a day that stands for none."""


def may_come(day: str, born: str, known: str) -> bool:
    """The same of something that may lie ahead on the day ``known``, as a planned admission does.

    >>> may_come("2026-01-02", "1960-01-15", "2025-06-10"), may_come("2099-01-02", "1960-01-15", "2025-06-10")
    (True, False)
    """
    return can_be(day, born, f"{min(int(known[:4]) + YEARS_AHEAD, 9999)}{known[4:]}")


def tagged(resource: dict[str, Any], is_ambiguous: bool = True) -> dict[str, Any]:
    """Return the resource, with the tag that says a time of it was shown twice by the clock."""
    return {**resource, "meta": {**resource["meta"], "tag": [AMBIGUOUS]}} if is_ambiguous else resource


UNLEARNT = "\N{REPLACEMENT CHARACTER}"
_learnt: set[tuple[str, str]] = set()
"""The tables that were read since all was forgotten."""
_unlearnt: set[tuple[str, str]] = set()
"""The tables whose words stand for none that is sent, by package and name. Empty but in ``unlearning``."""


@contextmanager
def unlearning(package: str, name: str) -> Iterator[None]:
    """Read a code table as if it listed none of the words that are sent: the mapping document measures so what a table
    decides. Everything that mappings remember is forgotten before and after, so that no load may run beside it."""
    _unlearnt.add((package, name))
    _forget()
    try:
        yield
    finally:
        _unlearnt.clear()
        _forget()


@contextmanager
def learning() -> Iterator[set[tuple[str, str]]]:
    """Give the tables, by package and name, that are read from now on: a table that is remembered is read again."""
    _forget()
    yield _learnt


def _forget() -> None:
    _learnt.clear()
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "mappings":
            for member in vars(module).values():
                if hasattr(member, "cache_clear"):
                    member.cache_clear()


@lru_cache
def code_table(package: str, name: str) -> list[dict[str, str]]:
    """Return the rows of ``<name>.csv`` in a package, by column; lines beginning with ``#`` tell the origin.

    >>> code_table("terminology", "maps/ucum")[0].keys() >= {"text", "ucum"}
    True
    """
    _learnt.add((package, name))
    text = files(package).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))
    if (package, name) in _unlearnt:
        rows = [{column: f"{UNLEARNT}{value}" if not place else value for place, (column, value) in enumerate(row.items())} for row in rows]  # fmt: skip
    return rows


@lru_cache
def by_word(package: str, name: str, target: str = "") -> dict[str, str]:
    """Return the column ``target`` of ``<name>.csv`` in a package by the words of its first column, which is the target
    itself where none is named. Case plays no part: the words are folded.

    >>> by_word("terminology", "maps/ucum", "ucum")["mmhg"]
    'mm[Hg]'
    """
    rows = code_table(package, name)
    word = next(iter(rows[0]))
    return {row[word].casefold(): row[target or word] for row in rows}


@lru_cache(maxsize=4096)
def unit(written: str) -> dict[str, Any]:
    """Return ``unit`` as it was written and, where the curated table knows it, ``system`` and ``code`` of UCUM; {} for
    none. Not to be changed: it is shared.

    >>> unit("mmHg")["code"], "code" in unit("handfuls")
    ('mm[Hg]', False)
    """
    code = _ucum().get(written)
    if code:
        return {"unit": written, "system": UCUM, "code": code}
    return {"unit": written} if written else {}


@lru_cache
def _ucum() -> dict[str, str]:
    return {row["text"]: row["ucum"] for row in code_table("terminology", "maps/ucum") if row["ucum"]}


@lru_cache(maxsize=16384)
def protected(scheme: str, code: str) -> str:
    """Return the words of an ``ICD`` (ICD-10) or ``OPCS`` (OPCS-4) code that tells of something protected, with or
    without its point; "" for any other. Whoever makes a concept of one writes them into its text: the sets of sensitive
    codes are of SNOMED CT and Read, and hospitals send codes without words.

    >>> protected("ICD", "B24"), protected("ICD", "N74.3"), protected("ICD", "I10"), protected("OPCS", "B24")
    ('HIV disease', 'gonococcal pelvic inflammatory disease (gonorrhoea)', '', '')
    """
    bare = code.strip().upper().replace(".", "")
    rows = (row for row in code_table("mappings", "codes_protected") if row["system"] == scheme)
    return next((row["label"] for row in rows if bare.startswith(row["code"])), "")


_BETWEEN = re.compile(r"[\W_]+")
_DIGITS = re.compile(r"[0-9]{10,}")


def without_nhs_number(text: str, namespace: bytes) -> str:
    """Return a number of the sender's as part of a key: a digest of one in which an NHS number may stand, whatever is
    written around and between its digits. Some number people and records by it, and no key may hold one. The digest is
    keyed with the store's own namespace.

    >>> [without_nhs_number(text, b"")[0] for text in ("A9990000018001", "999 000-0018", "9990000019", "A-1")]
    ['#', '#', '9', 'A']
    """
    if not holds_nhs_number(text):
        return text
    return "#" + blake2b(text.encode(), digest_size=12, key=namespace[:64]).hexdigest()


def holds_nhs_number(text: str) -> bool:
    """Whether any ten digits of a text that follow one another, with or without signs between them, are an NHS
    number."""
    return any(
        is_valid(run[0][start : start + 10])
        for run in _DIGITS.finditer(_BETWEEN.sub("", text))
        for start in range(len(run[0]) - 9)
    )
