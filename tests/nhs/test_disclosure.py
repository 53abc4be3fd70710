"""Small counts are hidden and others rounded, by the rules of each environment."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 60), max_size=8), st.sampled_from(sorted(PROFILES)))
@pytest.mark.hazard("HZ-EXPORT-35")
def test_whatever_is_shown_each_hidden_cell_may_be_any_small_count(counts, profile):
    """An attacker has the rules, the cells, their total, and the most and least that each rounded count stands for."""
    rules = PROFILES[profile]
    spans = {}
    for count in range(600):
        spans.setdefault(shown(count, profile), []).append(count)
    cells, total = table(counts, profile), shown(sum(counts.values()), profile)
    seen = [spans[cell] for cell in cells.values() if cell != "*"]
    hidden = [name for name, cell in cells.items() if cell == "*"]
    least = min(spans["*"])
    for name in hidden if total != "*" else ():  # where the total is hidden too, nothing is told but that it is small
        for guess in spans["*"]:
            low = guess + sum(map(min, seen)) + least * (len(hidden) - 1)
            high = guess + sum(map(max, seen)) if len(hidden) == 1 else 10_000
            assert any(low <= of_all <= high for of_all in spans[total]), (cells, total, name, guess)
    for name, count in counts.items():
        assert count > rules.small or cells[name] == ("*" if count or not rules.zero else 0)


@pytest.mark.hazard("HZ-EXPORT-35")
def test_rounding_does_not_give_small_cells_away():
    assert table({"a": 1, "b": 1, "c": 98, "d": 30}, "hes")["d"] == "*", (
        "100 + 30 of 130 would say that a + b is at most 6"
    )


def test_an_unknown_profile_is_refused():
    with pytest.raises(Refused, match="hes, nhse-sde, opensafely"):
        shown(3, "none")
