"""Which of a patient's choices stands."""

import itertools

import pytest

from gateway.nhs import labels, optout
from gateway.nhs.codesets import CTV3, READ2, SNOMED, CodeSet, CodeSets

SETS = CodeSets(
    (
        CodeSet(
            "scr-preference",
            {(READ2, "9Ndo."): "dissent", (READ2, "9Ndn."): "core-and-additional", (CTV3, "XaXj6"): "dissent"},
        ),
        CodeSet("type1", {(READ2, "9Nu0."): "dissent", (READ2, "9Nu4."): "none"}),
        CodeSet("sharing", {(SNOMED, "416409005"): "objection"}),
    )
)


def stated(system="", code="", display="", resource_type="Observation", **elements):
    return {
        "resourceType": resource_type,
        "id": "o",
        "code": {"coding": [{"system": system, "code": code, "display": display}]},
        **elements,
    }


@pytest.mark.parametrize(
    "resource, found",
    [
        (stated(READ2, "9Ndo.", effectiveDateTime="2020-01-02"), ("scr-preference:dissent", "2020-01-02")),
        (stated(READ2, "9Ndo"), ("scr-preference:dissent", "")),
        (stated(READ2, "9Ndo.00"), ("scr-preference:dissent", "")),
        (stated("http://read.info/readctv3", "XaXj6"), ("scr-preference:dissent", "")),
        (
            stated(READ2, "9Nu0.", resource_type="Procedure", performedPeriod={"start": "2021"}),
            ("type1:dissent", "2021"),
        ),
        (stated(READ2, "9Nu4.", "Dissent from disclosure of data"), None),
        (stated(READ2, "9Ndo.", status="entered-in-error"), None),
        (stated(READ2, "9Ndo.", resource_type="DiagnosticReport"), None),
        (stated("urn:x", "1", "Dissent from Summary Care Record upload"), ("unrecognised:dissent", "")),
        (stated("urn:x", "1", "Dissent withdrawn for secondary use of records"), ("unrecognised:dissent", "")),
        (stated("urn:x", "1", "Blood pressure"), None),
        (
            {
                "resourceType": "Consent",
                "status": "active",
                "dateTime": "2022-02",
                "provision": {"code": [{"coding": [{"system": SNOMED, "code": "416409005"}]}]},
            },
            ("sharing:objection", "2022-02"),
        ),
    ],
)
def test_a_choice_is_recognised_with_its_date(resource, found):
    assert optout.preference(resource, SETS) == found


def test_two_codings_of_one_choice_are_the_more_restrictive():
    resource = stated(READ2, "9Ndn.")
    resource["code"]["coding"].append({"system": READ2, "code": "9Ndo."})
    assert optout.preference(resource, SETS)[0] == "scr-preference:dissent"


@pytest.mark.parametrize(
    "choices, stands",
    [
        ([], {}),
        ([("type1:dissent", "2019")], {"type1": "dissent"}),
        ([("type1:dissent", "2019-05-01"), ("type1:withdrawn", "2020-05-01")], {"type1": "withdrawn"}),
        ([("type1:dissent", "2020-05-02"), ("type1:withdrawn", "2020-05-01")], {"type1": "dissent"}),
        ([("type1:dissent", "2020-05-01"), ("type1:withdrawn", "2020-05-01")], {"type1": "dissent"}),
        ([("type1:dissent", "2020-05-01"), ("type1:withdrawn", "2020-05")], {"type1": "dissent"}),
        (
            [("type1:dissent", "2020-05-01T09:00:00+01:00"), ("type1:withdrawn", "2020-05-01T09:30:00+01:00")],
            {"type1": "withdrawn"},
        ),
        (
            [("type1:dissent", "2020-05-01T09:30:00+01:00"), ("type1:withdrawn", "2020-05-01T09:00:00Z")],
            {"type1": "withdrawn"},
        ),
        ([("type1:dissent", ""), ("type1:withdrawn", "2020-05-01")], {"type1": "dissent"}),
        ([("type1:dissent", "2019-05-01"), ("type1:withdrawn", "")], {"type1": "dissent"}),
        ([("type1:dissent", "not a date"), ("type1:withdrawn", "2020-05-01")], {"type1": "dissent"}),
        ([("scr-preference:core", "2019"), ("scr-preference:dissent", "2018")], {"scr-preference": "core"}),
        ([("scr-preference:nonsense", "2019"), ("nonsense:dissent", "2018")], {}),
        (
            [("unrecognised:dissent", "2021"), ("sharing:consent", "2020")],
            {"scr-preference": "dissent", "sharing": "objection", "type1": "dissent"},
        ),
        (
            [("unrecognised:dissent", "2019"), ("sharing:consent", "2020")],
            {"scr-preference": "dissent", "sharing": "consent", "type1": "dissent"},
        ),
    ],
)
@pytest.mark.hazard("HZ-ACCESS-07")
def test_the_latest_dated_choice_stands_and_doubt_restricts(choices, stands):
    assert all(optout.standing(each) == stands for each in itertools.permutations(choices))


def test_standing_choices_become_bits():
    assert optout.bits({"type1": "dissent", "scr-preference": "core"}) == labels.TYPE1 | labels.SUMMARY_CORE_ONLY
    assert optout.bits({"sharing": "consent", "scr-preference": "core-and-additional"}) == 0
