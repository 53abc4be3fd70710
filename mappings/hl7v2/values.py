"""OBX-5 to ``Observation.value[x]``, by the type that OBX-2 declares. What does not fit its type stays in the sender's
words."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Any

from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import Repetition, Segment
from mappings.hl7v2.units import unit

NUMBER = re.compile(r"[+-]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})([eE][+-]?\d{1,2})?")
RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(-?\d+(?:\.\d+)?)")
LIMIT = re.compile(r"([<>]=?)\s*(-?\d+(?:\.\d+)?)")
COMPARATORS = {"<", "<=", ">", ">="}
JOINED = {"TX", "FT", "ED"}
CONTENT_TYPES = {
    "PDF": "application/pdf",
    "RTF": "application/rtf",
    "TEXT": "text/plain",
    "PLAIN": "text/plain",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "TIFF": "image/tiff",
}


def value(segments: list[Segment], look: Look, publisher: str) -> dict[str, Any]:
    """Return ``{"valueQuantity": …}`` or the like for the OBX of one result (a text sent by lines has several), {} for
    none."""
    obx = segments[0]
    words = "\n".join(segment.whole(5).strip("\r\n") for segment in segments).strip()
    if not words:
        return {}
    match obx.text(2):
        case "NM":
            return {"valueQuantity": quantity(words, obx)} if is_number(words) else {"valueString": words}
        case "SN":
            return structured(obx) or {"valueString": words.replace("^", "")}
        case "CE" | "CWE" | "CNE" | "CF":
            return coded(obx, look, publisher) or {"valueString": words}
        case "DT" | "TS" | "DTM":
            return (
                {"valueDateTime": times.fhir(words, look.feed.zone)} if times.is_time(words) else {"valueString": words}
            )
        case "TM":
            return clock(words)
        case "TX" | "FT" | "ST" | "ID" | "IS" | "SI" | "":
            return {"valueString": words}
        case _:
            return {"valueString": " ".join(part for part in re.split(r"[\^&]", words) if part)}


def is_number(words: str) -> bool:
    return bool(NUMBER.fullmatch(words))


def quantity(number: str, obx: Segment, comparator: str = "") -> dict[str, Any]:
    """Return the Quantity, every digit as sent (``5.10`` stays ``5.10``)."""
    return {"value": Decimal(number), "comparator": comparator, **unit(obx)}


def structured(obx: Segment) -> dict[str, Any]:
    """Return the value of an SN (``>^100``, ``^1^:^128``, ``^5^-^10``), {} for one that says something else."""
    sign, first, between, second = (obx.text(5, number).strip() for number in (1, 2, 3, 4))
    if not is_number(first):
        return {}
    if not between and not second:
        if sign in COMPARATORS:
            return {"valueQuantity": quantity(first, obx, sign)}
        return {"valueQuantity": quantity(first, obx)} if sign in ("", "=") else {}
    if sign or not is_number(second):
        return {}
    if between == "-":
        return {"valueRange": {"low": quantity(first, obx), "high": quantity(second, obx)}}
    if between in (":", "/"):
        return {"valueRatio": {"numerator": {"value": Decimal(first)}, "denominator": {"value": Decimal(second)}}}
    return {}


def coded(obx: Segment, look: Look, publisher: str) -> dict[str, Any]:
    """Return the coded value; several repetitions are one concept in words, because FHIR has room for one."""
    found = [codes.codeable(field, look, publisher) for field in obx.repetitions(5)]
    found = [concept for concept in found if concept["coding"] or concept["text"]]
    if len(found) > 1:
        return {"valueString": "\n".join(concept["text"] for concept in found)}
    return {"valueCodeableConcept": found[0]} if found else {}


def clock(words: str) -> dict[str, Any]:
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(\.\d+)?", words)
    return {"valueTime": f"{match[1]}:{match[2]}:{match[3] or '00'}"} if match else {"valueString": words}


def reference_range(obx: Segment) -> list[dict[str, Any]]:
    """Return OBX-7 as low, high and the words seen: ``4.0-11.0``, ``[ 150 - 400 ]``, ``<48``, ``> 60``; else the words
    alone."""
    words = obx.whole(7).strip()
    if not words:
        return []
    bare = words.removeprefix("[").removesuffix("]").strip()
    made: dict[str, Any] = {"text": words}
    if match := RANGE.fullmatch(bare):
        made = {"low": quantity(match[1], obx), "high": quantity(match[2], obx), **made}
    elif match := LIMIT.fullmatch(bare):
        made = {"high" if match[1][0] == "<" else "low": quantity(match[2], obx), **made}
    return [made]


def interpretations(obx: Segment) -> list[dict[str, Any]]:
    """Return OBX-8. None sent means none said: never "normal"."""
    concepts: list[dict[str, Any]] = []
    for field in obx.repetitions(8):
        code = field.text(1).strip()
        known = codes.table("interpretation").get(code.upper())
        if known:
            coding = {"system": codes.SYSTEMS["interpretation"], "code": known[0], "display": known[1]}
            concepts.append({"coding": [coding]})
        elif code:
            concepts.append({"text": field.text(2) or code})
    return concepts


def document(segments: list[Segment], zone: str) -> dict[str, Any]:
    """Return the Attachment of an ED, its parts joined in order; {} for what cannot be read."""
    parts = [next(iter(segment.repetitions(5)), Repetition("", segment.encoding)) for segment in segments]
    kind, encoding = parts[0].text(3).upper() or parts[0].text(2).upper(), parts[0].text(4).upper()
    data = _bytes("".join(part.text(5) for part in parts), encoding)
    if not data:
        return {}
    content = "application/pdf" if data.startswith(b"%PDF") else CONTENT_TYPES.get(kind, "application/octet-stream")
    if content == "application/pdf" and not data.startswith(b"%PDF"):
        return {}
    title, created = codes.text_of(segments[0], 3), times.fhir(segments[0].text(14), zone)
    return {"contentType": content, "data": base64.b64encode(data).decode(), "title": title, "creation": created}


def _bytes(text: str, encoding: str) -> bytes:
    compact = re.sub(r"\s+", "", text)
    try:
        if encoding == "BASE64" or not encoding:
            return base64.b64decode(compact, validate=True)
        return bytes.fromhex(compact) if encoding == "HEX" else text.encode()
    except (binascii.Error, ValueError):
        return b""
