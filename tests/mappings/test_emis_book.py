"""What is planned, booked and entered: the diary, the appointment book, the history of registrations and the audits."""

import pytest
from msgspec.structs import replace

from gateway.nhs import identity
from mappings import Feed, Values
from mappings.emis import SOURCE
from mappings.emis.delivery import PROCESSING_BITS, audited_family, reread
from tests.mappings.harness import faults, map_rows
from tests.mappings.harness_emis import (
    CONDITIONS,
    EXTRACTED,
    PRACTICE,
    code,
    dated,
    drug,
    drug_code,
    issue,
    mapped,
    observation,
    owned,
    patient,
    sent,
)

ASTHMA = code("101", "Asthma", CONDITIONS, "H33..00", "195967001")
DAY = 86400 << PROCESSING_BITS
"""What a day adds to the order of a row."""


def diary(order: int = 1, **values: str):
    told = {"DiaryGuid": "{D1}", "CodeId": "101", "OriginalTerm": "Asthma annual review", "EffectiveDate": "2025-01-01"}
    return sent("CareRecord_Diary", order, **dated(**{**told, "IsActive": "true", "IsComplete": "false", **values}))


def slot(order: int = 1, **values: str):
    told = {
        "SlotGuid": "{S1}",
        "SessionGuid": "{E1}",
        "AppointmentDate": "2024-05-30",
        "AppointmentStartTime": "09:20:00",
    }
    return sent("Appointment_Slot", order, **owned(**{**told, "PlannedDurationInMinutes": "10", **values}))


def session(**values: str):
    told = {
        "AppointmentSessionGuid": "{E1}",
        "LocationGuid": "{L1}",
        "StartDate": "2024-05-30",
        "StartTime": "09:00:00",
    }
    ends = {"EndDate": "2024-05-30", "EndTime": "12:00:00", "Private": "false", "OrganisationGuid": PRACTICE}
    return sent("Appointment_Session", **{**told, **ends, **values})


def user(guid: str, **values: str):
    return sent("Appointment_SessionUser", SessionGuid="{E1}", UserInRoleGuid=f"{{{guid}}}", **values)


def change(on: str, status: str, time: str = "10:00:00"):
    return sent("Admin_PatientHistory", **owned(HistoryDate=on, HistoryTime=time, StatusDescription=status))


def audit(item: str, kind: str, mode: str = "Insert", time: str = "09:31:00", order: int = 1, **values: str):
    told = {"ItemGuid": f"{{{item}}}", "ItemType": kind, "ModeType": mode, "ModifiedDate": "2024-03-11"}
    return sent(
        "Audit_PatientAudit", order, **owned(**{**told, "ModifiedTime": time, "UserInRoleGuid": "{U1}", **values})
    )


# The diary

STATUSES = [("true", "false", "active"), ("false", "true", "completed"), ("true", "true", "completed"),
            ("false", "false", "revoked"), ("", "", "unknown")]  # fmt: skip


@pytest.mark.hazard("HZ-EMIS-51")
@pytest.mark.parametrize("active, complete, status", STATUSES)
def test_a_diary_entry_is_a_plan_and_nothing_that_was_done_or_that_the_patient_has(active, complete, status):
    found = mapped(ASTHMA, diary(IsActive=active, IsComplete=complete))
    (plan,) = found.resources()
    assert (plan["resourceType"], plan["intent"], plan["status"]) == ("ServiceRequest", "plan", status)
    assert plan["occurrenceDateTime"] == "2025-01-01" and plan["code"]["text"] == "Asthma annual review"
    assert faults([plan]) == []


@pytest.mark.hazard("HZ-EMIS-52")
@pytest.mark.parametrize(
    "flag, security", [("true", ["R"]), ("TRUE", ["R"]), ("1", ["R"]), ("false", None), ("", None)]
)
def test_a_confidential_diary_entry_is_flagged(flag, security):
    (plan,) = mapped(ASTHMA, diary(IsConfidential=flag)).resources()
    assert plan["meta"].get("security") == security


def test_a_diary_entry_waits_for_its_code_and_goes_with_its_row():
    assert list(map_rows(SOURCE, [diary()]).faults.values()) == ["column CodeId"]
    assert not mapped(ASTHMA, diary(), diary(2, Deleted="true")).resources()


# Appointments

BECOMES = [
    ({}, "booked"),
    ({"SlotStatus": "Booked"}, "booked"),
    ({"SendInTime": "09:25:00"}, "arrived"),
    ({"SlotStatus": "Quiet Send In"}, "arrived"),
    ({"SendInTime": "09:25:00", "LeftTime": "09:40:00", "SlotStatus": "Booked"}, "fulfilled"),
    ({"SlotStatus": "Visited"}, "fulfilled"),
    ({"DidNotAttend": "TRUE", "SendInTime": "09:25:00", "LeftTime": "09:40:00"}, "noshow"),
    ({"SlotStatus": "Walked Out"}, "noshow"),
    ({"SlotStatus": "a word of a newer version"}, "booked"),
]


@pytest.mark.hazard("HZ-EMIS-53")
@pytest.mark.parametrize("said, status", BECOMES, ids=[str(said) for said, _ in BECOMES])
def test_what_became_of_an_appointment_is_told_by_its_own_marks_and_times(said, status):
    (made,) = mapped(slot(**said)).resources("Appointment")
    assert made["status"] == status and made["end"] == "2024-05-30T09:30:00+01:00"
    assert faults([made]) == []


BEFORE, BOOKED = (
    {"BookedDate": "2024-05-20", "BookedTime": "10:00:00"},
    {"BookedDate": "2024-06-01", "BookedTime": "10:00:00"},
)
"""When an appointment was booked: before the extract of the first rows, and after it."""
REPLACED = [
    ("emptied", [slot(), slot(DAY, PatientGuid="")], ["cancelled"], "free"),
    ("emptied, and its row deleted", [slot(), slot(DAY, PatientGuid=""), slot(DAY + 1, Deleted="true")], ["cancelled"], "free"),
    ("given to another", [slot(), slot(DAY, PatientGuid="{P2}")], ["cancelled", "booked"], "busy"),
    ("given to another, who then did not come", [slot(), slot(DAY, PatientGuid="{P2}", DidNotAttend="true")],
     ["cancelled", "noshow"], "busy"),
    ("did not come, and emptied since", [slot(DidNotAttend="true"), slot(DAY, PatientGuid="")], ["noshow"], "free"),
    ("deleted with the patient in it", [slot(), slot(DAY, Deleted="true")], [], None),
    ("deleted with the patient in it, and offered again", [slot(), slot(DAY, Deleted="true"), slot(2 * DAY, PatientGuid="")], [], "free"),
    ("deleted with a patient of a slot that was empty once",
     [slot(PatientGuid=""), slot(DAY, **BOOKED), slot(2 * DAY, Deleted="true", **BOOKED)], [], None),
    ("emptied, and its row deleted later",
     [slot(**BEFORE), slot(DAY, PatientGuid=""), slot(2 * DAY, Deleted="true", **BEFORE)], ["cancelled"], "free"),
    ("two patients, and one of them sent again", [slot(**BEFORE), slot(2, PatientGuid="{P2}", **BEFORE), slot(DAY, SendInTime="09:00:00", **BEFORE)],
     ["arrived", "booked"], "busy"),
    ("two patients, and one of them deleted", [slot(**BEFORE), slot(2, PatientGuid="{P2}", **BEFORE), sent("Appointment_Slot", DAY, **owned(SlotGuid="{S1}", Deleted="true"))], ["booked"], "busy"),
    ("booked by another since", [slot(**BEFORE), slot(DAY, PatientGuid="{P2}", **BOOKED)], ["cancelled", "booked"], "busy"),
    ("booked by another since, that day", [slot(**BEFORE), slot(DAY, PatientGuid="{P2}", BookedDate="2024-06-01")], ["cancelled", "booked"], "busy"),
    ("seen, and given to another", [slot(LeftTime="09:40:00"), slot(DAY, PatientGuid="{P2}")], ["fulfilled", "booked"], "busy"),
    ("came, and emptied since", [slot(SendInTime="09:10:00"), slot(DAY, PatientGuid="")], ["arrived"], "free"),
    ("seen by the word of the slot, and emptied since", [slot(SlotStatus="Left"), slot(DAY, PatientGuid="")], ["fulfilled"], "free"),
    ("deleted without a patient", [slot(), slot(DAY, PatientGuid="", Deleted="true")], ["cancelled"], None),
    ("two patients of one extract", [slot(), slot(2, PatientGuid="{P2}")], ["booked", "booked"], "busy"),
    ("came back", [slot(), slot(DAY, PatientGuid=""), slot(2 * DAY)], ["booked"], "busy"),
    ("a deleted row alone, with its keys", [sent("Appointment_Slot", **owned(SlotGuid="{S1}", Deleted="true"))], [], None),
]  # fmt: skip


@pytest.mark.hazard("HZ-EMIS-54")
@pytest.mark.parametrize("rows, statuses, free", [case[1:] for case in REPLACED], ids=[case[0] for case in REPLACED])
def test_an_appointment_whose_slot_was_given_up_is_cancelled(rows, statuses, free):
    for order in (rows, rows[::-1]):
        found = mapped(*order)
        made = sorted(found.resources("Appointment"), key=lambda each: each["participant"][0]["actor"]["reference"])
        assert sorted(each["status"] for each in made) == sorted(statuses)
        assert [each["status"] for each in found.resources("Slot")] == ([free] if free else [])
        assert faults(found.resources()) == []


@pytest.mark.hazard("HZ-EMIS-63")
@pytest.mark.parametrize("lacking", [("AppointmentStartTime",), ("AppointmentDate", "AppointmentStartTime")])
def test_a_cancellation_does_not_wait_for_a_time(lacking):
    rows = [slot(**dict.fromkeys(lacking, "")), slot(DAY, PatientGuid="")]
    found = mapped(*rows)
    (made,) = found.resources("Appointment")
    assert made["status"] == "cancelled" and not made.keys() & {"start", "end"} and faults([made]) == []
    assert list(map_rows(SOURCE, rows[:1]).faults.values()) == [f"column {lacking[0]}"]


@pytest.mark.hazard("HZ-EMIS-55")
def test_a_slot_and_a_schedule_say_nothing_of_who_was_seen():
    secret = {"ExternalPatientGuid": "{ABCDEF}", "SlotStatus": "Walked Out", "DnaReasonCodeId": "101"}
    rows = (ASTHMA, session(Description="Mrs Quill, dressing"), slot(**secret, DidNotAttend="true"))
    found = mapped(*rows)
    book = [*found.resources("Slot"), *found.resources("Schedule")]
    assert len(book) == 2
    (of,) = found.resources("Appointment")
    words = (
        "Quill",
        "Patient",
        "p1",
        "abcdef",
        "Walked",
        "Asthma",
        of["id"],
        of["participant"][0]["actor"]["reference"],
    )
    assert not [word for word in words for each in book if word.lower() in str(each).lower().replace("ukcore", "")]


@pytest.mark.hazard("HZ-EMIS-56")
@pytest.mark.parametrize("private, security", [("true", ["R"]), ("false", None)])
def test_an_appointment_in_a_private_session_is_confidential(private, security):
    (made,) = mapped(session(Private=private), slot()).resources("Appointment")
    assert made["meta"].get("security") == security


def test_who_and_where_a_session_is_comes_with_its_users_whatever_arrives_first():
    rows = [session(), user("U1"), user("U2"), slot()]
    found = mapped(*rows)
    assert mapped(*rows[::-1]).resources() == found.resources()
    (schedule,), (booked,) = found.resources("Schedule"), found.resources("Appointment")
    assert [each["reference"].split("/")[0] for each in schedule["actor"]] == ["PractitionerRole"] * 2 + ["Location"]
    assert [each["actor"] for each in booked["participant"][1:]] == schedule["actor"]
    fewer = mapped(*rows, sent("Appointment_SessionUser", 9, SessionGuid="{E1}", UserInRoleGuid="{U2}", Deleted="true"))
    assert len(fewer.resources("Schedule")[0]["actor"]) == 2
    assert faults(mapped(session(LocationGuid="")).resources()) == []


@pytest.mark.parametrize("date, time, minutes, start, end", [
    ("2024-03-31", "00:55:00", "10", "2024-03-31T00:55:00+00:00", "2024-03-31T02:05:00+01:00"),
    ("2024-10-27", "00:55:00", "75", "2024-10-27T00:55:00+01:00", "2024-10-27T01:10:00+00:00"),
    ("2024-07-01", "09:00", "", "2024-07-01T09:00:00+01:00", "2024-07-01T09:00:00+01:00"),
])  # fmt: skip
def test_an_appointment_ends_so_many_minutes_later_on_the_night_the_clocks_change_too(date, time, minutes, start, end):
    said = {"AppointmentDate": date, "AppointmentStartTime": time, "PlannedDurationInMinutes": minutes}
    (made,) = mapped(slot(**said)).resources("Appointment")
    assert (made["start"], made["end"]) == (start, end)


BAD = [("AppointmentStartTime", ""), ("AppointmentStartTime", "0.458333333333333"), ("AppointmentDate", "44537"),
       ("PlannedDurationInMinutes", "ten"), ("BookedTime", "25:00:00")]  # fmt: skip


@pytest.mark.parametrize("column, value", BAD)
def test_a_time_that_cannot_be_read_waits_and_names_its_column(column, value):
    found = map_rows(SOURCE, [slot(BookedDate="2024-05-01", **{column: value})])
    assert list(found.faults.values()) == [f"column {column}"]


def test_a_consultation_names_the_appointment_that_it_came_of():
    visit = sent(
        "CareRecord_Consultation", **dated(ConsultationGuid="{C1}", AppointmentSlotGuid="{S1}", Complete="true")
    )
    found = mapped(slot(), visit)
    (booked,), (seen,) = found.resources("Appointment"), found.resources("Encounter")
    assert seen["appointment"] == [{"reference": f"Appointment/{booked['id']}"}]


# The history of registrations

HISTORIES = [
    ("one that ended long ago", [change("1985-06-01", "Registered"), change("1994-02-03", "Removal to New HA/HB")],
     [("1985-06-01", "1994-02-03")]),
    ("two", [change("1985-06-01", "Registered"), change("1990-01-01", "Deducted"), change("1992-01-01", "Correctly registered"),
             change("1995-01-01", "Left")], [("1985-06-01", "1990-01-01"), ("1992-01-01", "1995-01-01")]),
    ("steps of one registration", [change("1985-06-01", "Registered"), change("1985-07-01", "Record Received"),
                                   change("1994-02-03", "Deducted")], [("1985-06-01", "1994-02-03")]),
    ("one that goes on is the patient's row's to tell", [change("1985-06-01", "Registered")], []),
    ("the present one", [change("2001-05-05", "Registered")], []),
    ("the present one, and its end", [change("2001-05-05", "Registered"), change("2020-01-01", "Deducted")], []),
    ("one that reaches into the present one", [change("1990-01-01", "Registered"), change("2010-01-01", "Deducted")], []),
    ("an end without a beginning", [change("1990-01-01", "Deducted")], []),
    ("before birth", [change("1950-01-01", "Registered"), change("1951-01-01", "Deducted")], []),
    ("words that nobody knows", [change("1985-06-01", "{CF1A5B91}"), change("1994-02-03", "Gone fishing")], []),
    ("left the practice and is registered still", [change("1985-06-01", "Registered"),
                                                   change("1994-02-03", "Left Practice. Still Registered")], []),
]  # fmt: skip


@pytest.mark.hazard("HZ-EMIS-57")
@pytest.mark.parametrize("changes, past", [case[1:] for case in HISTORIES], ids=[case[0] for case in HISTORIES])
def test_a_past_registration_of_the_history_is_finished_and_never_a_second_one(changes, past):
    found = mapped(patient(), *changes)
    episodes = found.resources("EpisodeOfCare")
    active = [each for each in episodes if each["status"] == "active"]
    assert len(active) == 1 and active[0]["period"]["start"] == "2001-05-05"
    told = sorted((each["period"]["start"], each["period"]["end"]) for each in episodes if each not in active)
    assert told == past
    assert not [each for each in episodes if each not in active and identity.registration_codes(each)]
    assert faults(episodes) == []


def test_the_history_of_a_past_registration_is_no_part_of_the_present_one():
    rows = [change("1985-06-01", "Registered"), change("1994-02-03", "Deducted"), change("2001-05-05", "Registered")]
    (now,) = [each for each in mapped(patient(), *rows).resources("EpisodeOfCare") if each["status"] == "active"]
    assert [each["period"]["start"] for each in now["statusHistory"]] == ["2001-05-05T10:00:00+01:00"]


# The audits


@pytest.mark.hazard("HZ-EMIS-58")
def test_the_last_change_of_an_item_is_told_of_it_and_of_its_patient():
    rows = [drug_code("1", "Aspirin"), drug(), issue(), audit("I1", "Drug Issue", "Update", "09:45:00", UserInRoleGuid="{U2}"),
            audit("I1", "Drug Issue")]  # fmt: skip
    for sent_rows in (rows, rows[::-1]):
        found = mapped(*sent_rows)
        (told,) = found.resources("Provenance")
        (order,) = [each for each in found.resources("MedicationRequest") if each["intent"] == "order"]
        assert told["target"][0] == {"reference": f"MedicationRequest/{order['id']}"}
        assert [each["reference"].split("/")[0] for each in told["target"]] == ["MedicationRequest", "Patient"]
        assert told["recorded"] == "2024-03-11T09:45:00+00:00" and told["activity"]["coding"][0]["code"] == "UPDATE"
        assert faults(found.resources()) == []


@pytest.mark.hazard("HZ-EMIS-58")
def test_the_provenance_of_a_confidential_item_is_confidential():
    found = mapped(ASTHMA, observation("O1", "101", IsConfidential="true"), audit("O1", "Observation"))
    (told,) = found.resources("Provenance")
    assert told["meta"]["security"] == ["R"]


def test_an_item_that_is_gone_or_not_here_has_no_provenance():
    assert not mapped(audit("I1", "Drug Issue")).resources()
    gone = sent("CareRecord_Observation", 9, **owned(ObservationGuid="{O1}", Deleted="true"))
    assert not mapped(ASTHMA, observation("O1", "101"), gone, audit("O1", "Observation", "Delete")).resources()
    assert not mapped(ASTHMA, observation("O1", "101"), audit("O1", "Diary")).resources("Provenance")


def test_an_audit_of_an_item_that_no_table_lists_is_kept_and_counted():
    row = audit("I1", "Postcard")
    assert row.groups == () and row.warnings == (("Audit_PatientAudit ItemType", "a type of item that no table lists"),)
    assert audited_family(row.values) == ""


def test_the_last_change_of_a_registration_is_told_of_patient_and_registration():
    said = owned(ModifiedDate="2024-03-01", ModifiedTime="", UserInRoleGuid="{U2}", ModeType="Amend")
    found = mapped(patient(), sent("Audit_RegistrationAudit", **said))
    (told,) = found.resources("Provenance")
    assert [each["reference"].split("/")[0] for each in told["target"]] == ["Patient", "EpisodeOfCare"]
    assert told["activity"] == {"text": "Amend"} and faults([told]) == []


@pytest.mark.hazard("HZ-EMIS-64")
def test_no_item_and_no_patient_waits_for_a_date_of_what_is_told_beside_it():
    never = "2024-13-40"
    wrong = audit("O1", "Observation", ModifiedDate=never)
    rows = [ASTHMA, observation("O1", "101"), wrong]
    assert {each["resourceType"] for each in mapped(*rows).resources()} == {"Condition"}
    (last,) = mapped(*rows, audit("O1", "Observation", "Update")).resources("Provenance")
    assert last["recorded"] == "2024-03-11T09:31:00+00:00"
    amended = sent("Audit_RegistrationAudit", **owned(ModifiedDate=never, ModeType="Amend"))
    mistyped = patient(DateOfRegistration=never)
    registered = replace(
        mistyped, table="Registration", key=f"{mistyped.key}|{never}", values=Values(DateOfRegistration=never)
    )
    made = mapped(patient(), amended, registered, change(never, "Registered")).resources()
    assert sorted(each["resourceType"] for each in made) == ["EpisodeOfCare", "Patient"]


def test_of_two_audits_of_one_time_the_same_one_counts_in_any_order():
    ways = [("Insert", "Update"), ("Update", "Insert")]
    last = [
        mapped(
            ASTHMA,
            observation("O1", "101"),
            *(audit("O1", "Observation", mode, order=number) for number, mode in enumerate(way, 1)),
        ).resources("Provenance")
        for way in ways
    ]
    assert last[0] == last[1]


# What an earlier version kept in no group


@pytest.mark.hazard("HZ-EMIS-59")
@pytest.mark.parametrize(
    "row", [diary(), slot(), session(), user("U1"), audit("I1", "Drug Issue")], ids=lambda row: row.table
)
def test_what_an_earlier_version_kept_in_no_group_is_read_again_into_its_own(row):
    (again,) = reread(replace(row, groups=()), Feed())
    assert again.groups == row.groups and again.order == row.order > EXTRACTED
    assert reread(row, Feed()) == []
