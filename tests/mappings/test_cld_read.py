"""Files of Client Level Data: what is taken for one, what is turned away, and what each row is called."""

from pathlib import Path

import pytest

from gateway.errors import Refused
from mappings import Feed, Reject, Row
from mappings.cld import SOURCE
from mappings.cld.columns import COLUMNS
from mappings.cld.read import submitted
from tests.mappings import harness
from tests.mappings.harness_cld import NUMBER, assessment, line, service, snapshot, write


def read_all(path: Path, feed: Feed | None = None) -> tuple[list[Row], list[Reject]]:
    """Return (rows, rejects) of a delivery."""
    found = harness.read_all(SOURCE, path, feed)
    return [each for each in found if isinstance(each, Row)], [each for each in found if isinstance(each, Reject)]


SQL = [column.translate(str.maketrans(" :.-", "____")).replace("(", "").replace(")", "") for column in COLUMNS]


@pytest.mark.parametrize(
    "header", [list(COLUMNS), SQL, [name.lower() for name in COLUMNS], [f" {name.upper()} " for name in COLUMNS]]
)
def test_columns_are_known_by_name_however_they_are_spelled(tmp_path, header):
    rows, rejects = read_all(snapshot(tmp_path, 1, service(), header=header))
    assert not rejects and [row.table for row in rows] == ["Event", "Person", "Authority", "Snapshot", "Start"]


def test_other_columns_are_read_past(tmp_path):
    path = tmp_path / "cld.csv"
    cells = [service().get(column, "") for column in COLUMNS]
    path.write_text(",".join([*COLUMNS, "Der_Load_ID"]) + "\n" + ",".join([*cells, "7"]) + "\n")
    rows, rejects = read_all(path)
    assert not rejects and "Der_Load_ID" not in rows[0].values


@pytest.mark.parametrize(
    "header, told",
    [
        ([c for c in COLUMNS if c not in ("Dementia", "Service Type")], "column Dementia is missing"),
        ([*COLUMNS, "dementia"], "line 1: column Dementia twice"),
        (["a", "b"], "column LA Code is missing"),
        ([], "line 1: no header"),
    ],
)
def test_a_header_at_fault_is_refused_by_its_column(tmp_path, header, told):
    path = tmp_path / "bad.csv"
    path.write_text(",".join(header) + "\n")
    with pytest.raises(Refused, match=rf"file \d: {told}"):
        SOURCE.check(path, Feed())


def test_a_folder_without_files_is_refused(tmp_path):
    with pytest.raises(Refused, match="no .csv file"):
        SOURCE.check(tmp_path, Feed())


def test_utf8_comes_first_then_the_encoding_of_the_feed(tmp_path):
    given = service(Last_Name="Núñez")
    for encoding, feed in (("utf-8", Feed()), ("utf-8-sig", Feed()), ("cp1252", Feed(encoding="cp1252"))):
        rows, _ = read_all(write(tmp_path / f"{encoding}.csv", [given], encoding=encoding), feed)
        assert rows[1].values["Last Name"] == "Núñez"
    with pytest.raises(Refused, match="line 2: not utf-8"):
        read_all(tmp_path / "cp1252.csv")


@pytest.mark.parametrize(
    "given, reason",
    [
        ({"LA_Code": ""}, "column LA Code"),
        ({"LA_Person_Unique_Identifier": ""}, "column LA Person Unique Identifier"),
        ({"LA_Person_Unique_Identifier": "999 000 0018"}, "column LA Person Unique Identifier"),
        ({"LA_Person_Unique_Identifier": "9990000026", "NHS_Number": ""}, "column LA Person Unique Identifier"),
        ({"Event_Type": "Referral"}, "column Event Type"),
        ({"Event_Type": ""}, "column Event Type"),
        ({"Event_Start_Date": ""}, "column Event Start Date"),
        ({"Event_Start_Date": "31/02/2025"}, "column Event Start Date"),
        ({"Reporting_Period_Start_Date": "2025"}, "column Reporting Period Start Date"),
        ({"Reporting_Period_End_Date": ""}, "column Reporting Period End Date"),
    ],
)
def test_a_row_that_says_neither_who_nor_what_is_turned_away_by_its_place(tmp_path, given, reason):
    rows, rejects = read_all(write(tmp_path / "cld.csv", [service(), service(**given)]))
    assert rejects == [Reject("line 3", reason)]
    assert [row.table for row in rows] == ["Event", "Person", "Authority", "Snapshot", "Start"]


@pytest.mark.parametrize(
    "given",
    [{"LA_Person_Unique_Identifier": "9990000026"}, {"LA_Person_Unique_Identifier": "1234567", "NHS_Number": ""}],
)
def test_a_councils_own_number_is_one_whatever_it_looks_like_beside_the_nhs_number(tmp_path, given):
    _, rejects = read_all(write(tmp_path / "cld.csv", [service(**given)]))
    assert not rejects


@pytest.mark.parametrize(
    ("sent", "kind"),
    [("Services", "Service"), ("assessments", "Assessment"), ("Carer's review", "Review"), ("Requests ", "Request")],
)
def test_an_event_type_is_known_by_the_word_it_contains(tmp_path, sent, kind):
    rows, rejects = read_all(write(tmp_path / "cld.csv", [service(Event_Type=sent)]))
    assert not rejects and rows[0].key.split("|")[2] == kind


def test_an_event_type_of_two_kinds_is_turned_away(tmp_path):
    _, rejects = read_all(write(tmp_path / "cld.csv", [service(Event_Type="Assessment and review")]))
    assert rejects == [Reject("line 2", "column Event Type")]


@pytest.mark.parametrize("sent", ["NULL", "null", "N/A", "#N/A", "NaN", " (null) "])
def test_a_word_for_nothing_is_no_value_in_any_column(tmp_path, sent):
    rows, rejects = read_all(
        write(tmp_path / "cld.csv", [service(NHS_Number=sent, Event_End_Date=sent, Date_of_Death=sent, Last_Name=sent)])
    )
    assert not rejects
    for row in rows[:2]:
        assert not {"NHS Number", "Event End Date", "Date of Death", "Last Name"} & row.values.keys()


def test_ragged_and_unreadable_lines_are_turned_away_by_their_place(tmp_path):
    path = write(tmp_path / "cld.csv", [service(Last_Name="two\nlines")])
    path.write_text(path.read_text() + "503,01/01/2025\n\n" + "," * 49 + '\n503,"an open quote\n')
    _, rejects = read_all(path)
    assert rejects == [
        Reject("line 4", "number of fields"),
        Reject("line 7", "quoting"),
    ]


@pytest.mark.parametrize("sent", ["01/03/2025", "2025-03-01", "1/3/2025", "2025-03-01 00:00:00", "01/03/2025 00:00"])
def test_both_ways_of_writing_a_date_name_one_event(tmp_path, sent):
    rows, _ = read_all(write(tmp_path / "cld.csv", [service(Event_Start_Date=sent)]))
    assert rows[0].groups == (
        "event:503|P1|Service|2025-03-01|Long term support: Community/Home support or domiciliary care",
    )


def test_both_releases_name_one_event(tmp_path):
    second = assessment(Client_Type="Unpaid carer")
    rows, _ = read_all(
        write(
            tmp_path / "cld.csv", [second, second | {"Client Type": "Carer", "Assessment Type": "LONG TERM ASSESSMENT"}]
        )
    )
    assert len({row.groups for row in rows if row.table == "Event"}) == 1


def test_the_reference_of_an_event_is_no_part_of_its_key(tmp_path):
    rows, _ = read_all(write(tmp_path / "cld.csv", [service(Event_Reference="A"), service(Event_Reference="B")]))
    assert len({row.groups for row in rows if row.table == "Event"}) == 1


def test_no_key_has_an_nhs_number_and_no_free_text_is_kept(tmp_path):
    rows, _ = read_all(
        write(tmp_path / "cld.csv", [service(Event_Description="words about her"), service(NHS_Number="9990000026")])
    )
    first, second = [row.key.rpartition("|") for row in rows if row.table == "Person"]
    assert first[0] == second[0] and (first[2], second[2]) == ("1", "2")  # not even a digest of it
    for row in rows:
        assert NUMBER not in row.key and "9990000026" not in row.key
        assert "words about her" not in row.values.values()


def test_a_person_is_told_once_however_many_events_repeat_her(tmp_path):
    rows, _ = read_all(write(tmp_path / "cld.csv", [service(), assessment(), service(Event_Start_Date="01/04/2025")]))
    assert [row.table for row in rows].count("Person") == 1


@pytest.mark.parametrize(
    "name, number",
    [
        ("CLD_503_2026-01-20", 20260120000),
        ("CLD_503_20260120_v2", 20260120002),
        ("CLD_503_20250101-20251231_2026-01-20_V12", 20260120012),
        ("CLD_503_2026-02-31", 0),
        ("CLD_503_v3", 3),
        ("CLD12026012099", 0),
    ],
)
def test_a_file_name_tells_when_it_was_submitted(name, number):
    assert submitted(name) == number


def test_a_file_without_a_date_was_submitted_when_its_period_ended(tmp_path):
    rows, _ = read_all(write(tmp_path / "cld_v2.csv", [service()]))
    assert {row.order for row in rows if row.table != "Authority"} == {20251231002}


def test_a_council_is_told_once_a_file_and_publishes_under_its_code(tmp_path):
    rows, _ = read_all(
        write(
            tmp_path / "cld.csv", [service(), line(LA_Code="204", Event_Type="Review", Event_Start_Date="2025-05-05")]
        )
    )
    told = [SOURCE.publisher(row) for row in rows]
    assert [(each.code, each.ods, each.name) for each in told if each] == [
        ("503", "503", "Council 503"),
        ("204", "204", "Council 204"),
    ]
