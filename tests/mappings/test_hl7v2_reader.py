"""Files to rows: keys, order, publishers, batches, character sets, and what is turned away."""

import base64
import random
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.errors import Invalid, Refused
from gateway.fhir.build import encode
from mappings import Feed, Reject, Row
from mappings.hl7v2 import reader
from mappings.hl7v2.reader import check, read
from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_rows, oru, visit


def rows(tmp_path, payload: bytes, **feed) -> list:
    path = tmp_path / "in.hl7"
    path.write_bytes(payload)
    return [each for file in check(path, Feed(**feed)) for each in read(file, Feed(**feed))]


def one(tmp_path, text: str, **feed) -> Row:
    [found] = rows(tmp_path, text.encode(), **feed)
    assert isinstance(found, Row), found.reason
    return found


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_a_file_may_hold_many_messages_and_batch_headers(tmp_path, end):
    messages = [adt("A28", "20250101"), adt("A31", "20250102")]
    batch = "\r".join(["FHS|^~\\&|PAS", "BHS|^~\\&|PAS", *messages, "BTS|2", "FTS|1", ""]).encode()
    found = rows(tmp_path, batch.replace(b"\r", end))
    assert [row.values["event"] for row in found] == ["A28", "A31"] and [row.line for row in found] == [3, 6]


def test_mllp_frames_are_read(tmp_path):
    framed = b"".join(
        b"\x0b" + text.encode() + b"\r\x1c\r" for text in (adt("A28", "20250101"), adt("A31", "20250102"))
    )
    assert [row.values["event"] for row in rows(tmp_path, framed)] == ["A28", "A31"]


def test_the_same_message_again_has_the_same_key_and_another_content_another(tmp_path):
    text = adt("A28", "20250101")
    again = one(tmp_path, text.replace("\r", "\r\n") + "\r\n")
    assert one(tmp_path, text).key == again.key
    assert one(tmp_path, text.replace("Ann", "Anne")).key != again.key
    assert again.key.startswith("PAS|RXX|A28-20250101|")


def test_a_row_says_who_and_which_groups(tmp_path):
    row = one(tmp_path, adt("A01", "20250601", visit()))
    assert (row.table, row.publisher, row.patient) == ("ADT", "RXX", "RXX|H1")
    assert row.groups == ("pat:RXX|H1", "visit:RXX|V1")
    assert one(tmp_path, oru("20250601")).groups == ("order:LAB|F1", "pat:RXX|H1")


def test_a_merge_belongs_to_both_patients_and_the_visits_it_names(tmp_path):
    row = one(tmp_path, adt("A40", "20250601", "MRG|H2^^^RXX^MR||||V9^^^RXX"))
    assert row.groups == ("pat:RXX|H1", "pat:RXX|H2", "visit:RXX|V9")


def test_a_person_event_belongs_to_no_visit(tmp_path):
    assert one(tmp_path, adt("A31", "20250601", visit())).groups == ("pat:RXX|H1",)


@pytest.mark.parametrize(
    "pid, key",
    [
        ("PID|1||9990001006^^^NHS~H1^^^RXX^PI", "RXX|H1"),
        ("PID|1||9990001006^01^^^NI~H1^^^RXX", "RXX|H1"),
        ("PID|1||9990001006^^^NHSNBR^NHSNMBR~H1^^^SIM MRN^MRN", "SIM MRN|H1"),
        ("PID|1||H1", "|H1"),
        ("PID|1||A12^^^GOV^SS~H1^^^RXX^MR", "RXX|H1"),
        ("PID|1||H1^^^OLD^MR~H2^^^RXX^MR", "OLD|H1"),
    ],
)
def test_the_patient_is_keyed_by_a_local_number(tmp_path, pid, key):
    assert one(tmp_path, adt("A28", "20250101", pid)).patient == key


def test_the_feed_may_prefer_an_authority(tmp_path):
    row = one(tmp_path, adt("A28", "20250101", "PID|1||H1^^^OLD^MR~H2^^^RXX^MR"), settings={"authorities": ["RXX"]})
    assert row.patient == "RXX|H2"


@pytest.mark.hazard("HZ-HL7V2-12")
@pytest.mark.parametrize(
    "number",
    [
        "9990001006^^^NHS",
        "9990001006",
        "9990001006^01^^^NI",
        "999 000 1006^^^^NH",
        "9990001006^^^RXX^MR~9990001006^^^NHS",
        "999 000 1006^^^RXX~9990001006^^^^NH",
    ],
)
def test_an_nhs_number_is_never_a_key(tmp_path, number):
    [found] = rows(tmp_path, adt("A28", "20250101", f"PID|1||{number}").encode())
    assert isinstance(found, Reject) and "PID-3" in found.reason and "999" not in found.reason


@pytest.mark.parametrize(
    "settings, code",
    [({}, "RXX"), ({"senders": {"RXX": "RYY"}}, "RYY"), ({"senders": {"PAS|RXX": "RZZ", "RXX": "RYY"}}, "RZZ")],
)
def test_the_feed_may_name_the_trust_of_a_sender(tmp_path, settings, code):
    assert one(tmp_path, adt("A28", "20250101"), settings=settings).publisher == code


@pytest.mark.parametrize(
    "message, order",
    [
        (adt("A01", "20250102120000", occurred="20250101090000"), 202501010900000000),
        (adt("A01", "20250102120000"), 202501021200000000),
        (adt("A01", "", sent="20250103"), 202501030000000000),
        (adt("A01", "20250702120000"), 202507021100000000),
        (adt("A01", "20250702120000+0200"), 202507021000000000),
        (adt("A13", "20250102120000", occurred="20250101090000"), 202501021200000000),
        (oru("20250105120000.25"), 202501051200002500),
    ],
    ids=["EVN-6", "EVN-2", "MSH-7", "summer time", "offset", "a cancel happened when it was recorded", "OBR-22"],
)
def test_the_order_is_the_time_of_the_event(tmp_path, message, order):
    found = one(tmp_path, message).order
    assert found == order and found < 2**63


@pytest.mark.parametrize(
    "charset, encoding",
    [("UNICODE UTF-8", "utf-8"), ("UNICODE", "utf-8"), ("8859/1", "latin-1"), ("", "cp1252"), ("ASCII", "cp1252")],
)
def test_the_character_set_is_the_one_declared_else_the_feeds(tmp_path, charset, encoding):
    text = adt("A28", "20250101", PID.replace("Ann", "Zoë")).replace("|T|2.4", f"|T|2.4||||||{charset}")
    [found] = rows(tmp_path, text.encode(encoding), encoding="cp1252")
    assert "Zoë" in found.values["message"]


@pytest.mark.parametrize("charset", ["ISO IR87", "UTF8-UNICODE", "BIG-5"])
def test_a_character_set_nobody_knows_is_turned_away_unless_its_letters_are_plain(tmp_path, charset):
    plain = adt("A28", "20250101").replace("|T|2.4", f"|T|2.4||||||{charset}")
    assert one(tmp_path, plain).key
    assert rows(tmp_path, plain.replace("Ann", "Zoë").encode()) == [
        Reject("message 1", "MSH-18: character set not known")
    ]


def test_bytes_of_another_character_set_are_turned_away(tmp_path):
    text = adt("A28", "20250101", PID.replace("Ann", "Zoë")).replace("|T|2.4", "|T|2.4||||||UNICODE")
    assert rows(tmp_path, text.encode("latin-1")) == [Reject("message 1", "MSH-18: bytes of another character set")]


@pytest.mark.hazard("HZ-HL7V2-13")
@pytest.mark.parametrize(
    "cut, reason",
    [
        (oru("20250601", "OBX|1|NM|HB^Hb^L||140|g/L|||||F")[:-18], "OBX-11"),
        (adt("A28", "20250101").split("\rPID")[0], "PID"),
        (oru("20250601").split("\rOBR")[0], "OBR"),
        ("\x0b" + adt("A28", "20250101"), "truncated"),
        (adt("A28", "20250101")[:30], "MSH"),
    ],
    ids=["inside a value", "before the patient", "before the result", "frame not ended", "inside the header"],
)
def test_a_truncated_message_is_turned_away_and_the_next_one_read(tmp_path, cut, reason):
    found = rows(tmp_path, (adt("A31", "20250102") + "\r" + cut + "\r" + adt("A08", "20250103")).encode())
    kept = [row.values["event"] for row in found if isinstance(row, Row)]
    rejects = [each for each in found if isinstance(each, Reject)]
    assert kept == ["A31", "A08"] and rejects[0].place == "message 2" and reason in rejects[0].reason
    assert not any(secret in rejects[0].reason for secret in ("Marsh", "9990001006", "140"))


@pytest.mark.parametrize(
    "message, reason",
    [
        (adt("A17", "20250101"), "MSH-9"),
        (adt("A28", "20250101").replace("ADT^A28", "MDM^T02"), "MSH-9"),
        (adt("A28", "2025010", sent="20250101"), "EVN-2"),
        (adt("A28", "20250101", PID.replace("19700203", "19701341")), "PID-7"),
        (adt("A40", "20250101"), "MRG-1"),
        (adt("A40", "20250101", "MRG|H1^^^RXX^MR"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001014^^^NHS"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001014^^^RXX^MR~9990001014^^^NHS"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001006^^^RXX^MR"), "MRG-1"),
        (oru("20250101", order="|"), "OBR-3"),
        (adt("A28", "20250101").replace("|PAS|RXX", "|PAS|"), "MSH-4"),
        (adt("A28", "20250101").replace("A28-20250101", ""), "MSH-10"),
        (adt("A28", "20250101", PID, DEAD), "more than one PID"),
    ],
)
def test_what_is_not_understood_is_turned_away_by_its_field(tmp_path, message, reason):
    [found] = rows(tmp_path, message.encode())
    assert isinstance(found, Reject) and reason in found.reason


def test_words_between_messages_are_turned_away(tmp_path):
    found = rows(tmp_path, (adt("A28", "20250101") + "\rnot a segment\r" + adt("A31", "20250102")).encode())
    assert [type(each) for each in found] == [Reject, Row]


def test_a_folder_is_read_in_order_of_name(tmp_path):
    for name in ("b.txt", "a.hl7", "c.DAT"):
        (tmp_path / name).write_text(adt("A28", "20250101"))
    (tmp_path / "notes.md").write_text("no message")
    assert [path.name for path in check(tmp_path, Feed())] == ["a.hl7", "b.txt", "c.DAT"]


@pytest.mark.parametrize("content", [b"", b"EmisCode,Term\n", "MSH".encode("utf-16")])
def test_a_file_of_another_kind_is_refused_by_name(tmp_path, content):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(Refused, match="file 1 .no name.: not HL7 v2"):
        check(tmp_path, Feed())


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(Refused):
        check(tmp_path, Feed())


def test_any_order_of_arrival_makes_the_same_resources(tmp_path):
    texts = [
        adt("A01", "20250601080000", visit()),
        adt("A02", "20250601120000", visit(ward="W2")),
        adt("A12", "20250601130000", visit(ward="W1^B1^1"), occurred="20250601120000"),
        adt("A03", "20250602090000", visit(ended="20250602090000", f37="19")),
        adt("A13", "20250602100000", visit(ended="20250602090000"), occurred="20250602090000"),
        adt("A31", "20250601080000", PID.replace("Marsh", "Reed")),
        adt("A40", "20250603090000", "MRG|H2^^^RXX^MR"),
        adt("A08", "20250604090000", DEAD),
        oru("20250601090000", "OBX|1|NM|HB^Hb^L||140|g/L|||||F"),
        oru("20250601100000", "OBX|1|NM|HB^Hb^L||104|g/L|||||C", status="C"),
        oru("20250601110000", "OBX|1|NM|HB^Hb^L||141|g/L|||||P", status="P"),
    ]
    found = [row for text in texts for row in rows(tmp_path, text.encode())]
    expected = map_rows(found, Feed())
    for seed in range(20):
        random.Random(seed).shuffle(found)
        assert map_rows(found + found[:3], Feed()) == expected


DAMAGE = ["", "|", "^", "~", "&", "\\", '""', "\r", "\x00", "99999999999999", "é", "MSH|", "\\X", "-", "^^^^^^^^^"]


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_message_is_turned_away_or_mapped_and_never_a_crash(tmp_path, seed):
    chance = random.Random(seed)
    samples = Path(__file__).parents[2] / "mappings" / "hl7v2" / "samples"
    whole = "".join(path.read_text(encoding="utf-8") for path in sorted(samples.glob("*.hl7"))).replace("\n", "\r")
    for _ in range(40):
        text = whole
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(DAMAGE) + text[at + chance.choice((0, 1, 5, 200)) :]
        found = [each for each in rows(tmp_path, ("MSH" + text[3:]).encode()) if isinstance(each, Row)]
        with suppress(Invalid):
            for made in map_rows(found, Feed()):
                encode(made)


def test_a_document_of_16_mib_is_accepted(tmp_path):
    document = base64.b64encode(bytes(1 << 24)).decode()
    row = one(tmp_path, oru("20250601", f"OBX|1|ED|DOC^Letter^L||^AP^PDF^Base64^{document}||||||F"))
    assert document in row.values["message"]


@pytest.mark.parametrize("size", [200, 3_000, 50_000])
@pytest.mark.parametrize("end", ["\r", "\r\n"])
def test_a_message_that_is_too_long_is_a_reject_by_its_line_and_the_rest_is_read(tmp_path, monkeypatch, size, end):
    monkeypatch.setattr(reader, "LONGEST", 1_000)
    notes = end.join([f"NTE|1||{'x' * size}"] * (2_000 // size + 1))
    payload = end.join(["FHS|" + "x" * size, adt("A28", "20250101"), notes, adt("A31", "20250102"), ""])
    payload = payload.replace("\r\n", "\r").replace("\r", end)
    broken, row = rows(tmp_path, payload.encode())
    assert broken == Reject("message 1", "longer than 0 MiB (line 2)")
    assert row.values["event"] == "A31"
