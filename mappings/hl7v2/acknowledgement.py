"""Acknowledgements: what a message's header asks for, and the MSH, MSA and ERR that answer it.

The answer is written with the message's own separators, and repeats its fields byte for byte: whatever its character
set is, theirs is the same. Rules: HL7 v2.4 §2.9.2 and §2.9.3 (original and enhanced mode), §2.16.5 (ERR), HL7 v2.5
§2.15.5; tables 0008 (codes), 0155 (when to answer) and 0357 (errors,
https://terminology.hl7.org/CodeSystem-v2-0357.html).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.errors import Invalid
from mappings.hl7v2.message import Encoding, Message, Segment, parse

ACCEPT = {"AA": "CA", "AE": "CE", "AR": "CR"}
"""The code of an accept acknowledgement for that of an application acknowledgement."""
ASKED = {"AL": ("AA", "AE", "AR"), "ER": ("AE", "AR"), "SU": ("AA",), "NE": ()}
"""Table 0155: which outcomes are answered. An empty field beside a filled one asks for none."""
ERRORS = {
    "100": "Segment sequence error", "101": "Required field missing", "102": "Data type error",
    "103": "Table value not found", "200": "Unsupported message type", "202": "Unsupported processing id",
    "205": "Duplicate key identifier", "207": "Application internal error",
}  # fmt: skip
"""Table 0357, those that are answered."""
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})-(\d{1,2})\b")
_LINE_END = re.compile(rb"[\r\n]")
_NO_HEADER = Segment("MSH", "MSH|^~\\&|||||||||P|2.4", Encoding())


@dataclass(frozen=True)
class Header:
    """The MSH of a message. Where there is none that can be read, ``segment`` is an empty one and ``fault`` says
    why."""

    segment: Segment
    fault: str = ""
    is_answer: bool = False
    """Whether the message is itself an acknowledgement: it is never answered, or two systems answer for ever."""

    @property
    def control(self) -> str:
        return self.segment.text(10)

    @property
    def processing(self) -> str:
        return self.segment.text(11)

    @property
    def application(self) -> str:
        return self.segment.text(3)

    @property
    def facility(self) -> str:
        return self.segment.text(4)


def header(payload: bytes) -> Header:
    """Return the header of a message or of its beginning. It never raises: what cannot be read is refused by an answer
    too."""
    first, *others = _LINE_END.split(payload.lstrip(b"\x0b\xef\xbb\xbf\r\n "), 2)
    try:
        message = parse(first.decode("iso-8859-1"))
        segment = message["MSH"]
    except Invalid as fault:
        return Header(_NO_HEADER, str(fault))
    is_answer = segment.text(9) == "ACK" or (others[:1] != [] and others[0][:4] in _answers(message))
    return Header(segment, "", is_answer)


def _answers(message: Message) -> tuple[bytes, ...]:
    return (f"MSA{message.encoding.field}".encode("iso-8859-1"),)


def answers(
    header: Header, code: str, error: str, reason: str, at: str, name: str, *, original: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Yield the acknowledgements that a message asks for, each with its code: one, both (accept, then application) or
    none.

    ``code`` is AA, AE or AR; ``error`` a code of table 0357, "" with AA; ``reason`` says in our own words what is wrong
    and where. ``at`` is the time as HL7 writes it, ``name`` begins the control ids of the answers. ``original`` says
    that MSH-15 and MSH-16 play no part.
    """
    accept, application = header.segment.text(15).upper(), header.segment.text(16).upper()
    if original or not (accept or application):
        accept, application = "NE", "AL"
    if code in ASKED.get(accept, ()):
        yield ACCEPT[code], _answer(header, ACCEPT[code], error, reason, at, f"{name}C")
    if code in ASKED.get(application, ()):
        yield code, _answer(header, code, error, reason, at, f"{name}A")


def _answer(header: Header, code: str, error: str, reason: str, at: str, name: str) -> bytes:
    """One acknowledgement, framed."""
    msh = header.segment
    sign, parts = msh.encoding, msh.encoding.field
    kind = sign.component.join(["ACK", *([msh.text(9, 2), "ACK"] if msh.text(9, 2) else [])])
    fields = ["MSH", _declared(msh), *(msh[number] for number in (5, 6, 3, 4)), at, "", kind, name, msh[11], msh[12]]
    enhanced = ["NE", "NE"] if msh[15] or msh[16] else ["", ""]
    own = [*fields, "", "", *enhanced, msh[17], msh[18]]
    lines = [parts.join(own).rstrip(parts), parts.join(["MSA", code, msh[10]])]
    if error:
        lines.append(_error(header, code, error, reason))
    text = "".join(f"{line}\r" for line in lines)
    return b"\x0b" + text.encode("iso-8859-1", "replace") + b"\x1c\r"


def _declared(msh: Segment) -> str:
    """MSH-2 of the answer: the signs that the message is read by."""
    sign = msh.encoding
    return msh[2] if len(msh[2]) >= 4 else f"{sign.component}{sign.repetition}{sign.escape}{sign.subcomponent}"


def _error(header: Header, code: str, error: str, reason: str) -> str:
    """The ERR segment: as of version 2.5, or ERR-1 of the versions before it."""
    sign, match = header.segment.encoding, _PLACE.search(reason)
    segment, field = (match[1], match[2]) if match else ("", "")
    words = escaped(reason or ERRORS[error], sign)
    if _version(header.segment.text(12)) < (2, 5):
        what = sign.subcomponent.join([error, words, "HL70357"])
        return sign.field.join(["ERR", sign.component.join([segment, "1" if segment else "", field, what])])
    place = sign.component.join([segment, "1", field]) if segment else ""
    return sign.field.join(
        ["ERR", "", place, sign.component.join([error, ERRORS[error], "HL70357"]), "E", "", "", "", words]
    )


def _version(text: str) -> tuple[int, int]:
    match = re.match(r"(\d)\.(\d)", text)
    return (int(match[1]), int(match[2])) if match else (2, 3)


def escaped(text: str, sign: Encoding) -> str:
    r"""Return our own words for a field, with the separators in them escaped.

    >>> escaped("ADT^A60 is not read", Encoding())
    'ADT\\S\\A60 is not read'
    """
    names = {sign.escape: "E", sign.field: "F", sign.component: "S", sign.repetition: "R", sign.subcomponent: "T"}
    return "".join(f"{sign.escape}{names[letter]}{sign.escape}" if letter in names else letter for letter in text)
