"""A delivery is whole or refused, by the file and column at fault; its rows have keys, an order and groups."""

import gzip

import pytest

from gateway.errors import Refused
from mappings import Feed, Reject, Row
from mappings.emis import SOURCE
from mappings.emis.columns import TABLES as COLUMNS
from mappings.emis.delivery import extracted
from mappings.emis.tables import TABLES
from mappings.readers.files import File, whole
from tests.mappings.harness_emis import AGREEMENT, PRACTICE, owned, patient, read_all, sent, write

GUID = PRACTICE.strip("{}").lower()


def test_the_table_of_tables_has_them_all():
    assert set(TABLES) == set(COLUMNS) and len(TABLES) == 21
    for table, told in TABLES.items():
        used = {*told.key, *told.never, *(column for _, column in told.groups)}
        assert used <= set(COLUMNS[table]), table


def test_files_come_in_the_order_they_can_be_read(tmp_path):
    write(tmp_path / "b", time="20240313010000")
    write(tmp_path / "a", time="20240312010000")
    files = SOURCE.check(tmp_path, Feed())
    assert len(files) == 42
    assert all("20240312" in file.name for file in files[:21]) and all("20240313" in file.name for file in files[21:])
    tables = [file.name.split("_2024")[0].partition("_")[2] for file in files[:21]]
    assert tables.index("Coding_ClinicalCode") < tables.index("Admin_Patient") < tables.index("CareRecord_Observation")


def test_a_table_that_is_missing_is_named(tmp_path):
    write(tmp_path, without="CareRecord_Problem")
    with pytest.raises(Refused, match="CareRecord_Problem: missing from the extract of 20240312010000"):
        SOURCE.check(tmp_path, Feed())
    assert len(SOURCE.check(tmp_path, Feed(settings={"partial": True}))) == 20


def test_one_file_is_refused_unless_partial(tmp_path):
    write(tmp_path)
    file = next(tmp_path.glob("*Admin_Patient_*"))
    with pytest.raises(Refused, match="one file is not a delivery.*partial = true"):
        SOURCE.check(file, Feed())
    assert SOURCE.check(file, Feed(settings={"partial": True})) == [File(file, encodings=("utf-8",))]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.txt", "not named as a file of an EMIS extract"),
        (f"1-2_Admin_Unicorn_20240312010000_{AGREEMENT}.csv", "table Admin_Unicorn is not known"),
        (f"1-2_Admin_Patient_20241312010000_{AGREEMENT}.csv", "the extract time in its name is no time"),
        (f"1-2_Admin_Patient_20240312010000_{AGREEMENT.upper().replace('AA', 'AB')}.csv", "missing from the extract"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_by_name(tmp_path, name, reason):
    write(tmp_path)
    (tmp_path / name).write_text("x\n", encoding="utf-8")
    with pytest.raises(Refused, match=reason):
        SOURCE.check(tmp_path, Feed())


@pytest.mark.parametrize(
    ("ending", "advice"),
    [
        (".csv.gpg", "decrypt it first"),
        (".csv.PGP", "decrypt it first"),
        (".csv.gz", "decompress it first"),
        (".csv.filepart", "wait until the transfer ends"),
        (".zip", "unpack it, or load it alone"),
        (".7z", "unpack it"),
    ],
)
@pytest.mark.parametrize("is_alone", [True, False])
def test_a_file_that_cannot_be_read_as_it_is_gets_advice_that_helps(tmp_path, ending, advice, is_alone):
    write(tmp_path)
    path = tmp_path / f"1-2_Admin_Patient_20240312010000_{AGREEMENT}{ending}"
    path.write_bytes(b"\x85\x02")
    with pytest.raises(Refused, match=advice):
        SOURCE.check(path if is_alone else tmp_path, Feed())


def test_files_that_are_compressed_by_gzip_are_read_as_what_they_hold(tmp_path):
    write(tmp_path, [("Admin_Patient", owned(UsualGpUserInRoleGuid="{U7}"))])
    plain = read_all(tmp_path)
    for file in list(tmp_path.glob("*.csv")):
        file.with_name(f"{file.name}.gz").write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
    assert read_all(tmp_path) == plain and plain


def test_the_same_table_twice_is_refused(tmp_path):
    write(tmp_path)
    file = next(tmp_path.glob("*Admin_Patient_*"))
    (tmp_path / file.name.replace("1-2_", "3-4_")).write_bytes(file.read_bytes())
    with pytest.raises(Refused, match="Admin_Patient: more than once"):
        SOURCE.check(tmp_path, Feed())


def test_a_missing_column_is_named(tmp_path):
    write(tmp_path)
    file = next(tmp_path.glob("*CareRecord_Problem_*"))
    file.write_text(file.read_text(encoding="utf-8").replace('"EndDate",', ""), encoding="utf-8")
    with pytest.raises(Refused, match="CareRecord Problem.*column EndDate is missing"):
        SOURCE.check(tmp_path, Feed())


def test_columns_are_found_by_name_an_old_misspelling_included(tmp_path):
    write(tmp_path, [("Admin_Patient", owned(UsualGpUserInRoleGuid="{U7}"))])
    file = next(tmp_path.glob("*Admin_Patient_*"))
    lines = file.read_text(encoding="utf-8").replace("UsualGpUserInRoleGuid", "UsusalGpUserInRoleGuid").splitlines()
    lines = [f'"words",{line}' if number else f'"NewColumn",{line}' for number, line in enumerate(lines)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    row = next(row for row in read_all(tmp_path) if row.table == "Admin_Patient")
    assert row.values["UsualGpUserInRoleGuid"] == "{U7}"
    assert "NewColumn" in row.values  # kept, so that a later mapping can read it


def test_another_encoding_is_refused_by_its_line_and_a_mark_is_none(tmp_path):
    write(tmp_path, [("Admin_Patient", owned(Surname="Müller"))], encoding="cp1252")
    with pytest.raises(Refused, match="Admin Patient.*line 2: not utf-8"):
        read_all(tmp_path)
    assert len([whole(file) for file in SOURCE.check(tmp_path, Feed(encoding="cp1252"))]) == 21
    marked = write(tmp_path / "marked", encoding="utf-8-sig")
    assert len(SOURCE.check(marked, Feed())) == 21


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('"{P1}","x"', "number of fields"),
        ('"{P1}"x,"y"', "quoting"),
    ],
)
def test_a_ragged_row_is_a_reject_with_its_line_and_the_rest_is_read(tmp_path, line, reason):
    write(tmp_path, [("Admin_Patient", owned(PatientGuid="{A}")), ("Admin_Patient", owned(PatientGuid="{B}"))])
    file = next(tmp_path.glob("*Admin_Patient_*"))
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines[:2], line, *lines[2:]]) + "\n", encoding="utf-8")
    found = read_all(tmp_path)
    assert [each for each in found if isinstance(each, Reject)] == [Reject("line 3", reason)]
    assert [each.key for each in found if isinstance(each, Row)] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"PatientGuid": ""}, "column PatientGuid"),
        ({"OrganisationGuid": ""}, "column OrganisationGuid"),
        ({"ProcessingId": "one"}, "column ProcessingId"),
        ({"ProcessingId": ""}, "column ProcessingId"),
    ],
)
def test_a_row_without_its_key_is_a_reject(tmp_path, values, reason):
    write(tmp_path, [("Admin_Patient", {**owned(), **values})])
    assert read_all(tmp_path) == [Reject("line 2", reason)]


@pytest.mark.hazard("HZ-EMIS-29")
@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("CareRecord_Observation", "ObservationGuid"),
        ("CareRecord_Problem", "ObservationGuid"),
        ("CareRecord_Consultation", "ConsultationGuid"),
        ("Prescribing_DrugRecord", "DrugRecordGuid"),
        ("Prescribing_IssueRecord", "IssueRecordGuid"),
    ],
)
def test_a_row_of_no_patient_is_a_reject_unless_it_only_deletes(tmp_path, table, key):
    nobody = {**owned(), "PatientGuid": "", key: "{K}"}
    assert read_all(write(tmp_path / "a", [(table, nobody)])) == [Reject("line 2", "column PatientGuid")]
    [row] = read_all(write(tmp_path / "b", [(table, {**nobody, "Deleted": "true"})]))
    assert row.deleted and row.patient == ""


def test_rows_belong_to_their_organisation_or_to_the_agreement(tmp_path):
    everything = [
        ("Admin_Patient", owned()),
        ("Admin_Organisation", {"OrganisationGuid": PRACTICE}),
        ("Coding_ClinicalCode", {"CodeId": "1"}),
        ("CareRecord_Observation", owned(ObservationGuid="{O1}", ParentObservationGuid="{O2}")),
        ("Appointment_Slot", owned(SlotGuid="{S1}")),
        ("Agreements_SharingOrganisation", {"OrganisationGuid": PRACTICE, "IsActivated": "true"}),
    ]
    rows = {row.table: row for row in read_all(write(tmp_path, everything))}
    assert {table: row.publisher for table, row in rows.items()} == {
        "Admin_Patient": GUID,
        "Admin_Organisation": AGREEMENT,
        "Coding_ClinicalCode": AGREEMENT,
        "CareRecord_Observation": GUID,
        "Appointment_Slot": GUID,
        "Agreements_SharingOrganisation": GUID,
    }
    assert all(row.directory == AGREEMENT for row in rows.values())
    assert (
        rows["CareRecord_Observation"].groups == ("obs:o1", "obs:o2") and rows["CareRecord_Observation"].patient == "p1"
    )
    assert rows["Appointment_Slot"].key == "p1|s1" and rows["Appointment_Slot"].groups == ("slot:s1",)


def test_order_is_the_extract_then_the_processing_id_and_fits_the_store(tmp_path):
    first = write(tmp_path / "a", [("Admin_Patient", owned(ProcessingId="2147483647"))], time="20240312010000")
    later = write(tmp_path / "b", [("Admin_Patient", owned(ProcessingId="1"))], time="20240312010001")
    older, newer = read_all(first)[0], read_all(later)[0]
    assert older.order < newer.order < 2**63
    assert extracted(newer.order) == "2024-03-12"


def test_what_is_marked_never_is_not_read(tmp_path):
    everything = [
        ("Admin_Patient", owned(ContactComments="words", Surname="Marsh")),
        ("Prescribing_IssueRecord", owned(IssueRecordGuid="{I}", EstimatedNhsCost="1.23", PharmacyText="words")),
    ]
    for row in read_all(write(tmp_path, everything)):
        assert not SOURCE.never.get(row.table, frozenset()) & row.values.keys()
    assert "ContactComments" in SOURCE.never["Admin_Patient"]


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({"IsActivated": "true", "Disabled": "false", "Deleted": "false"}, "active"),
        ({"IsActivated": "true", "Disabled": "true", "Deleted": "false"}, "withheld"),
        ({"IsActivated": "false"}, "withheld"),
        ({}, "withheld"),
        ({"IsActivated": "true", "Deleted": "TRUE"}, "withdrawn"),
    ],
)
@pytest.mark.hazard("HZ-EMIS-20")
def test_an_agreement_says_whether_a_practice_shares(values, state):
    row = sent("Agreements_SharingOrganisation", OrganisationGuid=PRACTICE, **values)
    said = SOURCE.publisher(row)
    assert (said.code, said.state, said.order) == (GUID, state, row.order) and not row.deleted


def test_an_organisation_says_its_name_and_code():
    said = SOURCE.publisher(
        sent("Admin_Organisation", OrganisationGuid=PRACTICE, OrganisationName="Low Mill Surgery", ODSCode="A99001")
    )
    assert (said.code, said.ods, said.name, said.state) == (GUID, "A99001", "Low Mill Surgery", "")
    assert SOURCE.publisher(patient()) is None


def test_a_code_resent_as_it_was_is_the_same_row_wherever_it_stands(tmp_path):
    asthma = ("Coding_ClinicalCode", {"CodeId": "1", "Term": "Asthma"})
    first = read_all(write(tmp_path / "a", [asthma]))[0]
    second = read_all(
        write(
            tmp_path / "b", [("Coding_ClinicalCode", {"CodeId": "0", "Term": "Angina"}), asthma], time="20240313010000"
        )
    )[1]
    assert second.order > first.order
    assert (first.key, first.values, first.line) == (second.key, second.values, second.line)
