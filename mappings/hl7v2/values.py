"""OBX-5 to ``Observation.value[x]``, by the type that OBX-2 declares. What does not fit its type stays in the sender's
words."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from mappings import Look
from mappings.hl7v2 import codes, times
from mappings.hl7v2.message import Encoding, Segment
from mappings.hl7v2.units import unit

NUMBER = re.compile(r"[+-]?(\d{1,30}\.?\d{0,30}|\.\d{1,30})([eE][+-]?\d{1,2})?")
RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(-?\d+(?:\.\d+)?)")
LIMIT = re.compile(r"([<>]=?)\s*(-?\d+(?:\.\d+)?)")
COMPARATORS = {"<", "<=", ">", ">="}
COMPARED = re.compile(rf"([<>]=?)\s*({NUMBER.pattern})")
TEXT = {"TX", "FT", "ST", ""}
"""Types whose OBX of one name are the lines of one text."""


def words_of(segments: tuple[Segment, ...]) -> str:
    """Return the words of OBX-5, the lines of a text joined by line breaks."""
    if len(segments) == 1:
        return segments[0].whole(5).strip()
    return "\n".join([segment.whole(5).strip("\r\n") for segment in segments]).strip()


def in_words(segments: tuple[Segment, ...]) -> str:
    """Return what the OBX of one value say, in words: a text as it is, a value with its unit, range and flags."""
    obx = segments[0]
    kind = obx.text(2).upper()
    if kind in TEXT:
        return words_of(segments)
    if kind in codes.CODED:
        words = ", ".join(field.text(9) or field.text(2) or field.text(1) for field in obx.repetitions(5))
    else:
        words = " ".join(part for part in words_of(segments).split(obx.encoding.component) if part)
    flags = ", ".join(flag.text(2) or flag.text(1) for flag in obx.repetitions(8))
    beside = "; ".join(part for part in (f"range {obx.whole(7).strip()}" if obx[7] else "", flags) if part)
    return " ".join(part for part in (words, unit(obx).get("unit", ""), f"({beside})" if beside else "") if part)


def value(segments: tuple[Segment, ...], look: Look, publisher: str) -> dict[str, Any]:
    """Return ``{"valueQuantity": …}`` or the like for the OBX of one result (a text sent by lines has several), {} for
    none."""
    obx, words = segments[0], words_of(segments)
    if not words:
        return {}
    match obx.text(2).upper():
        case "NM":
            return {"valueQuantity": quantity(words, obx)} if is_number(words) else text(words, obx)
        case "SN":
            return structured(obx) or text(words.replace("^", ""), obx)
        case "CE" | "CWE" | "CNE" | "CF":
            return coded(obx, look, publisher) or {"valueString": words}
        case "DT" | "TS" | "DTM":
            time = times.fhir(words, look.feed.zone)
            return {"valueDateTime": time} if time else {"valueString": words}
        case "TM":
            return clock(words)
        case "TX" | "FT" | "ST" | "ID" | "IS" | "SI" | "":
            return text(words, obx)
        case _:
            return text(" ".join(part for part in re.split(r"[\^&]", words) if part), obx)


def text(words: str, obx: Segment) -> dict[str, Any]:
    """Return words as a string, with the unit beside them; a number with its unit (``6.09``, ``<15``) is a Quantity
    though it was sent as text."""
    named = unit(obx).get("unit", "")
    if named and is_number(words):
        return {"valueQuantity": quantity(words, obx)}
    if named and (match := COMPARED.fullmatch(words)):
        return {"valueQuantity": quantity(match[2], obx, match[1])}
    return {"valueString": f"{words} {named}" if _takes_unit(words, named) else words}


def _takes_unit(words: str, named: str) -> bool:
    return bool(named) and "\n" not in words and len(words) <= 40 and words[-1:].isdigit()


def unit_beside(obx: Segment, elements: dict[str, Any]) -> list[str]:
    """Return the note on a unit that the value itself cannot carry, none where there is no need of one."""
    if not elements or "valueQuantity" in elements or "valueRange" in elements:
        return []
    named = unit(obx).get("unit", "")
    is_carried = elements.get("valueString", "").endswith(f" {named}")
    return [f"Unit sent: {named}"] if named and not is_carried else []


def is_number(words: str) -> bool:
    return bool(NUMBER.fullmatch(words))


def quantity(number: str, obx: Segment, comparator: str = "") -> dict[str, Any]:
    """Return the Quantity, every digit as sent (``5.10`` stays ``5.10``)."""
    value: dict[str, Any] = {"value": Decimal(number)}
    if comparator:
        value["comparator"] = comparator
    return value | unit(obx)


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
    """Return the coded value; several repetitions are their words, because FHIR has room for
    one concept, and each with its codes is a component."""
    concepts = [concept for field in obx.repetitions(5) if (concept := codes.codeable(field, look, publisher))]
    if len(concepts) > 1:
        parts = [
            {"code": {"text": f"Value {number}"}, "valueCodeableConcept": concept}
            for number, concept in enumerate(concepts, 1)
        ]
        return {"valueString": "\n".join(concept.get("text", "") for concept in concepts), "component": parts}
    return {"valueCodeableConcept": concepts[0]} if concepts else {}


def clock(words: str) -> dict[str, Any]:
    match = re.fullmatch(r"([01]\d|2[0-3])([0-5]\d)([0-5]\d)?(\.\d+)?", words)
    return {"valueTime": f"{match[1]}:{match[2]}:{match[3] or '00'}"} if match else {"valueString": words}


def reference_range(obx: Segment) -> list[dict[str, Any]]:
    """Return OBX-7 as low, high and the words seen: ``4.0-11.0``, ``[ 150 - 400 ]``, ``<48``, ``> 60``; else the words
    alone. Not to be changed: it is shared."""
    return _range(obx[7], obx[6], obx.encoding) if obx[7] else []


@lru_cache(maxsize=8192)
def _range(raw: str, units: str, encoding: Encoding) -> list[dict[str, Any]]:
    sign = encoding.field
    obx = Segment("OBX", f"OBX{sign * 6}{units}{sign}{raw}", encoding)
    words = obx.whole(7).strip()
    if not words:
        return []
    bare = words.removeprefix("[").removesuffix("]").strip()
    if match := RANGE.fullmatch(bare):
        return [{"low": quantity(match[1], obx), "high": quantity(match[2], obx), "text": words}]
    if match := LIMIT.fullmatch(bare):
        return [{"high" if match[1][0] == "<" else "low": quantity(match[2], obx), "text": words}]
    return [{"text": words}]


def interpretations(obx: Segment) -> list[dict[str, Any]]:
    """Return OBX-8. None sent means none said: never "normal". Not to be changed: it is shared."""
    return _interpretations(obx[8], obx.encoding) if obx[8] else []


@lru_cache(maxsize=1024)
def _interpretations(raw: str, encoding: Encoding) -> list[dict[str, Any]]:
    concepts: list[dict[str, Any]] = []
    for field in Segment("OBX", f"OBX{encoding.field * 8}{raw}", encoding).repetitions(8):
        code = field.text(1).strip()
        known = codes.table("interpretation").get(code.upper())
        if known:
            coding = {"system": codes.SYSTEMS["interpretation"], "code": known[0], "display": known[1]}
            concepts.append({"coding": [coding]})
        elif code:
            concepts.append({"text": field.text(2) or code})
    return concepts
