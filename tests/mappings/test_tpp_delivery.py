"""A SystmOne delivery is whole or refused, by the file and column at fault; its rows have keys, an order and groups."""

import csv
import shutil
import zipfile

import pytest

from gateway.errors import Refused
from mappings import Feed, Reject, Row
from mappings.emis import delivery as emis_delivery
from mappings.tpp import SOURCE
from mappings.tpp.columns import TABLES as COLUMNS
from mappings.tpp.delivery import extracted, table_of, time_of
from mappings.tpp.tables import CENTRAL, REQUIRED, TABLES
from tests.mappings.harness import map_all
from tests.mappings.harness_tpp import NURSES, PRACTICE, SAMPLES, read_all, sample_rows, write

PARTIAL = Feed(settings={"partial": True})
ASTHMA = ("SRCode", {
    "RowIdentifier": "1", "IDOrganisationVisibleTo": PRACTICE, "IDPatient": "1", "CTV3Code": "H33..", "CTV3Text": "Asthma", "RemovedData": "0",
})  # fmt: skip
ZOE = ("SRPatient", {
    "RowIdentifier": "1", "IDOrganisationVisibleTo": PRACTICE, "FirstName": "Zoë", "Surname": "Ash", "RemovedData": "0",
})  # fmt: skip


def test_files_come_in_the_order_they_can_be_read(tmp_path):
    write(tmp_path / "20240313_0100", time="20240313_0100")
    write(tmp_path / "20240312_0100", time="20240312_0100")
    files = SOURCE.check(tmp_path, Feed())
    assert [time_of(file) for file in files] == ["20240312_0100"] * len(TABLES) + ["20240313_0100"] * len(TABLES)
    tables = [table_of(file) for file in files]
    assert tables.index("SRMapping") < tables.index("SRPatient") < tables.index("SRProblem") < tables.index("SRCode")


@pytest.mark.hazard("HZ-TPP-26")
def test_an_extract_is_complete_when_its_manifest_and_all_that_it_lists_are_there(tmp_path):
    write(tmp_path, [ZOE], manifest=False)
    with pytest.raises(Refused, match=r"no SRManifest\.csv: it is written last"):
        SOURCE.check(tmp_path, Feed())
    write(tmp_path, [ZOE])
    (tmp_path / "SRCode.csv").unlink()
    with pytest.raises(Refused, match="SRCode is in the manifest and not among the files"):
        SOURCE.check(tmp_path, Feed())
    assert len(SOURCE.check(tmp_path, PARTIAL)) == len(TABLES) - 1


@pytest.mark.hazard("HZ-TPP-26")
def test_a_file_that_the_manifest_does_not_list_has_no_time(tmp_path):
    write(tmp_path, [ZOE], tables=["SRPatient"])
    shutil.copy(SAMPLES / "bulk" / "SRCode.csv", tmp_path / "SRCode.csv")
    with pytest.raises(Refused, match="SRCode is not in the manifest: its time is not known"):
        SOURCE.check(tmp_path, Feed())


def test_a_part_of_an_extract_has_the_time_of_its_folder(tmp_path):
    write(tmp_path / "20240312_0100", [ZOE], tables=["SRPatient"], manifest=False)
    (file,) = SOURCE.check(tmp_path, PARTIAL)
    assert time_of(file) == "20240312_0100"
    write(tmp_path / "monday", [ZOE], tables=["SRPatient"], manifest=False)
    with pytest.raises(Refused, match="its time is not known"):
        SOURCE.check(tmp_path / "monday", PARTIAL)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("notes.txt", "not named as a file of a SystmOne extract"),
        ("SRCode.csv.gpg", "encrypted"),
        ("SRCode.csv.filepart", "not completely transferred"),
        ("extract.zip", "a zip within the delivery"),
        ("srcode.csv", "a second file of SRCode in one extract"),
    ],
)
def test_a_file_that_is_not_ours_is_refused_and_never_by_its_name(tmp_path, name, reason):
    write(tmp_path, [ZOE])
    (tmp_path / name).write_text("x\n", encoding="utf-8")
    with pytest.raises(Refused, match=reason) as refusal:
        SOURCE.check(tmp_path, Feed())
    assert name not in str(refusal.value)


@pytest.mark.parametrize("time", ["", "20241312_0100", "2024-03-12", "20240312_010"])
def test_a_time_of_the_manifest_that_is_none_is_refused_by_its_line(tmp_path, time):
    write(tmp_path, [ZOE], time=time)
    with pytest.raises(Refused, match=r"line 2: column DateExtractTo"):
        SOURCE.check(tmp_path, Feed())


def test_a_name_of_the_manifest_that_is_no_tables_is_refused_by_its_line(tmp_path):
    write(tmp_path, [ZOE])
    path = tmp_path / "SRManifest.csv"
    path.write_text(path.read_text(encoding="cp1252").replace("SRMapping", "SR Ann Marsh"), encoding="cp1252")
    with pytest.raises(Refused, match="line 2: column FileName") as refusal:
        SOURCE.check(tmp_path, Feed())
    assert "Ann" not in str(refusal.value)


def test_the_manifest_may_write_names_with_their_suffix_and_in_any_case(tmp_path):
    write(tmp_path, [ZOE], tables=["SRPatient"])
    path = tmp_path / "SRManifest.csv"
    path.write_text(path.read_text(encoding="cp1252").replace("SRPatient", "srpatient.CSV"), encoding="cp1252")
    (file,) = SOURCE.check(tmp_path, Feed())
    assert file.title == "SRPatient 20240312_0100"


def test_one_file_is_refused_unless_partial(tmp_path):
    write(tmp_path / "20240312_0100", [ZOE])
    file = tmp_path / "20240312_0100" / "SRPatient.csv"
    with pytest.raises(Refused, match="one file is not a delivery.*partial = true"):
        SOURCE.check(file, Feed())
    assert [table_of(each) for each in SOURCE.check(file, PARTIAL)] == ["SRPatient"]


# Headers that drift


@pytest.mark.hazard("HZ-TPP-27")
def test_columns_may_move_change_case_and_be_missing(tmp_path):
    write(tmp_path, sample_rows())
    before = map_all(SOURCE, tmp_path).resources()
    for table in TABLES:
        path = tmp_path / f"{table}.csv"
        with path.open(encoding="cp1252", newline="") as file:
            header, *rows = csv.reader(file)
        order = sorted(range(len(header)), key=lambda place: header[place][::-1])
        with path.open("w", encoding="cp1252", newline="") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerow([f" {header[place].upper()}" for place in order])
            writer.writerows([[row[place] for place in order] for row in rows])
    assert map_all(SOURCE, tmp_path).resources() == before


@pytest.mark.hazard("HZ-TPP-27")
@pytest.mark.parametrize("table", ["SRCode", "SRPatient", "SRPatientRegistration", "SRCtv3"])
def test_what_names_a_row_its_unit_and_its_patient_must_be_there(tmp_path, table):
    required = {
        "SRCode": "IDPatient",
        "SRPatient": "IDOrganisationVisibleTo",
        "SRPatientRegistration": "IDPatient",
        "SRCtv3": "Ctv3Code",
    }
    write(tmp_path, [ZOE])
    columns = [name for name in COLUMNS[table] if name != required[table]]
    (tmp_path / f"{table}.csv").write_text(",".join(columns) + "\n", encoding="cp1252")
    with pytest.raises(Refused, match=f"column {required[table]} is missing"):
        SOURCE.check(tmp_path, Feed())
    (tmp_path / f"{table}.csv").write_text(",".join(REQUIRED[table]) + "\n", encoding="cp1252")
    assert SOURCE.check(tmp_path, Feed()), "nothing else is required"


@pytest.mark.hazard("HZ-TPP-27")
def test_new_columns_are_kept_and_named_and_so_are_whole_tables(tmp_path):
    write(tmp_path, [ZOE], tables=["SRPatient"])
    path = tmp_path / "SRPatient.csv"
    header, row = path.read_text(encoding="cp1252").splitlines()
    path.write_text(f'{header},"ColumnOf2027"\n{row},"new"\n', encoding="cp1252")
    write(
        tmp_path,
        [("SRUnicorn", {"RowIdentifier": "1", "Horn": "long"}), ("SRRota", {"RowIdentifier": "1"})],
        tables=["SRVisit"],
        manifest=False,
    )
    manifest = (tmp_path / "SRManifest.csv").read_text(encoding="cp1252")
    more = "".join(
        f'"{table}","N","N","19000101_0000","20240312_0100"\n' for table in ("SRUnicorn", "SRRota", "SRVisit")
    )
    (tmp_path / "SRManifest.csv").write_text(manifest + more, encoding="cp1252")
    files = SOURCE.check(tmp_path, Feed())
    assert [name for file in files for name in SOURCE.unread(file)] == [
        "SRPatient ColumnOf2027",
        "SRRota (the whole table)",
        "SRUnicorn (the whole table)",
    ]
    (zoe,) = read_all(tmp_path)
    assert zoe.values["ColumnOf2027"] == "new"


# Encodings and containers


@pytest.mark.hazard("HZ-TPP-28")
@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-8-sig"])
def test_names_are_read_in_either_encoding(tmp_path, encoding):
    write(tmp_path, [ZOE], encoding=encoding)
    assert map_all(SOURCE, tmp_path).one("Patient")["name"][0]["given"] == ["Zoë"]


def test_a_feed_may_name_its_encoding_its_delimiter_and_its_unit(tmp_path):
    write(tmp_path, [("SRPatient", {**ZOE[1], "IDOrganisationVisibleTo": ""})], encoding="cp850", delimiter="|")
    feed = Feed(encoding="cp850", settings={"delimiter": "|", "organisation": "a99777"})
    found = map_all(SOURCE, tmp_path, feed)
    assert found.one("Patient")["name"][0]["given"] == ["Zoë"] and not found.rejects
    assert {row.publisher for row in found.kept.values()} == {PRACTICE}
    assert SOURCE.unread(SOURCE.check(tmp_path, feed)[0]) == []


def test_a_zip_is_read_like_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "sent.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for sample in ("bulk", "delta"):
            for path in (SAMPLES / sample).glob("*.csv"):
                archive.write(path, f"2024/{sample}/{path.name}")
    shutil.copytree(SAMPLES / "bulk", tmp_path / "both" / "bulk")
    shutil.copytree(SAMPLES / "delta", tmp_path / "both" / "delta")
    assert map_all(SOURCE, tmp_path / "sent.zip").resources() == map_all(SOURCE, tmp_path / "both").resources()


# Rows


def test_a_row_has_its_unit_key_order_and_groups(tmp_path):
    write(tmp_path, sample_rows())
    rows = {(row.table, row.publisher, row.key): row for row in read_all(tmp_path)}
    issue = rows["SRPrimaryCareMedication", PRACTICE, "4001"]
    assert issue.groups == ("medication:4001", "repeat:4100") and issue.patient == "1"
    assert rows["SRProblem", PRACTICE, "2000"].groups == ("code:1001",)
    assert rows["SRProblem", PRACTICE, "2001"].groups == ("problem:2001",)
    assert rows["SROrganisation", CENTRAL, "21"].groups == (f"org:{PRACTICE}",)
    assert rows["SRCtv3", CENTRAL, "65E.."].groups == () and rows["SRCtv3", CENTRAL, "65E.."].line == 0
    assert (rows["SRPatient", PRACTICE, "1"].patient, rows["SRPatient", NURSES, "1"].patient) == ("1", "1")
    assert extracted(issue.order) == "2024-03-12"
    lines = [row.order for row in rows.values() if row.table == "SRCode"]
    assert lines == sorted(lines) and len(set(lines)) == len(lines)
    later = write(tmp_path / "later", sample_rows(), time="20240312_0101")
    assert min(row.order for row in read_all(later)) > max(row.order for row in rows.values())


REJECTED = {
    "no key": ({"RowIdentifier": ""}, "column RowIdentifier"),
    "no unit": ({"IDOrganisationVisibleTo": ""}, "column IDOrganisationVisibleTo"),
    "no patient": ({"IDPatient": ""}, "column IDPatient"),
    "a patient that is none": ({"IDPatient": "-1"}, "column IDPatient"),
    "a deletion without a key": ({"RowIdentifier": "", "RemovedData": "1"}, "column RowIdentifier"),
    "a deletion without a unit": (
        {"IDOrganisationVisibleTo": "", "RemovedData": "1"},
        "column IDOrganisationVisibleTo",
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_a_row_that_nobody_can_be_told_from_is_rejected_by_its_line(tmp_path, name):
    changed, reason = REJECTED[name]
    write(tmp_path, [ASTHMA, ("SRCode", {**ASTHMA[1], **changed})])
    good, bad = read_all(tmp_path)
    assert isinstance(good, Row) and bad == Reject("line 3", reason)


@pytest.mark.hazard("HZ-TPP-07")
@pytest.mark.parametrize("mark", ["1", "TRUE", "true"])
def test_a_deletion_needs_its_key_and_unit_only(tmp_path, mark):
    gone = {"RowIdentifier": "1", "IDOrganisationVisibleTo": PRACTICE, "RemovedData": mark}
    write(tmp_path, [(table, gone) for table in TABLES])
    rows = read_all(tmp_path)
    assert not [row for row in rows if isinstance(row, Reject)]
    assert {row.table for row in rows} == {name for name, table in TABLES.items() if table.groups}
    assert all(row.deleted and row.bare for row in rows)


def test_what_emis_says_of_files_that_cannot_be_read_is_said_here_too():
    assert emis_delivery.not_yet("SRCode.csv.pgp").startswith("encrypted")
