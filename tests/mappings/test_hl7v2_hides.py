"""What must not be hidden, joined or misread in results: people, withdrawals, lines, organisms, order of messages."""

import base64
import itertools
import struct
import zlib

import pytest

from mappings import Feed, Group
from mappings.hl7v2 import SOURCE
from mappings.hl7v2 import documents as documents_of
from mappings.hl7v2.reader import rows
from tests.mappings.harness_hl7v2 import DictLook, adt, map_rows, map_text, one, oru, visit
from tests.mappings.test_hl7v2_results import obx
from tests.mappings.test_hl7v2_sameness import nm, observations, values

AT = [f"2026010209{minute:02}00" for minute in range(0, 60, 10)]


def pid(number: str, given: str, sex: str, nhs: str = "", born: str = "20260101", **fields: str) -> str:
    own = f"{number}^^^RXX^MR" + (f"~{nhs}^^^NHS" if nhs else "")
    rest = "|".join(fields.get(f"f{each}", "") for each in range(9, 26))
    return f"PID|1||{own}||Marsh^{given}||{born}|{sex}|{rest}"


@pytest.mark.hazard("HZ-HL7V2-31")
@pytest.mark.parametrize(
    ("first", "second", "people"),
    [
        (pid("H1", "Ann", "2"), pid("H2", "Bob", "1"), 2),
        (pid("H1", "Ann", "2"), pid("H2", "Eve", "2"), 2),
        (pid("H1", "Baby", "2"), pid("H2", "Baby", "2"), 2),
        (pid("H1", "Twin One", "2"), pid("H2", "Twin One", "2"), 2),
        (pid("H1", "", "2"), pid("H2", "", "2"), 2),
        (pid("H1", "A", "2"), pid("H2", "A", "2"), 2),
        (pid("H1", "Ann", ""), pid("H2", "Ann", "2"), 2),
        (pid("H1", "Ann", "2", born="19000101"), pid("H2", "Ann", "2", born="19000101"), 2),
        (pid("H1", "Ann", "2", "9990001006"), pid("H2", "Ann", "2", "9990001014"), 2),
        (pid("H1", "Ann", "2", "9990001006"), pid("H2", "Bob", "1", "9990001006"), 2),
        (pid("H1", "Ann", "2", "9990001006", f24="Y"), pid("H2", "Eve", "2", "9990001006"), 2),
        (pid("H1", "Ann", "2", f25="1"), pid("H2", "Ann", "2", f25="2"), 2),
        (pid("H1", "Ann", "2", "9990001006"), pid("H2", "Anna", "F", "9990001006"), 1),
        (pid("H1", "Ann", "2"), pid("H2", "ANN", "F"), 1),
        (pid("H1", "Ann", "2", "9990001006"), pid("H2", "Ann", "2"), 1),
    ],
)
def test_two_people_are_one_only_on_positive_evidence(first, second, people):
    texts = [oru(AT[0], nm("7.9"), pid=first), oru(AT[1], nm("4.1"), pid=second)]
    for order in itertools.permutations(texts):
        found = [each for each in map_text(*order) if each["resourceType"] == "Observation"]
        assert len({each["subject"]["reference"] for each in found}) == len(found) == people
        assert {each["status"] for each in found} == ({"final"} if people == 2 else {"amended"})


@pytest.mark.hazard("HZ-HL7V2-32")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([oru(AT[0], nm("7.9")), oru(AT[1], nm("7.9", "W")), oru(AT[2], nm("6.9", "P"))], ["preliminary 6.9"]),
        ([oru(AT[0], nm("", "X")), oru(AT[2], nm("6.9", "P"))], ["preliminary 6.9"]),
        ([oru(AT[0], nm("7.9")), oru(AT[1], nm("7.9", "D")), oru(AT[2], nm("4.1"))], ["final 4.1"]),
        ([oru(AT[0], nm("7.9")), oru(AT[1], nm("7.9", "W")), oru(AT[2], nm("7.9"))], ["amended 7.9"]),
        ([oru(AT[0], nm("7.9", "P")), oru(AT[1], nm("7.9", "X")), oru(AT[2], nm("7.9"))], ["final 7.9"]),
        (
            [oru(AT[0], nm("5.1", f14=AT[2])), oru(AT[3], nm("28", "P", f14=AT[1]))],
            ["final 5.1", "preliminary 28"],
        ),
        (
            [oru(AT[0], nm("7.9", f14="202601020800")), oru(AT[1], nm("7.9", "W"), nm("4.1"))],
            ["entered-in-error", "final 4.1"],
        ),
    ],
)  # fmt: skip
def test_what_is_cancelled_or_withdrawn_yields_to_what_comes_later(texts, expected):
    assert values(*texts) == expected


@pytest.mark.hazard("HZ-HL7V2-32")
def test_a_value_that_comes_back_after_its_withdrawal_says_so():
    [found] = observations(oru(AT[0], nm("7.9")), oru(AT[1], nm("7.9", "W")), oru(AT[2], nm("7.9")))
    assert "withdrawn before" in found["note"][0]["text"]


@pytest.mark.hazard("HZ-HL7V2-32")
@pytest.mark.parametrize("again", ["P", "A", "F"])
def test_a_report_in_error_yields_to_the_next_one_and_hides_no_result_that_stands(again):
    texts = [oru(AT[0], nm("7.9")), oru(AT[1], status="W"), oru(AT[2], nm("300", "P", code="CRP"), status=again)]
    for order in itertools.permutations(texts):
        assert one(map_text(*order), "DiagnosticReport")["status"] not in ("entered-in-error", "cancelled")
    late = oru(AT[2], nm("300", code="CRP"), "OBX|2|NM|HB^Haemoglobin^LIMS||1|g/L|||||C", status="W")
    assert one(map_text(texts[0], late), "DiagnosticReport")["status"] == "corrected"


@pytest.mark.hazard("HZ-HL7V2-33")
@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (["Coliform S P"], ["Klebsiella R F"], ["Klebsiella R final"]),
        (["Coliform S F"], ["Klebsiella R C"], ["Klebsiella R corrected"]),
        (
            ["Coliform S F", "Proteus R F"],
            ["Klebsiella R C", "Proteus S C"],
            ["Klebsiella R corrected", "Proteus S corrected"],
        ),
        (["Coliform S F", "Proteus R F"], ["Proteus R F", "Coliform S F"], ["Coliform S final", "Proteus R final"]),
        (["Coliform S F"], ["Coliform S F", "Proteus R F"], ["Coliform S final", "Proteus R final"]),
    ],
)  # fmt: skip
def test_a_susceptibility_is_tied_by_place_and_follows_an_organism_that_is_renamed(before, after, shown):
    def lines(isolates: list[str]) -> list[str]:
        parts = [each.split() for each in isolates]
        return [
            segment
            for name, flag, status in parts
            for segment in (
                obx("CE", f"{name}^{name}", status, code="ORG^Organism^L", units=""),
                obx("ST", flag, status, code="GENT^Gentamicin^L", units=""),
            )
        ]

    found = observations(oru(AT[0], *lines(before)), oru(AT[1], *lines(after)))
    told = [
        f"{each['note'][0]['text'].removeprefix('Found in Organism: ')} {each['valueString']} {each['status']}"
        for each in found
        if each["code"]["text"] == "Gentamicin"
    ]
    assert sorted(told) == shown
    organisms = {f"Observation/{each['id']}" for each in found if each["code"]["text"] == "Organism"}
    assert len(organisms) == len(shown)
    assert {each["derivedFrom"][0]["reference"] for each in found if "derivedFrom" in each} == organisms


@pytest.mark.hazard("HZ-HL7V2-33")
def test_an_organism_sent_as_text_between_takes_its_own_susceptibility():
    found = observations(
        oru(
            AT[0],
            obx("CE", "EC^E coli", code="ORG^Organism^L", units=""),
            obx("ST", "S", code="GENT^Gentamicin^L", units=""),
            obx("ST", "Pseudomonas", code="ORG^Organism^L", units=""),
            obx("ST", "R", code="GENT^Gentamicin^L", units=""),
        )
    )
    notes = {each["valueString"]: each["note"][0]["text"] for each in found if each["code"]["text"] == "Gentamicin"}
    assert notes == {"S": "Found in Organism: E coli", "R": "Found in Organism: Pseudomonas"}


@pytest.mark.hazard("HZ-HL7V2-34")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([oru(AT[1], nm("7.9", f14=AT[0])), oru(AT[3], nm("4.1", f14=AT[2]), status="C")], ["corrected 4.1"]),
        ([oru(AT[1], nm("7.9")), oru(AT[3], nm("4.1", "C", sub="1"))], ["corrected 4.1"]),
        ([oru(AT[1], nm("7.9", sub="1")), oru(AT[3], nm("4.1", "C"))], ["corrected 4.1"]),
        (
            [oru(AT[1], nm("7.9", sub="1"), nm("5.5", sub="2")), oru(AT[3], nm("4.1", "C"))],
            ["corrected 4.1", "final 5.5", "final 7.9"],
        ),
        ([oru(AT[1], nm("5.1"), nm("28.3")), oru(AT[3], nm("28.3"), nm("5.1"))], ["final 28.3", "final 5.1"]),
        ([oru(AT[1], nm("5.1"), nm("28.3")), oru(AT[3], nm("28.3"), nm("6.1", "C"))], ["corrected 6.1", "final 28.3"]),
    ],
)  # fmt: skip
def test_a_correction_reaches_what_it_is_about(texts, expected):
    assert values(*texts) == expected


def told(found: dict) -> list[str]:
    return [flag["coding"][0]["code"] for flag in found.get("interpretation", [])]


@pytest.mark.hazard("HZ-HL7V2-35")
@pytest.mark.parametrize("kind", ["TX", "FT", "ST"])
@pytest.mark.parametrize(
    ("sent", "heard"),
    [
        (["N", "AA"], ["AA"]),
        (["A", "HH", "N"], ["HH", "A"]),
        (["N", ""], []),
        (["N", "N"], ["N"]),
        (["", "H"], ["H"]),
    ],
)
def test_the_gravest_flag_of_the_lines_of_a_text_stands(kind, sent, heard):
    lines = [obx(kind, f"Bottle {words}", units="", f8=flag) for words, flag in zip("abc", sent)]
    [found] = observations(oru(AT[0], *lines))
    assert told(found) == heard and found["valueString"].count("\n") == len(sent) - 1


@pytest.mark.hazard("HZ-HL7V2-35")
@pytest.mark.parametrize("words", [("5.1", "28.3"), ("<5", "> 28"), ("1:16", "1:128"), ("5.1 mmol/L", "28.3 mmol/L")])
def test_two_readings_sent_as_text_are_two_results(words):
    found = observations(oru(AT[0], obx("ST", words[0], units="", f8="N"), obx("ST", words[1], units="", f8="HH")))
    assert sorted(told(each) for each in found) == [["HH"], ["N"]]
    assert len(observations(oru(AT[0], *(obx("TX", each) for each in ("5.1", "28.3"))))) == 2


def resources(*texts: str, read: Feed, mapped: Feed) -> list[dict]:
    return map_rows([each for text in texts for each in rows(text.encode(), read)], mapped)


@pytest.mark.hazard("HZ-HL7V2-36")
@pytest.mark.parametrize(
    "settings",
    [{"authority": "RXX"}, {"authority_aliases": {"": "Z"}}, {"authority_aliases": {"": "Z"}, "authority": "RXX"}, {}],
)
def test_people_keep_their_keys_though_the_settings_of_the_feed_change(settings):
    bare = "PID|1||H1||Marsh^Ann||19700203|2"
    texts = [
        adt("A28", AT[0], bare),
        adt("A01", AT[1], bare, visit()),
        adt("A40", AT[2], bare, "MRG|H9"),
        adt("A28", AT[0], bare.replace("H1", "H9")),
    ]
    found = resources(*texts, read=Feed(), mapped=Feed(settings=settings))
    patients = {f"Patient/{each['id']}": each for each in found if each["resourceType"] == "Patient"}
    assert sorted(each["active"] for each in patients.values()) == [False, True]
    linked = [link["other"]["reference"] for each in patients.values() for link in each["link"]]
    assert sorted(linked) == sorted(patients)
    assert patients[one(found, "Encounter")["subject"]["reference"]]["active"]


@pytest.mark.hazard("HZ-HL7V2-36")
def test_an_order_without_a_number_is_one_though_an_identifier_is_added():
    bare, traced = pid("H1", "Ann", "2"), pid("H1", "Ann", "2", "9990001006")
    texts = [oru(AT[0], nm("7.9"), pid=bare, order="|"), oru(AT[1], nm("7.9", "W"), pid=traced, order="|")]
    assert values(*texts) == ["entered-in-error"]


def sent_as(text: str, control: str = "", at: str = "", issued: bool = True) -> str:
    """Return a message with another control id and time of sending, and without OBR-22."""
    header, rest = text.split("\r", 1)
    fields = header.split("|")
    issue = fields[6]
    fields[6], fields[9] = at or issue, control or fields[9]
    return "\r".join(["|".join(fields), rest if issued else rest.replace(f"|{issue}||LAB", "|||LAB")])


@pytest.mark.hazard("HZ-HL7V2-37")
@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([sent_as(oru(AT[0], nm("7.9")), "999"), sent_as(oru(AT[0], nm("7.9", "W")), "1000")], "entered-in-error"),
        ([sent_as(oru(AT[0], nm("7.9")), "999"), sent_as(oru(AT[0], nm("4.1", "C")), "1000")], "corrected 4.1"),
        ([sent_as(oru(AT[0], nm("7.9")), "x9z"), sent_as(oru(AT[0], nm("7.9", "W")), "x1z")], "entered-in-error"),
        ([sent_as(oru(AT[0], nm("7.9")), "x9z"), sent_as(oru(AT[0], nm("4.1", "C")), "x1z")], "corrected 4.1"),
        ([sent_as(oru(AT[0], nm("7.9")), "x9z"), sent_as(oru(AT[0], nm("4.1", "A")), "x1z")], "amended 4.1"),
        ([sent_as(oru(AT[0], nm("7.9", "P")), "x9z"), sent_as(oru(AT[0], nm("4.1")), "x1z")], "final 4.1"),
        ([oru(AT[0], nm("7.9")), sent_as(oru(AT[2], nm("7.9", "W")), at="2026132", issued=False)], "entered-in-error"),
        (
            [sent_as(oru(AT[1], nm("7.9")), issued=False), sent_as(oru(AT[0], nm("7.9", "W")), at=AT[2])],
            "entered-in-error",
        ),
        (
            [sent_as(oru(AT[1], nm("7.9")), issued=False), sent_as(oru(AT[0], nm("", "W")), at=AT[2])],
            "entered-in-error",
        ),
        ([oru(AT[1], nm("4.1")), sent_as(oru(AT[0], nm("7.9", "W")), at=AT[2])], "final 4.1"),
    ],
)  # fmt: skip
def test_a_withdrawal_or_correction_is_not_lost_by_equal_or_odd_clocks(texts, expected):
    assert values(*texts) == [expected]


def documents(*parts: tuple[str, bytes], kind: str = "PDF", count: bool = False) -> int:
    lines = [
        obx("ED", f"^application^{kind}^Base64^{base64.b64encode(data).decode()}", code="D^Letter", units="", sub=sub)
        for sub, data in parts
    ]
    if count:
        lines = [line.replace("OBX|1|", f"OBX|{sub}|", 1) for line, (sub, _) in zip(lines, parts)]
        lines = [line.replace(f"|D^Letter|{sub}|", "|D^Letter||") for line, (sub, _) in zip(lines, parts)]
    return len(one(map_text(oru(AT[0], *lines)), "DiagnosticReport").get("presentedForm", []))


PDF = [b"%PDF-1.4\n" + b"a" * 90, b"b" * 99, b"c" * 90 + b"\n%%EOF\n"]


@pytest.mark.hazard("HZ-HL7V2-38")
@pytest.mark.parametrize("count", [False, True])
@pytest.mark.parametrize(
    ("order", "shown"), [("123", 1), ("13", 0), ("12", 0), ("132", 0), ("23", 0)], ids=lambda each: str(each)
)
def test_a_document_with_a_gap_is_not_shown(order, shown, count):
    assert documents(*((number, PDF[int(number) - 1]) for number in order), count=count) == shown


@pytest.mark.hazard("HZ-HL7V2-38")
@pytest.mark.parametrize(
    ("kind", "whole"),
    [
        ("XML", b'<?xml version="1.0"?><doc><p>No malignancy in A.</p><p>Malignancy in B.</p></doc>'),
        ("RTF", b"{\\rtf1 {\\b No \\{malignancy\\}} in A {\\i but} {\\b in B}}"),
        ("HTML", b"<html><body><p>No malignancy in A.<br><table><tr><td>B</td></tr></table></body></html>"),
        ("HTML", b"<div><b>No malignancy</b> in A.<p>Malignancy in B.</p></div>"),
        ("PDF", b"%PDF-1.4\n" + b"x" * 200 + b"\nxref\ntrailer\nstartxref\n210\n%%EOF\n"),
    ],
    ids=["xml", "rtf", "html", "part of html", "pdf"],
)
def test_a_document_that_leaves_something_open_is_not_shown(kind, whole):
    assert documents(("", whole), kind=kind) == 1
    ends = [at + 1 for at, sign in enumerate(whole[:-2]) if chr(sign) in ">}"]
    cut = [whole[:at] for at in ends] if kind != "PDF" else [whole[:20] + whole[120:]]
    assert [documents(("", each), kind=kind) for each in cut] == [0] * len(cut)


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def tiff(order: str, strip: bytes) -> bytes:
    """Return a TIFF of one strip, which stands behind its directory."""
    entries = [(273, 4, 1, 8 + 2 + 24 + 4), (279, 4, 1, len(strip))]
    packed = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(entries))
    return head + packed + struct.pack(f"{order}I", 0) + strip


IMAGES = {
    "png": ("PNG", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"x" * 13) + chunk(b"IDAT", b"y" * 99) + chunk(b"IEND")),
    "tiff, little end first": ("TIFF", tiff("<", b"z" * 99)),
    "tiff, big end first": ("TIF", tiff(">", b"z" * 99)),
    "jpeg": ("JPEG", b"\xff\xd8\xff\xe0" + b"x" * 99 + b"\xff\xd9"),
    "gif": ("GIF", b"GIF89a" + b"x" * 99 + b";"),
}


@pytest.mark.hazard("HZ-HL7V2-46")
@pytest.mark.parametrize(("kind", "whole"), IMAGES.values(), ids=IMAGES)
def test_an_image_that_is_cut_off_is_not_shown(kind, whole):
    assert documents(("", whole), kind=kind) == 1 and documents(("", whole), kind="octet-stream") == 1
    cuts = [whole[:at] for at in range(9, len(whole) - 1, 7)]
    assert [documents(("", cut), kind=kind) for cut in cuts] == [0] * len(cuts)
    if kind == "PNG":
        assert documents(("", whole[:60] + whole[70:]), kind=kind) == 0, "a hole in the middle"


def overlapping(number: int) -> bytes:
    """Return a TIFF of so many directories of so many entries, each of which begins one entry after the one before."""
    data = bytearray(14 + 24 * number)
    data[:8] = b"II*\0" + struct.pack("<I", 8)
    for place in range(number):
        struct.pack_into("<H", data, 8 + 12 * place, number)
        following = 8 + 12 * (place + 1) if place + 1 < number else 0
        struct.pack_into("<I", data, 10 + 12 * (place + number), following)
    return bytes(data)


def repeated(number: int) -> bytes:
    """Return a TIFF whose one directory says many times where the same strips lie."""
    entries = struct.pack("<HHII", 273, 1, 12 * number, 8) * number
    return b"II*\0" + struct.pack("<IH", 8, number) + entries + bytes(4)


@pytest.mark.hazard("HZ-HL7V2-46")
@pytest.mark.parametrize("data", [overlapping(400), repeated(400)], ids=["directories", "strips"])
def test_a_tiff_that_says_more_than_fits_into_it_is_not_whole_and_is_not_walked(data, monkeypatch):
    walked: list[int] = []
    within = documents_of._are_within

    def counted(data, start, count, number):
        walked.append(count)
        return within(data, start, count, number)

    monkeypatch.setattr(documents_of, "_are_within", counted)
    assert not documents_of.is_tiff_whole(data)
    assert sum(walked) <= len(data) / 12


@pytest.mark.hazard("HZ-HL7V2-46")
def test_a_tiff_of_several_pages_is_whole_unless_its_directories_go_round():
    page = tiff("<", b"z" * 99)
    first = page[:34] + struct.pack("<I", len(page)) + page[38:]
    second = struct.pack("<H", 0) + bytes(4)
    assert documents_of.is_tiff_whole(first + second)
    assert not documents_of.is_tiff_whole(first + struct.pack("<HI", 0, 8))


@pytest.mark.hazard("HZ-HL7V2-46")
@pytest.mark.parametrize("kind", ["PDF", "JPEG", "TIFF", "PNG", "RTF"])
def test_a_document_that_is_not_what_it_is_said_to_be_is_not_shown(kind):
    assert documents(("", b"Dear colleague, no malignancy"), kind=kind) == 0


@pytest.mark.hazard("HZ-HL7V2-46")
@pytest.mark.parametrize(("kind", "is_told"), [("TEXT", True), ("octet-stream", True), ("PDF", False)])
def test_a_document_whose_end_nobody_can_tell_is_shown_and_says_so(kind, is_told):
    data = b"".join(PDF) if kind == "PDF" else b"Dear colleague"
    line = obx("ED", f"^application^{kind}^Base64^{base64.b64encode(data).decode()}", code="D^Letter", units="")
    report = one(map_text(oru(AT[0], line)), "DiagnosticReport")
    assert len(report["presentedForm"]) == 1
    assert ("may not be complete: Letter" in str(report.get("extension"))) is is_told


@pytest.mark.hazard("HZ-HL7V2-39")
def test_a_patient_who_went_home_is_not_an_inpatient_by_the_order_or_a_slip_of_times():
    came, went = "20250601080000", "20250602080000"
    late = [adt("A03", went, visit(ended=went), occurred=went), adt("A01", "20250602100000", visit(admitted=came))]
    slip = [adt("A01", came, visit()), adt("A03", went, visit(ended=went), occurred="20241202080000")]
    for texts in (late, slip):
        for order in itertools.permutations(texts):
            assert one(map_text(*order), "Encounter")["status"] == "finished"


@pytest.mark.hazard("HZ-HL7V2-26")
@pytest.mark.parametrize(("code", "is_named"), [("CRP", True), ("HB^Haemoglobin^LIMS", False)])
def test_a_withdrawal_names_what_was_held_before_a_second_person_came_unless_it_may_be_theirs(code, is_named):
    first, gone = oru(AT[0], nm("7.9")), oru(AT[1], nm("7.9", "W"))
    other = oru(AT[2], nm("4.1", code=code), pid="PID|1||H7^^^RXX^MR~9990001014^^^NHS||Stone^Ed||19500101|1")
    sent = [each for text in (first, gone, other) for each in rows(text.encode(), Feed())]
    told = SOURCE.withdrawn(Group(sent[0].groups[0], "RXX", tuple(sent)), DictLook("RXX", Feed()))
    held = {each["id"] for each in map_text(first) if each["resourceType"] == "Observation"}
    assert (held <= {each["id"] for each in told}) is is_named
