"""A small lazy reader of HL7 v2 messages: it takes a field apart only when it is read.

>>> message = parse("MSH|^~\\\\&|PAS|RXX|||20250101||ADT^A28|1|T|2.4\\rPID|||123^^^RXX^MR||Hart&van^Ann\\\\T\\\\Co")
>>> message["PID"].text(5, 2), message["PID"].text(3, 4), message["NK1"].text(2)
('Ann&Co', 'RXX', '')

Fields are counted as HL7 counts them (``MSH-1`` is the separator itself), components and subcomponents from 1. Two
values are special (HL7 v2.4 §2.6): an empty field leaves the receiver's value unchanged, and ``""`` deletes it.
``segment[n]`` gives the raw field, so that the two can be told apart; ``text`` gives the words, and "" for both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from gateway.errors import Invalid
from mappings.hl7v2.linebreaks import joined

DELETE = '""'
C1 = re.compile(r"[\x80-\x9f]")
WINDOWS = {code: bytes([code]).decode("cp1252", "ignore") or None for code in range(0x80, 0xA0)}
"""The letters of Windows-1252 where ISO 8859-1 has control signs that no text means. Five stand for nothing."""
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
CONTROLS = bytes(code for code in range(128) if CONTROL.match(chr(code)))
"""The same signs as bytes, which UTF-8 uses for nothing else: bytes are looked through in a tenth of the time."""
SEGMENT = re.compile(r"[A-Z][A-Z0-9]{2}\b")
BARE = re.compile(r"[A-Z][A-Z0-9]{2}\s*")
TWICE_ESCAPED = "^~\\\\&"
"""MSH-2 of a message whose backslashes were all doubled on the way, as writers of JSON and of source code do."""


class Encoding(NamedTuple):
    """The separators a message declares in MSH-1 and MSH-2. The fifth character of version 2.7 (``#``) marks
    truncation and is ignored."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


class Repetition:
    """One occurrence of a field: its components, read on demand."""

    __slots__ = ("encoding", "raw")

    def __init__(self, raw: str, encoding: Encoding):
        self.raw = raw
        self.encoding = encoding

    def text(self, component: int = 1, subcomponent: int = 0) -> str:
        """Return a component's words, trimmed; with ``subcomponent`` only that part of it. Missing and deleted parts
        answer ""."""
        return words(self.raw, self.encoding, component, subcomponent)

    @property
    def deleted(self) -> bool:
        """Whether the first component says "delete" (``""^^^NHS``)."""
        return nth(self.raw, self.encoding.component, 1) == DELETE


class Segment:
    """One line of a message. A segment that is not there answers "" to everything and is false. ``doubted`` holds the
    fields and components with a date that cannot be, as ``possible`` marks them."""

    __slots__ = ("_fields", "_words", "doubted", "encoding", "name", "raw")

    def __init__(self, name: str, raw: str, encoding: Encoding):
        self.name = name
        self.raw = raw
        self.encoding = encoding
        self._fields = raw.split(encoding.field)
        if name == "MSH":
            self._fields.insert(1, encoding.field)
        self._words: dict[int, str] = {}
        self.doubted: frozenset[tuple[int, int]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __getitem__(self, number: int) -> str:
        """Return field ``number`` as sent: still escaped, ``""`` still ``""``."""
        fields = self._fields
        return fields[number] if number < len(fields) else ""

    def sent(self, numbers: tuple[int, ...]) -> list[tuple[int, str]]:
        """Return the number and the raw text of those fields among ``numbers`` that are not empty."""
        fields, width = self._fields, len(self._fields)
        return [(number, fields[number]) for number in numbers if number < width and fields[number]]

    def __len__(self) -> int:
        """The number of the last field that was sent."""
        return self.raw.count(self.encoding.field) + (self.name == "MSH") if self.raw else 0

    def text(self, number: int, component: int = 1, subcomponent: int = 0) -> str:
        """Return the words of one component of the field's first repetition. What had to be taken apart is asked for
        again and again, and so kept."""
        fields = self._fields
        raw = fields[number] if number < len(fields) else ""
        if not raw:
            return ""
        if raw.isalnum():  # most fields: no sign that parts or escapes, and nothing to trim
            return raw if component == 1 and subcomponent < 2 else ""
        place = number << 16 | component << 8 | subcomponent
        known = self._words.get(place)
        if known is None:
            first = raw.split(self.encoding.repetition, 1)[0] if self.encoding.repetition in raw else raw
            known = self._words[place] = words(first, self.encoding, component, subcomponent)
        return known

    def whole(self, number: int) -> str:
        """Return a free text field's words with stray separators kept: repetitions become lines."""
        fields = self._fields
        raw = fields[number] if number < len(fields) else ""
        if not raw or raw == DELETE:
            return ""
        if raw.isalnum():
            return raw
        return unescape(raw.replace(self.encoding.repetition, "\n"), self.encoding)

    def repetitions(self, number: int) -> list[Repetition]:
        """Return the field's occurrences that are not empty; none for a deleted field."""
        raw = self[number]
        if not raw or raw == DELETE:
            return []
        if self.encoding.repetition not in raw:
            return [Repetition(raw, self.encoding)]
        return [Repetition(part, self.encoding) for part in raw.split(self.encoding.repetition) if part]


class Message:
    """The segments of one message, in order."""

    __slots__ = ("encoding", "segments")

    def __init__(self, segments: list[Segment], encoding: Encoding):
        self.segments = segments
        self.encoding = encoding

    def __getitem__(self, name: str) -> Segment:
        """Return the first segment of that name, or an empty one."""
        for segment in self.segments:
            if segment.name == name:
                return segment
        return Segment(name, "", self.encoding)

    def all(self, name: str) -> list[Segment]:
        """Return every segment of that name."""
        return [segment for segment in self.segments if segment.name == name]

    @property
    def kind(self) -> str:
        """The message type, ``ADT`` or ``ORU`` (MSH-9.1)."""
        return self["MSH"].text(9, 1)

    @property
    def event(self) -> str:
        """The trigger event, ``A01`` (MSH-9.2, else EVN-1)."""
        return self["MSH"].text(9, 2) or self["EVN"].text(1)


def parse(text: str) -> Message:
    """Return the message in ``text``; segments end with CR, LF or both. MLLP framing bytes are passed over, and so is a
    segment that is only its name, which says nothing (Mirth Connect issue 253). Lines of one text are put together.

    Raises ``Invalid`` naming what is not as HL7 says: no MSH, no separators, a line that is no segment.
    """
    lines = [line for line in normalise(text).split("\r") if line]
    if not lines or not lines[0].startswith("MSH") or len(lines[0]) < 8:
        raise Invalid("MSH")
    if lines[0].startswith(TWICE_ESCAPED, 4):
        lines = [line.replace("\\\\", "\\") for line in lines]
    encoding = separators(lines[0])
    segments = []
    if {line[3:4] for line in lines} != {encoding.field}:
        lines = joined(lines, encoding.field, encoding.escape)
    for number, line in enumerate(lines, 1):
        name, sign = line[:3], line[3:4]
        if (sign != encoding.field or sign.isspace()) and BARE.fullmatch(line):
            continue
        if sign != encoding.field or not is_name(name, sign):
            raise Invalid(f"segment {number} is not a segment (a truncated message, or a line break inside a field)")
        segments.append(Segment(name, line, encoding))
    return Message(segments, encoding)


@lru_cache(maxsize=1024)
def is_name(name: str, sign: str) -> bool:
    """Whether a line that begins with ``name`` and then the field separator is a segment."""
    return bool(SEGMENT.match(name + sign))


def normalise(text: str) -> str:
    """Return the text without framing bytes and other control signs, and with every segment ended by one CR."""
    text = text.encode("utf-8", "surrogatepass").translate(None, CONTROLS).decode("utf-8", "surrogatepass")
    text = text.strip("\r\n\ufeff ")
    if "\n" in text:
        text = text.replace("\r\n", "\r").replace("\n", "\r")
    return text + "\r"


def separators(header: str) -> Encoding:
    """Return what MSH-1 and MSH-2 declare; raise ``Invalid("MSH-2")`` when there are fewer than four or they repeat
    each other."""
    field = header[3]
    return _encoding(field, header[4:].split(field, 1)[0])


@lru_cache(maxsize=64)
def _encoding(field: str, declared: str) -> Encoding:
    if len(declared) < 4 or len({field, *declared[:4]}) < 5 or any(sign.isalnum() for sign in declared[:4]):
        raise Invalid("MSH-2")
    return Encoding(field, *declared[:4])


def words(raw: str, encoding: Encoding, component: int, subcomponent: int = 0) -> str:
    """Return one component, or part of it, of one repetition: unescaped and trimmed, "" for a deleted one."""
    part = nth(raw, encoding.component, component)
    if subcomponent:
        part = nth(part, encoding.subcomponent, subcomponent)
    if not part:
        return ""
    if encoding.escape in part:
        part = unescape(part, encoding)
    return "" if part == DELETE else part.strip()


def nth(text: str, separator: str, number: int) -> str:
    """Return part ``number`` (from 1) of ``text``, or ""."""
    if separator not in text:
        return text if number == 1 else ""
    parts = text.split(separator, number)
    return parts[number - 1] if number <= len(parts) else ""


def unescape(text: str, encoding: Encoding) -> str:
    r"""Return the text with ``\F\ \S\ \T\ \R\ \E\ \.br\ \.sp\ \Xhh\`` replaced; highlighting and layout fall away.

    A mark that begins no sequence of HL7 (version 2.4 §2.10) stays as sent, and does not end one either:
    ``L4\5 and 10\S\9`` has one sequence. Hexadecimal bytes are UTF-8 where they can be, else Windows-1252; those of one
    letter may be one sequence or several.
    """
    return _escapes(encoding)(text) if encoding.escape in text else text


@lru_cache(maxsize=64)
def _escapes(encoding: Encoding) -> Callable[[str], str]:
    mark = re.escape(encoding.escape)
    layout = r"\.(?:br|BR|sp[+-]?\d*|in[+-]?\d*|ti[+-]?\d*|sk[+-]?\d*|ce|fi|nf)"
    pattern = re.compile(f"((?:{mark}X(?:[0-9A-Fa-f][0-9A-Fa-f])+{mark})+)|{mark}([FSTREHN]|{layout}){mark}")
    signs = {
        "F": encoding.field,
        "S": encoding.component,
        "T": encoding.subcomponent,
        "R": encoding.repetition,
        "E": encoding.escape,
        ".br": "\n",
        ".BR": "\n",
        ".sp": "\n",
        ".ce": "\n",
        ".sk": " ",
    }

    def sign(match: re.Match[str]) -> str:
        if match[1]:
            return _letters(bytes.fromhex(re.sub(f"{mark}|X", "", match[1])))
        return signs.get(match[2][:3], "")

    return lambda text: pattern.sub(sign, text)


def _letters(sent: bytes) -> str:
    """Return what bytes sent in hexadecimal stand for, without control signs."""
    try:
        text = sent.decode("utf-8")
    except UnicodeDecodeError:
        text = sent.decode("latin-1").translate(WINDOWS)
    return CONTROL.sub("", text)
