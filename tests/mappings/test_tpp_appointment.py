"""Appointments of SystmOne: what became of them, when and with whom."""

import pytest

from mappings.tpp import SOURCE
from tests.mappings.harness import faults
from tests.mappings.harness_tpp import PRACTICE, map_rows, sent


def appointment(**values: str):
    told = {
        "RowIdentifier": "9", "IDOrganisationVisibleTo": PRACTICE, "IDPatient": "1", "DateStart": "11 Mar 2024 09:20:00",
        "DateEnd": "11 Mar 2024 09:30:00", "RemovedData": "0", "IDProfileClinician": "55", "IDClinician": "7",
    }  # fmt: skip
    return sent("SRAppointment", **{**told, **values})


BECOMES = [
    ("Booked", {}, "booked"), ("Arrived", {}, "arrived"), ("Waiting", {}, "arrived"), ("In Progress", {}, "arrived"),
    ("Finished", {}, "fulfilled"), ("Did Not Attend", {}, "noshow"), ("No Access Visit", {}, "noshow"),
    ("Cancelled by Patient", {}, "cancelled"), ("Cancelled by Unit", {}, "cancelled"), ("Rejected", {}, "cancelled"),
    ("Patient Walked Out", {}, "noshow"), ("a word of the unit", {}, "booked"), ("", {}, "booked"),
    ("", {"DatePatientSeen": "11 Mar 2024 09:25:00"}, "arrived"),
    ("Finished", {"DateAppointmentCancelled": "10 Mar 2024 08:00:00"}, "cancelled"),
]  # fmt: skip


@pytest.mark.hazard("HZ-TPP-33")
@pytest.mark.parametrize("said, values, status", BECOMES)
def test_what_became_of_an_appointment(said, values, status):
    answer = map_rows(SOURCE, [appointment(AppointmentStatus=said, **values)])
    (booked,) = answer.resources("Appointment")
    assert booked["status"] == status and faults([booked]) == []
    assert bool(answer.unlisted) is (said == "a word of the unit")


def test_an_appointment_is_of_its_patient_and_of_who_sees_them():
    (booked,) = map_rows(SOURCE, [appointment()]).resources("Appointment")
    assert [each["actor"]["reference"].split("/")[0] for each in booked["participant"]] == [
        "Patient",
        "PractitionerRole",
    ]
    (booked,) = map_rows(SOURCE, [appointment(IDProfileClinician="-1")]).resources("Appointment")
    assert booked["participant"][1]["actor"]["reference"].startswith("Practitioner/")
    (booked,) = map_rows(SOURCE, [appointment(IDProfileClinician="-1", IDClinician="-1")]).resources("Appointment")
    assert len(booked["participant"]) == 1


@pytest.mark.parametrize("value", ["", "11 Mar 2024 00:00:00"])
def test_an_appointment_without_a_time_of_day_waits_and_one_without_its_end_does_not(value):
    assert list(map_rows(SOURCE, [appointment(DateStart=value)]).faults.values()) == ["column DateStart"]
    (booked,) = map_rows(SOURCE, [appointment(DateEnd=value)]).resources("Appointment")
    assert booked["start"] == booked["end"] == "2024-03-11T09:20:00+00:00" and faults([booked]) == []


CANCELLED = {"DateAppointmentCancelled": "10 Mar 2024 08:00:00"}
LACKING = [
    ({"DateStart": "", "DateEnd": ""}, ""),
    ({"DateStart": ""}, ""),
    ({"DateEnd": ""}, "2024-03-11T09:20:00+00:00"),
    ({"DateStart": "11 Mar 2024 00:00:00", "DateEnd": "11 Mar 2024 00:00:00"}, ""),
    ({"DateStart": "nine", "DateAppointmentBooked": "ten"}, ""),
]


@pytest.mark.hazard("HZ-TPP-34")
@pytest.mark.parametrize("lacking, start", LACKING)
@pytest.mark.parametrize("said", [CANCELLED, {"AppointmentStatus": "Cancelled by Patient"}])
def test_a_cancellation_does_not_wait_for_a_time(lacking, start, said):
    (made,) = map_rows(SOURCE, [appointment(**lacking, **said)]).resources("Appointment")
    assert made["status"] == "cancelled" and made.get("start", "") == made.get("end", "") == start
    assert faults([made]) == []


def test_a_removed_appointment_is_gone():
    assert not map_rows(SOURCE, [appointment(), appointment(RemovedData="1")]).resources("Appointment")
