"""Fixed width, JSON lines, XML and zips to values, whatever is wrong with them. Nothing a file holds is told."""

import gzip
import io
import pickle
import random
import struct
import zipfile
import zlib
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.errors import Refused
from mappings import Reject
from mappings.readers import files, fixed_width, xml
from mappings.readers import zip as archives
from mappings.readers.files import File, delivered, whole
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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "empty"),
        (b" ", "not well-formed XML"),
        (b'<?xml version="1.0" encoding="x"?><p>1</p>', "line 1: the encoding that it names is not known"),
        (b'<?xml version="1.0" encoding="shift_jis"?><p>1</p>', "line 1: the encoding that it names is not known"),
    ],
    ids=["empty", "blank", "unknown encoding", "an encoding of several bytes"],
)
def test_xml_without_a_root_or_in_an_unknown_encoding_is_refused(file, text, reason):
    with pytest.raises(Refused, match=reason):
        list(xml_rows(file(text), "p"))


# Zip


def archive(path: Path, *entries: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries:
            made.writestr(name, content)
    return path


def members(path: Path) -> list[str]:
    return [entry.filename for entry in archives.Archive(path).members()]


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
    assert [file.encoding for file in map(whole, found)] == ["utf-8", "utf-8"]


@pytest.mark.parametrize("name", ["../x.csv", "/etc/x.csv", "a/../../x.csv", "c:/x.csv", "a\\..\\x.csv"])
def test_a_path_that_leads_outside_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="the zip: file 2: a path that leads outside"):
        members(archive(tmp_path / "z.zip", ("good.csv", b""), (name, b"")))


@pytest.mark.parametrize("name", ["x.zip", "x.tar.gz", "X.ZIP", "deep/x.7z"])
def test_an_archive_in_an_archive_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="file 1: an archive in an archive"):
        members(archive(tmp_path / "z.zip", (name, b"")))


@pytest.mark.parametrize("other", ["a.csv", "A.csv"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_one_name_twice_is_refused(tmp_path, other):
    with pytest.raises(Refused, match="one name twice"):
        members(archive(tmp_path / "z.zip", ("a.csv", b"1"), (other, b"2")))


def test_a_bomb_is_refused_by_its_ratio_and_by_its_size(tmp_path, monkeypatch):
    with pytest.raises(Refused, match="too large when decompressed"):
        members(archive(tmp_path / "ratio.zip", ("a.csv", b"0" * 4_000_000)))
    noise = ("noise.csv", random.Random(1).randbytes(40_000))
    with pytest.raises(Refused, match="file 2: too large when decompressed"):
        members(archive(tmp_path / "hidden.zip", noise, ("a.csv", b"0" * 4_000_000)))
    many = [(f"{number}.csv", b"0" * archives.SMALL) for number in range(9)]
    with pytest.raises(Refused, match="too large when decompressed"):
        members(archive(tmp_path / "together.zip", *many))
    monkeypatch.setattr(archives, "LARGEST", 10)
    with pytest.raises(Refused, match="too large when decompressed"):
        members(archive(tmp_path / "size.zip", ("a.csv", b"0123456789A")))
    monkeypatch.setattr(archives, "MOST_FILES", 2)
    with pytest.raises(Refused, match="more than 2 files"):
        members(archive(tmp_path / "many.zip", *((f"{n}", b"") for n in range(3))))


def test_a_file_that_holds_more_than_it_declares_is_read_no_further(tmp_path):
    path = archive(tmp_path / "z.zip", ("a.csv", b"0" * 5_000))
    data = path.read_bytes()
    path.write_bytes(data.replace(struct.pack("<I", 5_000), struct.pack("<I", 50)))
    [file] = delivered(path)
    with pytest.raises(Refused, match="damaged in the zip"):
        whole(file)


def test_links_encryption_and_damage_are_refused(tmp_path):
    link = zipfile.ZipInfo("a.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as made:
        made.writestr(link, "/etc/passwd")
    with pytest.raises(Refused, match="a link"):
        members(tmp_path / "link.zip")
    data = bytearray(archive(tmp_path / "secret.zip", ("a.csv", b"1")).read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(data)
    with pytest.raises(Refused, match="encrypted"):
        members(tmp_path / "secret.zip")
    (tmp_path / "cut.zip").write_bytes(data[:30])
    with pytest.raises(Refused, match="the zip cannot be read"):
        members(tmp_path / "cut.zip")


def test_a_damaged_file_of_a_zip_is_refused_before_it_is_taken(tmp_path):
    path = tmp_path / "z.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as made:
        made.writestr("a.csv", b"name\nAnn\n")
    path.write_bytes(path.read_bytes().replace(b"Ann", b"Amy"))
    with pytest.raises(Refused, match="file 1: damaged in the zip"):
        [whole(file) for file in delivered(path)]


def test_a_reader_of_a_zip_is_a_binary_file(tmp_path):
    [file] = delivered(archive(tmp_path / "z.zip", ("a.csv", b"one\ntwo\n")))
    with file.open() as stream:
        assert isinstance(stream, io.BufferedReader) and stream.readline() == b"one\n"


@pytest.mark.parametrize(("method", "name"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "LZMA")])
def test_a_method_whose_output_python_does_not_bound_is_refused_by_name(tmp_path, method, name):
    with zipfile.ZipFile(tmp_path / "z.zip", "w", method) as made:
        made.writestr("a.csv", b"1")
    with pytest.raises(Refused, match=f"file 1: compressed by {name}: only stored and deflated files are read"):
        members(tmp_path / "z.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_zip_is_read_or_refused_and_never_a_crash(tmp_path, method):
    path, draw = tmp_path / "z.zip", random.Random(5)
    with zipfile.ZipFile(path, "w", method) as made:
        for number in range(3):
            made.writestr(f"{number}.csv", draw.randbytes(40) * 5)
    data = path.read_bytes()
    refused = 0
    for _ in range(600):
        damaged = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.choice((len(data), len(data), draw.randrange(len(data))))])
        if not files.is_zip(path):
            continue
        try:
            for file in delivered(path):
                whole(file)
        except Refused:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "disk"),
        EOFError(),
        NotImplementedError(),
        zipfile.BadZipFile(),
        zlib.error(),
        ValueError(),
        struct.error(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_fails_while_it_is_opened_or_read_is_refused_and_its_zip_closed(tmp_path, monkeypatch, error):
    path = archive(tmp_path / "z.zip", ("a.csv", b"1"))
    zips = []

    class Zip(zipfile.ZipFile):
        def __init__(self, *args):
            super().__init__(*args)
            zips.append(self)

    def fails(*_):
        raise error

    monkeypatch.setattr(archives, "ZipFile", Zip)
    with monkeypatch.context() as patch, pytest.raises(Refused, match="file 1: damaged in the zip"):
        patch.setattr(zipfile.ZipFile, "open", fails)
        File(path, "a.csv").open()
    with monkeypatch.context() as patch, pytest.raises(Refused, match="file 1: damaged in the zip"):
        patch.setattr(zipfile.ZipExtFile, "readinto", fails)
        with File(path, "a.csv").open() as stream:
            stream.read()
    assert len(zips) == 2 and all(made.fp is None for made in zips)


def test_a_zip_is_opened_once_for_all_its_files_and_once_more_in_another_process(tmp_path, zip_opens):
    path = archive(tmp_path / "z.zip", *((f"{number}.csv", b"1") for number in range(200)))
    found = delivered(path)
    assert [file.size for file in found] == [1] * 200
    for file in [*found, *found]:
        whole(file)
    assert len(zip_opens) == 1
    for file in pickle.loads(pickle.dumps(found)):
        assert file.size == 1 and whole(file)
    assert len(zip_opens) == 2


def test_a_message_tells_the_words_of_a_files_name_and_no_number(tmp_path):
    path = archive(tmp_path / "z.zip", ("a.csv", b"a\n"), ("Patient_9990001006_Leeds.csv", b"a\xff\n"))
    with pytest.raises(Refused) as fault:
        [whole(file) for file in delivered(path, encodings=("utf-8",))]
    assert str(fault.value) == "file 1: line 1: not utf-8"


# Files compressed by gzip


def test_a_file_compressed_by_gzip_is_read_as_what_it_holds(tmp_path):
    text = "name\nZoë\n" * 9000
    (tmp_path / "a.csv").write_text(text, encoding="cp1252")
    (tmp_path / "B.CSV.GZ").write_bytes(gzip.compress(text.encode("cp1252")))
    (tmp_path / "c.dat.gz").write_bytes(gzip.compress(b"x"))
    packed, plain = delivered(tmp_path, (".csv",), ("utf-8", "cp1252"))
    assert (packed.name, plain.name) == ("B.CSV", "a.csv")
    assert whole(packed).encoding == "cp1252" and whole(packed).text().read() == text
    alone = delivered(tmp_path / "B.CSV.GZ", (".csv",), ("cp1252",))[0]
    assert pickle.loads(pickle.dumps(alone)).open().read() == text.encode("cp1252")


BOMB = gzip.compress(b"0" * (1 << 25))
DAMAGED = {
    "cut": gzip.compress(random.Random(1).randbytes(9000))[:-20],
    "no end": gzip.compress(b"x" * 90_000)[:-8],
    "another sum": gzip.compress(b"x" * 90_000)[:-8] + bytes(8),
    "changed": gzip.compress(random.Random(1).randbytes(9000)).replace(b"\x00", b"\x01"),
    "header only": b"\x1f\x8b",
    "another method": b"\x1f\x8b\x07" + gzip.compress(b"x")[3:],
    "bomb": BOMB,
    "junk behind": gzip.compress(b"x") + b"junk",
}


@pytest.mark.hazard("HZ-LOAD-74")
@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("encodings", [("latin-1",), ()])
def test_a_gzip_that_is_damaged_cut_off_or_a_bomb_is_refused_before_anything_is_kept(tmp_path, content, encodings):
    (tmp_path / "Hartley.csv.gz").write_bytes(content)
    with pytest.raises(Refused, match="^file 1: damaged, cut off or too large$"):
        whole(delivered(tmp_path, (), encodings)[0])
