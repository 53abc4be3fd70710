"""Fixed width, JSON lines, XML and zips to values, whatever is wrong with them. Nothing a file holds is told."""

import io
import random
import struct
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import Refused
from mappings import Reject
from mappings.readers import files, fixed_width, xml
from mappings.readers import zip as archives
from mappings.readers.files import File, checked, delivered
from mappings.readers.fixed_width import Field, fixed_width_rows
from mappings.readers.json_lines import json_rows
from mappings.readers.xml import xml_rows


@pytest.fixture
def file(tmp_path):
    def write(content: bytes, name: str = "x.txt") -> File:
        path = tmp_path / name
        path.write_bytes(content)
        return File(path, encodings=("utf-8",))

    return write


# Fixed width

LAYOUT = (Field("number", 1, 3), Field("name", 4, 5), Field("sex", 9, 1))


def test_columns_are_cut_by_the_layout(file):
    rows = list(fixed_width_rows(file(b"001Ann  F\r\n\r\n  2     M\n003Zo\xc3\xab  F"), LAYOUT))
    assert rows == [
        (1, {"number": "001", "name": "Ann", "sex": "F"}),
        (3, {"number": "2", "sex": "M"}),
        (4, {"number": "003", "name": "Zoë", "sex": "F"}),
    ]


@pytest.mark.parametrize("line", [b"001Ann  ", b"001Ann  F ", b"x" * (fixed_width.LONGEST * 3)])
def test_a_line_of_another_length_is_a_reject_by_its_number(file, line):
    rows = list(fixed_width_rows(file(b"001Ann  F\n" + line + b"\n002Amy  F\n"), LAYOUT))
    assert [row if isinstance(row, Reject) else row[0] for row in rows] == [1, Reject("line 2", "length"), 3]


# JSON lines


def test_each_line_is_an_object_with_its_decimals(file):
    rows = list(json_rows(file(b'\xef\xbb\xbf{"a": 1.00}\r\n\n{"b": {"c": "\xc3\xab"}}')))
    assert rows == [(1, {"a": Decimal("1.00")}), (3, {"b": {"c": "ë"}})]
    assert str(rows[0][1]["a"]) == "1.00"


@pytest.mark.parametrize(
    ("line", "reason"),
    [(b"{", "not JSON"), (b"[1]", "not a JSON object"), (b'{"a": "\xff"}', "not JSON"), (b"[" * 5_000, "not JSON"), (b'{"a": "' + b"x" * 9_000 + b'"}', "too long")],
    ids=["cut", "list", "bytes", "deep", "long"],
)  # fmt: skip
def test_a_line_that_is_no_object_is_a_reject_by_its_number(file, line, reason):
    rows = list(json_rows(file(b'{"a": 1}\n' + line + b'\n{"a": 2}\n'), longest=8_000))
    assert rows == [(1, {"a": 1}), Reject("line 2", reason), (3, {"a": 2})]


# XML


def test_a_record_is_its_texts_and_attributes_by_path(file):
    text = b"""<?xml version="1.0" encoding="iso-8859-1"?>
<x:all xmlns:x="urn:x"><x:person id="7">
 <name use="official"><given>Zo\xeb</given><given>Ann</given></name><name><given>Amy</given></name>
 <empty/></x:person><other>1</other><x:person>two</x:person></x:all>"""
    assert list(xml_rows(file(text), "person")) == [
        (2, {"@id": "7", "name/@use": "official", "name/given": "Zoë", "name/given[2]": "Ann", "name[2]/given": "Amy"}),
        (4, {"": "two"}),
    ]


def test_records_come_while_the_file_is_read(file, monkeypatch):
    monkeypatch.setattr(xml, "CHUNK", 64)
    rows = xml_rows(file(b"<all>" + b"<p>1</p>" * 100 + b"<p>"), "p")
    assert [next(rows) for _ in range(90)][-1] == (1, {"": "1"})
    with pytest.raises(Refused):
        list(rows)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"<a>\n<p>secret</a>", "line 2: not well-formed XML"),
        (b"<a>\n", "not well-formed XML"),
        (b"<!DOCTYPE a [<!ENTITY e 'secret'>]><a><p>&e;</p></a>", "line 1: a DTD or an entity"),
        (b"<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>", "line 1: a DTD or an entity"),
        (b"<a><p>&secret;</p></a>", "line 1: not well-formed XML"),
        (b"<p>" + b"<b>" * 70, "line 1: a record too large or deep"),
        (b"<a>\n<p>" + b"x" * 2_000 + b"</p></a>", "line 2: a record too large or deep"),
        (b"<a>\n<p " + b"x='" + b"x" * 2_000 + b"'/></a>", "line 2: a record too large or deep"),
    ],
    ids=["mismatch", "cut", "entity", "external", "undefined", "deep", "large", "large attribute"],
)
def test_hostile_xml_is_refused_by_its_line(file, monkeypatch, text, reason):
    monkeypatch.setattr(xml, "LARGEST", 1_000)
    with pytest.raises(Refused, match=reason) as fault:
        list(xml_rows(file(text), "p"))
    assert "secret" not in str(fault.value)


# Zip


def archive(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return path


def test_the_files_of_a_zip_are_delivered_like_those_of_a_folder(tmp_path):
    path = archive(
        tmp_path / "z.zip",
        ("b/2.csv", b"two"),
        ("a/1.csv", b"one"),
        ("b/", b""),
        ("b/.hidden.csv", b""),
        ("n.txt", b""),
    )
    found = delivered(path, (".csv",), ("utf-8",))
    assert [(file.name, file.size, file.open().read()) for file in found] == [
        ("1.csv", 3, b"one"),
        ("2.csv", 3, b"two"),
    ]
    assert [file.encoding for file in checked(found)] == ["utf-8", "utf-8"]


@pytest.mark.parametrize("name", ["../x.csv", "/etc/x.csv", "a/../../x.csv", "c:/x.csv", "a\\..\\x.csv"])
def test_a_path_that_leads_outside_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="z.zip: file 2: a path that leads outside"):
        archives.members(archive(tmp_path / "z.zip", ("good.csv", b""), (name, b"")))


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "X.ZIP", "deep/x.7z"])
def test_an_archive_in_an_archive_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="file 1: an archive in an archive"):
        archives.members(archive(tmp_path / "z.zip", (name, b"")))


@pytest.mark.parametrize("other", ["a.csv", "A.csv"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path, other):
    with pytest.raises(Refused, match="one name twice"):
        archives.members(archive(tmp_path / "z.zip", ("a.csv", b"1"), (other, b"2")))


def test_a_bomb_is_refused_by_its_ratio_and_by_its_size(tmp_path, monkeypatch):
    with pytest.raises(Refused, match="too large when decompressed"):
        archives.members(archive(tmp_path / "ratio.zip", ("a.csv", b"0" * 4_000_000)))
    noise = ("noise.csv", random.Random(1).randbytes(40_000))
    with pytest.raises(Refused, match="file 2: too large when decompressed"):
        archives.members(archive(tmp_path / "hidden.zip", noise, ("a.csv", b"0" * 4_000_000)))
    many = [(f"{number}.csv", b"0" * archives.SMALL) for number in range(9)]
    with pytest.raises(Refused, match="too large when decompressed"):
        archives.members(archive(tmp_path / "together.zip", *many))
    monkeypatch.setattr(archives, "LARGEST", 10)
    with pytest.raises(Refused, match="too large when decompressed"):
        archives.members(archive(tmp_path / "size.zip", ("a.csv", b"0123456789A")))
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(Refused, match="more than 2 files"):
        archives.members(archive(tmp_path / "many.zip", *((f"{n}", b"") for n in range(3))))


def test_a_file_that_holds_more_than_it_declares_is_read_no_further(tmp_path):
    path = archive(tmp_path / "z.zip", ("a.csv", b"0" * 5_000))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 5_000), struct.pack("<I", 50)))
    [file] = delivered(path)
    with pytest.raises(Refused, match="damaged in the zip"):
        files.whole(file)


def test_links_encryption_and_damage_are_refused(tmp_path):
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(Refused, match="a link"):
        archives.members(tmp_path / "link.zip")
    data = bytearray(archive(tmp_path / "secret.zip", ("a.csv", b"1")).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    with pytest.raises(Refused, match="encrypted"):
        archives.members(tmp_path / "secret.zip")
    (tmp_path / "cut.zip").write_bytes(data[:30])
    with pytest.raises(Refused, match="not a zip that can be read"):
        archives.members(tmp_path / "cut.zip")


def test_a_damaged_file_of_a_zip_is_refused_before_it_is_taken(tmp_path):
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.writestr("a.csv", b"name\nAnn\n")
    path.write_bytes(path.read_bytes().replace(b"Ann", b"Amy"))
    with pytest.raises(Refused, match="a.csv: damaged in the zip"):
        checked(delivered(path))


def test_a_reader_of_a_zip_is_a_binary_file(tmp_path):
    [file] = delivered(archive(tmp_path / "z.zip", ("a.csv", b"one\ntwo\n")))
    with file.open() as stream:
        assert isinstance(stream, io.BufferedReader) and stream.readline() == b"one\n"
