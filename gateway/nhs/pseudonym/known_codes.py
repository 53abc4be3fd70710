"""The codes that may leave: the national systems, what a code of each looks like, and check digits."""

from __future__ import annotations

import re

from gateway.fhir.codes import UCUM
from gateway.nhs.identifiers import is_valid

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+\-]{0,63}")
_OPCS = re.compile(r"[A-Z]\d{2}[.0-9]{0,3}")
NATIONAL = {
    "http://snomed.info/sct": re.compile(r"[1-9]\d{5,17}"),
    "https://dmd.nhs.uk": re.compile(r"[1-9]\d{5,17}"),
    "http://loinc.org": re.compile(r"\d{1,7}-\d"),
    "http://hl7.org/fhir/sid/icd-10": re.compile(r"[A-Z]\d{2}[A-Z0-9.+*]{0,5}"),
    "https://fhir.hl7.org.uk/Id/opcs-4": _OPCS,
    "https://fhir.hl7.org.uk/CodeSystem/OPCS-4": _OPCS,
    "http://read.info/": re.compile(r"[A-Za-z0-9.]{2,7}"),
    UCUM: re.compile(r"[!-~]{1,64}"),
    "http://terminology.hl7.org/CodeSystem/": _WORD,
    "http://hl7.org/fhir/": _WORD,
    "https://fhir.hl7.org.uk/CodeSystem/": _WORD,
    "https://fhir.nhs.uk/CodeSystem/": _WORD,
    "urn:nhs-record-gateway:cld:": re.compile(r"\S+( \S+)*"),
}
"""Systems whose codes may leave, and what a code of them looks like; a local system's codes are the site's own words.
The last holds values of DHSC's lists only: the mapping writes no other. The first that fits a system judges."""
_TAIL = re.compile(r"[A-Za-z0-9\-.]{1,64}")
"""What may follow where only the beginning of a system is named above."""
_CHECKED = frozenset({"http://snomed.info/sct", "https://dmd.nhs.uk"})
"""Systems whose codes end in a digit that Verhoeff's check holds together: one in ten NHS numbers could be such a
code, the others cannot."""


def pattern(system: str) -> re.Pattern[str] | None:
    """What a code of a system looks like; None where its codes do not leave."""
    return next((code for name, code in NATIONAL.items() if _is_of(system, name)), None)


def could_be_number(system: str, code: str) -> bool:
    """Whether a code could be an NHS number: it has the number's check digit, and no check digit of its own."""
    return is_valid(code) and not (system in _CHECKED and has_check_digit(code))


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


_PERMUTED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
