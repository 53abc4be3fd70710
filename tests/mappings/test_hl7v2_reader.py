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
from mappings.hl7v2.message import parse
from mappings.hl7v2.reader import check, read
from tests.mappings.harness_hl7v2 import DEAD, PID, adt, map_rows, map_text, oru, visit


def rows(tmp_path, payload: bytes, **feed) -> list:
    path = tmp_path / "in.hl7"
    path.write_bytes(payload)
    return [each for file in check(path, Feed(**feed)) for each in read(file, Feed(**feed))]


def one(tmp_path, text: str, **feed) -> Row:
    [found] = [each for each in rows(tmp_path, text.encode(), **feed) if isinstance(each, Reject) or not each.aside]
    assert isinstance(found, Row), found.reason
    return found


def merges(tmp_path, text: str, **feed) -> dict[str, str]:
    """Retired number → survivor, as the rows that are looked up say."""
    found = [each for each in rows(tmp_path, text.encode(), **feed) if isinstance(each, Row) and each.table == "MERGE"]
    assert all(each.aside and not each.groups for each in found)
    return {each.key: each.values["survivor"] for each in found}


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
        (adt("A43", "20250101"), "MSH-9: ADT^A43 is not read"),
        (adt("A28", "20250101").replace("ADT^A28", "DFT^P03"), "MSH-9: DFT^P03 is not read"),
        (adt("A28", "20250101").replace("ADT^A28", "Marsh^9990001006"), "MSH-9: a message of another type is not read"),
        (adt("A40", "20250101"), "MRG-1"),
        (adt("A40", "20250101", "MRG|H1^^^RXX^MR"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001014^^^NHS"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001014^^^RXX^MR~9990001014^^^NHS"), "MRG-1"),
        (adt("A40", "20250101", "MRG|9990001006^^^RXX^MR"), "MRG-1"),
        (adt("A28", "20250101").replace("|PAS|RXX", "||"), "MSH-4"),
        (adt("A28", "20250101", PID, "PID|1|||||||19700203"), "more than one PID"),
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
    with pytest.raises(Refused, match="file 1: not HL7 v2"):
        check(tmp_path, Feed())


@pytest.mark.hazard("HZ-HL7V2-70")
def test_an_empty_file_or_a_note_beside_messages_is_a_reject_by_name_and_the_messages_are_read(tmp_path):
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "readme.txt").write_text("Sent by the trust on Monday\n")
    (tmp_path / "x.hl7").write_text(adt("A28", "20250101"))
    found = [(file.shown, each) for file in check(tmp_path, Feed()) for each in read(file, Feed())]
    assert [shown for shown, _ in found] == ["file 1", "file 2", "file 3"]
    empty, note, row = (each for _, each in found)
    assert empty == Reject("", "a file without messages") and not empty.payload
    assert note == Reject("message 1", "MSH") and note.payload and row.values["event"] == "A28"


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


@pytest.mark.hazard("HZ-HL7V2-71")
@pytest.mark.parametrize(
    "message, lost",
    [
        (adt("A28", "2025010", sent="20250101"), "EVN-2"),
        (adt("A28", "20250101", PID.replace("19700203", "19701341")), "PID-7"),
        (adt("A28", "20250101", PID.replace("19700203", "0000")), "PID-7"),
        (adt("A03", "20250101", visit(admitted="20241230", ended="2025010112300012")), "PV1-45"),
        (adt("A03", "20250101", "DG1|1||I10^Hypertension|||F", "PR1|1||X^Y||yesterday"), "PR1-5"),
        (adt("A28", "20250101", "AL1|1|DA|P^Penicillin|||99999999"), "AL1-6"),
        (oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F|||202506012400"), "OBX-14"),
        (oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F").replace("20250601080000", "01/06/2025"), "OBR-7"),
        (oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F|||20250601120000+9900"), "OBX-14"),
        (oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F|||000101010000+0200"), "OBX-14"),
    ],
)
def test_a_bad_time_costs_its_field_and_a_warning_and_the_message_is_kept_as_sent(tmp_path, message, lost):
    row = one(tmp_path, message)
    assert row.warnings == ((lost, "not a time, left out"),)
    assert row.values["sent"].rstrip("\r") == message
    name, _, number = lost.partition("-")
    assert parse(row.values["message"])[name][int(number)] == ""
    map_rows([row], Feed())


def test_a_message_without_a_fault_is_kept_once_and_without_a_warning(tmp_path):
    row = one(tmp_path, oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F"))
    assert not row.warnings and "sent" not in row.values


@pytest.mark.parametrize(
    "sent, read",
    [
        ("2025-05-05 23:23:28", "20250505232328"),
        ("2025-05-05T23:23:28.25Z", "20250505232328.25+0000"),
        ("2025-05-05T23:23+01:00", "202505052323+0100"),
        ("2025-05-05", "20250505"),
    ],
)
def test_a_time_of_iso_8601_is_read_and_not_left_out(tmp_path, sent, read):
    row = one(tmp_path, oru("20250601", f"OBX|1|NM|K^K^L||7.9|mmol/L|||||F|||{sent}"))
    assert not row.warnings and parse(row.values["message"])["OBX"][14] == read


@pytest.mark.hazard("HZ-HL7V2-72")
@pytest.mark.parametrize(
    "header, taken, settings, expected",
    [
        ("20250701120000+0000", "202507011130", {}, "202507011130+0000"),
        ("20250701120000+0000", "202507011130", {"ignore_msh7_offset": True}, "202507011130"),
        ("20250701120000+0100", "202501011130", {}, "202501011130"),
        ("20250701120000-0500", "202507011130+0200", {}, "202507011130+0200"),
        ("20250701120000-0500", "20250701", {}, "20250701"),
        ("20250701120000-0500", "2025070111", {}, "2025070111"),
        ("2025-07-01T12:00:00-05:00", "202507011130", {}, "202507011130-0500"),
    ],
    ids=[
        "the header's",
        "a sender whose header is in another zone",
        "local time, as the header is",
        "a time with its own",
        "a day",
        "an hour alone",
        "of ISO 8601",
    ],
)
def test_the_offset_of_the_header_is_that_of_times_without_one(tmp_path, header, taken, settings, expected):
    text = oru("20250601", f"OBX|1|TS|T^T^L||{taken}||||||F").replace("|20250601|", f"|{header}|", 1)
    row = one(tmp_path, text.replace("20250601080000", taken), settings=settings)
    message = parse(row.values["message"])
    assert message["OBR"][7] == expected and message["PID"][7] == "19700203"
    assert message["OBX"][5] == expected


@pytest.mark.hazard("HZ-HL7V2-73")
@pytest.mark.parametrize(
    "last",
    [
        "OBX|1|NM|K^K^L||7.9|mmol/L",
        "OBX|1|NM|K^K^L||7.9|mmol/L|3.5-5.3|HH|||",
        "OBX|1|TX|C^Comment^L||Haemolysed",
        "OBX|1|NM|K^K^L||7.9|mmol/L|||||F\rOBX|",
        "OBX|1|NM|A^A^L||1\rOBX|2|NM|K^K^L||7.9\r",
        "OBX|1|ED|D^Letter^L||",
    ],
)
def test_a_result_without_a_status_is_taken(tmp_path, last):
    assert one(tmp_path, oru("20250601", last)).table == "ORU"


@pytest.mark.hazard("HZ-HL7V2-13")
@pytest.mark.parametrize("last", ["OBX|1|NM|K^K^L||13", "OBX|1|NM|K^K^L", "OBX|1|NM|A^A^L||1\rOBX|2|NM|K^K^L||13"])
def test_a_number_that_may_be_cut_off_is_a_reject(tmp_path, last):
    [found] = rows(tmp_path, oru("20250601", last).encode())
    assert isinstance(found, Reject) and "OBX-11" in found.reason and "13" not in found.reason


def test_what_an_adt_message_ends_with_is_not_asked_for_a_status(tmp_path):
    assert one(tmp_path, adt("A08", "20250601", "OBX|1|CE|ADMCAT||1")).table == "ADT"


@pytest.mark.parametrize(
    "message, settings, publisher",
    [
        (adt("A28", "20250101").replace("|PAS|RXX", "|PAS|"), {}, "PAS"),
        (adt("A28", "20250101").replace("|PAS|RXX", "|PAS|"), {"publisher": "RXX"}, "RXX"),
        (adt("A28", "20250101").replace("|PAS|RXX", "||"), {"publisher": "RXX"}, "RXX"),
        (adt("A28", "20250101").replace("|PAS|RXX", "|PAS|"), {"senders": {"PAS|": "RYY"}, "publisher": "RXX"}, "RYY"),
    ],
)
def test_the_publisher_where_the_facility_is_empty(tmp_path, message, settings, publisher):
    assert one(tmp_path, message, settings=settings).publisher == publisher


def test_a_message_without_a_control_id_is_keyed_by_its_text(tmp_path):
    first, second = (adt("A28", day).replace(f"A28-{day}", "") for day in ("20250101", "20250102"))
    assert (
        one(tmp_path, first).key != one(tmp_path, second).key and one(tmp_path, first).key == one(tmp_path, first).key
    )


@pytest.mark.parametrize(
    "message, order",
    [
        (adt("A01", "20250102", sent=" "), 202501020000000000),
        (oru("", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F"), 202506010700000000),
        (oru("", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F").replace("20250601080000", ""), 0),
    ],
    ids=["EVN-2", "OBR-7", "none at all"],
)
def test_a_message_without_the_time_of_its_header_is_taken(tmp_path, message, order):
    row = one(tmp_path, message)
    assert row.order == order and any(place == "MSH-7" for place, _ in row.warnings) == (not order)


@pytest.mark.hazard("HZ-HL7V2-74")
def test_an_order_without_a_number_is_keyed_by_whose_what_and_when(tmp_path):
    def group(**changed: str) -> str:
        text = oru("20250601", f"OBX|1|NM|K^K^L||{changed.pop('value', '7.9')}|mmol/L|||||F", order="|^LAB", **changed)
        return one(tmp_path, text).groups[0]

    assert group().startswith("order:digest:|") and "H1" not in group() and "9990001006" not in group()
    assert group(status="C", value="4.1") == group(), "a correction reaches what it corrects"
    assert len({group(), group(code="UE^Urea^LIMS"), group(pid=DEAD)}) == 3


@pytest.mark.hazard("HZ-HL7V2-12")
def test_a_patient_of_whom_only_an_nhs_number_is_sent_is_keyed_by_it_and_the_birth_date(tmp_path):
    def key(pid: str) -> str:
        return one(tmp_path, oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F", pid=pid)).patient

    own = key("PID|1||9990001006^^^NHS||Marsh^Ann||19700203|2")
    assert own.startswith("nhs:|") and "9990001006" not in own
    assert key("PID|1|999 000 1006^^^NHS^NH|||Marsh^Ann||19700203|2") == own, "also of PID-2"
    assert key("PID|1||9990001006^^^NHS||Other^Bob||19800101|1") != own, "a number that is wrongly another's"
    assert key("PID|1|9990001006^^^NHS|H1^^^RXX||Marsh^Ann||19700203|2") == "RXX|H1"


@pytest.mark.hazard("HZ-HL7V2-75")
@pytest.mark.parametrize(
    "pid",
    [
        "PID|1||||Marsh^Ann||19700203|2",
        "PID|1||9990001006^^^NHS||Marsh^Ann||0000|2",
        "PID|1||9990001007^^^NHS||Marsh^Ann||19700203|",
        "PID|1||9990001007^^^NHS||Marsh^Baby||19700203|2",
        "PID|1||999000100^^^NHS||Marsh^Ann||19700203|2",
        "PID|1||9999999999^^^NHS||Marsh^Ann||19700203|2",
        "PID|1|12345|||Marsh^A||19700203|2",
        "PID|1||A12^^^GOV^SS||Marsh^Ann||19700203|2",
        "PID|1|||12345|Marsh^Ann||19000101|2",
    ],
    ids=["a name", "no birth date", "no sex", "no given name", "nine digits", "a repeated digit", "PID-2 and an initial", "another kind", "PID-4 and a placeholder"],
)  # fmt: skip
def test_who_would_have_to_be_guessed_is_refused(tmp_path, pid):
    [found] = rows(tmp_path, oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F", pid=pid).encode())
    assert isinstance(found, Reject) and found.reason.startswith("PID-3") and found.payload


ANN = "Marsh^Ann||19700203|2"
PLACEHOLDERS = ["UNKNOWN", "NULL", "N/A NONE", "Not known", "0000000", "9999999", "111-111", "UNKNOWN 12", "A1111", "-"]


@pytest.mark.hazard("HZ-HL7V2-52")
@pytest.mark.parametrize("field", [2, 4])
@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_two_people_of_one_name_with_a_placeholder_for_a_number_are_not_one(tmp_path, placeholder, field):
    pid = f"PID|1|{placeholder}|||{ANN}" if field == 2 else f"PID|1|||{placeholder}|{ANN}"
    for sent in (oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F", pid=pid), adt("A28", "20250601", pid)):
        [found] = rows(tmp_path, sent.encode())
        assert isinstance(found, Reject) and found.reason.startswith("PID-3") and found.payload


@pytest.mark.hazard("HZ-HL7V2-52")
@pytest.mark.parametrize("placeholder", ["UNKNOWN", "null", "N/A", "Not known", "0", "0000000", "-"])
def test_a_placeholder_is_no_hospital_number_though_an_authority_stands_beside_it(tmp_path, placeholder):
    [found] = rows(tmp_path, adt("A28", "20250601", f"PID|1||{placeholder}^^^RXX^MR||{ANN}").encode())
    assert isinstance(found, Reject) and found.reason.startswith("PID-3")
    beside = one(tmp_path, adt("A28", "20250601", f"PID|1||{placeholder}^^^RXX^MR~H5^^^RXX^MR||{ANN}"))
    assert beside.patient == "RXX|H5"
    [merged] = rows(tmp_path, adt("A40", "20250601", PID, f"MRG|{placeholder}^^^RXX^MR").encode())
    assert isinstance(merged, Reject) and merged.reason == "MRG-1", "nobody is retired"


def test_a_separator_may_be_a_letter_of_several_bytes(tmp_path):
    text = adt("A28", "20250601").replace("^~\\&", "^~\u00a7&", 1)
    assert one(tmp_path, text).patient == "RXX|H1"


@pytest.mark.parametrize(("first", "second"), [("utf-8", "8859/1"), ("8859/1", "cp1252")])
def test_a_message_has_one_key_in_every_character_set(tmp_path, first, second):
    payload = oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F", pid=PID.replace("Ann", "Zo\u00eb")).encode()
    other = payload.split(b"\r", 1)[1].replace(b"H1^^^", b"H2^^^")
    for sent in (payload, payload + b"\r" + other):
        keys = [[row.key for row in rows(tmp_path, sent, settings={"charset": name})] for name in (first, second)]
        assert keys[0] == keys[1] and len(set(keys[0])) == len(keys[0]) == 1 + (sent != payload)


@pytest.mark.hazard("HZ-HL7V2-47")
@pytest.mark.parametrize(
    ("pid", "settings"),
    [
        (f"PID|1||9990001007^^^NHS||{ANN}", {}),
        (f"PID|1|12345|||{ANN}", {}),
        (f"PID|1|||12345^^^^DNI|{ANN}", {}),
        (f"PID|1||3333333333^^^NHS||{ANN}", {"test_numbers": ["3333333333"]}),
    ],
    ids=["check digit", "PID-2", "PID-4", "a test number"],
)
def test_a_number_that_proves_nothing_is_taken_with_names_birth_date_and_sex_and_joins_nobody_else(
    tmp_path, pid, settings
):
    def key(text: str) -> str:
        row = one(tmp_path, oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F", pid=text), settings=settings)
        assert row.patient.startswith("claimed:|") and "no number that proves" in str(row.warnings)
        return row.patient

    assert key(pid) == key(pid.replace("Ann", "ANN"))
    others = [("Ann", "Eve"), ("Marsh", "Stone"), ("19700203", "19700204"), ("203|2", "203|1")]
    assert len({key(pid), *(key(pid.replace(*change)) for change in others)}) == 5
    made = map_text(adt("A28", "20250601", pid + "|||1 High Street|||020"), settings=settings)
    [patient] = [each for each in made if each["resourceType"] == "Patient"]
    assert not {"address", "telecom"} & set(patient)
    assert pid.split("|")[4 if "DNI" in pid else 2 if "|12345|" in pid else 3].split("^")[0] in str(
        patient["identifier"]
    )


def test_the_feed_may_name_other_fields_that_hold_the_patients_number(tmp_path):
    row = one(tmp_path, adt("A28", "20250101", "PID|1|||H9|Marsh^Ann"), settings={"identifier_fields": [4]})
    assert row.patient == "|H9"


@pytest.mark.hazard("HZ-HL7V2-76")
@pytest.mark.parametrize(
    "pid, mrg, settings, prior",
    [
        ("H1^^^RXX^MR", "H2", {}, "RXX|H2"),
        ("H1^^^RXX^MR~9990001006^^^NHS", "H2", {}, "RXX|H2"),
        ("H1^^^RXX^MR~X1^^^GP^PI", "H2~X2", {}, ["RXX|H2", "GP|X2"]),
        ("H1^^^RXX^MR~X1^^^GP^PI", "H2^^^^MR", {}, "RXX|H2"),
        ("H1", "H2", {}, "|H2"),
        ("H1", "H2", {"authority": "RXX"}, "RXX|H2"),
        ("H1^^^OLD", "H2^^^RXX", {"authority_aliases": {"OLD": "RXX"}}, "RXX|H2"),
    ],
)
def test_a_retired_number_without_authority_is_of_the_survivors(tmp_path, pid, mrg, settings, prior):
    text = adt("A40", "20250601", f"PID|1||{pid}||Marsh^Ann||19700203", f"MRG|{mrg}")
    found = merges(tmp_path, text, settings=settings)
    assert list(found) == ([prior] if isinstance(prior, str) else prior)
    assert set(found.values()) == {one(tmp_path, text, settings=settings).patient}
    assert f"pat:{list(found)[0]}" in one(tmp_path, text, settings=settings).groups


@pytest.mark.hazard("HZ-HL7V2-76")
def test_a_retired_number_that_may_be_of_two_authorities_is_refused(tmp_path):
    text = adt("A40", "20250601", "PID|1||H1^^^RXX^MR~X1^^^GP^PI||Marsh^Ann||19700203", "MRG|H2")
    [found] = rows(tmp_path, text.encode())
    assert isinstance(found, Reject) and found.reason.startswith("MRG-1") and found.payload == text.encode()


def test_a_merge_of_several_pairs_is_several_merges(tmp_path):
    text = adt("A40", "20250601", PID, "MRG|H2^^^RXX", PID.replace("H1", "H3"), "MRG|H4^^^RXX")
    assert merges(tmp_path, text) == {"RXX|H2": "RXX|H1", "RXX|H4": "RXX|H3"}


def test_a_result_message_of_several_patients_is_one_row_each(tmp_path):
    first = oru("20250601", "OBX|1|NM|K^K^L||7.9|mmol/L|||||F")
    second = oru("20250601", "OBX|1|NM|K^K^L||4.1|mmol/L|||||F", pid=DEAD, order="|F2^LAB").split("\r", 1)[1]
    found = rows(tmp_path, f"{first}\r{second}".encode())
    assert [(row.patient, row.groups[0]) for row in found] == [("RXX|H1", "order:LAB|F1"), ("RXX|H2", "order:LAB|F2")]
    assert "7.9" in found[0].values["message"] and "7.9" not in found[1].values["message"]


@pytest.mark.parametrize(
    "charset, sent, read",
    [
        ("8859/1", b"O\x92Neill", "O\u2019Neill"),
        ("UNICODE UTF-8", "O\u0092Neill".encode(), "O\u2019Neill"),
        ("8859/2", "Łuk".encode("iso-8859-2"), "Łuk"),
        ("8859/15", "€".encode("iso-8859-15"), "€"),
    ],
)
def test_letters_of_windows_where_a_set_has_none_are_read_and_told(tmp_path, charset, sent, read):
    text = adt("A28", "20250101", PID.replace("Marsh", "MARSH")).replace("|T|2.4", f"|T|2.4||||||{charset}").encode()
    [row] = rows(tmp_path, text.replace(b"MARSH", sent))
    assert f"||{read}^Ann" in row.values["message"]
    assert bool(row.warnings) == ("\u2019" in read) and all(place == "MSH-18" for place, _ in row.warnings)


def test_the_feed_may_overrule_the_character_set_that_messages_declare(tmp_path):
    text = adt("A28", "20250101", PID.replace("Ann", "Zoë")).replace("|T|2.4", "|T|2.4||||||UNICODE UTF-8")
    [found] = rows(tmp_path, text.encode("cp1252"), settings={"charset": "WINDOWS-1252"})
    assert "Zoë" in found.values["message"]


BATCHES = [
    ("BHS|^~\\&\r{}\r{}\rBTS|2\r", []),
    ("FHS|^~\\&\rBHS|^~\\&\r{}\rBTS|1\rBHS|^~\\&\r{}\rBTS|1\rFTS|2\r", []),
    ("BHS|^~\\&\r{}\r{}\rBTS\r", []),
    ("{}\r{}\r", []),
    ("{}\r{}\rBTS|2\r", []),
    ("BHS|^~\\&\r{}\r{}\rBTS|5\r", ["BTS-1 of batch 1 (5 said, 2 there)"]),
    ("BHS|^~\\&\r{}\r{}\rBTS|1\r", ["BTS-1 of batch 1 (1 said, 2 there)"]),
    ("BHS|^~\\&\r{}\r{}\r", ["BTS of batch 1"]),
    ("FHS|^~\\&\rBHS|^~\\&\r{}\r{}\r", ["BTS of batch 1", "FTS of the file"]),
    ("FHS|^~\\&\rBHS|^~\\&\r{}\rBTS|1\rBHS|^~\\&\r{}\r", ["BTS of batch 2", "FTS of the file"]),
    ("BHS|^~\\&\r{}\rBHS|^~\\&\r{}\rBTS|1\r", ["BTS of batch 1"]),
    ("FHS|^~\\&\rBHS|^~\\&\r{}\r{}\rBTS|2\rFTS|3\r", ["FTS-1 of the file (3 said, 1 there)"]),
    ("FHS|^~\\&\rBHS|^~\\&\r{}\r{}\rFTS|1\r", ["BTS of batch 1"]),
    ("FHS$^~\\&\rBHS$^~\\&\r{}\r{}\rBTS$3\rFTS$1\r", ["BTS-1 of batch 1 (3 said, 2 there)"]),
]


@pytest.mark.hazard("HZ-HL7V2-77")
@pytest.mark.parametrize("batch, places", BATCHES)
def test_a_batch_that_is_not_whole_says_so_and_what_is_there_is_read(tmp_path, batch, places):
    found = rows(tmp_path, batch.format(adt("A28", "20250101"), adt("A31", "20250102")).encode())
    assert [row.values["event"] for row in found if isinstance(row, Row)] == ["A28", "A31"]
    assert [reject.place for reject in found if isinstance(reject, Reject)] == places


INSIDE = "|PAS|RXX|TIE|RXX|20250101"


@pytest.mark.hazard("HZ-HL7V2-77")
@pytest.mark.parametrize(
    ("header", "kept", "places"),
    [
        (f"BHS|^~\\&{INSIDE}", ["A28"], []),
        (f"FHS|^~\\&{INSIDE}", ["A28"], ["FTS of the file"]),
        (f"BHS|^~\\&{INSIDE}\r" + adt("A31", "20250102").split("\rPID")[0], ["A31"], ["message 1"]),
        ("BHS|^~\\&|LIMS|RYY|TIE|RXX|20250101", [], ["message 1", "BTS-1 of batch 1 (1 said, 0 there)"]),
        (f"BTS|1\rBHS|^~\\&{INSIDE}", [], ["message 1", "BTS-1 of batch 2 (1 said, 0 there)"]),
    ],
)
def test_a_header_of_a_batch_inside_a_message_is_passed_over_where_its_sender_is_the_messages(
    tmp_path, header, kept, places
):
    head, pid = adt("A28", "20250101").split("\rPID")
    found = rows(tmp_path, f"{head}\r{header}\rPID{pid}\rBTS|1\r".encode())
    assert [row.values["event"] for row in found if isinstance(row, Row)] == kept
    assert [reject.place for reject in found if isinstance(reject, Reject) and reject.place != "message 2"] == places


@pytest.mark.hazard("HZ-HL7V2-13")
@pytest.mark.parametrize(
    ("frame", "is_read"), [("\x0b{}\r\x1c\r", True), ("\x0b{}\x1c\r", True), ("\x0b{}\r", False), ("{}\r\n", False)]
)
def test_the_end_of_a_frame_proves_that_a_number_is_whole_and_a_line_end_does_not(tmp_path, frame, is_read):
    [found] = rows(tmp_path, frame.format(oru("20250601", "OBX|1|NM|K^K^L||13")).encode())
    assert isinstance(found, Row) == is_read


@pytest.mark.hazard("HZ-HL7V2-78")
@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (
            ["OBX|1|TX|C^Comment^L||No growth.", "HIV", "Repeat in 2 weeks.||||||F"],
            "No growth.\nHIV\nRepeat in 2 weeks.",
        ),
        (["OBX|1|FT|C^Comment^L||No growth.", "seen||||||C|"], "No growth.\nseen"),
        (["OBX|1|TX|C^Comment^L||No growth.", "Repeat"], None),
        (["OBX|1|TX|C^Comment^L||No growth.", "Repeat||||||Q"], None),
        (["OBX|1|TX|C^Comment^L||No", "growth|||", "more||||||F"], None),
        (["OBX|1|NM|K^K^L||13", "5||||||F"], None),
        (["OBX|1|CE|K^K^L||A^", "B||||||F"], None),
        (["OBX|1|TX|C^Comment^L||No growth.", "OBX|2|NM|K^K^L||5||||||F", "5"], None),
    ],
)
def test_lines_of_a_text_are_put_together_only_where_nothing_else_can_be_meant(tmp_path, broken, expected):
    [found] = rows(tmp_path, oru("20250601", *broken).encode())
    if expected is None:
        assert isinstance(found, Reject) and "segment" in found.reason
    else:
        assert parse(found.values["message"])["OBX"].whole(5) == expected


@pytest.mark.hazard("HZ-HL7V2-78")
@pytest.mark.parametrize(
    ("after", "is_read"),
    [(["OBX|2|NM|K^K^L||5||||||F"], True), ([], False), (["20|x", "OBX|2|NM|K^K^L||5||||||F"], False)],
)
def test_a_comment_sent_over_lines_is_whole_where_a_segment_follows(tmp_path, after, is_read):
    text = oru("20250601", "OBX|1|NM|K^K^L||5||||||F", "NTE|1|L|Haemolysed.", "Please repeat", *after)
    [found] = rows(tmp_path, text.encode())
    assert isinstance(found, Row) == is_read
    assert not is_read or parse(found.values["message"])["NTE"].whole(3) == "Haemolysed.\nPlease repeat"


@pytest.mark.hazard("HZ-HL7V2-75")
@pytest.mark.parametrize(
    ("number", "settings", "key"),
    [
        ("H4^^^RXX^MR", {}, "RXX|H4"),
        ("H4^^^RXX", {}, None),
        ("H4^^^^MR", {"authority": "RXX"}, None),
        ("H4^^^DNI^NI", {}, None),
        ("H4", {}, None),
        ("H4", {"identifier_fields": [4]}, "|H4"),
    ],
)
def test_pid_4_names_the_patient_where_it_says_whose_hospital_number_it_is(tmp_path, number, settings, key):
    payload = adt("A28", "20250601", f"PID|1|||{number}|Marsh^Ann||19700203|2").encode()
    [found] = rows(tmp_path, payload, settings=settings)
    assert found.patient == key if key else isinstance(found, Reject)
