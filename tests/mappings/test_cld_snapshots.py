"""What a snapshot's silence means: events that stop being reported, resubmissions, and any order of arrival."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mappings import Feed, Group, Row
from mappings.cld import SOURCE, codes
from mappings.cld.stated import TOLD_APART
from tests.mappings.harness import DictLook, map_all, map_rows, read_all
from tests.mappings.harness_cld import assessment, extension, line, map_path, one, service, snapshot, write

CROWD = [{"LA_Person_Unique_Identifier": f"C{number}", "NHS_Number": ""} for number in range(21)]
SERVICES, ASSESSMENTS = (tuple(kind(**who) for who in CROWD) for kind in (service, assessment))
OTHERS = (*SERVICES, *ASSESSMENTS)
"""Other people, as few as a return must have so that one who is missing counts."""


def event(resources: list[dict], resource_type: str) -> dict:
    """Return the event of P1; P2's are there in every snapshot."""
    patient = next(
        each
        for each in resources
        if each["resourceType"] == "Patient" and any(i["value"] == "P1" for i in each["identifier"])
    )
    found = [
        each for each in resources
        if each["resourceType"] == resource_type and (each.get("patient") or each.get("for"))["reference"].endswith(patient["id"])
    ]  # fmt: skip
    assert len(found) == 1
    return found[0]


@pytest.mark.hazard("HZ-CLD-03")
def test_an_open_service_was_active_on_the_last_day_of_its_period(tmp_path):
    snapshot(tmp_path, 1, service())
    made = one(map_path(tmp_path), "EpisodeOfCare")
    assert (made["status"], made["period"], extension(made, "as-at")) == (
        "active",
        {"start": "2025-03-01"},
        "2025-12-31",
    )


@pytest.mark.parametrize(
    "start, end, status, period",
    [
        ("01/03/2025", "31/12/2025", "finished", {"start": "2025-03-01", "end": "2025-12-31"}),
        ("01/03/2025", "01/03/2026", "active", {"start": "2025-03-01", "end": "2026-03-01"}),
        ("01/02/2026", "", "planned", {"start": "2026-02-01"}),
    ],
)
def test_a_service_is_as_it_was_when_its_period_ended(tmp_path, start, end, status, period):
    snapshot(tmp_path, 1, service(Event_Start_Date=start, Event_End_Date=end))
    made = one(map_path(tmp_path), "EpisodeOfCare")
    assert (made["status"], made["period"]) == (status, period)


@pytest.mark.hazard("HZ-CLD-05")
def test_a_service_no_longer_reported_ends_with_the_last_period_that_had_it_and_says_so(tmp_path):
    snapshot(tmp_path, 1, service(), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    made = event(map_path(tmp_path), "EpisodeOfCare")
    assert made["status"] == "finished" and made["period"]["end"] == "2025-12-31"
    assert made["period"]["_end"]["extension"][0]["url"] == "urn:nhs-record-gateway:estimated"
    assert (extension(made, "as-at"), extension(made, "not-reported-since")) == ("2025-12-31", "2026-03-31")


def test_a_service_reported_again_is_open_again(tmp_path):
    for number, lines in ((1, [service(), *OTHERS]), (2, OTHERS), (3, [service(), *OTHERS])):
        snapshot(tmp_path, number, *lines)
    made = event(map_path(tmp_path), "EpisodeOfCare")
    assert (made["status"], made["period"], extension(made, "as-at")) == (
        "active",
        {"start": "2025-03-01"},
        "2026-04-30",
    )


def test_a_service_of_many_years_is_missed_though_no_period_holds_its_start(tmp_path):
    snapshot(tmp_path, 1, service(Event_Start_Date="01/03/2019"), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    assert event(map_path(tmp_path), "EpisodeOfCare")["status"] == "finished"


def test_an_ended_service_that_the_window_has_passed_keeps_its_own_end(tmp_path):
    snapshot(tmp_path, 1, service(Event_End_Date="20/03/2025"), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    made = event(map_path(tmp_path), "EpisodeOfCare")
    assert (
        made["period"] == {"start": "2025-03-01", "end": "2025-03-20"} and extension(made, "not-reported-since") is None
    )


@pytest.mark.hazard("HZ-CLD-04")
def test_an_absent_event_is_not_at_once_an_error(tmp_path):
    snapshot(tmp_path, 1, assessment(), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    made = event(map_path(tmp_path), "Task")
    assert made["status"] == "completed" and extension(made, "not-reported-since") == "2026-03-31"
    snapshot(tmp_path, 3, *OTHERS)
    assert event(map_path(tmp_path), "Task")["status"] == "entered-in-error"


BAD = line(Event_Type="?")
SLIP = OTHERS[0] | {"Reporting Period Start Date": "01/01/2024", "Reporting Period End Date": "30/06/2026"}
SILENCES = {
    "a row was turned away": ({}, [(2, [*OTHERS, BAD], ""), (3, [*OTHERS, BAD], "")]),
    "no event of its type at all": ({}, [(2, SERVICES, ""), (3, SERVICES, "")]),
    "the window has moved on": ({"Event_Start_Date": "02/03/2025"}, [(2, OTHERS, ""), (3, OTHERS, "")]),
    "one period twice": ({}, [(2, OTHERS, ""), (2, OTHERS, "_v2")]),
}


@pytest.mark.hazard("HZ-CLD-04")
@pytest.mark.parametrize("given, later", SILENCES.values(), ids=SILENCES)
def test_a_silence_that_means_nothing_is_not_counted(tmp_path, given, later):
    snapshot(tmp_path, 1, assessment(**given), *OTHERS)
    for number, lines, version in later:
        snapshot(tmp_path, number, *lines, version=version)
    assert event(map_path(tmp_path), "Task")["status"] == "completed"


@pytest.mark.hazard("HZ-CLD-04")
def test_a_period_that_only_some_rows_of_a_file_name_is_silent_about_nothing(tmp_path):
    period = {"Reporting Period Start Date": "01/04/2025", "Reporting Period End Date": "31/03/2026"}
    write(tmp_path / "CLD_2026-04-20.csv", [each | period for each in (service(), assessment(), *OTHERS)] + [SLIP])
    resources = map_path(tmp_path)
    assert event(resources, "EpisodeOfCare")["status"] == "active"
    assert not [each for each in resources if extension(each, "not-reported-since")]


def test_the_latest_submission_of_a_period_wins(tmp_path):
    snapshot(tmp_path, 1, service(), *OTHERS, version="_v2")
    snapshot(tmp_path, 1, service(Event_End_Date="01/09/2025"), *OTHERS)
    assert event(map_path(tmp_path), "EpisodeOfCare")["period"] == {"start": "2025-03-01"}
    snapshot(tmp_path, 1, *OTHERS, version="_v3")
    made = event(map_path(tmp_path), "EpisodeOfCare")
    assert made["period"]["end"] == "2025-12-31" and extension(made, "not-reported-since") == "2025-12-31"


def test_a_submission_in_two_files_is_one_snapshot(tmp_path):
    snapshot(tmp_path, 1, service(), *OTHERS)
    snapshot(tmp_path / "a", 2, service())
    snapshot(tmp_path / "b", 2, *OTHERS)
    assert event(map_path(tmp_path), "EpisodeOfCare")["status"] == "active"


def test_the_files_of_one_submission_speak_together_and_are_whole_together(tmp_path):
    snapshot(tmp_path, 1, service(), assessment(), *OTHERS)
    snapshot(tmp_path / "a", 2, *ASSESSMENTS)
    snapshot(tmp_path / "b", 2, *SERVICES)
    assert extension(event(map_path(tmp_path), "Task"), "not-reported-since") == "2026-03-31"
    snapshot(tmp_path / "a", 2, *ASSESSMENTS, BAD)
    assert event(map_path(tmp_path), "EpisodeOfCare")["status"] == "active"


def test_an_ended_service_that_is_no_longer_reported_keeps_its_own_end(tmp_path):
    snapshot(tmp_path, 1, service(Event_End_Date="01/05/2025"), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    made = event(map_path(tmp_path), "EpisodeOfCare")
    assert (
        made["period"] == {"start": "2025-03-01", "end": "2025-05-01"}
        and extension(made, "not-reported-since") == "2026-03-31"
    )


@pytest.mark.parametrize("better, worse", list(itertools.pairwise([*codes.outcome_ranks(), "words no list has"])))
def test_of_two_outcomes_the_one_higher_in_the_hierarchy_counts(tmp_path, better, worse):
    snapshot(tmp_path, 1, assessment(Event_Outcome=better), assessment(Event_Outcome=worse))
    assert one(map_path(tmp_path), "Task")["output"][0]["valueCodeableConcept"]["text"] == better


@pytest.mark.hazard("HZ-CLD-09")
def test_two_ends_are_two_assessments_and_two_reviews(tmp_path):
    """DHSC's unique event has the end of all but services."""
    lines = [
        kind(Event_Start_Date="04/06/2025", Event_End_Date=end)
        for kind in (assessment, review)
        for end in ("10/06/2025", "20/06/2025")
    ]
    for number, shown in enumerate((lines, lines[::-1])):
        snapshot(tmp_path / str(number), 1, *shown)
    first, second = (tasks(map_path(tmp_path / str(number))) for number in (0, 1))
    assert first == second
    assert sorted((kind, end) for kind, end, _ in first) == [
        ("Assessment", "2025-06-10"),
        ("Assessment", "2025-06-20"),
        ("Review", "2025-06-10"),
        ("Review", "2025-06-20"),
    ]
    assert len({id_ for _, _, id_ in first}) == 4


def review(**given: str) -> dict[str, str]:
    return line(**{"Event_Type": "Review", "Event_Start_Date": "04/06/2025", "Event_End_Date": "20/06/2025"} | given)


MAKERS = {"Service": service, "Assessment": assessment, "Review": review}


def tasks(resources: list[dict]) -> set[tuple[str, str, str]]:
    return {
        (each["code"]["coding"][0]["code"], each["executionPeriod"].get("end", ""), each["id"])
        for each in resources
        if each["resourceType"] == "Task"
    }


def test_an_open_event_is_the_one_that_a_later_snapshot_ends(tmp_path):
    snapshot(tmp_path, 1, assessment(Event_End_Date=""), *OTHERS)
    before = event(map_path(tmp_path), "Task")
    snapshot(tmp_path, 2, assessment(Event_End_Date="10/09/2025"), *OTHERS)
    after = event(map_path(tmp_path), "Task")
    assert (before["status"], after["status"]) == ("in-progress", "completed") and before["id"] == after["id"]


@pytest.mark.hazard("HZ-CLD-09")
@pytest.mark.parametrize("column", TOLD_APART)
def test_services_of_one_submission_are_told_apart(tmp_path, column):
    """Commissioned care beside a direct payment for the same component is not lost."""
    snapshot(tmp_path, 1, service(Event_Reference="S1"), service() | {column: "1"}, service() | {column: "2"})
    episodes = [each for each in map_path(tmp_path) if each["resourceType"] == "EpisodeOfCare"]
    assert len(episodes) == 3 and len({each["id"] for each in episodes}) == 3


def test_a_service_keeps_its_id_when_its_cost_or_mechanism_changes(tmp_path):
    snapshot(tmp_path, 1, service(Unit_Cost="20.00", Delivery_Mechanism="Direct payment"))
    before = one(map_path(tmp_path), "EpisodeOfCare")
    snapshot(tmp_path, 2, service(Unit_Cost="21.50", Delivery_Mechanism="CASSR Commissioned Support"))
    assert one(map_path(tmp_path), "EpisodeOfCare")["id"] == before["id"]


@pytest.mark.hazard("HZ-CLD-09")
@pytest.mark.parametrize(
    ("lines", "left_out"),
    [
        ([service(), service(Provider_CQC_Location_ID="1-1")], 0),
        ([service(), service(Event_Reference="other")], 0),
        ([service(), service(Event_End_Date="01/09/2025")], 1),
        ([assessment(), assessment(Event_Outcome="Admitted to hospital")], 1),
        ([assessment(), assessment(Event_Outcome="Admitted to hospital"), assessment(Event_Outcome="odd")], 2),
    ],
)
def test_a_line_that_is_not_shown_is_counted(tmp_path, lines, left_out):
    mapped = map_all(SOURCE, snapshot(tmp_path, 1, *lines))
    assert mapped.unlisted.count("Event (another line of the same event is not shown)") == left_out


@pytest.mark.parametrize(
    "first, second, end, outcome",
    [
        ({"Event_Outcome": "Admitted to hospital"}, {}, "2025-06-20", "Admitted to hospital"),
        ({"Event_Outcome": "Progress to assessment"}, {"Event_Outcome": "odd"}, "2025-06-20", "Progress to assessment"),
    ],
)
def test_of_two_lines_for_one_event_the_outcome_counts(tmp_path, first, second, end, outcome):
    for number, lines in enumerate(([first, second], [second, first])):
        snapshot(tmp_path / str(number), 1, *(assessment(**given) for given in lines))
        made = one(map_path(tmp_path / str(number)), "Task")
        assert (
            made["executionPeriod"].get("end") == end and made["output"][0]["valueCodeableConcept"]["text"] == outcome
        )


@pytest.mark.parametrize(
    ("ends", "counts"),
    [(("01/07/2025", ""), None), (("01/07/2025", "02/07/2025"), "2025-07-02")],
    ids=["open", "later"],
)
def test_of_two_lines_for_one_service_the_open_one_then_the_latest_end_counts(tmp_path, ends, counts):
    for number, order in enumerate((ends, ends[::-1])):
        snapshot(tmp_path / str(number), 1, *(service(Event_End_Date=end) for end in order))
        assert one(map_path(tmp_path / str(number)), "EpisodeOfCare")["period"].get("end") == counts


def test_the_latest_spelling_of_a_person_wins(tmp_path):
    snapshot(tmp_path, 1, service(First_Name="Ann", Last_Name="Marsh", Date_of_Birth="15/01/1941"))
    snapshot(tmp_path, 2, service(First_Name="Anne", Last_Name="Marsh"))
    made = one(map_path(tmp_path), "Patient")
    assert made["name"] == [{"family": "Marsh", "given": ["Anne"]}] and made["birthDate"] == "1940-01-15"


@pytest.fixture(scope="module")
def deliveries(tmp_path_factory) -> list[list[Row]]:
    """Six submissions of one council: services that come and go, a resubmission, a spelling that changes."""
    folder = tmp_path_factory.mktemp("cld")
    files = [
        snapshot(folder, 1, service(), assessment(), *OTHERS),
        snapshot(folder, 1, service(), assessment(Event_Outcome="Admitted to hospital"), *OTHERS, version="_v2"),
        snapshot(folder, 2, service(Last_Name="Marsh", Accommodation_Status="Refuge"), *OTHERS),
        snapshot(
            folder,
            2,
            service(Event_End_Date="01/02/2026", Primary_Support_Reason="Mental health support"),
            *OTHERS,
            version="_v2",
        ),
        snapshot(folder, 3, *OTHERS, line(Event_Type="?")),
        snapshot(folder, 3, *OTHERS, version="_v4"),
    ]
    return [[row for row in read_all(SOURCE, file) if isinstance(row, Row)] for file in files]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(first=st.lists(st.integers(0, 5), max_size=8), seed=st.integers(0, 2**16))
def test_any_order_of_arrival_and_any_repetition_end_the_same(deliveries, first, seed):
    expected = map_rows(SOURCE, [row for rows in deliveries for row in rows])
    arrived = []
    for number in (*first, *(n for n in range(6) if n not in first)):
        arrived += random.Random(seed).sample(deliveries[number], len(deliveries[number]))
    assert map_rows(SOURCE, arrived).resources() == expected.resources()


def test_a_later_snapshot_touches_every_event_and_person_of_its_council(deliveries):
    mapped = map_rows(SOURCE, deliveries[0])
    look = DictLook(SOURCE, mapped.kept, "503", Feed())
    for key in mapped:
        look.asked.clear()
        SOURCE.to_fhir(Group(key, "503", tuple(row for row in mapped.kept.values() if key in row.groups)), look)
        assert (("503", "Snapshot", "*") in look.asked) is key.startswith(("event:", "person:"))


def quarter(person: str, number: str) -> list[dict[str, str]]:
    """The events of somebody else in the last three months of period 2."""
    other = {"LA_Person_Unique_Identifier": person, "NHS_Number": number}
    return [
        service(Event_Start_Date="10/01/2026", **other),
        assessment(Event_Start_Date="05/01/2026", Event_End_Date="10/01/2026", **other),
        review(Event_Start_Date="01/03/2026", Event_End_Date="02/03/2026", **other),
    ]


@pytest.mark.hazard("HZ-CLD-08")
@pytest.mark.parametrize("others", [(), OTHERS, quarter("P9", "")], ids=["one person", "two", "two of other months"])
def test_a_top_up_that_states_twelve_months_ends_nobodys_care(tmp_path, others):
    """Parts of a return, sent last, with the last quarter of somebody else."""
    own = [service(), assessment(), review()]
    snapshot(tmp_path, 1, *own, *others)
    for number in (2, 3):
        snapshot(tmp_path, number, *quarter("P3", "9990000034"))
    mapped = map_all(SOURCE, tmp_path)
    made = mapped.resources()
    assert not [each for each in made if each.get("status") in ("finished", "entered-in-error")]
    assert not [each for each in made if extension(each, "not-reported-since")]
    assert mapped.unlisted.count("Event (missing from a return that has too few of the people to be believed)") >= 1


@pytest.mark.hazard("HZ-CLD-08")
@pytest.mark.parametrize(
    ("people", "gone", "is_believed"),
    [(2, 1, False), (3, 2, False), (20, 1, False), (21, 1, False), (22, 1, True), (29, 2, False), (30, 2, True),
     (30, 3, False), (50, 5, True), (100, 10, True), (100, 11, False)],
)  # fmt: skip
def test_a_silence_is_believed_of_a_return_that_lacks_few_people(tmp_path, people, gone, is_believed):
    lines = [service(LA_Person_Unique_Identifier=f"P{number}", NHS_Number="") for number in range(1, people + 1)]
    snapshot(tmp_path, 1, *lines)
    snapshot(tmp_path, 2, *lines[gone:])
    episodes = [each for each in map_path(tmp_path) if each["resourceType"] == "EpisodeOfCare"]
    assert sum(each["status"] == "finished" for each in episodes) == (gone if is_believed else 0)


@pytest.mark.hazard("HZ-CLD-15")
def test_the_silence_of_a_small_return_is_told_and_ends_nothing(tmp_path):
    """Two people, and one of them missing: nobody can tell whether she left or the row was lost."""
    stated = {"Primary_Support_Reason": "Mental health support"}
    other = {"LA_Person_Unique_Identifier": "P2", "NHS_Number": ""}
    own = [kind(**stated) for kind in (service, assessment, review)]
    snapshot(tmp_path, 1, *own, *(kind(**other) for kind in (service, assessment, review)))
    for number in (2, 3):
        snapshot(tmp_path, number, *(kind(**other) for kind in (service, assessment, review)))
    mapped = map_all(SOURCE, tmp_path)
    made = mapped.resources()
    assert {each["status"] for each in made if "status" in each} == {"active", "completed"}
    assert one(made, "Condition")["clinicalStatus"]["coding"][0]["code"] == "active"
    assert [extension(each, "not-reported-since") for each in made].count("2026-03-31") == 4
    assert "Event (missing from a return of too few people to tell whether it is whole)" in mapped.unlisted


@pytest.mark.hazard("HZ-CLD-16")
@pytest.mark.parametrize("make", [service, assessment], ids=["service", "assessment"])
@pytest.mark.parametrize(
    ("types", "events"),
    [
        (["", "Service user"], 1),
        (["Service user", ""], 1),
        (["Service user", "", "Service user"], 1),
        (["", "Unpaid carer"], 1),
        (["Service user", "Unpaid carer"], 2),
        (["", "Service user+Unpaid carer"], 2),
        (["", "Service user+"], 2),
        (["Service user+Unpaid carer", ""], 2),
    ],
)
def test_a_client_type_that_is_filled_in_later_makes_no_other_event(tmp_path, make, types, events):
    ids: list[set[str]] = []
    for number, told in enumerate(types, 1):
        snapshot(tmp_path, number, *(make(Client_Type=kind) for kind in told.split("+")), *OTHERS)
        made = [each for each in map_path(tmp_path) if each["resourceType"] in ("EpisodeOfCare", "Task")]
        ids.append({each["id"] for each in made})
    assert len(ids[-1]) == len(OTHERS) + events
    assert ids[0] <= ids[-1], "an event keeps its id"


LACKING = {
    "all services but one": ("Service", 1),
    "all services": ("Service", 0),
    "all assessments but one": ("Assessment", 1),
    "all reviews but two": ("Review", 2),
}


@pytest.mark.hazard("HZ-CLD-14")
@pytest.mark.parametrize("returns", [1, 2])
@pytest.mark.parametrize(("kind", "still"), LACKING.values(), ids=LACKING)
def test_a_return_that_lacks_one_type_of_events_ends_nothing(tmp_path, kind, still, returns):
    """Each type comes from a system of its own, and its feed may fail: all the people are there by their others."""
    reason = {"Primary_Support_Reason": "Mental health support"}
    people = [{"LA_Person_Unique_Identifier": f"P{number}", "NHS_Number": ""} | reason for number in range(30)]
    lines = {of: [make(**who) for who in people] for of, make in MAKERS.items()}
    snapshot(tmp_path, 1, *itertools.chain(*lines.values()))
    for number in range(2, 2 + returns):
        snapshot(tmp_path, number, *itertools.chain(*(lines | {kind: lines[kind][:still]}).values()))
    made = map_path(tmp_path)
    assert {each["status"] for each in made if each["resourceType"] == "EpisodeOfCare"} == {"active"}
    assert {each["status"] for each in made if each["resourceType"] == "Task"} == {"completed"}
    assert {each["clinicalStatus"]["coding"][0]["code"] for each in made if each["resourceType"] == "Condition"} == {
        "active"
    }


@pytest.mark.hazard("HZ-CLD-14")
def test_who_is_missing_from_a_return_without_services_has_not_left(tmp_path):
    reason = {"Primary_Support_Reason": "Mental health support"}
    people = [{"LA_Person_Unique_Identifier": f"P{number}", "NHS_Number": ""} for number in range(30)]
    own = service(LA_Person_Unique_Identifier="Q1", NHS_Number="", **reason)
    snapshot(tmp_path, 1, own, *(make(**who) for who in people for make in (service, assessment)))
    snapshot(tmp_path, 2, *(assessment(**who) for who in people))
    condition = one(map_path(tmp_path), "Condition")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"


@pytest.mark.hazard("HZ-CLD-08")
@pytest.mark.parametrize(("first_month", "months", "is_error"), [("2026-01", 3, False), ("2025-06", 7, True)])
def test_the_period_is_what_the_events_cover_and_not_what_is_stated(tmp_path, first_month, months, is_error):
    """A file that states twelve months and holds three says nothing of the other nine."""
    own = review(Event_Start_Date="01/07/2025", Event_End_Date="02/07/2025")
    snapshot(tmp_path, 1, *many("2025-01", 12), service(), own)
    for number in (2, 3):
        snapshot(tmp_path, number, *many(first_month, months), service())
    statuses = {each["status"] for each in map_path(tmp_path) if each["resourceType"] == "Task"}
    assert ("entered-in-error" in statuses) is is_error


@pytest.mark.hazard("HZ-CLD-08")
def test_a_service_was_active_on_the_last_day_that_the_events_cover(tmp_path):
    snapshot(tmp_path, 1, *many("2025-01", 6), service())
    made = [each for each in map_path(tmp_path) if each["resourceType"] == "EpisodeOfCare"]
    assert {extension(each, "as-at") for each in made} == {"2025-06-30"}


def many(month: str, months: int) -> list[dict[str, str]]:
    """A review and an assessment of each of forty people in each month."""
    year, number = map(int, month.split("-"))
    days = [(f"03/{at:02d}/{year}", f"05/{at:02d}/{year}") for at in range(number, number + months)]
    return [
        kind(LA_Person_Unique_Identifier=f"Q{person}", NHS_Number="", Event_Start_Date=start, Event_End_Date=end)
        for start, end in days
        for person in range(40)
        for kind in (review, assessment)
    ]


@pytest.mark.hazard("HZ-CLD-10")
def test_who_left_the_return_has_no_active_support_reason(tmp_path):
    stated = {"Primary_Support_Reason": "Mental health support", "Dementia": "Yes"}
    snapshot(tmp_path, 1, service(**stated), *OTHERS)
    snapshot(tmp_path, 2, *OTHERS)
    made = map_path(tmp_path)
    condition, observation = one(made, "Condition"), one(made, "Observation")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "inactive"
    assert extension(condition, "not-reported-since") == extension(observation, "not-reported-since") == "2026-03-31"


def test_a_part_of_a_return_ends_no_support_reason(tmp_path):
    snapshot(tmp_path, 1, service(Primary_Support_Reason="Mental health support"))
    snapshot(tmp_path, 2, *quarter("P3", "9990000034"))
    condition = one(map_path(tmp_path), "Condition")
    assert condition["clinicalStatus"]["coding"][0]["code"] == "active"


@pytest.mark.hazard("HZ-CLD-11")
def test_a_service_that_begins_anew_ends_the_day_before(tmp_path):
    """Councils set start dates to the first of April: the old package must not run beside the new one."""
    snapshot(tmp_path, 1, service(Event_Start_Date="01/06/2024"), *OTHERS)
    snapshot(tmp_path, 2, service(Event_Start_Date="01/04/2025"), *OTHERS)
    own = [each for each in map_path(tmp_path) if each["resourceType"] == "EpisodeOfCare"]
    periods = sorted((each["period"]["start"], each["period"].get("end"), each["status"]) for each in own)
    assert periods[0] == ("2024-06-01", "2025-03-31", "finished")
    assert ("2025-04-01", None, "active") in periods


def test_another_service_that_begins_does_not_shorten_the_one_that_stopped(tmp_path):
    snapshot(tmp_path, 1, service(Event_Start_Date="01/06/2024"), *OTHERS)
    snapshot(tmp_path, 2, service(Event_Start_Date="01/04/2025", Service_Component="Meals"), *OTHERS)
    periods = [each["period"] for each in map_path(tmp_path) if each["resourceType"] == "EpisodeOfCare"]
    assert [each["end"] for each in periods if each["start"] == "2024-06-01"] == ["2025-12-31"]
