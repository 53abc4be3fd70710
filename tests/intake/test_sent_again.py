"""A bulk that is sent again unchanged: what counts as past is told by the day of the newest extract."""

import pytest

from gateway.intake import load
from mappings import Feed, sources
from tests.intake.conftest import state
from tests.mappings import harness_emis as emis
from tests.mappings import harness_tpp as tpp

UNIT = {"IDOrganisationVisibleTo": tpp.PRACTICE, "RemovedData": "0"}
OF_ANN = {**UNIT, "IDPatient": "1", "DateEvent": "01 Mar 2024 00:00:00"}
BETWEEN = "15 Mar 2024 00:00:00"
"""A day after the first extract and before the second."""
TPP = [
    ("SRPatient", {**UNIT, "RowIdentifier": "1", "FirstName": "Ann", "Surname": "M", "NHSNumber": "9990000018",
                   "DateBirth": "15 Jan 1960 00:00", "DateDeath": BETWEEN, "TestPatient": "FALSE"}),
    ("SRPatientRegistration", {**OF_ANN, "RowIdentifier": "2", "IDOrganisation": tpp.PRACTICE, "RegistrationStatus": "GMS",
                               "DateRegistration": "01 Mar 2001 00:00:00", "DateDeRegistration": BETWEEN}),
    ("SRPatientAddressHistory", {**OF_ANN, "RowIdentifier": "3", "NameOfTown": "Leeds", "DateTo": BETWEEN}),
    ("SRPatientRelationship", {**OF_ANN, "RowIdentifier": "4", "RelationshipWithName": "Bob", "DateEnded": BETWEEN}),
    ("SRProblem", {**OF_ANN, "RowIdentifier": "5", "IDCode": "-1", "CTV3Code": "H33..", "DateEnd": BETWEEN}),
    ("SRDrugSensitivity", {**OF_ANN, "RowIdentifier": "6", "DateEnded": BETWEEN}),
    ("SRRepeatTemplate", {**OF_ANN, "RowIdentifier": "7", "NameOfMedication": "Aspirin", "DateMedicationTemplateEnd": BETWEEN}),
    ("SRPrimaryCareMedication", {**OF_ANN, "RowIdentifier": "8", "NameOfMedication": "Aspirin", "DateMedicationStart": BETWEEN}),
    ("SRReferralIn", {**OF_ANN, "RowIdentifier": "9", "DateDischarge": BETWEEN, "ActiveStatus": "true"}),
    ("SRPersonAtRisk", {**OF_ANN, "RowIdentifier": "10", "DateEnded": BETWEEN}),
    ("SRSpecialNotes", {**OF_ANN, "RowIdentifier": "11", "Note": "Dog", "DateEnded": BETWEEN}),
]  # fmt: skip
EMIS = [
    ("Agreements_SharingOrganisation", {"OrganisationGuid": emis.PRACTICE, "IsActivated": "true"}),
    ("Admin_Organisation", {"OrganisationGuid": emis.PRACTICE, "ODSCode": "A99001", "OrganisationName": "Ward End",
                            "CloseDate": "2024-03-15"}),
    ("Admin_Location", {"LocationGuid": "{L1}", "LocationName": "Room", "CloseDate": "2024-03-15"}),
    ("Coding_DrugCode", {"CodeId": "1", "Term": "Aspirin"}),
    ("Admin_Patient", emis.owned(Sex="F", GivenName="Ann", Surname="M", NhsNumber="9990000018", DateOfBirth="1960-01-15",
                                 DateOfRegistration="2001-05-05", PatientTypeDescription="Regular",
                                 DateofDeactivation="2024-03-15")),
    ("Prescribing_DrugRecord", emis.dated(DrugRecordGuid="{D1}", CodeId="1", IsActive="true", PrescriptionType="Repeat")),
    ("Prescribing_IssueRecord", emis.dated(IssueRecordGuid="{I1}", DrugRecordGuid="{D1}", CodeId="1",
                                           EffectiveDate="2024-03-15")),
]  # fmt: skip
TIMES = {"tpp": (tpp, TPP, "20240312_0100", "20240320_0100"), "emis": (emis, EMIS, "20240312010000", "20240320010000")}


@pytest.mark.hazard("HZ-LOAD-76")
@pytest.mark.parametrize("source", TIMES)
def test_a_bulk_that_is_sent_again_unchanged_is_mapped_by_the_day_of_its_extract(
    new_store, code_sets, tmp_path, source
):
    harness, rows, *times = TIMES[source]
    early, late = [harness.write(tmp_path / time, rows, time) for time in times]
    ends = []
    for name, paths in (("late", [late]), ("both", [early, late]), ("backwards", [late, early])):
        store = new_store(name)
        for path in paths:
            report = load.load(store, sources()[source], path, Feed(), code_sets, workers=0)
            assert not report.rejects
        ends.append(state(store))
    assert ends[0] == ends[1] == ends[2]
    store = new_store("early")
    load.load(store, sources()[source], early, Feed(), code_sets, workers=0)
    by_early = {row[:2]: row[2] for row in state(store)["resources"]}
    by_late = {row[:2]: row[2] for row in ends[0]["resources"]}
    assert len([id_ for id_ in by_late if by_late[id_] != by_early.get(id_)]) >= len(rows) - 3


def test_a_table_that_is_mapped_without_its_order_costs_nothing_when_it_is_sent_again(new_store, code_sets, tmp_path):
    store = new_store()
    code = [("Coding_ClinicalCode", {"CodeId": "101", "Term": "Asthma", "SnomedCTConceptId": "195967001"})]
    rows = [*EMIS[:1], *code, ("CareRecord_Observation", emis.dated(ObservationGuid="{O1}", CodeId="101"))]
    for time in TIMES["emis"][2:]:
        path = emis.write(tmp_path / time, rows, time)
        report = load.load(store, sources()["emis"], path, Feed(), code_sets, workers=0)
    assert not sum(report.resources.values()), report.resources


@pytest.mark.hazard("HZ-EMIS-61")
def test_an_extract_that_first_came_without_its_code_table_says_the_same_once_it_is_whole(
    new_store, code_sets, tmp_path
):
    codes = [("Coding_ClinicalCode", {"CodeId": "1", "Term": "White British", "ReadTermId": "9i00.00",
                                      "EmisCodeCategoryDescription": "Ethnicity"})]  # fmt: skip
    rows = [*EMIS, *codes, ("CareRecord_Observation", emis.dated(ObservationGuid="{O1}", CodeId="1"))]
    part = emis.write(tmp_path / "part", [row for row in rows if row not in codes], without="Coding_ClinicalCode")
    whole = emis.write(tmp_path / "whole", rows)
    ends = []
    for name, paths in (("whole", [whole]), ("part", [part, whole]), ("backwards", [whole, part])):
        store = new_store(name)
        for path in paths:
            load.load(store, sources()["emis"], path, Feed(settings={"partial": True}), code_sets, workers=0)
        ends.append(state(store))
    assert ends[0] == ends[1] == ends[2]
    with store.read() as session:
        groups = session.rows("SELECT count(*) FROM member m JOIN kept k ON k.key = m.kept WHERE k.grp <> m.grp")
    assert groups[0][0] >= 2  # the issue with its course, the entry with its patient
