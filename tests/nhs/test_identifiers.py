"""NHS numbers and ODS codes: which hold, which do not, and that synthetic ones are nobody's."""

import pytest

from gateway.errors import Invalid
from gateway.nhs import identifiers

CASES = [
    ("9990000018", True),
    ("999 000 0018", True),
    ("999-000-0018", True),
    ("9990000012", False),  # wrong check digit
    ("9990000000", False),  # its nine digits ask for a check of 10, so no tenth is right
    ("9999999999", False),  # passes the arithmetic, and is typed to get past a mandatory field
    ("0000000000", False),
    ("1234567890", False),
    ("999000001", False),
    ("99900000180", False),
    ("999000001X", False),
    ("٩٩٩٠٠٠٠٠١٨", False),  # digits to str.isdigit, not to any other system
    ("", False),
]


@pytest.mark.parametrize(("text", "valid"), CASES)
def test_a_number_holds_when_it_is_ten_digits_with_the_right_check(text, valid):
    assert identifiers.is_valid(text) is valid


def test_one_wrong_or_two_swapped_digits_are_noticed():
    number = "9990000018"
    slips = {number[:i] + d + number[i + 1 :] for i in range(10) for d in "0123456789" if d != number[i]}
    slips |= {number[:i] + number[i + 1] + number[i] + number[i + 2 :] for i in range(9) if number[i] != number[i + 1]}
    assert not [slip for slip in slips if identifiers.is_valid(slip)]


@pytest.mark.parametrize("nine", ["999000000", "999000001", "943476591", "111111111"])
def test_the_check_digit_is_none_where_no_tenth_digit_is_right(nine):
    right = [
        digit for digit in range(10) if (sum(int(d) * w for d, w in zip(nine, range(10, 1, -1))) + digit) % 11 == 0
    ]
    assert identifiers.check_digit(nine) == (right[0] if right else None)


def test_people_are_shown_three_three_four():
    assert identifiers.spaced("9990000018") == "999 000 0018"


def test_what_is_no_number_is_not_dressed_up_as_one_nor_repeated():
    with pytest.raises(Invalid) as told:
        identifiers.spaced("9990000012")
    assert str(told.value) == "NHS number"


def test_synthetic_numbers_are_valid_distinct_and_never_issued():
    numbers = [identifiers.synthetic(index) for index in range(20_000)]
    assert numbers[0] == "9990000018"
    assert len(set(numbers)) == len(numbers)
    assert numbers == sorted(numbers)
    assert all(identifiers.is_synthetic(number) for number in numbers)


def test_the_last_synthetic_number_exists_and_the_next_is_refused():
    assert identifiers.is_synthetic(identifiers.synthetic(identifiers.SYNTHETIC - 1))
    for index in (-1, identifiers.SYNTHETIC):
        with pytest.raises(Invalid, match="index"):
            identifiers.synthetic(index)


@pytest.mark.parametrize(
    ("code", "practice", "trust", "site", "council", "organisation"),
    [
        ("A99001", True, False, False, False, True),
        ("Y00001", True, False, False, False, True),
        ("RZZ", False, True, False, False, True),
        ("RZZ01", False, False, True, False, True),
        ("990", False, False, False, True, True),
        ("a99001", False, False, False, False, False),
        ("A9900", False, False, False, False, True),
        ("A99001 ", False, False, False, False, False),
        ("RZZ0", False, False, False, False, False),
        ("٩٩٠", False, False, False, False, False),
        ("", False, False, False, False, False),
    ],
)
def test_a_code_says_by_its_shape_what_it_may_be(code, practice, trust, site, council, organisation):
    assert identifiers.is_practice_code(code) is practice
    assert identifiers.is_trust_code(code) is trust
    assert identifiers.is_site_code(code) is site
    assert identifiers.is_council_code(code) is council
    assert identifiers.is_ods_code(code) is organisation
