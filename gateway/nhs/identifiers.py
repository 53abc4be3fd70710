"""NHS numbers and ODS codes: what they look like, whether they hold, and numbers that nobody has."""

import re

from gateway.errors import Invalid

_SEPARATORS = str.maketrans("", "", " -\u00a0\t")
_WEIGHTS = range(10, 1, -1)

_PRACTICE = re.compile(r"[A-HJ-NPQWY][0-9]{5}")
_ORGANISATION = re.compile(r"[A-Z0-9]{3}([A-Z0-9]{2,3})?")
_TRUST = re.compile(r"[RT][A-Z0-9]{2}")
_SITE = re.compile(r"[RT][A-Z0-9]{4}")

SYNTHETIC = 899_999
"""How many numbers ``synthetic`` can make; the next would be ten nines. The 999 range is never issued (NHS England
keeps it for tests)."""


def normalise(text: str) -> str:
    """Return the number without the spaces and hyphens people put into it; it may still not be a number.

    >>> normalise("999 000-0018")
    '9990000018'
    """
    return text.translate(_SEPARATORS)


def is_valid(text: str) -> bool:
    """Whether ``text``, once normalised, is ten digits with the right check digit (NHS Data Dictionary: NHS NUMBER,
    modulus 11).

    A number of one repeated digit is refused although some of them pass the check: they are typed to get past a
    mandatory field.
    """
    number = normalise(text)
    if len(number) != 10 or not (number.isascii() and number.isdigit()) or number == number[0] * 10:
        return False
    return check_digit(number[:9]) == int(number[9])


def check_digit(nine: str) -> int | None:
    """Return the tenth digit for nine, or None where they have none (the remainder asks for 10)."""
    check = 11 - sum(int(digit) * weight for digit, weight in zip(nine, _WEIGHTS)) % 11
    return None if check == 10 else check % 11


def spaced(text: str) -> str:
    """Return the number as people are shown it, 3-3-4. Raises ``Invalid("NHS number")``, so that nothing malformed is
    dressed up as one.

    >>> spaced("9990000018")
    '999 000 0018'
    """
    number = normalise(text)
    if not is_valid(number):
        raise Invalid("NHS number")
    return f"{number[:3]} {number[3:6]} {number[6:]}"


def synthetic(index: int) -> str:
    """Return the ``index``-th NHS number of the 999 range: valid, and nobody's. Other indexes give other numbers.

    The ninth digit weighs two, so of the ten nine-digit numbers with the same first eight digits at most one has no
    check digit: each eight give nine numbers, and the index is found without counting. Raises ``Invalid("index")``
    outside 0…899,998.
    """
    if not 0 <= index < SYNTHETIC:
        raise Invalid("index")
    block, place = divmod(index, 9)
    eight = 99_900_000 + block
    usable = (f"{eight}{ninth}" for ninth in range(10) if check_digit(f"{eight}{ninth}") is not None)
    nine = [number for _, number in zip(range(place + 1), usable)][-1]
    return f"{nine}{check_digit(nine)}"


def is_synthetic(text: str) -> bool:
    """Whether the number is of the range that is never issued."""
    return is_valid(text) and normalise(text).startswith("999")


def is_ods_code(code: str) -> bool:
    """Whether ``code`` has the shape of an ODS organisation or site code: three, five or six capitals and digits."""
    return bool(_ORGANISATION.fullmatch(code))


def name_in_reports(ods: str, key: int) -> str:
    """What a report calls a publisher: its ODS code, else its number in the store. The source's own key for it may hold
    whatever a supplier put into the column."""
    return ods if is_ods_code(ods) else f"publisher {key}"


def is_practice_code(code: str) -> bool:
    """Whether ``code`` has the shape of a GP practice's ODS code: a letter and five digits."""
    return bool(_PRACTICE.fullmatch(code))


def is_trust_code(code: str) -> bool:
    """Whether ``code`` has the shape of an NHS trust's ODS code: ``R`` or ``T`` and two more."""
    return bool(_TRUST.fullmatch(code))


def is_site_code(code: str) -> bool:
    """Whether ``code`` has the shape of a trust site's ODS code: the trust's three and two more."""
    return bool(_SITE.fullmatch(code))


def is_council_code(code: str) -> bool:
    """Whether ``code`` has the shape of a council's social-care (CASSR) code: three digits."""
    return len(code) == 3 and code.isascii() and code.isdigit()
