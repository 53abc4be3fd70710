"""Deliveries in EMIS's layout: every file, every link, and the delta's traps."""

import csv
from collections import Counter
from datetime import date, datetime

import pytest

from gateway.synth import emis, roles
from gateway.synth.people import people
from tests.bench.volume import write_volume

TODAY = date(2026, 11, 24)
AT = datetime(2026, 11, 24, 1)
NEXT = datetime(2026, 11, 25, 1)

LINKS = {
    "PatientGuid": "Admin_Patient",
    "OrganisationGuid": "Admin_Organisation",
    "ClinicianUserInRoleGuid": "Admin_UserInRole",
    "EnteredByUserInRoleGuid": "Admin_UserInRole",
    "UsualGpUserInRoleGuid": "Admin_UserInRole",
    "UserInRoleGuid": "Admin_UserInRole",
    "ParentObservationGuid": "CareRecord_Observation",
    "ProblemGuid": "CareRecord_Problem",
    "ProblemObservationGuid": "CareRecord_Problem",
    "ConsultationGuid": "CareRecord_Consultation",
    "DrugRecordGuid": "Prescribing_DrugRecord",
    "MainLocationGuid": "Admin_Location",
    "LocationGuid": "Admin_Location",
    "SessionGuid": "Appointment_Session",
    "ReferralTargetOrganisationGuid": "Admin_Organisation",
}


def read(folder):
    """Return the rows of each table of a delivery."""
    found = {}
    for path in folder.iterdir():
        with path.open(encoding="utf-8", newline="") as file:
            found["_".join(path.name.split("_")[1:3])] = list(csv.DictReader(file))
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("bulk")
    emis.write(people(120, 1, TODAY), place, AT)
    return place


@pytest.fixture(scope="module")
def bulk(folder):
    return read(folder)


@pytest.fixture(scope="module")
def delta(tmp_path_factory):
    place = tmp_path_factory.mktemp("delta")
    return emis.write_delta(people(120, 1, TODAY), place, NEXT), read(place)


def test_all_twenty_one_files_are_there_named_quoted_and_ended_as_emis_does(folder):
    paths = sorted(folder.iterdir())
    assert len(paths) == 21
    for path in paths:
        assert path.name.startswith("1-2_") and "_20261124010000_" in path.name and path.suffix == ".csv"
        content = path.read_bytes()
        assert (
            content.startswith(b'"') and content.endswith(b'"\r\n') and content.count(b"\n") == content.count(b"\r\n")
        )


def test_processing_ids_rise_from_row_to_row_and_none_is_used_twice(bulk):
    numbers = {table: [int(row["ProcessingId"]) for row in rows] for table, rows in bulk.items() if has_number(rows)}
    assert len(numbers) > 15 and all(each == sorted(each) for each in numbers.values())
    together = [number for each in numbers.values() for number in each]
    assert len(set(together)) == len(together) and max(together) < 2**31


def has_number(rows):
    return bool(rows) and "ProcessingId" in rows[0]


def test_every_link_leads_to_a_row(bulk):
    keys = {table: {next(iter(row.values())) for row in rows} for table, rows in bulk.items()}
    codes, drugs = ({row["CodeId"] for row in bulk[table]} for table in ("Coding_ClinicalCode", "Coding_DrugCode"))
    for table, rows in bulk.items():
        for row in rows:
            for column, target in LINKS.items():
                assert not row.get(column) or row[column] in keys[target], (table, column)
            if "CodeId" in row and not table.startswith("Coding"):
                assert row["CodeId"] in (drugs if table.startswith("Prescribing") else codes)


def test_no_key_is_used_twice(bulk):
    for table in (
        "Admin_Patient",
        "CareRecord_Observation",
        "CareRecord_Consultation",
        "Prescribing_DrugRecord",
        "Prescribing_IssueRecord",
    ):
        keys = [next(iter(row.values())) for row in bulk[table]]
        assert len(set(keys)) == len(keys)


def test_a_blood_pressure_is_a_parent_and_two_children_the_diastolic_first(bulk):
    terms = {row["CodeId"]: row["Term"] for row in bulk["Coding_ClinicalCode"]}
    children = {}
    for row in bulk["CareRecord_Observation"]:
        if "BP reading" in terms[row["CodeId"]]:
            children.setdefault(row["ParentObservationGuid"], []).append(terms[row["CodeId"]])
    assert len(children) > 50
    assert set(map(tuple, children.values())) == {("O/E - Diastolic BP reading", "O/E - Systolic BP reading")}


def test_the_restricted_person_is_spine_sensitive_and_nobody_else(bulk):
    sensitive = [row["NhsNumber"] for row in bulk["Admin_Patient"] if row["SpineSensitive"] == "true"]
    assert sensitive == [next(p.nhs_number for p in people(10, 1, TODAY) if p.number == roles.RESTRICTED)]


def test_postcodes_fit_the_seven_places_of_their_column(bulk):
    assert all(len(row["Postcode"]) <= 7 and " " not in row["Postcode"] for row in bulk["Admin_Patient"])


def test_both_practices_have_patients_staff_and_an_agreement(bulk):
    patients = Counter(row["OrganisationGuid"] for row in bulk["Admin_Patient"])
    assert len(patients) == 2
    assert {row["OrganisationGuid"] for row in bulk["Admin_UserInRole"]} == set(patients)
    assert {row["OrganisationGuid"] for row in bulk["Agreements_SharingOrganisation"]} == set(patients)


def test_the_record_holds_the_hard_cases(bulk):
    observations = bulk["CareRecord_Observation"]
    assert {row["EffectiveDatePrecision"] for row in observations} >= {"Y", "YM", "YMD"}
    assert {row["IsConfidential"] for row in observations} == {"true", "false"}
    assert {row["ProblemStatusDescription"] for row in bulk["CareRecord_Problem"]} == {"Active Problem", "Past Problem"}
    drugs = {
        (row["PrescriptionType"], row["IsActive"], bool(row["CancellationDate"]))
        for row in bulk["Prescribing_DrugRecord"]
    }
    assert drugs >= {("Repeat", "true", False), ("Repeat", "false", True), ("Acute", "false", False)}
    assert any(row["DateOfDeath"] for row in bulk["Admin_Patient"])
    assert "" in {row["DmdProductCodeId"] for row in bulk["Coding_DrugCode"]}
    assert bulk["CareRecord_ObservationReferral"] and bulk["CareRecord_Diary"] and bulk["Appointment_Slot"]


def test_a_delta_has_every_file_and_the_code_tables_whole(bulk, delta):
    _, files = delta
    assert set(files) == set(bulk)
    assert (
        files["Coding_ClinicalCode"] == bulk["Coding_ClinicalCode"]
        and files["Coding_DrugCode"] == bulk["Coding_DrugCode"]
    )
    assert files["Admin_Organisation"] == files["Admin_UserInRole"] == []


def test_a_delta_resends_a_child_without_its_parent(bulk, delta):
    found, files = delta
    before = by_key(bulk["CareRecord_Observation"])
    after = by_key(files["CareRecord_Observation"])
    child = after[found.child]
    assert child["Value"] == found.value != before[found.child]["Value"]
    assert child["ParentObservationGuid"] in before and child["ParentObservationGuid"] not in after
    assert {column for column in child if child[column] != before[found.child][column]} == {"Value", "ProcessingId"}


def test_a_delta_deletes_a_problem_and_leaves_its_observation(bulk, delta):
    found, files = delta
    gone = by_key(files["CareRecord_Problem"])[found.problem]
    assert gone["Deleted"] == "true" and not gone["ProblemStatusDescription"]
    assert found.problem in by_key(bulk["CareRecord_Observation"]) and found.problem not in by_key(
        files["CareRecord_Observation"]
    )


def test_a_delta_deletes_an_observation_and_a_patient_by_their_keys_only(bulk, delta):
    found, files = delta
    observation = by_key(files["CareRecord_Observation"])[found.observation]
    patient = by_key(files["Admin_Patient"])[found.gone]
    for row, keys in ((observation, {"ObservationGuid"}), (patient, set())):
        assert {column for column, value in row.items() if value} == {
            "PatientGuid",
            "OrganisationGuid",
            "Deleted",
            "ProcessingId",
        } | keys
        assert row["Deleted"] == "true"
    assert found.observation in by_key(bulk["CareRecord_Observation"]) and found.gone in by_key(bulk["Admin_Patient"])


def test_a_delta_brings_what_is_new_and_changes_what_was(bulk, delta):
    found, files = delta
    assert found.consultation in by_key(files["CareRecord_Consultation"]) and found.consultation not in by_key(
        bulk["CareRecord_Consultation"]
    )
    assert by_key(files["Prescribing_DrugRecord"])[found.stopped]["CancellationDate"]
    assert by_key(files["Admin_Patient"])[found.moved]["Town"] != by_key(bulk["Admin_Patient"])[found.moved]["Town"]


def by_key(rows):
    return {next(iter(row.values())): row for row in rows}


def test_a_volume_has_as_many_rows_as_asked_for_two_hundred_a_patient(tmp_path):
    written = write_volume(tmp_path, 1_050, TODAY)
    files = read(tmp_path)
    rows = files["CareRecord_Observation"]
    assert len(rows) == written["CareRecord_Observation"] == 1_050 and len(files["Admin_Patient"]) == 6
    order = [row["PatientGuid"] for row in rows]
    assert order == sorted(order)
    assert set(order) == {row["PatientGuid"] for row in files["Admin_Patient"]}
    held = by_key(rows)
    for row in rows:
        parent = held.get(row["ParentObservationGuid"])
        assert (parent is None) is (row["ParentObservationGuid"] == "")
        assert parent is None or (parent["PatientGuid"], parent["EffectiveDate"]) == (
            row["PatientGuid"],
            row["EffectiveDate"],
        )


def test_a_shuffled_volume_has_the_same_rows_in_another_order(tmp_path):
    write_volume(tmp_path / "ordered", 900, TODAY)
    write_volume(tmp_path / "shuffled", 900, TODAY, shuffled=True)
    ordered, shuffled = (read(tmp_path / name)["CareRecord_Observation"] for name in ("ordered", "shuffled"))
    for rows in (ordered, shuffled):
        assert [row.pop("ProcessingId") for row in rows] == [str(number) for number in range(1, 901)]
    assert ordered != shuffled and sorted(map(str, ordered)) == sorted(map(str, shuffled))
