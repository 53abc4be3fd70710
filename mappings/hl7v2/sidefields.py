"""What is wrong in a side field costs that field, and never the message: its times are read, mended or left out here.

A message is mapped from the text that ``mended`` returns. Where that differs from the text as sent, the row keeps both.
"""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

from gateway.errors import Invalid
from mappings import Feed
from mappings.hl7v2 import times
from mappings.hl7v2.message import DELETE, Message, Segment

TIMES = {
    "MSH": (7,), "EVN": (2, 6), "PID": (7, 29, 33), "PV1": (44, 45), "PV2": (8, 9),
    "ORC": (9,), "OBR": (6, 7, 8, 14, 22), "OBX": (14, 19), "SPM": (17, 18), "TXA": (4, 6, 7, 8),
    "DG1": (5,), "PR1": (5,), "AL1": (6,), "IAM": (11, 13), "RXA": (3, 4, 16, 22), "AIS": (4,), "AIG": (8,), "AIL": (6,), "AIP": (6,),
}  # fmt: skip
"""The fields that hold a time, by segment; also OBX-5 where OBX-2 says so."""
TYPES_OF_TIME = {"TS", "DTM"}
WITHOUT_TIME_OF_DAY = {("PID", 7)}
"""Fields that an offset must not move: a birth date is what it says, wherever it is read."""
ISO = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,6})?)?)?)?(Z|[+-]\d\d:?\d\d)?")
CLOCK = re.compile(r"(\d{12}(?:\d\d(?:\.\d{1,6})?)?)(?:\^[A-Z]?)?")
OFFSET = re.compile(r"[+-]\d{4}")
NO_TIME = "not a time, left out"
Warnings = list[tuple[str, str]]


def mended(message: Message, feed: Feed, warnings: Warnings) -> list[str]:
    """Return the message's segments as they are to be read: times of ISO 8601 as HL7 writes them, those that are none
    left out with a warning, and MSH-7's offset on times of day that have none."""
    offset = default_offset(message, feed)
    return [_mended(segment, offset, warnings) for segment in message.segments]


def default_offset(message: Message, feed: Feed) -> str:
    """Return the offset that MSH-7 makes the default of the message (HL7 v2.4 §2.16.9.7), "" for none.

    A sender whose offset is that of the feed's zone at the time writes the zone's local time: in January a summer time
    of the message is still an hour ahead. The setting ``ignore_msh7_offset`` is for senders that stamp the header in
    another zone than they write the rest in.
    """
    text = _hl7(message["MSH"].text(7))
    match = OFFSET.search(text)
    if not match or feed.settings.get("ignore_msh7_offset") or not _is_time(text):
        return ""
    local, digits, _ = times.moment(text, feed.zone)
    sign = -1 if match[0][0] == "-" else 1
    said = timedelta(hours=int(match[0][1:3]), minutes=int(match[0][3:5])) * sign
    return "" if digits >= 10 and local.utcoffset() == said else match[0]


def _mended(segment: Segment, offset: str, warnings: Warnings) -> str:
    fields = TIMES.get(segment.name, ())
    if segment.name == "OBX" and segment.text(2).upper() in TYPES_OF_TIME:
        fields = (5, *fields)
    changed: dict[int, str] = {}
    for number, sent in segment.sent(fields):
        if sent == DELETE or _time(sent, offset) == sent:  # nearly all: a time as it is to be read
            continue
        now = sent.strip() and _read(segment, number, offset, warnings)
        if now != sent:
            changed[number] = now
    if not changed:
        return segment.raw
    parts = segment.raw.split(segment.encoding.field)
    shift = 1 if segment.name == "MSH" else 0
    for number, text in changed.items():
        parts[number - shift] = text
    return segment.encoding.field.join(parts)


def _read(segment: Segment, number: int, offset: str, warnings: Warnings) -> str:
    """Return one field as it is to be read. What OBX-5 holds is the result itself: it is never left out."""
    sent, sign = segment[number], segment.encoding.component
    first, *more = sent.split(sign) if segment.name == "SPM" else [sent]
    text = _time(first, "" if (segment.name, number) in WITHOUT_TIME_OF_DAY else offset)
    if text is None:
        if segment.name == "OBX" and number == 5:
            return sent
        warnings.append((f"{segment.name}-{number}", NO_TIME))
        return ""
    return sign.join((text, *more)) if more else text


@lru_cache(maxsize=8192)
def _time(sent: str, offset: str) -> str | None:
    """Return a time as it is to be read, with ``offset`` where it is a time of day without one; None for no time. The
    results of a message share a few times, and its messages a day."""
    text = _hl7(sent)
    if not _is_time(text):
        return None
    match = CLOCK.fullmatch(text) if offset else None
    return match[1] + offset if match else text


def _is_time(text: str) -> bool:
    """Whether a text is a time of the calendar that can also be put in order, its offset one that clocks have."""
    offset = OFFSET.search(text)
    if offset and not -14 <= int(offset[0][:3]) <= 14:
        return False
    try:
        return not text or times.order(text, "Europe/London") > 0
    except (Invalid, ValueError, OverflowError):
        return False


def _hl7(text: str) -> str:
    """Return a time of ISO 8601 as HL7 writes it; anything else as it is.

    >>> _hl7("2025-05-05 23:23:28"), _hl7("2025-05-05T23:23:28Z"), _hl7("20250505")
    ('20250505232328', '20250505232328+0000', '20250505')
    """
    match = ISO.fullmatch(text.strip())
    if not match:
        return text
    digits = "".join(part for part in match.groups()[:6] if part) + (match[7] or "")
    zone = "+0000" if match[8] == "Z" else (match[8] or "").replace(":", "")
    return digits + (zone if len(digits) >= 12 else "")
