"""Which format a file has, what of it is refused, and what of a record that cannot be read is kept of the others."""

import zipfile
from random import Random

import pytest

from gateway.errors import Refused
from mappings import Feed, Reject, Row
from mappings.cds import SOURCE
from mappings.cds.columns import columns
from tests.mappings.harness import map_all, read_all
from tests.mappings.harness_cds import CAME, HEADER, PERSON, SEEN, STAY, WAITS, one_line, piped, several_lines, sus

NET = {**HEADER, **PERSON}
STAYED, WAS_SEEN, CAME_IN = {**NET, **STAY}, {**NET, **SEEN}, {**NET, **CAME}
AE = {**CAME_IN, "Type": "010"}
WRITTEN = {
    "inpatient": one_line("inpatient", **STAYED),
    "outpatient": one_line("outpatient", **WAS_SEEN),
    "emergency": one_line("emergency", **AE),
    "lines": several_lines("1", **STAYED),
    "ecds": piped(**CAME_IN),
    "sus_apc": sus("sus_apc", STAYED),
    "sus_op": sus("sus_op", WAS_SEEN),
    "sus_ae": sus("sus_ae", AE),
}


def write(folder, text, name="sent.txt", encoding="utf-8"):
    path = folder / name
    path.write_text(text if text.endswith("\n") else text + "\n", encoding=encoding, newline="")
    return path


def rows(path, feed=None):
    return [
        item
        for item in read_all(SOURCE, path, feed)
        if isinstance(item, Reject) or not item.table.startswith("Replacement")
    ]


@pytest.mark.parametrize("form", WRITTEN)
def test_a_format_is_known_by_its_first_line_and_says_the_same(form, tmp_path):
    path = write(tmp_path, WRITTEN[form])
    assert [file.title for file in SOURCE.check(path, Feed())] == [form]
    (row,) = rows(path)
    assert isinstance(row, Row) and (row.publisher, row.patient) == ("RZZ", "RZZ|900001")
    assert row.values["NhsNumber"] == "9990000018" and not map_all(SOURCE, path).faults


@pytest.mark.parametrize("form", WRITTEN)
def test_line_ends_encodings_and_zips_change_nothing(form, tmp_path):
    text = WRITTEN[form].replace("Marsh", "Ma\xf6sh").rstrip("\n")
    plain = rows(write(tmp_path, text))
    crlf = rows(write(tmp_path, text.replace("\n", "\r\n"), "crlf.txt"))
    western = rows(write(tmp_path, text, "western.txt", "cp1252"))
    with zipfile.ZipFile(tmp_path / "sent.zip", "w") as archive:
        archive.write(tmp_path / "sent.txt", "a/sent.txt")
    packed = rows(tmp_path / "sent.zip")
    assert [row.values for row in plain] == [row.values for row in crlf] == [row.values for row in western]
    assert [row.key for row in packed] == [row.key for row in plain]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<CDS/>", "CDS-XML is not read"),
        ("hello", "no record of CDS 6-2"),
        ("NHS6-2999" + " " * 100, "no layout of this type is public"),
        ("NHS6-1130" + " " * 6420, "no record of CDS 6-2"),
        ("a,b\n1,2", "no record of CDS 6-2"),
        ("Hospital Provider Spell Number,Sex\n1,2", "without identities"),
        ("Hospital Provider Spell Number,Pseudo NHS Number,Local Patient Identifier\n1,2,3", "pseudonymised"),
        ("Token_Person_ID,Attended or Did Not Attend,NHS Number\n1,2,3", "pseudonymised"),
    ],
)
@pytest.mark.hazard("HZ-CDS-20")
def test_what_is_none_of_the_formats_is_refused(text, message, tmp_path):
    with pytest.raises(Refused, match=message) as refused:
        SOURCE.check(write(tmp_path, text), Feed())
    assert "hello" not in str(refused.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(Refused, match="no files"):
        SOURCE.check(tmp_path, Feed())


@pytest.mark.hazard("HZ-CDS-21")
@pytest.mark.parametrize("form", ["inpatient", "outpatient", "emergency"])
@pytest.mark.parametrize(
    "change", [lambda line: line[:-1], lambda line: line + " ", lambda line: line[:300] + line[301:]]
)
def test_a_line_of_another_length_is_refused_and_the_others_are_read(form, change, tmp_path):
    text = "\n".join((WRITTEN[form], change(WRITTEN[form]), WRITTEN[form]))
    read = rows(write(tmp_path, text))
    assert [getattr(item, "line", item) for item in read] == [1, Reject("line 2", "length"), 3]


@pytest.mark.hazard("HZ-CDS-21")
def test_a_record_of_another_type_than_its_file_is_refused(tmp_path):
    other = one_line("outpatient", **{**WAS_SEEN, "Type": "130"})
    assert rows(write(tmp_path, f"{WRITTEN['outpatient']}\n{other}"))[1] == Reject("line 2", "column Type")


@pytest.mark.hazard("HZ-CDS-21")
@pytest.mark.parametrize("form", ["inpatient", "outpatient", "emergency"])
def test_a_line_of_another_version_is_refused(form, tmp_path):
    other = WRITTEN[form].replace("NHS6-2", "NHS6-1")
    assert rows(write(tmp_path, f"{WRITTEN[form]}\n{other}"))[1] == Reject("line 2", "column Version")


LINES = several_lines(
    "7", **STAYED, Diagnosis1="I10X", Procedure1="W371", Ward1="W9", WardSite1="RZZ01", WardStart1="20240311"
)
OTHER = several_lines("8", **{**STAYED, "UniqueId": "E8"})


@pytest.mark.hazard("HZ-CDS-22")
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda lines: [*lines[:2], lines[2][:-1], *lines[3:]], "length"),
        (
            lambda lines: [*lines[:2], "0" + lines[2][1:].replace("02", "99", 1), *lines[3:]],
            "column DiagnosisSchemeInUse",
        ),
        (lambda lines: [*lines[:2], "13" + lines[2][2:], *lines[3:]], "unknown line"),
        (lambda lines: [*lines[:2], lines[2][:2] + "9" + lines[2][3:], *lines[3:]], "a line of another record"),
        (lambda lines: [*lines[:2], *[lines[4]] * 2001], "too many lines"),
    ],
    ids=["length", "scheme", "unknown", "another", "many"],
)
def test_a_record_of_several_lines_is_refused_whole_where_one_of_them_is(change, reason, tmp_path):
    lines = LINES.split("\n")
    assert [line[:2] for line in lines] == ["01", "05", "02", "03", "04"]
    changed = change(lines)
    if reason == "column DiagnosisSchemeInUse":
        changed[2] = lines[2][:40] + "99" + lines[2][42:]
    read = rows(write(tmp_path, "\n".join([OTHER, *changed, OTHER])))
    assert read[1] == Reject("line 3", reason) and [type(item) for item in read] == [Row, Reject, Row]


def test_lines_that_lost_their_spaces_are_read_where_the_feed_says_so(tmp_path):
    path = write(tmp_path, "\n".join(line.rstrip() for line in LINES.split("\n")))
    assert [type(item) for item in rows(path)] == [Reject]
    (row,) = rows(path, Feed(settings={"trimmed": True}))
    assert isinstance(row, Row) and (row.values["Diagnosis1"], row.values["Ward1"]) == ("I10X", "W9")


def test_lines_of_one_kind_go_on_counting(tmp_path):
    text = several_lines(
        "1",
        **STAYED,
        Ward1="A",
        Ward2="B",
        Ward3="C",
        WardStart2="20240312",
        CriticalStart1="20240312",
        CriticalId1="C1",
    )
    (row,) = rows(write(tmp_path, text))
    assert [row.values[name] for name in ("Ward1", "Ward2", "Ward3", "WardStart2", "CriticalId1")] == ["A", "B", "C", "20240312", "C1"]  # fmt: skip


def test_every_diagnosis_and_procedure_slot_is_read(tmp_path):
    items = {f"Diagnosis{n}": f"A{n:02}X" for n in range(1, 52)} | {f"Procedure{n}": f"W{n:02}1" for n in range(1, 52)}
    (row,) = rows(write(tmp_path, one_line("inpatient", **STAYED, **items)))
    assert isinstance(row, Row) and row.values["Diagnosis51"] == "A51X" and row.values["Procedure51"] == "W511"
    assert len(map_all(SOURCE, tmp_path / "sent.txt").resources("Condition")) == 51


@pytest.mark.hazard("HZ-CDS-23")
def test_a_mothers_or_babys_identity_is_not_kept(tmp_path):
    others = [column for column in columns("inpatient") if column.reason == "other"]
    line = list(one_line("inpatient", **STAYED))
    for column in others:
        line[column.start - 1 : column.start - 1 + column.length] = "7" * column.length
    (row,) = rows(write(tmp_path, "".join(line)))
    assert isinstance(row, Row) and "777" not in str(row.values)
    extract = sus(
        "sus_apc", {**STAYED, **{column.kept_as: "777777" for column in columns("sus_apc") if column.reason == "other"}}
    )
    (row,) = rows(write(tmp_path, extract, "sus.csv"))
    assert isinstance(row, Row) and "777" not in str(row.values)


def test_columns_of_sus_are_found_by_name_and_those_that_repeat_by_place(tmp_path):
    header, record = sus(
        "sus_apc", {**STAYED, "Diagnosis24": "I10X", "ProcedureDate2": "20240312", "Ward3": "W3"}
    ).splitlines()
    noisy = header.upper().replace(" ", "_")
    (row,) = rows(write(tmp_path, f"{noisy}\n{record}", "sus.csv"))
    assert [row.values[name] for name in ("Diagnosis24", "ProcedureDate2", "Ward3")] == ["I10X", "20240312", "W3"]


def test_new_columns_of_an_extract_are_told_and_not_kept(tmp_path):
    header, record = sus("sus_op", WAS_SEEN).splitlines()
    path = write(tmp_path, f"{header},NHS Number (Baby 1)\n{record},9990000026", "sus.csv")
    (file,) = SOURCE.check(path, Feed())
    assert SOURCE.unread(file) == ["Outpatient NHS Number (Baby 1)"]
    assert "9990000026" not in str(rows(path))
    assert [SOURCE.unread(each) for each in SOURCE.check(write(tmp_path, WRITTEN["ecds"], "e.txt"), Feed())] == [[]]


def test_emergency_care_may_have_a_header(tmp_path):
    header = "|".join(column.name for column in columns("ecds"))
    (row,) = rows(write(tmp_path, f"{header}\n{WRITTEN['ecds']}"))
    assert isinstance(row, Row) and row.values["ArrivalDate"] == "20240320"


def test_emergency_care_with_a_header_may_be_in_any_order_and_separated_by_commas(tmp_path):
    header = [column.name for column in columns("ecds")]
    cells = WRITTEN["ecds"].split("|")
    (row,) = rows(write(tmp_path, ",".join(header[::-1]) + "\n" + ",".join(cells[::-1])))
    assert isinstance(row, Row) and (row.values["ArrivalDate"], row.key) == ("20240320", "BRZZ00X1")


@pytest.mark.hazard("HZ-CDS-25")
@pytest.mark.parametrize("form", WRITTEN)
def test_damaged_text_crashes_nothing(form, tmp_path):
    """Letters changed, left out, doubled and lines joined, in many ways: each record is read, rejected or waits."""
    dice, text = Random(form), WRITTEN[form].rstrip("\n")
    for _ in range(25):
        letters = list(text)
        for _ in range(dice.randrange(1, 6)):
            place = dice.randrange(len(letters))
            letters[place] = dice.choice(("", letters[place] * 2, "\n", '"', "|", "\u00e9", "9", " "))
        try:
            result = map_all(SOURCE, write(tmp_path, f"{text}\n{''.join(letters)}"))
        except Refused:
            continue  # the header, or a quote that never ends
        assert result or result.rejects


def test_a_waiting_list_is_read_from_several_lines(tmp_path):
    (row,) = rows(write(tmp_path, several_lines("1", **NET, **WAITS)))
    assert isinstance(row, Row) and row.groups == ("wait:RZZ|900001|W1", "pat:RZZ|900001")
