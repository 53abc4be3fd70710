"""CSV files to rows by name, whatever is wrong with them."""

import tracemalloc

import pytest

from gateway.errors import Refused
from mappings import Reject
from mappings.readers import csv as csv_reader
from mappings.readers.csv import check_header, csv_rows, header
from mappings.readers.files import CHUNK, File, whole


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes, *encodings: str) -> File:
        path = tmp_path / "x.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return File(path, encodings=encodings or ("utf-8",))

    return write


def test_rows_have_their_line_and_only_what_is_filled(file):
    found = list(csv_rows(file('a,b\r\n1,\r\n"two\r\nlines",2\r\n\r\n3,4\r\n')))
    assert found == [(2, {"a": "1"}), (3, {"a": "two\r\nlines", "b": "2"}), (6, {"a": "3", "b": "4"})]
    assert found[0][1]["b"] == ""  # a column that is not filled answers the empty string


@pytest.mark.parametrize(
    ("content", "reject"),
    [
        ("a,b\n1\n", Reject("line 2", "number of fields")),
        ("a,b\n1,2,3\n", Reject("line 2", "number of fields")),
        ('a,b\n"1"2,3\n', Reject("line 2", "quoting")),
        ('a,b\n1,"2\n', Reject("line 2", "quoting")),
        ("a,b\n1," + "x" * 200_000 + "\n", Reject("line 2", "quoting")),
    ],
    ids=["short", "long", "after a quote", "open quote", "huge field"],
)
def test_what_is_no_row_is_a_reject_that_tells_no_value(file, content, reject):
    assert list(csv_rows(file(content))) == [reject]


def test_aliases_and_wanted_columns(file):
    assert list(
        csv_rows(file("Old,b,c\n1,2,3\n"), rename=lambda name: {"Old": "New"}.get(name, name), keep={"New", "c"})
    ) == [(2, {"New": "1", "c": "3"})]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no header"),
        ("\n1,2\n", "no header"),
        ("a,a\n1,2\n", "column a twice"),
        ("Marsh,x,Marsh\n", "column 3 is named as 1$"),
        ("Ann Marsh,Ann Marsh\n", "column 2 is named as 1"),
        ("a,b\n", "column c is missing"),
    ],
)
def test_a_header_that_does_not_hold_is_refused_by_its_column(file, content, reason):
    with pytest.raises(Refused, match=reason):
        check_header(file(content), ("a", "c"))


def test_a_byte_order_mark_is_no_part_of_the_first_column(file):
    path = file(b"\xef\xbb\xbfa,b\n1,2\n")
    assert header(path) == ["a", "b"] and list(csv_rows(path)) == [(2, {"a": "1", "b": "2"})]


@pytest.mark.parametrize("before", [1, CHUNK - 12, CHUNK - 11, CHUNK + 5])
def test_another_encoding_is_refused_by_line_across_chunks(file, before):
    content = b"a,b\n" + b"x" * before + b"\n1,caf\xe9\n"
    with pytest.raises(Refused, match="line 3: not utf-8"):
        whole(file(content))
    assert whole(file(content, "utf-8", "cp1252")).encoding == "cp1252"


def test_a_character_cut_by_a_chunk_is_read(file):
    for before in range(CHUNK - 4, CHUNK + 1):
        assert whole(file(b"x" * before + "é€😀\n".encode(), "utf-8", "cp1252")).encoding == "utf-8"


@pytest.mark.parametrize("content", [b"a,b\n1,\x002\n", "a,b\n1,2\n".encode("utf-16")])
def test_a_file_that_is_no_text_is_refused(file, content):
    with pytest.raises(Refused, match=r"line \d"):
        whole(file(content))


@pytest.mark.parametrize(
    "row",
    ["x" * 5_000, "1," * 3_000, ",".join(['"\n"'] * 900)],
    ids=["no column", "many columns", "many lines"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_row_that_is_too_long_is_a_reject_by_its_line_and_is_not_held(file, monkeypatch, row, end):
    monkeypatch.setattr(csv_reader, "LONGEST", 2_000)
    content = f"a,b{end}1,2{end}{row}{end}3,4{end}"
    held = list(csv_rows(file(content)))
    assert held[:2] == [(2, {"a": "1", "b": "2"}), Reject("line 3", "too long")]
    if row[0] != '"':
        assert held[2:] == [(4, {"a": "3", "b": "4"})]


def test_the_limit_of_a_row_bounds_memory(file):
    content = file("a,b\n1," + "x" * 60_000_000 + "\n3,4\n")
    tracemalloc.start()
    assert [row for row in csv_rows(content) if isinstance(row, Reject)] == [Reject("line 2", "too long")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * csv_reader.LONGEST
