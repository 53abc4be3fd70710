"""The reader of HL7 v2 messages: separators, escapes, repetitions, deletion, and what it refuses."""

import pytest

from gateway.errors import Invalid
from mappings.hl7v2.message import DELETE, parse

HEADER = "MSH|^~\\&|PAS|RXX|TIE|RXX|20250101120000||ADT^A28|1|T|2.4"


def pid(field: str, header: str = HEADER) -> object:
    return parse(f"{header}\rPID|{field}")["PID"]


@pytest.mark.parametrize(
    "sent, words",
    [
        ("a\\F\\b", "a|b"),
        ("a\\S\\b", "a^b"),
        ("a\\T\\b", "a&b"),
        ("a\\R\\b", "a~b"),
        ("a\\E\\b", "a\\b"),
        ("a\\.br\\b", "a\nb"),
        ("caf\\XE9\\", "café"),
        ("Ha\\XC3A4\\r", "Haär"),
        ("Ha\\XC3\\\\XA4\\r", "Haär"),
        ("O\\X92\\Neill", "O\u2019Neill"),
        ("L4\\5 10\\S\\9/L", "L4\\5 10^9/L"),
        ("C:\\Labs\\T\\x\\S\\y", "C:\\Labs&x^y"),
        ("one\\.sp2\\two\\.in+4\\three", "one\ntwothree"),
        ("a\\XZZ\\b", "a\\XZZ\\b"),
        ("a\\X00\\\x00b", "ab"),
        ("\\H\\loud\\N\\", "loud"),
        ("x10\\S\\9/L", "x10^9/L"),
        ("a\\Zodd\\b", "a\\Zodd\\b"),
        ("one backslash \\ alone", "one backslash \\ alone"),
    ],
)
def test_escapes_become_the_signs_they_stand_for(sent, words):
    assert pid(sent).text(1) == words


def test_an_escaped_separator_does_not_separate():
    assert pid("Hart\\S\\x^Ann").text(1, 2) == "Ann"


@pytest.mark.parametrize("bare", ["PD1", "PV1 ", "ZZZ"])
def test_a_segment_that_is_only_its_name_is_passed_over(bare):
    message = parse(f"{HEADER}\r{bare}\rPID|1\r{bare}")
    assert [segment.name for segment in message.segments] == ["MSH", "PID"]


def test_a_message_whose_backslashes_were_doubled_is_read_as_it_was_meant():
    message = parse(HEADER.replace("\\", "\\\\") + "\rPID|10\\\\S\\\\9^b\\\\T\\\\c")
    assert message["PID"].text(1) == "10^9" and message["PID"].text(1, 2) == "b&c"


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end_separates_segments(end):
    assert parse(end.join([HEADER, "EVN|A28", "PID|1", ""]))["PID"].text(1) == "1"


def test_framing_bytes_are_passed_over():
    assert parse(f"\x0b{HEADER}\rPID|1\r\x1c\r")["PID"].text(1) == "1"


def test_header_fields_are_counted_as_hl7_counts_them():
    header = parse(HEADER)["MSH"]
    assert [header.text(n) for n in (3, 4, 9, 10, 12)] == ["PAS", "RXX", "ADT", "1", "2.4"] and header[1] == "|"


def test_the_fifth_sign_of_version_2_7_is_no_separator():
    message = parse(HEADER.replace("^~\\&", "^~\\&#") + "\rPID|a#b")
    assert message["PID"].text(1) == "a#b"


def test_other_separators_than_the_usual_ones_are_read():
    message = parse("MSH$%*/+$PAS$RXX$$$20250101$$ADT%A28$1$T$2.4\rPID$a/T/b%c*d")
    assert [each.text(1) for each in message["PID"].repetitions(1)] == ["a+b", "d"]


def test_deleted_and_empty_are_told_apart():
    segment = pid('""||x')
    assert (segment[1], segment[2], segment.text(1), segment.repetitions(1)) == (DELETE, "", "", [])


def test_repetitions_and_subcomponents():
    segment = pid("1^^^A&1.2.3&ISO~2^^^B")
    assert [each.text(4, 1) for each in segment.repetitions(1)] == ["A", "B"] and segment.text(1, 4, 2) == "1.2.3"


def test_what_is_not_there_answers_nothing():
    message = parse(HEADER)
    assert (
        not message["NK1"]
        and message["NK1"].text(2) == ""
        and message["MSH"].text(99) == ""
        and message.all("OBX") == []
    )


@pytest.mark.parametrize(
    "text, place",
    [
        ("", "MSH"),
        ("PID|1", "MSH"),
        ("MSH|^~", "MSH"),
        ("MSH|^~\\|PAS|RXX", "MSH-2"),
        ("MSH|^^\\&|PAS|RXX", "MSH-2"),
        (HEADER + "\rPID|1\rsecond line of a text", "segment 3"),
        (HEADER + "\rOB", "segment 2"),
    ],
)
def test_what_is_no_message_is_refused_by_its_place(text, place):
    with pytest.raises(Invalid, match=place):
        parse(text)
