"""The codes that may leave: the national systems, what a code of each looks like, and check digits.

A pattern alone lets a hospital number or a surname through where a sender names a national system for it. So a code has
the whole shape of its system, and its check digit where the system has one.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.fhir.codes import UCUM
from gateway.nhs.identifiers import is_valid
from gateway.nhs.pseudonym.units import is_unit

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+\-]{0,63}")
_NOT_A_WORD = re.compile(r".*\d{5}.*|[A-Z][a-z]{2,}([ \-'][A-Z][a-z]+)*")
"""What a code of a fixed list is not: a number of five digits (a hospital number, a telephone), a name."""
_POSTCODE = re.compile(r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}")
_OPCS = re.compile(r"[A-Z]\d{2}(?:\.?\d)?")
_ICD = re.compile(r"[A-Z]\d{2}(?:X|\.?\d|\.[X\-])?[DA*+]?|[FIKMSTV-Y]\d{2}(?:\.?\d\d|X\d|\.X\d)[DA*+]?")
"""A category with at most one character, and with a second one in the chapters that have fifth characters."""
_READ = re.compile(r"(?=.{5}(?:..)?\Z)[A-Za-z0-9]{1,5}\.{0,4}(?:[A-Za-z0-9]{2})?")
_SCTID = re.compile(r"[1-9]\d{5,17}")
_LOINC = re.compile(r"(?:LA)?(\d{1,7})-(\d)")


def is_sctid(code: str) -> bool:
    """Whether a code is the id of a SNOMED CT or dm+d concept: Verhoeff's check digit, before it the partition of a
    concept, and before that a namespace where the partition has one.

    https://confluence.ihtsdotools.org/display/DOCRELFMT/6+SNOMED+CT+Identifiers

    >>> is_sctid("271649006"), is_sctid("271649007"), is_sctid("7700900123")
    (True, False, False)
    """
    if not _SCTID.fullmatch(code) or not has_check_digit(code):
        return False
    return code[-3:-1] == "00" or (code[-3:-1] == "10" and len(code) > 10)


def _is_loinc(code: str) -> bool:
    """A LOINC number, or that of an answer (LA). Those of up to five digits are too short to be
    anybody's number; longer ones need their check
    digit (modulus 10): https://loinc.org/kb/users-guide/loinc-database-structure/"""
    parts = _LOINC.fullmatch(code)
    return parts is not None and (len(parts[1]) < 6 or _has_luhn_digit(parts[1] + parts[2]))


def _is_read(code: str) -> bool:
    """A Read code: five characters, full stops only at the end, with or without its term code. Letters alone are no
    code where they could be a name."""
    if not _READ.fullmatch(code) or _POSTCODE.fullmatch(code):
        return False
    stem = code[:5].rstrip(".")
    if not stem.isalpha():
        return True
    is_read_3 = len(stem) == 5 and stem[0] == "X" and not stem[1:].islower()
    return is_read_3 or (len(stem) < 5 and not (len(stem) > 2 and stem.istitle()))


def _is_word(code: str) -> bool:
    """A code of one of the short fixed lists of HL7 and the NHS."""
    return bool(_WORD.fullmatch(code)) and not _NOT_A_WORD.fullmatch(code) and not _POSTCODE.fullmatch(code)


NATIONAL: dict[str, Callable[[str], object]] = {
    "http://snomed.info/sct": is_sctid,
    "https://dmd.nhs.uk": is_sctid,
    "http://loinc.org": _is_loinc,
    "http://hl7.org/fhir/sid/icd-10": _ICD.fullmatch,
    "https://fhir.hl7.org.uk/Id/opcs-4": _OPCS.fullmatch,
    "https://fhir.hl7.org.uk/CodeSystem/OPCS-4": _OPCS.fullmatch,
    "http://read.info/": _is_read,
    UCUM: is_unit,
    "http://terminology.hl7.org/CodeSystem/": _is_word,
    "http://hl7.org/fhir/": _is_word,
    "https://fhir.hl7.org.uk/CodeSystem/": _is_word,
    "https://fhir.nhs.uk/CodeSystem/": _is_word,
    "urn:nhs-record-gateway:cld:": re.compile(r"\S+( \S+)*").fullmatch,
}
"""Systems whose codes may leave, and whether a text is a code of them; a local system's codes are the site's own words.
The last holds values of DHSC's lists only: the mapping writes no other. The first that fits a system judges."""
_TAIL = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""What may follow where only the beginning of a system is named above."""
_CHECKED = frozenset({"http://snomed.info/sct", "https://dmd.nhs.uk"})
"""Systems whose codes end in a digit that Verhoeff's check holds together: one in ten NHS numbers could be such a
code, the others cannot."""


def is_national(system: str) -> bool:
    """Whether codes of a system may leave at all."""
    return any(_is_of(system, name) for name in NATIONAL)


def is_code(system: str, code: str) -> bool:
    """Whether a text is what a code of its system looks like; of a system that is not national, never."""
    return bool(next((judge(code) for name, judge in NATIONAL.items() if _is_of(system, name)), False))


def could_be_number(system: str, code: str) -> bool:
    """Whether a code could be an NHS number: it has the number's check digit, and no check digit of its own."""
    return is_valid(code) and not (system in _CHECKED and is_sctid(code))


def _is_of(system: str, name: str) -> bool:
    """Whether a system is the one named, or of those whose beginning is."""
    return system == name or (
        name[-1] in "/:" and system.startswith(name) and _TAIL.fullmatch(system, len(name)) is not None
    )


def has_check_digit(code: str) -> bool:
    """Verhoeff's check, by which SNOMED CT and dm+d ids end: the symmetries of a pentagon, a permutation by place.

    >>> has_check_digit("271649006"), has_check_digit("271649007")
    (True, False)
    """
    check = 0
    for place, digit in enumerate(reversed(code)):
        number = int(digit)
        for _ in range(place % 8):
            number = _PERMUTED[number]
        turned = check % 5 + (-number if check > 4 else number)
        check = turned % 5 + (5 if (check > 4) != (number > 4) else 0)
    return check == 0


def _has_luhn_digit(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(number - 9 if number > 9 else number for number in doubled) % 10 == 0


_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
