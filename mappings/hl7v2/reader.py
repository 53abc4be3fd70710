"""Files of HL7 v2 messages to rows: one row a message, whatever the file's line ends, framing, batch headers and
character set."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from gateway.errors import Invalid, Refused
from mappings import Feed, Reject, Row, Values
from mappings.hl7v2 import times
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.identity import moved_visits, orders, patient_key, prior_keys, publisher, visit_of
from mappings.hl7v2.message import Message, normalise, parse
from mappings.readers.files import HEAD, File, delivered

SUFFIXES = {".hl7", ".txt", ".dat"}
BATCH = ("FHS", "BHS", "BTS", "FTS")
CHARSETS = {
    "": "",
    "ASCII": "",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
    "ISO-8859-1": "iso-8859-1",
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
LONGEST = 1 << 25
"""Characters of a message at most: 32 MiB, so that an embedded document may have 16 MiB before base64 encodes it."""
TIMES = {"MSH": (7,), "EVN": (2, 6), "PID": (7, 29), "PV1": (44, 45), "PV2": (8, 9), "OBR": (7, 8, 22), "OBX": (14,)}


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of messages at ``path``, a folder's in order of name. Raises ``Refused`` naming a file that
    holds none."""
    files = delivered(path, SUFFIXES)
    if not files:
        raise Refused("the delivery: no .hl7, .txt or .dat file")
    for file in files:
        with file.open(HEAD) as stream:
            start = stream.read(256).removeprefix(b"\xef\xbb\xbf").lstrip(b"\x0b\r\n ")
        if not start.startswith((b"MSH", b"FHS", b"BHS")):
            raise Refused(f"{file.shown}: not HL7 v2 (does not begin with MSH, FHS or BHS)")
    return files


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """Yield one row a message, and a reject for each that cannot be read, by its place in the file. Values are never
    told."""
    for number, (line, payload) in enumerate(split(file), 1):
        if payload is None:
            yield Reject(f"message {number}", f"longer than {LONGEST >> 20} MiB (line {line})")
            continue
        try:
            yield row(payload, feed, line)
        except Invalid as error:
            yield Reject(f"message {number}", str(error))


def split(file: File) -> Iterator[tuple[int, bytes | None]]:
    """Yield (line number, bytes) of each message of a file, streaming; batch segments are passed over.

    A message of more than ``LONGEST`` characters has no bytes, and no more of it is held. Latin-1 maps each byte to one
    character and back, so that the file can be read by lines before its character set is known.
    """
    start, size = 1, 0
    lines: list[str] = []
    with file.text("iso-8859-1", newline=None) as text:
        for number, line in enumerate(_lines(text), 1):
            begins = line.lstrip("\x0b\x1c \xef\xbb\xbf")[:3]
            if begins == "MSH" or begins in BATCH:
                if lines:
                    yield start, _joined(lines, size)
                start, size, lines = number, len(line), ([line] if begins == "MSH" else [])
            elif lines or line.strip("\x0b\x1c\x1a\r\n "):
                size = size + len(line) if lines else len(line)
                if size <= LONGEST or not lines:
                    lines.append(line)
    if lines:
        yield start, _joined(lines, size)


def _lines(text: TextIO) -> Iterator[str]:
    """Yield the lines. Of one that is too long for a message, no more is held than shows it."""
    while line := text.readline(LONGEST + 1):
        yield line
        while line and not line.endswith("\n"):
            line = text.readline(LONGEST)


def _joined(lines: list[str], size: int) -> bytes | None:
    return None if size > LONGEST else "".join(lines).encode("iso-8859-1")


def row(payload: bytes, feed: Feed, line: int = 0) -> Row:
    """Return the row of one message. Raises ``Invalid`` naming the field that keeps it from being read."""
    text = decode(payload, feed)
    message = parse(text)
    whole(payload, message)
    header = message["MSH"]
    sender = publisher(message, feed)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    groups = adt_groups(message, feed) if message.kind == "ADT" else oru_groups(message, feed)
    return Row(
        table=message.kind,
        key=f"{header.text(3)}|{header.text(4)}|{header.text(10)}|{digest}",
        publisher=sender,
        order=order(message, feed.zone),
        values=Values(message=text, event=message.event, control=header.text(10)),
        patient=patient_key(message, feed),
        groups=groups,
        line=line,
    )


def decode(payload: bytes, feed: Feed) -> str:
    """Return the message's text in the character set of MSH-18, the feed's where it names none, its line ends
    normalised.

    Raises ``Invalid("MSH-18…")`` for bytes that are not of it, and for a set whose letters we cannot read: a name
    spelled wrongly is another.
    """
    header = payload.lstrip(b"\x0b\xef\xbb\xbf\r\n ").replace(b"\n", b"\r").split(b"\r", 1)[0].decode("iso-8859-1")
    fields = header.split(header[3:4] or "|")
    declared = fields[17].split("~")[0].strip().upper() if len(fields) > 17 else ""
    if declared not in CHARSETS and not payload.isascii():
        raise Invalid("MSH-18: character set not known")
    try:
        return normalise(payload.decode(CHARSETS.get(declared) or feed.encoding))
    except UnicodeDecodeError:
        raise Invalid("MSH-18: bytes of another character set") from None


def whole(payload: bytes, message: Message) -> None:
    """Raise ``Invalid`` unless the message is of a kind and event we read, complete, and its times are times."""
    header = message["MSH"]
    if payload[:1] == b"\x0b" and b"\x1c" not in payload:
        raise Invalid("truncated: the frame does not end")
    if not header.text(9) or not header.text(10):
        raise Invalid("MSH-9" if not header.text(9) else "MSH-10")
    kind = message.kind, message.event
    if not (kind[0] == "ADT" and kind[1] in EVENTS) and kind != ("ORU", "R01"):
        raise Invalid("MSH-9 names a message this source does not read")
    if not message["PID"]:
        raise Invalid("no PID (a truncated message?)")
    if kind[0] == "ORU" and not message["OBR"]:
        raise Invalid("no OBR (a truncated message?)")
    last = message.segments[-1]
    if last.name == "OBX" and not last[11]:
        raise Invalid("the last OBX has no OBX-11 (a truncated message?)")
    if len(message.all("PID")) > 1:
        raise Invalid("more than one PID")
    for segment in message.segments:
        for field in TIMES.get(segment.name, ()):
            if not times.is_time(segment[field]):
                raise Invalid(f"{segment.name}-{field} is not a time")


def adt_groups(message: Message, feed: Feed) -> tuple[str, ...]:
    """Return the groups of an ADT message: its patient, its visit; a merge belongs to both patients and the visits it
    names."""
    patients, visits = [patient_key(message, feed)], [visit_of(message)]
    if EVENTS[message.event].merges:
        patients += prior_keys(message, feed)
        visits = moved_visits(message)
    return tuple([f"pat:{key}" for key in patients] + [f"visit:{key}" for key in visits if key])


def oru_groups(message: Message, feed: Feed) -> tuple[str, ...]:
    """Return the groups of a result message: its orders, and its patient, who is made from it only where no ADT tells
    of them."""
    keys = dict.fromkeys(key for key, _ in orders(message))
    return (*(f"order:{key}" for key in keys), f"pat:{patient_key(message, feed)}")


def order(message: Message, zone: str) -> int:
    """Return when the event happened: EVN-6, else EVN-2, else MSH-7; for results the latest OBR-22, else MSH-7.

    A cancelling event carries the time of what it cancels in EVN-6 (HL7 v2.4 chapter 3), so EVN-2 counts there.
    Raises ``Invalid("MSH-7")`` when there is no time at all.
    """
    if message.kind == "ORU":
        texts = [max((obr.text(22) for obr in message.all("OBR")), default="")]
    else:
        event = message["EVN"]
        texts = [event.text(2), event.text(6)] if EVENTS[message.event].cancels else [event.text(6), event.text(2)]
    for text in (*texts, message["MSH"].text(7)):
        if text:
            return times.order(text, zone)
    raise Invalid("MSH-7")
