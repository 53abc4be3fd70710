"""What a summary shows of a record: which rows, in what words, and what it says where there are none."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from gateway.nhs import access, summary
from gateway.nhs.summary import completeness, shown
from gateway.nhs.summary.record import Contribution, Held
from gateway.nhs.summary.sections.allergies import CONTRADICTED, NOT_ASCERTAINED, NOT_CODED
from gateway.nhs.summary.sections.measured import NOT_FLAGGED
from gateway.nhs.summary.sections.rows import NOT_CHECKED, is_before, shown_date, shown_time
from tests.nhs.records import (
    ALL,
    COUNCIL,
    DEGRADED_DRUG_ALLERGY,
    FORMER,
    NOW,
    ODS,
    PRACTICE,
    TRUST,
    absence,
    allergy,
    coded,
    condition,
    held,
    issue,
    nil,
    one,
    plan,
    record,
    result,
    rows,
    section,
    service,
    statement,
    status,
    titles,
)

# Dates


@pytest.mark.parametrize(
    "value, shown", [("2024-03-11", "11-Mar-2024"), ("2024-03", "Mar-2024"), ("1998", "1998"), ("", "date unknown")]
)
def test_a_date_is_shown_in_the_precision_it_has(value, shown):
    assert shown_date(value) == shown


@pytest.mark.hazard("HZ-SUMMARY-38")
@pytest.mark.parametrize(
    "value, shown",
    [
        ("2024-07-11T09:05:00+01:00", "11-Jul-2024 09:05"),
        ("2024-07-11T08:05:00Z", "11-Jul-2024 09:05"),
        ("2024-07-11T23:30:00.000Z", "12-Jul-2024 00:30"),
        ("2024-12-11T09:05:00+01:00", "11-Dec-2024 08:05"),
        ("2024-07-11T09:05:00", "11-Jul-2024 09:05"),
    ],
)
def test_a_time_is_shown_by_the_readers_clock_whatever_zone_it_was_sent_in(value, shown):
    assert shown_time(value) == shown


@pytest.mark.hazard("HZ-SUMMARY-38")
def test_results_sent_in_several_zones_are_in_the_order_in_which_they_were_taken():
    local_ = [f"2026-02-01T{hour:02}:30:00+00:00" for hour in range(9, 15)]
    east = result("east", Decimal("9.9"), effectiveDateTime="2026-02-01T15:29:00+01:00")
    last = result("last", Decimal("8.8"), effectiveDateTime="2026-02-01T09:45:00-05:00")
    given = [result(f"o{number}", Decimal(f"4.{number}"), effectiveDateTime=at) for number, at in enumerate(local_)]
    found = rows(record(*given, east, last), "results")
    assert [row.detail[:3] for row in found] == ["8.8", "4.5", "9.9", "4.4", "4.3"]
    assert [row.when for row in found[:3]] == ["01-Feb-2026 14:45", "01-Feb-2026 14:30", "01-Feb-2026 14:29"]


@pytest.mark.hazard("HZ-SUMMARY-38")
def test_the_same_instant_in_two_zones_is_one_result_and_in_one_hour_twice_is_two():
    first, other = (result(name, effectiveDateTime=at) for name, at in (
        ("o1", "2025-10-26T00:30:00Z"), ("o2", "2025-10-26T01:30:00+01:00")))  # fmt: skip
    assert one(record(first, held(other, TRUST)), "results").source == f"{PRACTICE}, {TRUST}"
    later = result("o3", effectiveDateTime="2025-10-26T01:30:00+00:00")
    found = rows(record(first, later), "results")
    assert [row.references[0] for row in found] == ["Observation/o3", "Observation/o1"]
    assert {row.when for row in found} == {"26-Oct-2025 01:30"}


@pytest.mark.hazard("HZ-SUMMARY-01")
@pytest.mark.parametrize(
    "value, before",
    [("2025-09", False), ("2025", False), ("2025-08", True), ("2025-09-14", True), ("2025-09-15", False), ("", False)],
)
def test_what_may_lie_within_a_period_is_not_taken_to_be_before_it(value, before):
    assert is_before(value, "2025-09-15") is before


# Allergies and their absences


def test_a_row_names_its_source_its_date_and_each_reaction():
    reactions = [
        {"manifestation": [{"text": "Rash"}], "severity": "mild"},
        {"manifestation": [{"text": "Wheeze"}, {"text": "Collapse"}], "severity": "severe"},
    ]
    found = one(
        record(
            allergy(
                verification="confirmed", reaction=reactions, criticality="high", note=[{"text": "After amoxicillin"}]
            )
        ),
        "allergies",
    )
    assert (found.title, found.when, found.source, found.flags) == (
        "Allergy to penicillin",
        "Began 02-May-2019",
        PRACTICE,
        ("HIGH RISK",),
    )
    assert (
        found.detail
        == "mild reaction: Rash; severe reaction: Wheeze, Collapse · certainty: confirmed · Note: After amoxicillin"
    )


@pytest.mark.hazard("HZ-SUMMARY-02")
@pytest.mark.parametrize(
    "given, reason, words",
    [
        (record(nil()), "nilknown", absence("nilknown")),
        (record(), "no-content-recorded", absence("no-content-recorded")),
        (record(contributions=()), "unavailable", absence("unavailable")),
        (
            record(contributions=(Contribution(PRACTICE, "A99001", "gp", "not contributed"),)),
            "unavailable",
            absence("unavailable"),
        ),
        (
            record(contributions=(Contribution(COUNCIL, "990", "social-care", "ok"),)),
            "unavailable",
            absence("unavailable"),
        ),
        (record(nil(), sections=ALL - {"allergies"}), "role", access.NOT_YOUR_ROLE),
        (record(nil(code="409137002", words="No known drug allergies")), "nil-in-part", absence("nil-in-part")),
        (record(nil(code="429625007", words="No known food allergy")), "nil-in-part", absence("nil-in-part")),
        (record(allergy(concept={"text": "NKA"})), "nil-in-words", absence("nil-in-words")),
        (record(allergy(concept={"text": "NKDA"})), "nil-in-part-words", absence("nil-in-part-words")),
        (record(allergy()), "", ""),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_nil_known_nothing_recorded_and_not_available_are_never_confused(given, reason, words):
    found = section(given, "allergies")
    assert (found.reason, found.absence) == (reason, words)


def test_the_texts_of_absence_are_all_different_and_none_begins_another():
    words = sorted(
        {words for absence_ in summary.ABSENCES.values() for words in (absence_.words, *absence_.words_of.values())}
    )
    assert len(words) == sum(1 + len(absence_.words_of) for absence_ in summary.ABSENCES.values())
    assert len(set(words)) == len(words)
    assert not [a for a in words for b in words if a != b and b.startswith(a)]


@pytest.mark.hazard("HZ-SUMMARY-03")
def test_a_nil_known_stands_beside_the_allergy_that_contradicts_it_and_never_over_it():
    given = record(nil(onsetDateTime="2026-01-01"), held(allergy(), TRUST))
    found = rows(given, "allergies")
    assert [(each.title, each.source, each.flags) for each in found] == [
        ("Allergy to penicillin", TRUST, ()),
        ("No known allergies", PRACTICE, (CONTRADICTED,)),
    ]
    assert section(given, "allergies").absence == ""


@pytest.mark.hazard("HZ-SUMMARY-03")
def test_the_same_allergy_of_two_sources_is_shown_twice():
    given = record(allergy(), held(allergy("a2", onsetDateTime=""), TRUST))
    assert [(each.source, each.when) for each in rows(given, "allergies")] == [
        (PRACTICE, "Began 02-May-2019"),
        (TRUST, "date unknown"),
    ]


def test_none_known_in_words_only_is_no_nil_known():
    found = one(record(allergy(concept={"text": "No known allergies"})), "allergies")
    assert NOT_CODED in found.flags


@pytest.mark.parametrize(
    "code, shown, past",
    [
        ({"clinical": "resolved"}, [], [("Allergy to penicillin", ("resolved",))]),
        ({"verification": "refuted", "clinical": "inactive"}, [], [("Allergy to penicillin", ("refuted",))]),
        ({"clinical": "inactive"}, [("Allergy to penicillin", ("inactive",))], []),
        ({"verification": "entered-in-error"}, [], []),
        ({"verification": "unconfirmed"}, [("Allergy to penicillin", ())], []),
    ],
)
def test_only_resolved_and_refuted_allergies_stand_apart(code, shown, past):
    given = record(allergy(**code))
    assert [(each.title, each.flags) for each in rows(given, "allergies")] == shown
    assert [(each.title, each.flags) for each in rows(given, "allergies-past")] == past


@pytest.mark.hazard("HZ-SUMMARY-04")
@pytest.mark.parametrize(
    "code, title",
    [
        (
            {"coding": [DEGRADED_DRUG_ALLERGY, {"system": "urn:local", "code": "X1"}], "text": "Allergic to bees"},
            "Allergic to bees",
        ),
        ({"text": "Bad reaction to dye"}, "Bad reaction to dye"),
        ({"coding": [DEGRADED_DRUG_ALLERGY]}, "substance not in the data received"),
        ({"coding": [{"system": "urn:local", "code": "X1"}]}, "code X1"),
        ({}, "substance not in the data received"),
    ],
)
def test_a_degraded_or_text_only_allergy_says_that_nothing_checked_it(code, title):
    found = one(record(allergy(concept=code)), "allergies")
    assert (found.title, found.flags) == (title, (NOT_CHECKED,))


NILS = (
    "NKA", "N.K.A.", "Nil known", "None known", "None", "No", "Denies any allergies", "Allergies: none", "Allergies none",
    "Not allergic to anything", "No allergies known to date", "No history of allergy", "Patient has no known allergies",
    "NKDA. None known",
)  # fmt: skip
NILS_OF_A_KIND = (
    "NKDA", "N.K.D.A.", "No known drug allergies", "no known food or drug allergies", "No adverse drug reactions", "Drug allergies - nil",
    "no food allergies", "Denies food allergies", "NKDA, no food allergies", "No environmental allergies",
)  # fmt: skip
UNASCERTAINED = (
    "Not known", "Unknown", "Unable to obtain", "Unable to ascertain allergy status", "Allergies unknown", "Not recorded", "None recorded",
    "not asked", "N/K", "?", "?NKDA", "to be confirmed", "Unable to assess - patient confused", "Drug allergies: not known",
)  # fmt: skip
ALLERGIES = (
    "NKDA, but latex - anaphylaxis", "No known drug allergies except penicillin (collapse)", "None steroidal anti-inflammatories",
    "NKDA. Food allergy", "NKDA Allergic to food", "No, allergic to drug", "No known drug allergy, food allergy", "Nil by mouth",
    "Unknown antibiotic", "Unknown drug", "not known but reacted to morphine", "None known except ibuprofen", "NKDA/ latex",
    "Allergic to drugs, none to food", "No known allergies. Penicillin rash", "Allergies: penicillin", "Food allergy, not confirmed",
    "Nitrofurantoin - nil else", "no known allergies (allergic to latex)", "No other allergies", "Denies allergies apart from nickel",
    "Not without allergies", "Drug allergy: not none", "Known allergies - details unknown", "Known drug allergies: not recorded",
    "Unknown reaction to medication", "Unknown allergic reaction to medicines", "Adverse reaction to medicine, uncertain",
    "Has allergies, unable to obtain details", "Previous drug reaction, details not known",
)  # fmt: skip


@pytest.mark.hazard("HZ-SUMMARY-28")
@pytest.mark.parametrize(
    "words, reason",
    [
        *((words, "nil-in-words") for words in NILS),
        *((words, "nil-in-part-words") for words in NILS_OF_A_KIND),
        *((words, "") for words in ALLERGIES),
    ],
)
def test_only_words_that_are_nothing_but_a_nil_are_one(words, reason):
    found = section(record(allergy(concept={"text": words})), "allergies")
    assert (found.rows[0].title, found.reason) == (words, reason)
    assert (NOT_CODED in found.rows[0].flags) is bool(reason)


@pytest.mark.hazard("HZ-SUMMARY-29")
@pytest.mark.parametrize("words", UNASCERTAINED)
def test_not_ascertained_is_neither_an_allergy_nor_a_nil(words):
    unknown = allergy(concept={"text": words})
    assert section(record(unknown), "allergies").reason == "not-ascertained"
    assert one(record(unknown), "allergies").flags == (NOT_ASCERTAINED,)
    beside_a_nil = section(record(nil(), held(unknown, TRUST)), "allergies")
    assert (beside_a_nil.reason, beside_a_nil.rows[0].flags) == ("nilknown", ())
    assert titles(record(unknown, held(allergy("a2"), TRUST)), "allergies") == ["Allergy to penicillin", words]


def test_a_certainty_that_no_source_stated_is_not_shown():
    assert "certainty" not in one(record(allergy(verification="unconfirmed")), "allergies").detail


@pytest.mark.hazard("HZ-SUMMARY-27")
@pytest.mark.parametrize(
    "right, ids", [("allergies", ("allergies",)), ("medicines", ("repeat", "acute", "discontinued"))]
)
def test_what_is_withheld_is_never_worded_as_not_there(right, ids):
    given = record(withheld=True, withheld_items=frozenset({(right, PRACTICE)}))
    for id_ in ids:
        assert section(given, id_).absence == absence("withheld", right)
    for kind, cell in zip(completeness.GRID, completeness.completeness(given, summary.sections(given))[0].cells):
        assert cell == "entries withheld" if kind.id in ids else cell not in ("entries withheld", "received")
        assert cell != "nothing received" or kind.right in ("allergies", "medicines")
    assert {section(given, id_).reason for id_ in ("problems", "results", "immunisations", "encounters")} == {
        "withheld"
    }
    shown = record(nil(), plan("m1"), withheld=True, withheld_items=frozenset({(right, PRACTICE)}))
    said = section(shown, ids[0])
    assert absence("withheld", right) in (said.absence, *said.notes) and said.reason != "nilknown" and said.rows


@pytest.mark.hazard("HZ-SUMMARY-27")
def test_what_the_sign_in_does_not_cover_is_not_worded_as_not_there():
    given = record(
        sections=ALL - {"allergies"}, out_of_scope=frozenset({"allergies"}), partly_in_scope=frozenset({"results"})
    )
    assert section(given, "allergies").absence == absence("scope")
    assert completeness.completeness(given, summary.sections(given))[0].cells[0] == "not available to you"
    assert section(given, "results").notes


@pytest.mark.hazard("HZ-SUMMARY-02")
def test_without_a_gp_record_nothing_is_worded_as_not_recorded():
    hospital = (Contribution(TRUST, "RZZ", "hospital", "ok", NOW),)
    given = record(contributions=hospital, registered=(), own_only=True)
    assert section(given, "allergies").absence == absence("unavailable")
    said = completeness.notices(given)
    assert said == [completeness.OWN_ONLY, completeness.NO_GP]
    assert completeness.notices(replace(given, died="2026-01-02"))[0] == completeness.DEAD
    with_rows = record(held(allergy(), TRUST), contributions=hospital, registered=())
    assert section(with_rows, "allergies").notes == (shown.NO_GP_ROWS,)


# Medicines


def test_repeats_of_a_practice_left_are_not_called_current():
    assert section(record(plan("m1"), registered=()), "repeat").title == "Repeat medicines last known"
    assert section(record(plan("m1")), "repeat").title == "Current repeat medicines"


@pytest.mark.hazard("HZ-SUMMARY-05")
@pytest.mark.parametrize("course", ["continuous", "continuous-repeating-dispensing"])
@pytest.mark.parametrize("issued", ["2026-03-01", "2024-08-10", ""])
def test_a_current_repeat_is_shown_whenever_it_was_last_issued(course, issued):
    given = record(plan("m1", course=course), *([issue("i1", "m1", issued)] if issued else []))
    words = f"last issued {shown_date(issued)}" if issued else "last issue not in the data received"
    assert one(given, "repeat").detail == f"One daily · 28 capsule · {words}"
    assert not rows(given, "acute") and not rows(given, "discontinued")


@pytest.mark.hazard("HZ-SUMMARY-06")
@pytest.mark.parametrize(
    "registered, flags",
    [
        ((PRACTICE,), ()),
        ((FORMER,), (f"last known at {PRACTICE}",)),
        ((), (f"last known at {PRACTICE}",)),
        ((PRACTICE, FORMER), ()),
    ],
)
def test_a_repeat_is_current_only_at_the_practice_registered_with_now(registered, flags):
    assert one(record(plan("m1"), registered=registered), "repeat").flags == flags


def test_what_a_former_practice_last_knew_comes_after_what_is_current():
    given = record(
        held(plan("m1", "Aspirin 75mg", authoredOn="2025-12-01"), FORMER),
        plan("m2", "Ramipril 5mg", authoredOn="2019-01-01"),
    )
    assert titles(given, "repeat") == ["Ramipril 5mg", "Aspirin 75mg"]


@pytest.mark.parametrize("given, shown", [((PRACTICE,), False), ((), True)])
def test_no_registration_is_said_above_everything(given, shown):
    assert (completeness.NOT_REGISTERED in completeness.notices(record(plan("m1"), registered=given))) is shown
    assert completeness.NOT_REGISTERED not in completeness.notices(record(registered=given)), "no medicines"


def test_two_registrations_are_said_above_everything():
    assert completeness.TWO_PRACTICES in completeness.notices(record(plan("m1"), registered=(PRACTICE, FORMER)))


@pytest.mark.hazard("HZ-SUMMARY-07")
@pytest.mark.parametrize(
    "status, issued, shown",
    [
        ("completed", "2026-03-01", ["Ramipril 5mg capsules"]),
        ("completed", "2025-03-15", ["Ramipril 5mg capsules"]),
        ("completed", "2025-03", ["Ramipril 5mg capsules"]),
        ("completed", "2025-03-14", []),
        ("completed", "", ["Ramipril 5mg capsules"]),
        ("active", "2021-01-01", ["Ramipril 5mg capsules"]),
        ("unknown", "2021-01-01", ["Ramipril 5mg capsules"]),
    ],
)
def test_an_acute_medicine_is_dropped_only_when_it_is_over_and_surely_older_than_the_period(status, issued, shown):
    given = record(plan("m1", course="acute", status=status, authoredOn=issued))
    assert titles(given, "acute") == shown


@pytest.mark.parametrize(
    "status, flag",
    [("on-hold", "ON HOLD"), ("unknown", "not known whether still taken"), ("draft", "draft, not signed")],
)
def test_a_repeat_whose_status_is_not_that_it_ended_is_not_discontinued(status, flag):
    given = record(plan("m1", status=status))
    assert one(given, "repeat").flags == (flag,)
    assert not rows(given, "discontinued")


@pytest.mark.hazard("HZ-SUMMARY-08")
@pytest.mark.parametrize(
    "end, estimated, shown, flags",
    [
        ("2026-01-10", False, True, ("stopped",)),
        ("2026-01-10", True, True, ("stopped", "end date estimated")),
        ("2025-09-15", False, True, ("stopped",)),
        ("2025-09-14", False, False, ()),
        ("2025-09", False, True, ("stopped",)),
        ("", False, True, ("stopped", "end date unknown")),
    ],
)
def test_a_discontinued_repeat_is_dropped_only_for_an_end_surely_before_the_period(end, estimated, shown, flags):
    given = record(plan("m1", status="stopped"), statement("t1", "m1", end, estimated=estimated))
    assert [each.flags for each in rows(given, "discontinued")] == ([flags] if shown else [])
    assert not rows(given, "repeat") and not rows(given, "acute")


@pytest.mark.hazard("HZ-SUMMARY-09")
@pytest.mark.parametrize(
    "sent",
    [
        issue("i1", "never-sent", "2026-02-01"),
        issue("i1", "never-sent", "2026-02-01", basedOn=[], groupIdentifier={}),
        statement("t1", "never-sent"),
        plan("m1", course="", status="completed", authoredOn="2026-02-01"),
    ],
    ids=["issue of a plan not sent", "issue of no plan", "statement of a plan not sent", "plan of no stated type"],
)
def test_a_medicine_whose_plan_or_type_is_not_there_is_shown_and_says_so(sent):
    assert "type not recorded" in one(record(sent), "acute").flags


def test_an_issue_and_a_statement_of_a_plan_that_is_there_are_no_rows_of_their_own():
    given = record(plan("m1"), issue("i1", "m1", "2026-02-01"), issue("i2", "m1", "2026-03-01"), statement("t1", "m1"))
    assert (len(rows(given, "repeat")), rows(given, "acute"), rows(given, "discontinued")) == (1, (), ())
    assert "last issued 01-Mar-2026" in one(given, "repeat").detail


def test_an_issue_that_may_not_point_at_its_plan_is_still_its_issue():
    """A blanked medicine is served without ``basedOn``."""
    given = record(plan("m1"), issue("i1", "m1", "2026-02-01", basedOn=[]))
    assert "last issued 01-Feb-2026" in one(given, "repeat").detail
    assert not rows(given, "acute")


def test_issues_of_a_plan_entered_in_error_do_not_come_back_as_medicines():
    assert not rows(record(plan("m1", status="entered-in-error"), issue("i1", "m1", "2026-02-01")), "acute")


@pytest.mark.hazard("HZ-SUMMARY-37")
def test_a_statement_in_error_says_nothing_of_its_plans_end_or_last_issue():
    wrong = {**statement("s1", "m1", "2020-01-01"), "status": "entered-in-error"}
    ended = plan("m1", status="completed")
    assert one(record(ended, wrong), "discontinued").flags == ("end date unknown",)
    assert not rows(record(ended, {**wrong, "status": "completed"}), "discontinued")


def test_the_statements_last_issue_counts_where_the_issue_was_not_sent():
    extension = {
        "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationStatementLastIssueDate",
        "valueDateTime": "2026-01-20",
    }
    given = record(plan("m1"), statement("t1", "m1", extension=[extension]))
    assert "last issued 20-Jan-2026" in one(given, "repeat").detail


@pytest.mark.hazard("HZ-SUMMARY-10")
def test_medicines_are_never_collapsed_and_never_cut_off():
    given = record(*(plan(f"m{number}", status="active") for number in range(90)))
    assert len(rows(given, "repeat")) == 90
    assert len(rows(record(*(allergy(f"a{number}") for number in range(90))), "allergies")) == 90
    assert {kind.most for kind in summary.SECTIONS if kind.right in ("allergies", "medicines")} == {None}


@pytest.mark.hazard("HZ-SUMMARY-04")
@pytest.mark.parametrize(
    "concept, title, flags",
    [
        ({"text": "Herbal tonic"}, "Herbal tonic", (NOT_CHECKED,)),
        ({}, "medicine not named in the data received", (NOT_CHECKED,)),
        (coded("Ramipril", "318912006", "http://dmd.nhs.uk"), "Ramipril", ()),
        (coded("Ramipril", "318912006", "https://fhir.hl7.org.uk/Id/emis-drug-codes"), "Ramipril", (NOT_CHECKED,)),
    ],
)
def test_a_medicine_without_a_standard_code_says_that_nothing_checked_it(concept, title, flags):
    found = one(record(plan("m1", medicationCodeableConcept=concept)), "repeat")
    assert (found.title, found.flags) == (title, flags)


def test_a_medicine_says_its_dose_or_that_none_was_sent_and_what_it_is_for():
    reason = condition("c1", "Hypertension")
    given = record(plan("m1", dosageInstruction=[], reasonReference=[{"reference": "Condition/c1"}]), reason)
    assert one(given, "repeat").detail.startswith("dose not in the data received · 28 capsule")
    assert one(given, "repeat").detail.endswith("for Hypertension")
    assert (
        "for" not in one(record(plan("m1", reasonReference=[{"reference": "Condition/c1"}])), "repeat").detail.split()
    )


def test_a_request_not_to_give_a_medicine_is_no_medicine_to_give():
    assert "DO NOT GIVE" in one(record(plan("m1", doNotPerform=True)), "repeat").flags


def test_the_periods_are_stated_in_the_titles():
    assert section(record(), "acute").title == "Acute medicines (12 months from 15-Mar-2025 to 15-Mar-2026)"
    assert (
        section(record(), "discontinued").title
        == "Discontinued repeat medicines (6 months from 15-Sep-2025 to 15-Mar-2026)"
    )


@pytest.mark.hazard("HZ-SUMMARY-11")
def test_a_hospital_without_medicines_does_not_make_the_medicine_list_complete():
    given = record(held(result("o1"), TRUST), registered=())
    given = replace(given, contributions=tuple(each for each in given.contributions if each.kind == "hospital"))
    assert {section(given, name).reason for name in ("acute", "repeat", "discontinued", "immunisations")} == {
        "unavailable"
    }
    (line,) = completeness.completeness(given, summary.sections(given))
    states = dict(zip((kind.id for kind in completeness.GRID), line.cells))
    assert (states["repeat"], states["immunisations"], states["results"], states["allergies"]) == (
        "does not send this",
        "does not send this",
        "received",
        "nothing received",
    )


# Problems


@pytest.mark.parametrize(
    "given, active, past",
    [
        (condition("c1", "Asthma"), [("Asthma", ())], []),
        (condition("c1", "Asthma", "recurrence"), [("Asthma", ())], []),
        (condition("c1", "Asthma", ""), [("Asthma", ("status not known",))], []),
        (condition("c1", "Asthma", "inactive"), [], [("Asthma", ())]),
        (condition("c1", "Asthma", "remission"), [], [("Asthma", ("in remission",))]),
        (condition("c1", "Asthma", verification="provisional"), [("Asthma", ("not confirmed",))], []),
        (condition("c1", "Asthma", verification="refuted"), [], [("Asthma", ("RULED OUT",))]),
        (condition("c1", "Asthma", verification="entered-in-error"), [], []),
        (
            held(condition("c1", "Pneumonia", "", category="encounter-diagnosis"), TRUST),
            [("Pneumonia", ("hospital diagnosis",))],
            [],
        ),
        (
            held(condition("c1", "Pneumonia", "", category="encounter-diagnosis", verification="differential"), TRUST),
            [("Pneumonia", ("not confirmed", "hospital diagnosis"))],
            [],
        ),
    ],
)
def test_a_problem_is_active_past_or_ruled_out_and_as_certain_as_its_source_said(given, active, past):
    given = record(given)
    assert [(each.title, each.flags) for each in rows(given, "problems")] == active
    assert [(each.title, each.flags) for each in rows(given, "problems-past")] == past


@pytest.mark.hazard("HZ-SUMMARY-12")
def test_a_support_reason_is_no_problem_and_a_consultations_code_is_not_the_problem_list():
    given = record(
        held(condition("c1", "Physical support", category="social-care-support-reason"), COUNCIL),
        condition("c2", "Cough", "", category="encounter-diagnosis"),
    )
    assert not rows(given, "problems") and not rows(given, "problems-past")
    assert titles(given, "diagnoses") == ["Cough"]
    assert titles(given, "social-care") == ["Support reason: Physical support"]


def test_a_problem_says_when_it_ended_and_what_qualifies_it():
    past = condition("c1", "Pneumonia", "inactive", abatementDateTime="2024-02")
    assert one(record(past), "problems-past").detail == "ended Feb-2024"
    planned = condition("c2", "Gout", verification="unconfirmed", note=[{"text": "Certainty: unlikely"}])
    assert one(record(planned), "problems").detail == "Note: Certainty: unlikely"


# Results


@pytest.mark.hazard("HZ-SUMMARY-13")
@pytest.mark.parametrize(
    "value, shown",
    [
        ({"valueQuantity": {"value": Decimal("5.10"), "unit": "mmol/L"}}, "5.10 mmol/L"),
        ({"valueQuantity": {"value": 5, "comparator": "<", "unit": "mg/L"}}, "<5 mg/L"),
        ({"valueQuantity": {"value": 90, "comparator": ">=", "code": "mL/min"}}, ">=90 mL/min"),
        ({"valueQuantity": {"value": 7}}, "7"),
        ({"valueRange": {"low": {"value": 5}, "high": {"value": 10}}}, "5 to 10"),
        ({"valueRatio": {"numerator": {"value": 1}, "denominator": {"value": 128}}}, "1 : 128"),
        ({"valueCodeableConcept": {"text": "Not detected"}}, "Not detected"),
        ({"valueString": "Heavy growth"}, "Heavy growth"),
        ({"valueBoolean": False}, "no"),
        ({"valueInteger": 0}, "0"),
        ({"valueSampledData": {"period": 1}}, "a value that cannot be shown here"),
    ],
)
def test_a_value_is_shown_as_it_was_sent(value, shown):
    assert one(record(result("o1", None, **value)), "results").detail == shown


@pytest.mark.hazard("HZ-SUMMARY-14")
@pytest.mark.parametrize(
    "interpretation, flags",
    [
        ([], ()),
        ([status("v3-ObservationInterpretation", "A")], ("Abnormal",)),
        ([status("v3-ObservationInterpretation", "HH")], ("Critically high",)),
        ([{**status("v3-ObservationInterpretation", "H"), "text": "HI"}], ("HI",)),
        ([status("v3-ObservationInterpretation", "N")], ("reported as normal",)),
    ],
)
def test_no_flag_is_shown_as_no_flag_and_never_as_normal(interpretation, flags):
    assert one(record(result("o1", interpretation=interpretation)), "results").flags == flags


@pytest.mark.hazard("HZ-SUMMARY-15")
@pytest.mark.parametrize(
    "status, flags",
    [("final", ()), ("corrected", ("corrected",)), ("amended", ("corrected",)), ("preliminary", ("preliminary",))],
)
def test_a_corrected_or_preliminary_result_says_so(status, flags):
    assert one(record(result("o1", status=status)), "results").flags == flags


def test_another_final_value_that_was_not_marked_as_a_correction_is_shown():
    words = "Another final value was sent later and not marked as a correction: 6.1 mmol/L"
    assert words in one(record(held(result("o1", note=[{"text": words}]), TRUST)), "results").detail


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_what_is_no_result_is_not_shown_as_one(status):
    assert not rows(record(result("o1", status=status)), "results")


def test_a_laboratory_result_that_has_no_value_says_so_and_a_panel_does_not():
    absent = {"dataAbsentReason": status("data-absent-reason", "unknown")}
    assert one(record(result("o1", None, **absent)), "results").detail == "no result in the data received"
    assert not rows(record(result("o1", None, **absent, hasMember=[{"reference": "Observation/o2"}])), "results")


def test_a_blood_pressure_shows_its_parts_and_which_is_abnormal():
    parts = [
        {"code": {"text": "Systolic"}, "valueQuantity": {"value": 170, "unit": "mmHg"},
         "interpretation": [status("v3-ObservationInterpretation", "A")]},
        {"code": {"text": "Diastolic"}, "dataAbsentReason": status("data-absent-reason", "unknown")},
    ]  # fmt: skip
    found = one(record(result("o1", None, words="Blood pressure", component=parts)), "results")
    assert found.detail == "Systolic 170 mmHg (Abnormal) · Diastolic no result in the data received"


def test_a_blood_pressure_whose_part_is_not_told_says_so():
    given = result("o1", words="Blood pressure")
    given["meta"] = {"tag": [{"system": "urn:nhs-record-gateway:tag", "code": "blood-pressure-part-unclear"}]}
    assert one(record(given), "results").flags == ("systolic or diastolic not told",)


@pytest.mark.parametrize(
    "limits, words",
    [
        ({"low": {"value": Decimal("3.5")}, "high": {"value": Decimal("5.3")}}, "range 3.5 to 5.3"),
        ({"high": {"value": 5}}, "range under 5"),
        ({"low": {"value": 60}}, "range over 60"),
        ({"text": "< 5 mmol/L"}, "range < 5 mmol/L"),
    ],
)
def test_a_reference_range_is_the_laboratorys_own(limits, words):
    assert one(record(result("o1", referenceRange=[limits])), "results").detail == f"5.1 mmol/L · {words}"


@pytest.mark.hazard("HZ-SUMMARY-16")
def test_the_same_result_of_two_sources_is_shown_once_and_names_both():
    given = record(
        result("o1"), held(result("o2", interpretation=[status("v3-ObservationInterpretation", "H")]), TRUST)
    )
    found = one(given, "results")
    assert (found.source, found.flags, found.references) == (
        f"{PRACTICE}, {TRUST}",
        ("High",),
        ("Observation/o1", "Observation/o2"),
    )
    lines = completeness.completeness(given, summary.sections(given))
    at = next(number for number, kind in enumerate(completeness.GRID) if kind.id == "results")
    assert {line.name: line.cells[at] for line in lines} == {PRACTICE: "received", TRUST: "received"}


@pytest.mark.hazard("HZ-SUMMARY-16")
@pytest.mark.parametrize(
    "other",
    [
        result("o2", Decimal("5.2")),
        result("o2", effectiveDateTime="2026-02-01T09:16:00+00:00"),
        result("o2", code="1000661000000107", words="Serum sodium"),
        result("o2", status="corrected"),
    ],
    ids=["other value", "other minute", "other code", "a correction"],
)
def test_results_that_differ_in_anything_are_both_shown(other):
    assert len(rows(record(result("o1"), held(other, TRUST)), "results")) == 2


def test_two_measurements_of_one_day_without_a_time_are_both_shown():
    assert (
        len(
            rows(
                record(result("o1", effectiveDateTime="2026-02-01"), result("o2", effectiveDateTime="2026-02-01")),
                "results",
            )
        )
        == 2
    )


@pytest.mark.hazard("HZ-SUMMARY-30")
def test_the_last_of_each_test_are_shown_whatever_came_after_them():
    gases = [
        result(f"g{number:03}", Decimal(f"7.{number}"), words="pH", code="1", effectiveDateTime=f"2026-03-01T{number % 24:02}:00:00+00:00")
        for number in range(70)
    ]  # fmt: skip
    old = [
        result("inr", Decimal("7.2"), words="INR", code="2", effectiveDateTime="2026-01-01T09:00:00+00:00"),
        result("crit", Decimal("6.8"), words="pH", code="1", effectiveDateTime="2025-01-01T09:00:00+00:00",
               interpretation=[status("v3-ObservationInterpretation", "LL")]),
    ]  # fmt: skip
    found = section(record(*gases, *old), "results")
    assert ([row.title for row in found.rows], found.more) == (["pH"] * 5 + ["INR", "pH"], True)
    assert found.rows[-1].flags == ("Critically low",)
    assert not section(record(*gases[:5]), "results").more


@pytest.mark.hazard("HZ-SUMMARY-30")
@pytest.mark.parametrize(
    "critical",
    [
        {"interpretation": [status("v3-ObservationInterpretation", "HU")]},
        {"interpretation": [{"text": "PANIC value"}]},
        {
            "component": [
                {
                    "code": {"text": "pH"},
                    "interpretation": [status("v3-ObservationInterpretation", "LL")],
                    "valueString": "6.8",
                }
            ]
        },
    ],
    ids=["other code", "words", "component"],
)
def test_a_critical_result_is_shown_however_its_sender_says_so(critical):
    new = [result(f"n{number}", effectiveDateTime=f"2026-02-0{number}T09:00:00+00:00") for number in range(1, 7)]
    old = result("old", None, effectiveDateTime="2025-01-01T09:00:00+00:00", **critical)
    assert rows(record(*new, old), "results")[-1].references == ("Observation/old",)


@pytest.mark.hazard("HZ-SUMMARY-30")
def test_two_tests_of_one_code_in_two_systems_have_a_bound_each():
    def local_(id_: str, system: str, on: int) -> dict:
        at = f"2026-02-0{on}T09:00:00Z"
        return {**result(id_, effectiveDateTime=at), "code": {"coding": [{"system": system, "code": "1"}]}}

    new = [local_(f"n{on}", "urn:a", on) for on in range(2, 8)]
    assert "Observation/o" in {row.references[0] for row in rows(record(*new, local_("o", "urn:b", 1)), "results")}


@pytest.mark.hazard("HZ-SUMMARY-15")
@pytest.mark.parametrize("is_first", [True, False])
def test_the_settled_one_of_two_that_say_the_same_leads(is_first):
    early, final = result("o1", status="preliminary"), held(result("o2"), TRUST)
    found = one(record(*([early, final] if is_first else [final, early])), "results")
    assert (found.flags, found.references[0]) == ((), "Observation/o2")


@pytest.mark.hazard("HZ-SUMMARY-16")
def test_results_of_two_sites_are_two():
    left, right = (result(f"o{side}", bodySite={"text": side}) for side in ("left", "right"))
    assert len(rows(record(left, right), "results")) == 2


def test_a_source_whose_rows_are_beyond_the_most_shown_still_holds_some():
    new = [
        held(result(f"o{number:03}", effectiveDateTime=f"2026-02-01T09:{number:02}:00+00:00"), TRUST)
        for number in range(60)
    ]
    older = [result(f"old{number}", effectiveDateTime="2020-01-01") for number in range(6)]
    given = record(*new, *older)
    lines = completeness.completeness(given, summary.sections(given))
    at = next(number for number, kind in enumerate(completeness.GRID) if kind.id == "results")
    assert {line.name: line.cells[at] for line in lines} == {PRACTICE: "received", TRUST: "received"}


def test_a_report_that_only_has_words_or_a_document_is_shown():
    report = {
        "resourceType": "DiagnosticReport",
        "id": "d1",
        "meta": {},
        "status": "final",
        "code": {"text": "CT head"},
    }
    assert one(record({**report, "conclusion": "No bleed"}), "results").detail == "No bleed"
    assert (
        "document" in one(record({**report, "presentedForm": [{"contentType": "application/pdf"}]}), "results").detail
    )
    assert not rows(record(report), "results")


def report(id_: str, name: str, *names: str, **more) -> dict:
    """A report of a laboratory with its results, in the sent order."""
    return {
        "resourceType": "DiagnosticReport", "id": id_, "meta": {}, "status": "final", "code": {"text": name},
        "effectiveDateTime": "2026-02-01T09:15:00+00:00", "result": [{"reference": f"Observation/{each}"} for each in names], **more,
    }  # fmt: skip


COMMENT = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"


@pytest.mark.hazard("HZ-SUMMARY-31")
def test_results_stand_under_their_report_with_its_comment_and_in_the_sent_order():
    told = [{"url": COMMENT, "valueAnnotation": {"text": "Grossly haemolysed"}}]
    given = record(
        result("o3", words="Sodium", code="3"), result("o1", words="Haemoglobin", code="1"), result("o4", words="Potassium", code="4"),
        result("o2", words="Platelets", code="2"),
        report("r1", "Full blood count", "o1", "o2", specimen=[{"display": "Blood"}]),
        report("r2", "Urea and electrolytes", "o3", "o4", extension=told),
    )  # fmt: skip
    found = rows(given, "results")
    assert [(row.title, row.level, row.heads) for row in found] == [
        ("Full blood count", 0, True), ("Haemoglobin", 1, False), ("Platelets", 1, False),
        ("Urea and electrolytes", 0, True), ("Sodium", 1, False), ("Potassium", 1, False),
    ]  # fmt: skip
    assert found[0].detail == "Specimen: Blood" and found[0].references == ("DiagnosticReport/r1",)
    assert all("Grossly haemolysed" in row.detail for row in found[3:]) and "haemolysed" not in found[1].detail


@pytest.mark.hazard("HZ-SUMMARY-31")
@pytest.mark.parametrize("way", ["hasMember", "derivedFrom"])
def test_susceptibilities_stand_under_their_organism(way):
    def to(*names: str) -> list[dict]:
        return [{"reference": f"Observation/{name}"} for name in names]

    organisms = {"e": ("Escherichia coli", ("e1", "e2")), "f": ("Enterococcus faecalis", ("f1",))}
    drugs = {"e1": ("Gentamicin", "R", "e"), "e2": ("Amoxicillin", "R", "e"), "f1": ("Amoxicillin", "S", "f")}
    made = [
        result(name, None, words="Organism", code="o", valueString=value, **({way: to(*of)} if way == "hasMember" else {}))
        for name, (value, of) in organisms.items()
    ] + [
        result(name, None, words=drug, code=drug, valueString="", interpretation=[status("v3-ObservationInterpretation", said)],
               **({way: to(of)} if way == "derivedFrom" else {}))
        for name, (drug, said, of) in drugs.items()
    ]  # fmt: skip
    found = rows(record(*made, report("r", "Blood culture", "e", "f", "e1", "f1", "e2")), "results")
    shown_ = [(row.level, row.title, *row.flags) for row in found[1:]]
    assert sorted(shown_[:3]) == [(1, "Organism"), (2, "Amoxicillin", "Resistant"), (2, "Gentamicin", "Resistant")]
    assert shown_[0] == (1, "Organism") and shown_[3:] == [(1, "Organism"), (2, "Amoxicillin", "Susceptible")]


def test_members_that_refer_to_each_other_in_a_circle_are_all_shown():
    def panel(name: str, other: str) -> dict:
        return result(name, words=name, code=name, hasMember=[{"reference": f"Observation/{other}"}])

    assert sorted(titles(record(panel("a", "b"), panel("b", "a")), "results")) == ["a", "b"]


def test_the_only_result_of_a_report_has_one_line_that_names_the_report():
    words = result("o1", None, words="Report", code="TXT", valueString="Line one\nLine two")
    found = one(record(words, report("r", "CT of head", "o1")), "results")
    assert (found.title, found.references) == ("CT of head", ("DiagnosticReport/r", "Observation/o1"))
    assert found.detail.startswith("Line one\nLine two")
    assert one(record(result("o2", words="INR"), report("r", "Clotting", "o2")), "results").title == "INR"


IN_ERROR = "its report was entered in error, the result was not"


@pytest.mark.hazard("HZ-SUMMARY-37")
@pytest.mark.parametrize("is_first", [True, False], ids=["error first", "error last"])
def test_a_result_of_a_report_in_error_stands_in_its_next_report(is_first):
    potassium, sodium = result("k", Decimal("7.9"), words="Potassium", code="4"), result("na", words="Sodium", code="3")
    wrong, right = report("r1", "Wrong name", "k", "na", status="entered-in-error"), report("r2", "Renal", "k", "na")
    reports = [wrong, right] if is_first else [right, wrong]
    found = rows(record(*reports, potassium, sodium), "results")
    assert [(row.title, row.flags) for row in found] == [("Renal", ()), ("Potassium", ()), ("Sodium", ())]


@pytest.mark.hazard("HZ-SUMMARY-37")
@pytest.mark.parametrize("number", [1, 2])
def test_a_result_whose_only_report_is_in_error_stands_by_itself_and_says_so(number):
    held_ = [result(f"o{each}", words=f"Test {each}", code=f"{each}") for each in range(number)]
    wrong = report("r", "Renal", *(each["id"] for each in held_), status="entered-in-error")
    found = rows(record(*held_, wrong), "results")
    assert {row.title: row.flags for row in found} == {f"Test {each}": (IN_ERROR,) for each in range(number)}
    gone = [{**each, "status": "entered-in-error"} for each in held_]
    assert rows(record(*gone, wrong), "results") == ()


@pytest.mark.hazard("HZ-SUMMARY-37")
def test_a_group_in_error_and_a_cancelled_report_hide_no_result_of_theirs():
    group = result("g", None, words="Culture", hasMember=[{"reference": "Observation/o1"}], status="entered-in-error")
    assert titles(record(group, result("o1", words="Gentamicin")), "results") == ["Gentamicin"]
    given = record(result("o2", words="Potassium"), report("r", "Renal", "o2", status="cancelled"))
    assert one(given, "results").flags == ("report cancelled",)


@pytest.mark.hazard("HZ-SUMMARY-35")
@pytest.mark.parametrize(
    "quantity, limits, is_outside",
    [
        ({"value": Decimal("7.1")}, [{"low": {"value": Decimal("3.5")}, "high": {"value": Decimal("5.3")}}], True),
        ({"value": Decimal("5.3")}, [{"low": {"value": Decimal("3.5")}, "high": {"value": Decimal("5.3")}}], False),
        ({"value": 5, "comparator": "<"}, [{"low": {"value": 5}}], True),
        ({"value": 5, "comparator": "<"}, [{"high": {"value": 3}}], False),
        ({"value": 90, "comparator": ">"}, [{"low": {"value": 60}}], False),
        ({"value": 9}, [{"high": {"value": 5}}, {"high": {"value": 10}}], False),
        ({"value": 9}, [{"high": {"value": 5, "unit": "g/L"}}], False),
        ({"value": 9}, [{"text": "under 5"}], False),
    ],
)
def test_a_value_outside_the_range_that_nobody_flagged_says_so(quantity, limits, is_outside):
    given = result("o1", None, valueQuantity={"unit": "mmol/L", **quantity}, referenceRange=limits)
    assert (NOT_FLAGGED in one(record(given), "results").flags) is is_outside
    flagged = {**given, "interpretation": [status("v3-ObservationInterpretation", "N")]}
    assert NOT_FLAGGED not in one(record(flagged), "results").flags


def test_a_blood_pressure_of_two_plain_parts_is_one_value():
    parts = [
        {"code": {"text": f"{name} blood pressure"}, "valueQuantity": {"value": value, "unit": "mm[Hg]"}}
        for name, value in (("Systolic", 132), ("Diastolic", 85))
    ]
    found = one(record(result("o1", None, words="O/E - blood pressure reading", component=parts)), "results")
    assert (found.title, found.detail) == ("Blood pressure", "132/85 mmHg")
    parts[0]["interpretation"] = [status("v3-ObservationInterpretation", "HH")]
    found = one(record(result("o1", None, words="O/E - blood pressure reading", component=parts)), "results")
    assert (found.title, found.detail, found.flags) == (
        "Blood pressure", "132/85 mmHg", ("systolic: Critically high",),
    )  # fmt: skip


# Procedures


@pytest.mark.hazard("HZ-SUMMARY-36")
def test_an_implant_comes_first_and_what_was_not_done_is_not_one():
    def procedure(id_: str, name: str, on: str, status_: str = "completed") -> dict:
        return {
            "resourceType": "Procedure",
            "id": id_,
            "meta": {},
            "status": status_,
            "code": {"text": name},
            "performedDateTime": on,
        }

    given = record(
        procedure("p1", "Colonoscopy", "2026-01-01"), procedure("p2", "Implantation of cardiac pacemaker", "2009-01-01"),
        procedure("p3", "Total hip replacement", "2020-01-01", "not-done"), procedure("p4", "Removal of coronary stent", "2021-01-01"),
        procedure("p5", "Appendicectomy", "1980-01-01", "entered-in-error"),
    )  # fmt: skip
    assert [(row.title, row.flags) for row in rows(given, "procedures")] == [
        ("Implantation of cardiac pacemaker", ("implant or device",)), ("Colonoscopy", ()), ("Removal of coronary stent", ()),
        ("Total hip replacement", ("NOT DONE",)),
    ]  # fmt: skip


@pytest.mark.hazard("HZ-SUMMARY-41")
@pytest.mark.parametrize(
    "name, is_there",
    [
        ("Removal of pacemaker and insertion of new pacemaker", True),
        ("Removal of pacemaker", False),
        ("Removal of hip replacement", False),
        ("Removal and replacement of pacemaker", True),
        ("Explantation of breast implant", False),
        ("Revision of total hip replacement", True),
        ("Extraction of cataract with insertion of intraocular lens", True),
        ("Coiling of cerebral aneurysm", True),
        ("Clipping of aneurysm", True),
        ("TAVI", True),
        ("Hemiarthroplasty of hip", True),
        ("Insertion of IVC filter", True),
        ("Replacement of dressing", False),
        ("Blood filter test", False),
    ],
)
def test_a_removal_takes_an_implant_away_unless_one_is_put_in_with_it(name, is_there):
    made = {"resourceType": "Procedure", "id": "p", "meta": {}, "status": "completed", "code": {"text": name}}
    assert ("implant or device" in one(record(made), "procedures").flags) is is_there


# Immunisations, encounters


def visit(
    id_: str = "e1", class_: str = "IMP", status_: str = "in-progress", start: str = "2019-03-01T09:00:00+00:00", **more
) -> Held:
    made = {
        "resourceType": "Encounter", "id": id_, "meta": {}, "status": status_, "class": {"code": class_, "display": "Visit"},
        "period": {"start": start}, **more,
    }  # fmt: skip
    return held(made, TRUST)


@pytest.mark.hazard("HZ-SUMMARY-32")
@pytest.mark.parametrize(
    "given, flags",
    [
        (visit(start="2026-03-10T09:00:00+00:00"), ("in hospital now (no discharge received)",)),
        (visit(), ("no discharge received; last heard 01-Mar-2019",)),
        (visit(location=[{"period": {"start": "2026-03-01"}}]), ("in hospital now (no discharge received)",)),
        (visit(location=[{"period": {"start": "2099-03-01"}}]), ("no discharge received; last heard 01-Mar-2019",)),
        (visit(class_="EMER", start="2026-03-01"), ("no end received; last heard 01-Mar-2026",)),
        (visit(class_="EMER", start="2026-03-14"), ("open now (no end received)",)),
        (visit(class_="AMB", start="2025-12-01"), ("no end received; last heard 01-Dec-2025",)),
        (visit(period={}), ("no discharge received; date unknown",)),
        (visit(status_="planned", start="2024-04-01"), ("was planned for 01-Apr-2024; nothing received since",)),
        (visit(status_="planned", start="2026-04-01"), ("planned",)),
        (visit(status_="in-progress", period={"start": "2026-03-01", "end": "2026-03-02"}), ()),
    ],
)
def test_an_open_visit_is_now_only_as_long_as_one_of_its_class_may_last(given, flags):
    assert one(record(given), "encounters").flags == flags


def test_a_reason_of_a_visit_follows_the_right_to_problems():
    given = visit(start="2026-03-10", reasonCode=[{"text": "Overdose"}])
    assert "Overdose" in one(record(given), "encounters").detail
    assert "Overdose" not in one(record(given, sections=ALL - {"problems"}), "encounters").detail


def test_a_diagnosis_of_a_visit_that_is_over_is_no_current_problem():
    def diagnosis(of: str) -> Held:
        of_visit = {"encounter": {"reference": f"Encounter/{of}"}, "onsetDateTime": "", "recordedDate": "2024-02-11"}
        return held(condition("c1", "Pneumonia", "", category="encounter-diagnosis", **of_visit), TRUST)

    over = visit(status_="finished", period={"start": "2024-02-10", "end": "2024-02-14"})
    assert (
        titles(record(over, diagnosis("e1")), "problems"),
        titles(record(over, diagnosis("e1")), "visit-diagnoses"),
    ) == ([], ["Pneumonia"])
    now = visit(start="2026-03-14")
    assert titles(record(now, diagnosis("e1")), "problems") == ["Pneumonia"]
    assert titles(record(diagnosis("not-seen")), "visit-diagnoses") == ["Pneumonia"]
    assert one(record(now, diagnosis("e1")), "problems").when == "Recorded 11-Feb-2024"


def test_what_the_practice_files_as_minor_comes_last():
    minor = condition("c1", "Verruca", onsetDateTime="2026-01-01")
    minor["category"] = [*minor["category"], {"text": "Minor Problem"}]
    found = rows(record(minor, condition("c2", "Asthma")), "problems")
    assert [(row.title, row.when, row.flags) for row in found] == [
        ("Asthma", "Began Apr-2018", ()), ("Verruca", "Began 01-Jan-2026", ("minor",)),
    ]  # fmt: skip


@pytest.mark.hazard("HZ-SUMMARY-17")
@pytest.mark.parametrize(
    "status, reason, flags, detail",
    [
        ("completed", None, (), ""),
        ("not-done", {"text": "Patient declined"}, ("NOT GIVEN",), "Patient declined"),
        ("not-done", None, ("NOT GIVEN",), ""),
    ],
)
def test_a_vaccine_that_was_not_given_is_never_shown_as_given(status, reason, flags, detail):
    given = {
        "resourceType": "Immunization",
        "id": "v1",
        "meta": {},
        "status": status,
        "vaccineCode": {"text": "Influenza vaccination"},
    }
    given |= {"occurrenceDateTime": "2025-10-25"} | ({"statusReason": reason} if reason else {})
    found = one(record(given), "immunisations")
    assert (found.title, found.when, found.flags, found.detail) == (
        "Influenza vaccination",
        "25-Oct-2025",
        flags,
        detail,
    )


@pytest.mark.parametrize(
    "status, period, shown",
    [
        ("finished", {"start": "2026-01-10T08:00:00+00:00", "end": "2026-01-12"}, True),
        ("finished", {"start": "2025-01-10", "end": "2025-01-12"}, False),
        ("finished", {"start": "2025-08-01", "end": "2025-10-01"}, True),
        ("in-progress", {"start": "2020-01-10"}, True),
        ("finished", {}, True),
        ("entered-in-error", {"start": "2026-01-10"}, False),
    ],
)
def test_an_encounter_is_dropped_only_when_it_surely_ended_before_the_period(status, period, shown):
    given = {
        "resourceType": "Encounter",
        "id": "e1",
        "meta": {},
        "status": status,
        "class": {"display": "Inpatient"},
        "period": period,
    }
    assert bool(rows(record(held(given, TRUST)), "encounters")) is shown


# Social care


@pytest.mark.hazard("HZ-SUMMARY-18")
@pytest.mark.parametrize(
    "given, flags",
    [
        (service(), ("was active on 31-Dec-2025",)),
        (service(as_at=""), ("was active on an unknown day",)),
        (service(status="planned"), ("was planned on 31-Dec-2025",)),
        (
            service(status="finished", period={"start": "2024-09-20", "end": "2025-11-02"}),
            ("ended 02-Nov-2025",),
        ),
        (
            service(
                status="finished",
                period={"end": "2025-11-02", "_end": {"extension": [{"url": "urn:nhs-record-gateway:estimated"}]}},
            ),
            ("ended 02-Nov-2025 (estimated)",),
        ),
    ],
)
def test_a_councils_service_is_as_at_its_return_and_never_as_if_today(given, flags):
    assert one(record(held(given, COUNCIL)), "social-care").flags == flags


@pytest.mark.hazard("HZ-SUMMARY-18")
def test_a_circumstance_is_as_at_the_returns_end_and_an_unknown_one_says_so():
    about = {
        "resourceType": "Observation",
        "id": "o1",
        "meta": {},
        "status": "final",
        "code": {"text": "Has an unpaid carer"},
    }
    about["effectivePeriod"] = {"start": "2025-10-01", "end": "2025-12-31"}
    found = one(record(held(about, COUNCIL)), "social-care")
    assert (found.detail, found.when, found.flags) == ("not known", "31-Dec-2025", ())
    assert section(record(held(about, COUNCIL)), "social-care").notes == (
        "Vellshire Council: as at 31-Dec-2025, unless a row says another day.",
    )
    assert not rows(record(held({**about, "valueCodeableConcept": {"text": "Yes"}}, COUNCIL)), "results")


@pytest.mark.hazard("HZ-SUMMARY-18")
def test_what_is_not_of_the_newest_return_says_of_which_day_it_is():
    old, new = (
        {"resourceType": "Observation", "id": end, "meta": {}, "status": "final", "code": {"text": end},
         "effectivePeriod": {"end": end}}
        for end in ("2025-09-30", "2025-12-31")
    )  # fmt: skip
    given = record(held(old, COUNCIL), held(new, COUNCIL))
    flags = {found.title: found.flags for found in rows(given, "social-care")}
    assert flags == {"2025-12-31": (), "2025-09-30": ("as at 30-Sep-2025",)}
    assert section(given, "social-care").notes == (
        "Vellshire Council: as at 31-Dec-2025, unless a row says another day.",
    )


def test_a_support_reason_that_is_no_longer_stated_says_so():
    given = condition("c1", "Physical support", "inactive", category="social-care-support-reason")
    assert "no longer stated" in one(record(held(given, COUNCIL)), "social-care").flags


@pytest.mark.hazard("HZ-SUMMARY-33")
@pytest.mark.parametrize(
    "client, title",
    [
        ("Unpaid carer", "As an unpaid carer: Home support"),
        ("Unpaid carer known by association", "As an unpaid carer known by association: Home support"),
        ("Service user", "Home support"),
        ("", "Home support"),
    ],
)
def test_a_service_says_in_which_role_the_person_was_met(client, title):
    given = service()
    if client:
        given["extension"] = [
            *given["extension"],
            {"url": "urn:nhs-record-gateway:cld:client-type", "valueCodeableConcept": {"text": client}},
        ]
    assert one(record(held(given, COUNCIL)), "social-care").title == title


@pytest.mark.hazard("HZ-SUMMARY-40")
@pytest.mark.parametrize(
    "client, received, title",
    [
        ("", {"coding": [{"code": "carer"}], "text": "Received as a carer"}, "As an unpaid carer: Home support"),
        ("Carer", {"coding": [{"code": "carer"}], "text": "Received as a carer"}, "As Carer: Home support"),
        ("Service user", {"coding": [{"code": "cared-for"}]}, "For the person's unpaid carer: Home support"),
        ("", {"text": "Received by a neighbour"}, "Received by a neighbour: Home support"),
    ],
)
def test_whose_service_it_is_is_told_where_the_client_type_is_silent(client, received, title):
    told = [("client-type", {"text": client})] if client else []
    given = service()
    given["extension"] += [
        {"url": f"urn:nhs-record-gateway:cld:{name}", "valueCodeableConcept": value}
        for name, value in (*told, ("received-as", received))
    ]
    assert one(record(held(given, COUNCIL)), "social-care").title == title


@pytest.mark.hazard("HZ-SUMMARY-40")
def test_what_a_later_return_no_longer_states_says_so():
    silent = {"url": "urn:nhs-record-gateway:cld:not-reported-since", "valueDate": "2026-03-31"}
    given = service()
    given["extension"].append(silent)
    assert one(record(held(given, COUNCIL)), "social-care").flags == (
        "was active on 31-Dec-2025",
        "not in the return to 31-Mar-2026",
    )


def test_an_open_assessment_was_open_on_the_returns_last_day():
    task = {
        "resourceType": "Task",
        "id": "t1",
        "meta": {},
        "status": "in-progress",
        "code": {"text": "Assessment"},
        "authoredOn": "2025-11-01",
    }
    task["extension"] = [{"url": "urn:nhs-record-gateway:cld:as-at", "valueDate": "2025-12-31"}]
    assert one(record(held(task, COUNCIL)), "social-care").flags == ("was open on 31-Dec-2025",)


# Completeness and notices


@pytest.mark.hazard("HZ-SUMMARY-19")
@pytest.mark.parametrize(
    "kind, days, stale",
    [("gp", 7, False), ("gp", 8, True), ("hospital", 8, True), ("social-care", 120, False), ("social-care", 121, True)],
)
def test_a_source_that_has_fallen_silent_is_stale_and_said_above_everything(kind, days, stale):
    name = {"gp": PRACTICE, "hospital": TRUST, "social-care": COUNCIL}[kind]
    given = record(contributions=(Contribution(name, ODS[name], kind, "ok", NOW - timedelta(days=days)),))
    (line,) = completeness.completeness(given, summary.sections(given))
    assert ("nothing new" in line.cells) is stale
    assert any(name in words for words in completeness.notices(given)) is stale


@pytest.mark.parametrize(
    "state, right, cell",
    [
        ("ok", True, "received"), ("none held", True, "nothing received"), ("not contributed", True, "has stopped sending"), ("in transit", True, "in transit"),
        ("error", True, "error"), ("ok", False, "not for your role"),
    ],
)  # fmt: skip
def test_each_cell_says_how_a_source_stands_for_a_section(state, right, cell):
    resources = [allergy()] if state == "ok" else []
    given = record(
        *resources,
        contributions=(Contribution(PRACTICE, "A99001", "gp", state, NOW),),
        sections=ALL if right else ALL - {"allergies"},
    )
    (line,) = completeness.completeness(given, summary.sections(given))
    assert line.cells[0] == cell


def test_a_source_that_was_not_expected_to_hold_a_section_and_does_is_ok():
    vaccine = {
        "resourceType": "Immunization",
        "id": "v1",
        "meta": {},
        "status": "completed",
        "vaccineCode": {"text": "Tetanus"},
    }
    given = record(held(vaccine, TRUST))
    lines = completeness.completeness(given, summary.sections(given))
    at = next(number for number, kind in enumerate(completeness.GRID) if kind.id == "immunisations")
    assert {line.name: line.cells[at] for line in lines} == {PRACTICE: "nothing received", TRUST: "received"}


@pytest.mark.parametrize("withheld, mismatch", [(True, False), (False, True), (True, True), (False, False)])
def test_hidden_items_and_a_mismatch_have_one_fixed_sentence_each(withheld, mismatch):
    said = completeness.notices(record(withheld=withheld, mismatch=mismatch))
    assert said == [access.WITHHELD] * withheld + [completeness.MISMATCH] * mismatch


def test_a_section_withheld_by_role_says_so_and_its_past_is_not_hinted_at():
    given = record(
        allergy(clinical="resolved"), condition("c1", "Asthma", "inactive"), plan("m1"), sections=frozenset()
    )
    found = summary.sections(given)
    assert {each.reason for each in found} == {"role"} and not any(each.rows for each in found)
    assert [each.id for each in found] == [kind.id for kind in summary.SECTIONS if not kind.optional]


def test_the_table_has_a_right_of_the_roles_for_each_section():
    from gateway.nhs import roles

    assert {kind.right for kind in summary.SECTIONS} <= set(roles.SECTION_TYPES) | {"social-care"}


@pytest.mark.hazard("HZ-SUMMARY-18")
def test_what_a_later_return_does_not_hold_keeps_the_day_that_it_is_as_at():
    silent = {"url": "urn:nhs-record-gateway:cld:not-reported-since", "valueDate": "2025-12-31"}
    service = {"resourceType": "Observation", "id": "o1", "meta": {}, "status": "final", "code": {"text": "x"},
               "effectivePeriod": {"end": "2025-06-30"}, "extension": [silent]}  # fmt: skip
    assert one(record(held(service, COUNCIL)), "social-care").flags == (
        "as at 30-Jun-2025",
        "not in the return to 31-Dec-2025",
    )
