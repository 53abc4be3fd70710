"""The risk card: what stands on it, in which words, and what must not."""

import pytest

from gateway.fhir.build import resource
from gateway.nhs import summary
from gateway.nhs.summary.absences import ABSENCES, PARTLY_IN_SCOPE
from gateway.nhs.summary.card import LISTED, NONE_LISTED, SCREEN_ONLY, Risk, card, safeguarding
from tests.nhs.records import ALL, TRUST, held, patient, plan, record

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
        f"Not recognised: {unknown} without a code or name."
    ] * bool(unknown)


def test_an_acute_course_says_that_it_was_sent_as_completed():
    made = record(drug("Codeine 30mg", course="acute", status="completed", authoredOn=RECENT))
    (row,) = next(section for section in summary.sections(made) if section.id == "acute").rows
    assert "completed" in row.flags


# Alerts


def alert(id_: str = "f1", category: dict | None = None, code: dict | None = None, **more) -> dict:
    category = {"text": "Alert"} if category is None else category
    return resource("Flag", id_, status="active", category=[category], code=code or {}, period={"start": RECENT}) | more


SECTION_42 = alert(
    category={"text": "Safeguarding"}, code={"text": "Frail adult, section 42 enquiry, DNACPR discussed"}
)


@pytest.mark.hazard("HZ-SUMMARY-56")
@pytest.mark.parametrize(
    "flag",
    [
        SECTION_42,
        alert(code={"text": "MARAC case: high risk victim"}),
        alert(code={"text": "Looked after child"}),
        alert(code={"text": "Child in need plan"}),
        alert(code={"text": "Child sexual exploitation risk"}),
        alert(code={"text": "Vulnerable adult"}),
        alert(code={"text": "Female genital mutilation"}),
        alert(category={"text": "Risk", "coding": [{"code": "s", "display": "Safeguarding"}]}, code={"text": "Latex"}),
        alert(code={"text": "Frailty", "coding": [{"code": "x", "display": "At risk of domestic abuse"}]}),
        alert(code={"text": "See the notes of the social worker"}),
    ],
    ids=lambda flag: flag["code"]["text"],
)
def test_an_alert_of_safeguarding_or_one_that_nothing_knows_stands_on_no_paper(flag):
    made = record(flag)
    assert [row for risk in card(made, summary.sections(made)) for row in risk.rows] == []
    assert len(safeguarding(made)) == 1 and SCREEN_ONLY in item("adjustments", flag).notes
    assert SCREEN_ONLY in item("adjustments").notes, "said where there is none too"


@pytest.mark.parametrize(
    "flag, shown",
    [
        (alert(code={"text": "Latex precautions"}), ["Latex precautions"]),
        (alert(code={"text": "Falls risk"}, period={"start": "2019-01-01", "end": "2020-01-01"}), []),
        (alert(code={"text": "Falls risk"}, period={"start": "2019-01-01", "end": "2099-01-01"}), ["Falls risk"]),
    ],
)
def test_an_alert_stands_until_its_period_ends(flag, shown):
    assert [line.split(" | ")[0] for line in lines("adjustments", flag)] == shown


# Marked entries


def entry(type_: str = "Observation", words: str = "DNACPR decision", **more) -> dict:
    return {**resource(type_, "e1", status="final", code={"text": words}), **more}


DOCUMENT = {"type": {"text": "Letter"}, "status": "current"}
DIFFERENTIAL = {"verificationStatus": {"coding": [{"code": "differential"}]}}


@pytest.mark.hazard("HZ-SUMMARY-57")
@pytest.mark.parametrize(
    "made, shown",
    [
        (entry("DocumentReference", "", **DOCUMENT, docStatus="entered-in-error", description="ReSPECT form"), []),
        (entry("Procedure", status="not-done"), []),
        (entry(status="cancelled"), []),
        (entry(status="registered"), []),
        (entry("ServiceRequest", status="draft"), ["DNACPR decision | draft"]),
        (entry("ServiceRequest", status="active", intent="proposal"), ["DNACPR decision | proposed"]),
        (entry("Consent", status="proposed"), ["DNACPR decision | proposed"]),
        (entry("CarePlan", status="completed", period={"end": "2021-05-01"}),
         ["DNACPR decision | completed | ended 01-May-2021"]),
        (entry("CarePlan", status="revoked"), ["DNACPR decision | revoked"]),
        (entry("Condition", **DIFFERENTIAL), ["DNACPR decision | possible only"]),
        (entry("Procedure", status="completed"), ["DNACPR decision"]),
        (entry("DocumentReference", "", **DOCUMENT, description="DNACPR form"), ["Letter"]),
        (entry("DocumentReference", "", **DOCUMENT, content=[{"attachment": {"title": "DNACPR form"}}]), ["Letter"]),
    ],
    ids=["document in error", "not done", "cancelled", "registered", "draft", "proposal", "proposed", "past", "revoked", "differential",
         "done", "described", "attached"],
)  # fmt: skip
def test_what_is_no_decision_does_not_read_as_one(made, shown):
    assert lines("resuscitation", made) == shown


@pytest.mark.hazard("HZ-SUMMARY-57")
@pytest.mark.parametrize(
    "mark, words, stands",
    [
        *(("resuscitation", words, True) for words in (
            "DNA CPR form", "DNA-CPR", "Do-not-resuscitate order", "ReSPECT", "ReSPECT document", "Resus: not for", "Not for ITU",
            "Ceiling of treatment", "Emergency health care plan", "Has ADRT", "Do not attempt to resuscitate",
        )),
        *(("resuscitation", words, False) for words in ("Family history of DNR", "Patient asks for respect", "Not for surgery")),
        *(("frailty", words, True) for words in ("Rockwood 6", "CFS 7", "eFI severe")),
        *(("frailty", words, False) for words in ("CFS (chronic fatigue)", "Family history of frailty")),
    ],
)  # fmt: skip
def test_an_entry_is_known_by_the_words_that_are_used(mark, words, stands):
    assert bool(lines(mark, entry(words=words))) is stands


def frailty(*entries: tuple[str, str]) -> list[str]:
    made = [
        {**entry(words=words), "id": f"e{place}", "effectiveDateTime": at} for place, (words, at) in enumerate(entries)
    ]
    return lines("frailty", *made)


@pytest.mark.hazard("HZ-SUMMARY-58")
@pytest.mark.parametrize(
    "entries, shown",
    [
        ([("Frailty screening declined", "2025"), ("Severe frailty", "2024")], ["Frailty screening declined", "Severe frailty"]),
        ([("History: wife has frailty", "2025"), ("Severe frailty", "2024")], ["History: wife has frailty", "Severe frailty"]),
        ([("Severe frailty", "2025"), ("Mild frailty", "2024")], ["Severe frailty"]),
        ([("Severe frailty", ""), ("Mild frailty", "2024")], ["Mild frailty", "Severe frailty"]),
        ([("Rockwood 6", "2025"), ("Frail", "2024")], ["Rockwood 6"]),
    ],
    ids=["declined", "of another", "older degree", "undated", "words"],
)  # fmt: skip
def test_a_remark_hides_no_degree_of_frailty(entries, shown):
    assert frailty(*entries) == shown


# Absences, people, implants


@pytest.mark.parametrize(
    "name, changes, words",
    [
        ("resuscitation", {"partly_in_scope": frozenset({"problems"})}, PARTLY_IN_SCOPE),
        ("people", {"sections": ALL - {"contacts"}}, ABSENCES["role"].words),
        ("people", {"sections": ALL - {"contacts"}, "out_of_scope": frozenset({"contacts"})}, ABSENCES["scope"].words),
        (
            "frailty",
            {"registered": (), "patients": (held(patient(), TRUST),)},
            "No GP record is part of this page. Not",
        ),
        ("people", {}, "Not received from Quillbank Surgery."),
    ],
    ids=["in part", "not for the role", "not of the sign-in", "no practice", "none"],
)
@pytest.mark.hazard("HZ-SUMMARY-46")
def test_an_absence_says_what_could_not_be_seen(name, changes, words):
    risk = item(name, **changes)
    assert words in " ".join([risk.absence, *risk.notes])


@pytest.mark.parametrize("end, count", [("2010-01-01", 0), ("", 2), ("2099-01-01", 2)])
def test_a_contact_that_ended_is_no_next_of_kin(end, count):
    period = {"period": {"end": end}} if end else {}
    contact = {"relationship": [{"text": "Wife"}], "name": {"text": "Ann"}, **period}
    related = resource("RelatedPerson", "r", relationship=[{"text": "Son"}], **period)
    assert len(lines("people", related, patients=(patient(contact=[contact]),))) == count


def done(id_: str, name: str, on: str, status: str = "completed") -> dict:
    return resource("Procedure", id_, status=status, code={"text": name}, performedDateTime=on)


PUT_IN = done("a", "Insertion of pacemaker", "2010-01-01")


@pytest.mark.hazard("HZ-SUMMARY-36")
@pytest.mark.parametrize(
    "other, is_said",
    [
        (done("b", "Removal of cardiac pacemaker system", "2020-01-01"), True),
        (done("b", "Removal of cardiac pacemaker system", "2009-01-01"), False),
        (done("b", "Removal of cardiac pacemaker system", "2020-01-01", "not-done"), False),
        (done("b", "Removal of ureteric stent", "2020-01-01"), False),
    ],
    ids=["removed", "an earlier one", "not done", "another implant"],
)
def test_an_implant_says_that_a_removal_was_recorded(other, is_said):
    (line,) = lines("implants", PUT_IN, other)
    assert ("removal recorded 01-Jan-2020: Removal of cardiac pacemaker system" in line) is is_said
