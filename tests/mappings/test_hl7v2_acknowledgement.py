"""Acknowledgements: the header that is answered, and every byte of the answer."""

import hl7
import pytest

from mappings.hl7v2.acknowledgement import answers, header

MSH = "MSH|^~\\&|PAS^1.2^ISO|RXQ|TIE|GW|20250602113000||ADT^A28^ADT_A05|C1|P|2.4"
AT = "20260102030405+0000"


def answer(text: str | bytes, code="AA", error="", reason="", **options) -> list[str]:
    """The lines of each answer, joined."""
    payload = text if isinstance(text, bytes) else f"\x0b{text}\rEVN||1\rPID|1\r\x1c".encode()
    told = [sent for _, sent in answers(header(payload), code, error, reason, AT, "N", **options)]
    assert all(sent.startswith(b"\x0bMSH") and sent.endswith(b"\r\x1c\r") for sent in told)
    return [sent[1:-3].decode("iso-8859-1") for sent in told]


CASES = [
    # message, code, error, reason, answer
    (MSH, "AA", "", "", f"MSH|^~\\&|TIE|GW|PAS^1.2^ISO|RXQ|{AT}||ACK^A28^ACK|NA|P|2.4\rMSA|AA|C1"),
    (MSH + "|7|||AL|GBR|8859/1", "AA", "", "", f"MSH|^~\\&|TIE|GW|PAS^1.2^ISO|RXQ|{AT}||ACK^A28^ACK|NA|P|2.4|||NE|NE|GBR|8859/1\rMSA|AA|C1"),
    (MSH + "|||||GBR|8859/1", "AA", "", "", f"MSH|^~\\&|TIE|GW|PAS^1.2^ISO|RXQ|{AT}||ACK^A28^ACK|NA|P|2.4|||||GBR|8859/1\rMSA|AA|C1"),
    ("MSH$%*!@$PAS$RXQ$TIE$GW$1$$ADT%A28$C1$T$2.5", "AE", "102", "PID-3 has % and $", "MSH$%*!@$TIE$GW$PAS$RXQ$" + AT
     + "$$ACK%A28%ACK$NA$T$2.5\rMSA$AE$C1\rERR$$PID%1%3$102%Data type error%HL70357$E$$$$PID-3 has !S! and !F!"),
    (MSH, "AR", "200", "MSH-9: ADT^A99 is not read", f"MSH|^~\\&|TIE|GW|PAS^1.2^ISO|RXQ|{AT}||ACK^A28^ACK|NA|P|2.4\rMSA|AR|C1\r"
     "ERR|MSH^1^9^200&MSH-9: ADT\\S\\A99 is not read&HL70357"),
    (MSH, "AE", "207", "a bug", f"MSH|^~\\&|TIE|GW|PAS^1.2^ISO|RXQ|{AT}||ACK^A28^ACK|NA|P|2.4\rMSA|AE|C1\rERR|^^^207&a bug&HL70357"),
    ("MSH|^~\\&|||||1||ACKED|1|P|2.1", "AA", "", "", f"MSH|^~\\&|||||{AT}||ACK|NA|P|2.1\rMSA|AA|1"),
    ("MSH|^~\\&#|PAS|RXQ|TIE|GW|1||ORU^R01|C|P|2.7", "AA", "", "", f"MSH|^~\\&#|TIE|GW|PAS|RXQ|{AT}||ACK^R01^ACK|NA|P|2.7\rMSA|AA|C"),
    (b"\x0bMSH|^~\\&|\xe9|\xc3\xa9|T|G|1||ADT^A28|\xff|P|2.4\r\x1c", "AA", "", "",
     f"MSH|^~\\&|T|G|\xe9|\xc3\xa9|{AT}||ACK^A28^ACK|NA|P|2.4\rMSA|AA|\xff"),
    (b"\x0bnonsense\x1c", "AR", "200", "MSH", f"MSH|^~\\&|||||{AT}||ACK|NA|P|2.4\rMSA|AR|\rERR|^^^200&MSH&HL70357"),
]  # fmt: skip


@pytest.mark.parametrize("message, code, error, reason, expected", CASES)
def test_an_answer(message, code, error, reason, expected):
    told = answer(message, code, error, reason)
    assert told == [expected]


@pytest.mark.parametrize("asked, codes", [("AL|AL", ["CE", "AE"]), ("SU|ER", ["AE"]), ("ER|SU", ["CE"]), ("NE|NE", [])])
def test_both_acknowledgements_of_enhanced_mode(asked, codes):
    told = answer(f"{MSH}|||{asked}", "AE", "102", "OBX-5")
    assert [text.split("\rMSA|")[1][:2] for text in told] == codes
    assert len({text.split("|")[9] for text in told}) == len(told), "each has a control id of its own"
    assert all(text.split("\r")[0].split("|")[14:16] == ["NE", "NE"] for text in told), "nobody answers an answer"


@pytest.mark.parametrize(
    "payload, is_answer",
    [
        (b"MSH|^~\\&|||||1||ACK^A01^ACK|1|P|2.4\r", True),
        (b"MSH|^~\\&|||||1||ACK|1|P|2.4\r", True),
        (b"MSH|^~\\&|||||1||ORR^O02|1|P|2.4\rMSA|AA|1\r", True),
        (b"MSH$%*!@$$$$$1$$RSP%K22$1$P$2.5\nMSA$AA$1\n", True),
        (b"MSH|^~\\&|||||1||ADT^A01|1|P|2.4\rEVN|\rMSA|AA|1\r", False),
        (b"MSH|^~\\&|||||1||ADT^A01|1|P|2.4", False),
        (b"", False),
    ],
)
def test_an_acknowledgement_is_told_from_a_message(payload, is_answer):
    assert header(payload).is_answer is is_answer


def test_another_parser_reads_the_answers():
    """`python-hl7`."""
    for message, code, error, reason, _ in CASES:
        for text in answer(message, code, error, reason):
            parsed = hl7.parse(f"{text}\r")
            assert str(parsed.segment("MSA")[1]) == code
