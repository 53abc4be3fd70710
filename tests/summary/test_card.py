"""The risk card: what stands on it, in which words, and what must not."""

import pytest

from gateway.fhir.build import resource
from gateway.nhs import summary
from gateway.nhs.summary.card import LISTED, NONE_LISTED, Risk, card
from tests.nhs.records import plan, record

RECENT = "2026-03-10"


def item(name: str, *items, **changes) -> Risk:
    """One item of the card of a record of these."""
    made = record(*items, **changes)
    return next(risk for risk in card(made, summary.sections(made)) if risk.kind.id == name)


def lines(name: str, *items, **changes) -> list[str]:
    """The titles and flags under one item."""
    return [" | ".join((row.title, *row.flags)) for row in item(name, *items, **changes).rows]


# Medicines


def drug(name: str, **more) -> dict:
    return plan("m1", medicationCodeableConcept={"text": name}, **more)


def referring(**reference) -> dict:
    made = plan("m1")
    del made["medicationCodeableConcept"]
    return {**made, "medicationReference": reference}


WARFARIN = resource("Medication", "w", code={"text": "Warfarin 3mg tablets"})
INSIDE = {"contained": [WARFARIN]}


@pytest.mark.hazard("HZ-SUMMARY-55")
@pytest.mark.parametrize(
    "items, classes",
    [
        ([referring(reference="Medication/w"), WARFARIN], ["Anticoagulant"]),
        ([{**referring(reference="#w"), **INSIDE}], ["Anticoagulant"]),
        ([referring(display="Warfarin 3mg tablets")], ["Anticoagulant"]),
        ([drug("Enoxaparin Prefilled Syringe 40 mg/0.4 ml")], ["Anticoagulant"]),
        ([drug("Methotrexate 10mg/0.2ml solution for injection pre-filled syringes with needles")], ["Methotrexate"]),
        ([drug("Fragmin 5,000units/0.2ml syringes with needle guard")], ["Anticoagulant"]),
        ([drug("Insulin lispro cartridges with pen needles")], ["Insulin"]),
        ([drug("Insulin pump reservoir")], []),
        ([drug("NovoPen 6 insulin pen")], []),
        ([drug("GlucoRx FinePoint needles for insulin pens 4mm/31g")], []),
        ([drug("Methofill 15mg/0.3ml")], ["Methotrexate"]),
        ([drug("Tylex 30mg/500mg capsules")], ["Opioid"]),
        ([drug("co codamol 30/500")], ["Opioid"]),
        ([drug("Cocodamol 8/500 tablets")], ["Opioid"]),
        ([drug("Medrone 4mg tablets")], ["Steroid"]),
        ([drug("Budesonide 3mg gastro-resistant capsules")], ["Steroid"]),
        ([drug("Budesonide 200micrograms/dose dry powder inhaler")], []),
        ([drug("Envarsus 1mg")], ["Immunosuppressant"]),
        ([drug("Topiramate 50mg tablets")], ["Antiepileptic"]),
        ([drug("Codeine 30mg", course="acute", status="completed", authoredOn="2025-05-01")], []),
        ([drug("Codeine 30mg", course="acute", status="completed", authoredOn=RECENT)], ["Opioid"]),
        ([drug("Methotrexate 2.5mg", course="acute", status="cancelled", authoredOn=RECENT)], []),
        ([drug("Codeine 30mg", course="acute", status="active", authoredOn="2025-05-01")], ["Opioid"]),
    ],
    ids=lambda given: (given[0].get("medicationCodeableConcept") or {}).get("text") if given and isinstance(given[0], dict) else None,
)  # fmt: skip
def test_a_medicine_stands_under_its_class(items, classes):
    assert [agent.title for agent in item("medicines", *items).agents] == classes


@pytest.mark.hazard("HZ-SUMMARY-55")
@pytest.mark.parametrize(
    "items, unknown",
    [
        ([plan("m1")], 0),
        ([drug("Amlodipine 5mg tablets")], 1),
        ([referring(reference="Medication/gone")], 1),
        ([plan("m1", course="acute", authoredOn=RECENT)], 0),
    ],
    ids=["coded", "uncoded", "nameless", "acute only"],
)
def test_no_medicine_of_the_list_says_what_the_list_is_and_how_many_it_could_not_look_up(items, unknown):
    risk = item("medicines", *items)
    assert (risk.absence, risk.notes[0]) == (NONE_LISTED, LISTED)
    assert [words for words in risk.notes if words.startswith("Not recognised: ")] == [
        f"Not recognised: {unknown} without a code, or without a name. See the medicines."
    ] * bool(unknown)


def test_an_acute_course_says_that_it_was_sent_as_completed():
    made = record(drug("Codeine 30mg", course="acute", status="completed", authoredOn=RECENT))
    (row,) = next(section for section in summary.sections(made) if section.id == "acute").rows
    assert "sent as completed" in row.flags
