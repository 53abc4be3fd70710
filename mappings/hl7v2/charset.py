"""The character set of a message: the feed's ``charset`` where it names one, else MSH-18, else the feed's encoding."""

from __future__ import annotations

from gateway.errors import Invalid
from mappings import Feed
from mappings.hl7v2.message import C1, WINDOWS, normalise

CHARSETS = {
    "": "",
    "ASCII": "",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    **{f"8859/{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)},
    **{f"ISO-8859-{part}": f"iso-8859-{part}" for part in (*range(1, 10), 15)},
    "WINDOWS-1252": "cp1252",
    "CP1252": "cp1252",
}
"""HL7 table 0211, and what senders write beside it."""
Warnings = list[tuple[str, str]]


def decode(payload: bytes, feed: Feed, warnings: Warnings) -> str:
    """Return the message's text, its line ends normalised.

    The control signs 0x80–0x9F, which no text means, are read as the letters of Windows-1252 that senders mean by
    them, as browsers do (WHATWG Encoding, label iso-8859-1). Raises ``Invalid("MSH-18…")`` for bytes that are not of
    the set, and for a set whose letters we cannot read: a name spelled wrongly is another.
    """
    text = _decoded(payload, feed)
    if not text.isascii() and C1.search(text):
        warnings.append(("MSH-18", "letters of Windows-1252 where the character set has none"))
        text = text.translate(WINDOWS)
    return normalise(text)


def _decoded(payload: bytes, feed: Feed) -> str:
    declared = str(feed.settings.get("charset") or "").strip().upper() or _declared(payload)
    if declared not in CHARSETS and not payload.isascii():
        raise Invalid("MSH-18: character set not known")
    encoding = CHARSETS.get(declared) or feed.encoding
    try:
        return payload.decode(encoding)
    except UnicodeDecodeError:
        raise Invalid("MSH-18: bytes of another character set") from None


def _declared(payload: bytes) -> str:
    header = payload.lstrip(b"\x0b\xef\xbb\xbf\r\n ").replace(b"\n", b"\r").split(b"\r", 1)[0].decode("iso-8859-1")
    fields = header.split(header[3:4] or "|")
    return fields[17].split("~")[0].strip().upper() if len(fields) > 17 else ""
