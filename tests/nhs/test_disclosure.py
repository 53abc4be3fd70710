"""Small counts are hidden and others rounded, by the rules of each environment."""

import pytest

from gateway.errors import Refused
from gateway.nhs.disclosure import PROFILES, shown, table


@pytest.mark.parametrize(
    "profile, cases",
    [
        ("hes", {0: 0, 1: "*", 7: "*", 8: 10, 12: 10, 13: 15, 1002: 1000}),
        ("nhse-sde", {0: "*", 9: "*", 10: 10, 12: 10, 13: 15}),
        ("opensafely", {0: "*", 7: "*", 8: 10, 22: 20, 23: 25}),
    ],
)
def test_counts_by_profile(profile, cases):
    assert {count: shown(count, profile) for count in cases} == cases


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_shown_tells_a_small_count_or_an_exact_one(profile):
    rules = PROFILES[profile]
    for count in range(1, 200):
        found = shown(count, profile)
        assert found == "*" if count <= rules.small else found % rules.nearest == 0 and found > rules.small


@pytest.mark.parametrize(
    "counts, cells",
    [
        ({"a": 3, "b": 40, "c": 21}, {"a": "*", "b": 40, "c": "*"}),
        ({"a": 3, "b": 4, "c": 21}, {"a": "*", "b": "*", "c": 20}),
        ({"a": 30, "b": 40}, {"a": 30, "b": 40}),
        ({"a": 3, "b": 0}, {"a": "*", "b": 0}),
        ({"a": 3}, {"a": "*"}),
        ({}, {}),
    ],
)
def test_one_hidden_cell_is_not_to_be_had_from_the_total(counts, cells):
    assert table(counts, "hes") == cells


def test_an_unknown_profile_is_refused():
    with pytest.raises(Refused, match="hes, nhse-sde, opensafely"):
        shown(3, "none")
