"""Embedded documents (ED): parts put together, and shown only when they are whole.

A document comes in one OBX, in several (OBX-4 the same, or counting the parts), or in repetitions of OBX-5; later parts
may be bare data in component 1. One that does not end as its format ends is not shown at all: half a letter misleads.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections import Counter
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any, Literal

from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import Segment
from mappings.readers.xml import is_well_formed

CONTENT_TYPES = {
    "PDF": "application/pdf",
    "RTF": "application/rtf",
    "TEXT": "text/plain",
    "PLAIN": "text/plain",
    "HTML": "text/html",
    "XML": "application/xml",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
    "TIF": "image/tiff",
}
FORMATS = (
    ("application/pdf", b"%PDF", rb"%%EOF\s*\x00*\s*\Z"),
    ("image/jpeg", b"\xff\xd8\xff", rb"\xff\xd9\x00*\s*\Z"),
    ("image/png", b"\x89PNG\r\n\x1a\n", rb"IEND\xaeB`\x82\x00*\s*\Z"),
    ("image/gif", b"GIF8", rb"\x3b\x00*\s*\Z"),
    ("application/rtf", b"{\\rtf", rb"\}\x00*\s*\Z"),
    ("application/zip", b"PK\x03\x04", rb"PK\x05\x06.{18,}\Z"),
    ("image/tiff", b"II*\x00", rb""),
    ("image/tiff", b"MM\x00*", rb""),
)
"""(type, how its data begins, how it ends); "" where no bytes end it."""
ENDLESS = frozenset({"text/plain", "application/octet-stream"})
"""Types of which nobody can tell whether they are whole."""
RTF_MARK = re.compile(rb"\\bin(\d{1,9}) ?|\\.|[{}]", re.DOTALL)
MAY_STAY_OPEN = frozenset(
    "head body p li dt dd tr td th tbody thead tfoot colgroup option area base br col embed hr img input link"
    " meta param source track wbr o:p".split()
)
"""Elements of HTML whose end may be left out, or that have none."""
COUNT = re.compile(r"(.*?)(\d{1,9})")
TAIL = 70_000
"""Bytes at the end of a document in which its end is looked for."""


def is_document(obx: Segment) -> bool:
    return obx.text(2).upper() == "ED"


def continues(before: list[Segment], obx: Segment) -> bool:
    """Whether a document's OBX goes on with the one before it: another part of the same name, which does not begin a
    document of its own under another OBX-4."""
    if not is_document(obx) or not is_document(before[0]) or before[0][3] != obx[3]:
        return False
    if before[-1][4] == obx[4]:
        return True
    return not _begins(obx) and _begins(before[0])


def documents(segments: tuple[Segment, ...], zone: str) -> list[dict[str, Any]]:
    """Return the Attachments in an ED result, {} for each that is not whole or cannot be read; none of no data."""
    title, created = codes.text_of(segments[0], 3), times.fhir(times.of(segments[0], 14), zone)
    if not is_complete(segments):
        return [{}]
    pieces: list[list[tuple[str, str, str]]] = []
    for part in (part for segment in segments for part in _parts(segment)):
        if pieces and not _format(part[2]) and part[0] in ("", pieces[-1][0][0]):
            pieces[-1].append(part)
        else:
            pieces.append([part])
    return [_attachment(parts, title, created) for parts in pieces if any(data for _, _, data in parts)]


def is_complete(segments: tuple[Segment, ...]) -> bool:
    """Whether the parts of a document follow each other without a gap: by OBX-4 where it counts them, and by OBX-1
    where that does not stand still."""
    for field in (4, 1):
        said = [segment.text(field) for segment in segments]
        if len(set(said)) == 1 or (field == 1 and not all(said)):
            continue
        counts = [COUNT.fullmatch(text) for text in said]
        numbers = [(match[1], int(match[2])) for match in counts if match]
        if len(numbers) < len(said) or any(
            (name, number + 1) != after for (name, number), after in zip(numbers, numbers[1:])
        ):
            return False
    return True


def _parts(segment: Segment) -> list[tuple[str, str, str]]:
    """Return (type, encoding, data) of each repetition of OBX-5; data without components is a part of what went
    before."""
    parts = []
    for field in segment.repetitions(5):
        bare = segment.encoding.component not in field.raw
        data = field.text(1) if bare else field.text(5)
        kind = "" if bare else (field.text(3).upper() or field.text(2).upper())
        parts.append((kind, "" if bare else field.text(4).upper(), data))
    return parts


def _begins(obx: Segment) -> bool:
    return any(_format(data) for _, _, data in _parts(obx)[:1])


def _format(data: str) -> str:
    """Return the content type that the beginning of encoded data shows, or ""."""
    start = re.sub(r"\s+", "", data[:200])[:16]
    try:
        head = base64.b64decode(start[: len(start) // 4 * 4], validate=True)
    except (binascii.Error, ValueError):
        head = b""
    return next((kind for kind, begins, _ in FORMATS if len(head) >= 8 and head.startswith(begins)), "")


def _attachment(parts: list[tuple[str, str, str]], title: str, created: str) -> dict[str, Any]:
    kind, encoding = parts[0][0], parts[0][1]
    data = decoded([data for _, _, data in parts], encoding)
    content = content_type(data, kind)
    if not data or not content or not is_whole(data, content):
        return {}
    return {"contentType": content, "data": base64.b64encode(data).decode(), "title": title, "creation": created}


def content_type(data: bytes, kind: str) -> str:
    """Return the type of a document: what its data shows, else what the sender says; "" where the two disagree, or
    nobody says."""
    shown = next((name for name, begins, _ in FORMATS if data.startswith(begins)), "")
    said = CONTENT_TYPES.get(kind, "application/octet-stream" if kind else "")
    if shown or said not in {name for name, _, _ in FORMATS}:
        return shown or ("application/xml" if said == "text/plain" and data.lstrip()[:5] == b"<?xml" else said)
    return ""


def is_whole(data: bytes, content: str) -> bool:
    """Whether a document ends as its format asks, and what it opens it closes; one whose format has no end
    (``ENDLESS``) is taken as whole."""
    if content in CLOSED:
        return CLOSED[content](data if content.startswith("image/") else data.rstrip(b"\x00"))
    index = re.findall(rb"startxref\s+(\d{1,12})", data[-TAIL:]) if content == "application/pdf" else []
    if index and int(index[-1]) >= len(data):
        return False  # a PDF says where its index begins: bytes before it are missing
    ends = [end for kind, begins, end in FORMATS if kind == content and data.startswith(begins)]
    return all(re.search(end, data[-TAIL:], re.DOTALL) for end in ends)


def is_html_whole(data: bytes) -> bool:
    """Whether HTML ends with a tag and closes what must be closed. Some ends may be left out (``</p>``, ``</li>``), but
    not that of the page where its beginning was sent."""
    opened = Opened()
    opened.feed(data.decode("latin-1"))
    return data.rstrip().endswith(b">") and not any(opened.count.values())


class Opened(HTMLParser):
    """The elements of HTML that are open still."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in MAY_STAY_OPEN:
            self.count[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if self.count[tag] > 0:
            self.count[tag] -= 1


def is_png_whole(data: bytes) -> bool:
    """Whether a PNG is made of chunks whose sums agree, IEND the last (https://www.w3.org/TR/png/, chapter 5)."""
    at = 8
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        end = at + 8 + length
        if zlib.crc32(data[at + 4 : end]) != int.from_bytes(data[end : end + 4]):
            return False
        at = end + 4
        if kind == b"IEND":
            return not data[at:].strip(b"\x00 \r\n\t")
    return False


def is_tiff_whole(data: bytes) -> bool:
    """Whether all that a TIFF's directories point to lies within it: their values and the strips and tiles of each
    image (TIFF 6.0, chapter 2, https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf). It has no end of its
    own. Directories that lie in each other, or that are more than fit into it, are not those of a whole one."""
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(data[at : at + size], order) if at + size <= len(data) else len(data) + 1

    seen: set[int] = set()
    at, left = number(4, 4), len(data)
    while at:
        count = number(at, 2)
        size = 6 + 12 * count
        left -= size
        if at in seen or left < 0 or at + size > len(data) or not _are_within(data, at + 2, count, number):
            return False
        seen.add(at)
        at = number(at + size - 4, 4)
    return bool(seen)


def _are_within(data: bytes, start: int, count: int, number: Callable[[int, int], int]) -> bool:
    """Whether what the entries of one directory point to lies within a TIFF."""
    arrays: dict[int, list[int]] = {}
    left = len(data)
    for at in range(start, start + 12 * count, 12):
        tag, size, values = number(at, 2), TIFF_SIZES.get(number(at + 2, 2), 1), number(at + 4, 4)
        place = at + 8 if size * values <= 4 else number(at + 8, 4)
        if place + size * values > len(data):
            return False
        if tag in TIFF_PIECES or tag in TIFF_PIECES.values():
            left -= size * values
            if tag in arrays or left < 0:
                return False  # a directory has each tag once
            arrays[tag] = [number(place + size * number_of, size) for number_of in range(values)]
    return all(
        place + length <= len(data)
        for offsets, lengths in TIFF_PIECES.items()
        for place, length in zip(arrays.get(offsets, ()), arrays.get(lengths, ()))
    )


TIFF_SIZES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""Bytes of a value by its type; the other types have one."""
TIFF_PIECES = {273: 279, 324: 325}
"""The tag of where the strips or tiles of an image lie, and that of how long they are."""


def is_rtf_whole(data: bytes) -> bool:
    """Whether the braces of RTF balance, and the last one ends it. Escaped braces and binary data do not count."""
    depth = at = 0
    while match := RTF_MARK.search(data, at):
        at = match.end() + int(match[1] or 0)
        depth += {b"{": 1, b"}": -1}.get(match[0], 0)
        if depth <= 0:
            return depth == 0 and match[0] == b"}" and not data[at:].strip(b"\x00 \r\n\t")
    return False


CLOSED: dict[str, Callable[[bytes], bool]] = {
    "application/xml": is_well_formed,
    "text/html": is_html_whole,
    "application/rtf": is_rtf_whole,
    "image/png": is_png_whole,
    "image/tiff": is_tiff_whole,
}


def decoded(parts: list[str], encoding: str) -> bytes:
    """Return the bytes of a document's parts, b"" for what is not of its encoding.

    Base64 may be cut anywhere between the parts, or be closed (``=``) in each of them; a MIME header before it is
    passed over. Padding that is missing at the end is added where the end of the format proves that nothing else is.
    """
    if encoding == "A":
        return "".join(parts).encode()
    text = re.sub(r"\s+", "", "".join(_without_header(part) for part in parts))
    try:
        if encoding == "HEX":
            return bytes.fromhex(text)
        if encoding not in ("", "BASE64"):
            return b""
        closed = re.findall(r"[^=]+=*", text)
        data = b"".join(base64.b64decode(piece, validate=True) for piece in closed[:-1])
        last = closed[-1] if closed else ""
        padded = base64.b64decode(last + "=" * (-len(last) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""
    data += padded
    is_proved = (
        len(last) % 4 == 0 or data.startswith(tuple(begins for _, begins, end in FORMATS if end)) or data[:1] == b"<"
    )
    return data if is_proved else b""


def _without_header(part: str) -> str:
    """Return a part without the lines of a MIME header (``Content-Type: …``) and boundary."""
    if not re.match(r"MIME-Version|Content-|--", part.lstrip(), re.IGNORECASE):
        return part
    lines = [line for line in part.splitlines() if not re.match(r"\s*(--|[A-Za-z-]+:\s|[^\s=]+=\S*[\";])", line)]
    return "\n".join(lines)
