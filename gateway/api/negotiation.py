"""Content negotiation: which of the kinds of answer that a route has does the client want.

Sources: RFC 9110 §5.3 and §12.5.1 (lines combine, types ignore case, q=0 is "not acceptable", the most specific range
decides); R4 http, Content Types and encodings (``_format`` overrides ``Accept``) and versioning (``fhirVersion``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from gateway.api.errors import JSON, XML
from gateway.errors import NotAcceptable

HTML = "text/html"
SAME = {
    JSON: frozenset({JSON, "application/json", "text/json"}),
    XML: frozenset({XML, "application/xml", "text/xml"}),
}
"""Kind of answer → the media types that ask for it."""
SHORT = {"json": JSON, "xml": XML, "html": HTML, "application/fhir json": JSON, "application/fhir xml": XML}
"""Short forms of ``_format``, and a plus sign that was not encoded."""
VERSIONS = frozenset({"4.0", "4.0.1"})
MOST_RANGES = 50


@dataclass(frozen=True)
class Range:
    """One range of ``Accept``: a media type that may end in ``*``, its quality, and the FHIR version it asks for."""

    type: str
    quality: float
    version: str = ""

    def fits(self, kind: str) -> int:
        """How closely the range names a kind of answer: 0 not at all, 3 the type itself."""
        if self.version and self.version not in VERSIONS:
            return 0
        if self.type in SAME.get(kind, {kind}):
            return 3
        if self.type == kind.partition("/")[0] + "/*":
            return 2
        return 1 if self.type == "*/*" or (kind == JSON and self.type == "text/*") else 0


def chosen(request: Request, pairs: Sequence[tuple[str, str]], *kinds: str) -> str:
    """The kind of answer that the client prefers: JSON or one of ``kinds``. Raises ``NotAcceptable`` where it takes
    none of them."""
    offered = (JSON, *kinds)
    formats = [value for name, value in pairs if name == "_format"]
    if formats:
        return _of_format(formats, offered)
    accept = request.headers.getlist("accept")
    if not accept or accept in ([JSON], ["*/*"]):
        return JSON
    ranges = _ranges(accept)
    qualities = {kind: _quality(kind, ranges) for kind in offered}
    best = max(offered, key=lambda kind: qualities[kind])  # the first of several: JSON
    if qualities[best] <= (0, 0):
        raise _none(offered)
    return best


def _of_format(formats: Sequence[str], offered: Sequence[str]) -> str:
    kinds = set()
    for value in formats:
        wanted = _range(value)
        type_ = SHORT.get(wanted.type, wanted.type)
        kinds.add(next((kind for kind in offered if Range(type_, 1, wanted.version).fits(kind) == 3), ""))
    if len(kinds) != 1 or "" in kinds:
        raise _none(offered)
    return kinds.pop()


def _quality(kind: str, ranges: Sequence[Range]) -> tuple[float, int]:
    """(q, closeness) by the closest range that fits; of a range with several versions, the best."""
    fitting = [(fit, range_.quality) for range_ in ranges if (fit := range_.fits(kind))]
    if not fitting:
        return (0, 0)
    closest = max(fit for fit, _ in fitting)
    quality = max(quality for fit, quality in fitting if fit == closest)
    return (quality, closest) if quality > 0 else (0, 0)


def _ranges(lines: Sequence[str]) -> list[Range]:
    entries = [entry for line in lines for entry in line.split(",") if entry.strip()]
    return [_range(entry) for entry in entries[:MOST_RANGES]]


def _range(entry: str) -> Range:
    type_, *parameters = (part.strip() for part in entry.split(";"))
    quality, version = 1.0, ""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        match name.strip().lower():
            case "q":
                quality = _number(value)
            case "fhirversion":
                version = value.strip().strip('"')
    return Range(type_.lower(), quality, version)


def _number(text: str) -> float:
    """A quality between 0 and 1; what cannot be read asks for nothing."""
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _none(offered: Sequence[str]) -> NotAcceptable:
    return NotAcceptable(f"accept: {', '.join(offered)}")
