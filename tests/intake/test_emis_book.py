"""The appointment book of EMIS in a real store: who takes a session comes by another publisher than the session."""

import dataclasses
import itertools

import pytest
from msgspec.structs import replace

from gateway.errors import Refused
from gateway.intake import load
from gateway.intake.producers import AtHand
from gateway.intake.take import take
from gateway.nhs.codesets import CodeSets
from gateway.store import resources
from gateway.store.numbers import TYPE_NUMBER
from mappings import Feed
from mappings.emis import SOURCE
from tests.intake.conftest import state
from tests.mappings import harness_emis as emis
from tests.mappings.test_emis_book import ASTHMA, DAY, diary, session, slot, user

KEPT_BY_4 = dataclasses.replace(SOURCE, version="4", reread=None)
"""The version that mapped none of these tables, and kept their rows in no group."""


def deliver(store, *rows, source=SOURCE):
    return take(store, source, AtHand(rows), Feed(), CodeSets(), workers=0)


def bodies(store, type_: str) -> list[str]:
    with store.read() as reading:
        heads = reading.rows("SELECT id FROM head WHERE type = ? AND deleted = 0", TYPE_NUMBER[type_])
        return [resources.head_of(reading, type_, id_).body.decode() for (id_,) in heads]


def test_a_session_and_its_slots_are_mapped_again_when_a_user_of_it_comes_or_goes(store):
    deliver(store, emis.patient(), session(), slot())
    assert not [
        body for type_ in ("Schedule", "Appointment") for body in bodies(store, type_) if "PractitionerRole" in body
    ]
    report = deliver(store, user("U1"), user("U2"))
    assert report.resources["Schedule", "updated"] == report.resources["Appointment", "updated"] == 1
    gone = emis.sent("Appointment_SessionUser", DAY, SessionGuid="{E1}", UserInRoleGuid="{U2}", Deleted="true")
    report = deliver(store, gone)
    assert report.resources["Schedule", "updated"] == report.resources["Appointment", "updated"] == 1
    assert [
        body.count("PractitionerRole/") for type_ in ("Schedule", "Appointment") for body in bodies(store, type_)
    ] == [1, 1]
    assert not deliver(store, user("U1", Unheard="of")).resources["Schedule", "created"]


def test_a_slot_that_another_patient_has_is_one_slot_and_two_appointments_of_two_people(store):
    deliver(store, emis.patient(), emis.patient("P2", NhsNumber="9990000026"), slot())
    deliver(store, slot(DAY, PatientGuid="{P2}"))
    assert len(bodies(store, "Slot")) == 1
    assert sorted("cancelled" in body for body in bodies(store, "Appointment")) == [False, True]
    with store.read() as reading:
        sql = "SELECT count(DISTINCT patient) FROM head WHERE type = ? AND patient <> 0"
        assert reading.value(sql, TYPE_NUMBER["Appointment"]) == 2
        assert reading.value("SELECT count(*) FROM head WHERE type = ? AND patient <> 0", TYPE_NUMBER["Slot"]) == 0


@pytest.mark.hazard("HZ-EMIS-59")
def test_what_version_4_kept_is_mapped_by_a_remap_and_nothing_is_loaded_before(store):
    rows = [emis.patient(), ASTHMA, diary(), session(), user("U1"), slot()]
    ungrouped = [row if row.table.startswith(("Admin", "Coding")) else replace(row, groups=()) for row in rows]
    assert not deliver(store, *ungrouped, source=KEPT_BY_4).resources["Slot", "created"]
    with pytest.raises(Refused, match="gateway remap emis"):
        deliver(store, slot(DAY, PatientGuid=""))
    report = load.remap(store, SOURCE, Feed(), CodeSets(), workers=0)
    created = {type_ for (type_, outcome), count in report.resources.items() if outcome == "created" and count}
    assert {"ServiceRequest", "Schedule", "Slot", "Appointment"} <= created
    report = deliver(store, slot(DAY, PatientGuid=""))
    assert report.resources["Appointment", "updated"] == report.resources["Slot", "updated"] == 1


@pytest.mark.hazard("HZ-EMIS-62")
def test_a_slot_that_is_emptied_by_the_row_it_had_before_ends_the_same_in_any_order(new_store):
    """The row of the empty slot is the same to the byte each time, and stands in the same line."""
    extracts = [
        [emis.patient(), slot(PatientGuid="")],
        [slot(DAY)],
        [replace(slot(PatientGuid=""), order=slot(2 * DAY).order)],
    ]
    ends = []
    for number, order in enumerate(itertools.permutations(extracts)):
        store = new_store(str(number))
        for rows in order:
            deliver(store, *rows)
        ends.append(state(store))
        (booked,), (free,) = bodies(store, "Appointment"), bodies(store, "Slot")
        assert '"status":"cancelled"' in booked and '"status":"free"' in free
    assert all(end == ends[0] for end in ends)
