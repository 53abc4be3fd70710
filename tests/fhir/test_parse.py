"""Search requests: what is known is read, all else refused by name and never by value."""

import pytest

from gateway.errors import GatewayError, Invalid, TooLarge, Unsupported
from gateway.fhir import params
from gateway.fhir.parse import parse

SECRET = "Zebrafish"
INCLUDABLE = "Observation:encounter, Observation:patient, Observation:performer, Observation:subject"

REFUSED = [
    ("Observation", [("subject.name", SECRET)], Unsupported, "parameter subject.name"),
    ("Observation", [("code:in", SECRET)], Unsupported, "parameter code:in"),
    ("Observation", [("_revinclude", SECRET)], Unsupported, "parameter _revinclude"),
    ("Observation", [("9990000018", SECRET)], Unsupported, "parameter"),
    ("Observation", [("patient", f"Group/{SECRET}")], Invalid, "parameter patient"),
    ("Observation", [("patient", "a"), ("patient", "b")], Invalid, "parameter patient: a search names one person"),
    ("Observation", [("patient", "a,b")], Invalid, "parameter patient: a search names one person"),
    (
        "Observation",
        [("patient.identifier", SECRET)],
        Unsupported,
        "parameter patient.identifier: only NHS numbers, as system|value",
    ),
    ("Observation", [("date", SECRET)], Invalid, "parameter date"),
    ("Observation", [("code", f"a|b|{SECRET}")], Invalid, "parameter code: code, |code, system| or system|code"),
    ("Observation", [("_count", SECRET)], Invalid, "parameter _count"),
    ("Observation", [("_sort", SECRET)], Unsupported, "parameter _sort: the type's date or _lastUpdated"),
    (
        "Observation",
        [("_include", f"Observation:{SECRET}")],
        Unsupported,
        f"parameter _include: {INCLUDABLE}",
    ),
    ("Observation", [("code", ",".join("x" * 60))], TooLarge, "parameter code"),
    (
        "Patient",
        [("family", SECRET)],
        Invalid,
        "a search of Patient needs an identifier, or two of family, given and birthdate",
    ),
    (
        "Patient",
        [("gender", "male")],
        Invalid,
        "a search of Patient needs an identifier, or two of family, given and birthdate",
    ),
    ("Patient", [("_id", "a,b")], Invalid, "parameter _id: a search names one person"),
]


@pytest.mark.parametrize("resource_type, pairs, kind, message", REFUSED)
def test_what_we_do_not_know_is_refused_by_name(resource_type, pairs, kind, message):
    with pytest.raises(GatewayError) as refused:
        parse(resource_type, pairs)
    assert isinstance(refused.value, kind) and str(refused.value) == message
    assert SECRET not in str(refused.value)


def test_a_chained_nhs_number_says_who_is_asked_about():
    query = parse("Observation", [("patient.identifier", "https://fhir.nhs.uk/Id/nhs-number|999 000 0018")])
    assert query.number == "9990000018" and not query.clauses


@pytest.mark.parametrize(
    "text, expected",
    [("a", (None, "a")), ("|a", ("", "a")), ("s|a", ("s", "a")), (r"s|a\,b", ("s", "a,b")), (r"s\|t|a", ("s|t", "a"))],
)
def test_tokens_are_read_in_all_their_forms(text, expected):
    assert parse("Observation", [("code", text)]).clauses[0].values == (expected,)


def test_every_type_can_be_searched_by_each_of_its_rows():
    values = {"token": "a", "date": "2024", "reference": None, "string": "a"}
    for name in params.SEARCHABLE:
        for row in params.searchable(name).values():
            value = "s|a" if row.name == "identifier" else values[row.kind] or f"{row.targets[0]}/x"
            pairs = [(row.name, value)] + ([("_id", "p")] if name == "Patient" else [])
            assert parse(name, pairs).clauses[0].param == row.name


def test_numbers_of_parameters_are_never_shared():
    numbers = [row.number for row in params.PARAMS]
    assert len(numbers) == len(set(numbers))
