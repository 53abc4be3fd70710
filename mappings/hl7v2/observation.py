"""OBX to Observation, and which of two values for the same thing counts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from gateway.fhir.build import encode, resource
from mappings import Look
from mappings.hl7v2 import codes, documents, times, values
from mappings.hl7v2.message import Segment
from mappings.hl7v2.specimen import Taken
from mappings.vocabulary import HL7, UK_CORE, absent

LAB = UK_CORE + "UKCore-Observation-Lab"
OTHER = UK_CORE + "UKCore-Observation"

UNSETTLED = {"registered", "preliminary", "unknown"}
FIRST = {"registered", "preliminary"}
"""What a later result replaces by its nature. One without a status is not settled, but nobody says that it is first."""
CHANGES = {"corrected", "amended", "cancelled", "entered-in-error"}
WITHDRAWN = {"cancelled", "entered-in-error"}
CRITICAL = {"AA", "HH", "LL"}
WITHOUT_VALUE = {
    "registered": "temp-unknown",
    "preliminary": "temp-unknown",
    "cancelled": "not-performed",
    "entered-in-error": "error",
}

LABORATORY = [{"coding": [{"system": HL7 + "observation-category", "code": "laboratory"}]}]
WITHDRAWN_BEFORE = "This value was withdrawn before, and was sent again later"

Value = tuple[object, str]


class Tie(msgspec.Struct, frozen=True):
    """What a result depends on: the code, OBX-4 and words of the result that it was found in (an organism).

    ``head`` is that result's OBX where its place in the message ties the two, and ``source`` its key among the results
    in force, as ``sameness`` finds it; or its name in ``order``, the key of the other order that OBR-29 names.
    """

    code: str
    sub: str
    words: str
    head: Segment | None = None
    source: tuple[str, ...] = ()
    order: str = ""


class Result(msgspec.Struct, frozen=True, dict=True):
    """One result of one message: its OBX (the lines of a text are one result), its comments, and the OBR it came under.

    ``name`` is what names it within its order, as ``sameness`` says. ``corrects``: the order says that something is
    corrected (OBR-25 ``C``), and no result says which. ``also`` holds what a reader must be told beside the value;
    ``undone`` the values that a marked correction took back; ``posted`` when the message was sent (MSH-7), 0 for
    not known.
    """

    segments: tuple[Segment, ...]
    obr: Segment
    status: str
    name: tuple[str, ...]
    notes: tuple[str, ...] = ()
    specimens: tuple[Taken, ...] = ()
    tie: Tie | None = None
    corrects: bool = False
    is_blank: bool = False
    also: tuple[str, ...] = ()
    undone: tuple[Value, ...] = ()
    posted: int = 0

    @property
    def obx(self) -> Segment:
        return self.segments[0]

    @property
    def time(self) -> str:
        """The time of the observation: the first OBX-14 of its lines, else OBR-7."""
        return self._time(times.of)

    @property
    def time_sent(self) -> str:
        """The same as it was sent, though it cannot be."""
        return self._time(times.sent)

    def _time(self, of: Callable[[Segment, int], str]) -> str:
        return next((text for segment in self.segments if (text := of(segment, 14))), of(self.obr, 7))

    @cached_property
    def sent(self) -> Value:
        """The value and its unit as sent, to tell whether two are the same; numbers are compared as numbers."""
        if documents.is_document(self.obx):
            return "".join(segment[5] for segment in self.segments), ""
        words = values.words_of(self.segments)
        return (Decimal(words) if values.is_number(words) else words), self.obx[6].strip()


def status_of(obx: Segment, obr: Segment) -> str:
    """Return the Observation status, of OBX-11 and OBR-25 together.

    An empty OBX-11 leaves it to the order. An order that is deleted or posted as wrong withdraws its results but for
    those that say themselves that they are corrected (senders write ``W`` over a corrected report), and a cancelled
    order those that are not settled.
    """
    return _status(obx.text(11), obr.text(25))


@lru_cache(maxsize=1024)
def _status(said: str, said_of_order: str) -> str:
    order = codes.target("result_unsaid", said_of_order)
    own = codes.target("result_status", said) if said else order
    if (order == "entered-in-error" and own not in ("corrected", "amended")) or (
        order == "cancelled" and own in UNSETTLED
    ):
        return order
    return own or "unknown"


def accept(held: Result | None, new: Result) -> Result:
    """Return which of two results of the same test is in force; ``new`` is the later one.

    A preliminary never replaces a final, whatever their order; what is cancelled or withdrawn yields to it. Another
    final value takes the place of the first: as ``corrected`` where the order says so, else as ``amended``, with the
    earlier value in a note. A value that a marked correction took back does not come back unmarked. ``U`` makes the
    value held final.
    """
    if held is None:
        return replace(new, status="corrected") if new.corrects and new.status == "final" else new
    if new.obx.text(11) == "U" and not new.obx[5]:
        return replace(held, status="final") if held.status in UNSETTLED else held
    if new.status in CHANGES:
        return replace(new, undone=(*held.undone, held.sent) if held.status not in UNSETTLED else held.undone)
    if held.status == "entered-in-error":
        return again(held, new)
    if held.status in WITHDRAWN:
        return replace(new, undone=held.undone)
    if held.status in UNSETTLED:
        return said_before(held, replace(new, undone=held.undone))
    if new.status in UNSETTLED:
        return held if new.status in FIRST else said_after(held, new)
    return settle(held, new)


def said_before(held: Result, new: Result) -> Result:
    """Return the later of two results; it tells a value that was sent before it without a status."""
    if held.status in FIRST or held.sent == new.sent or not said(held):
        return replace(new, also=(*held.also, *new.also)) if held.also else new
    return replace(new, also=(*held.also, f"Sent before without a status, another value: {said(held)}"))


def said_after(held: Result, new: Result) -> Result:
    """Return a settled result; it tells a value that was sent after it without a status."""
    if new.sent == held.sent or new.sent in held.undone or not said(new):
        return held
    return replace(held, also=(*held.also, f"Sent later without a status, another value: {said(new)}"))


def again(held: Result, new: Result) -> Result:
    """Return which counts of a withdrawn result and one that comes after it by the time of issue.

    A withdrawal that was sent later than what seems to follow it, or at a time that nobody knows, is of that value. The
    withdrawn value sent again is shown with a note; another value stands for itself.
    """
    is_same_value = new.sent in (held.sent, *held.undone)
    is_later = held.posted > new.posted if held.posted else is_same_value
    if is_later and (is_same_value or not held.obx[5]):
        return held
    if not is_same_value:
        return replace(new, undone=held.undone)
    return come_back(replace(new, also=held.also, undone=held.undone))


def come_back(result: Result) -> Result:
    """Return a result whose value was withdrawn before it was sent: it says so, and is not plainly final."""
    if WITHDRAWN_BEFORE in result.also:
        return result
    status = "amended" if result.status == "final" else result.status
    return replace(result, status=status, also=(*result.also, WITHDRAWN_BEFORE))


def settle(held: Result, new: Result) -> Result:
    """Return which of two settled values counts, where the later one is not marked as a change."""
    if new.sent == held.sent:
        return replace(new, status=held.status, notes=new.notes or held.notes, also=held.also, undone=held.undone)
    if new.sent in held.undone:
        return replace(held, also=(*held.also, f"A value that was corrected was sent again later: {said(new)}"))
    if new.corrects:
        return replace(new, status="corrected", undone=(*held.undone, held.sent))
    earlier = f"Changed after it was final, without a mark of correction. Earlier value: {said(held)}"
    return replace(new, status="amended", also=(*held.also, earlier), undone=held.undone)


def said(result: Result) -> str:
    """Return the value in words."""
    if documents.is_document(result.obx):
        return "a document"
    return f"{values.words_of(result.segments)} {result.obx.whole(6)}".strip()


def cancelled(held: Result, status: str, posted: int) -> Result:
    """Return a result that the order cancels or withdraws: its value is not shown. ``posted``: when that was sent."""
    return replace(held, status=status, is_blank=True, undone=(*held.undone, held.sent), posted=posted)


def observation(
    result: Result,
    key: str,
    subject: dict[str, Any],
    encounter: dict[str, Any],
    is_lab: bool,
    specimen: dict[str, Any],
    source: dict[str, Any],
    publisher: str,
    look: Look,
) -> dict[str, Any]:
    """Return the Observation. A result entered in error keeps no value; a cancelled one only what the cancelling
    message says. ``source`` is the Observation it was found in (an organism), in a reference."""
    obx, zone = result.obx, look.feed.zone
    is_empty = result.status == "entered-in-error" or result.is_blank or documents.is_document(obx)
    elements = {} if is_empty else values.value(result.segments, look, publisher)
    time = result.time
    tied = [result.tie.words] if result.tie and result.tie.words else []
    built = resource(
        "Observation",
        look.id("Observation", key),
        LAB if is_lab else OTHER,
        is_clean=True,
        status=result.status,
        category=LABORATORY if is_lab else [],
        code=codes.required(obx, 3, look, publisher),
        subject=subject,
        encounter=encounter,
        effectiveDateTime=times.fhir(time, zone),
        performer=[{"type": "Organization", "display": producer}]
        if (producer := obx.text(23) or codes.text_of(obx, 15))
        else [],
        **elements,
        dataAbsentReason=without_value(result, elements),
        interpretation=[] if is_empty else flags(result),
        note=[{"text": text} for text in (*tied, *result.notes, *values.unit_beside(obx, elements), *result.also)],
        method=codes.first(obx, 17, look, publisher),
        specimen=specimen,
        referenceRange=[] if is_empty else ranges(result),
        derivedFrom=[source] if source else [],
    )
    return times.flagged(built, zone, time, obx.whole(5).strip() if "valueDateTime" in elements else "")


def flags(result: Result) -> list[dict[str, Any]]:
    """Return the abnormal flags of all lines of a result, the gravest first. "Normal" stands only where every line that
    says something carries it and nothing graver stands."""
    if len(result.segments) == 1:
        return values.interpretations(result.obx)
    lines = [segment for segment in result.segments if segment[5] or segment[8]]
    by_line = [values.interpretations(segment) for segment in lines]
    if len(by_line) == 1:
        return by_line[0]
    every = once_each(flag for line in by_line for flag in line)
    grave = sorted((flag for flag in every if _code(flag) != "N"), key=lambda flag: _code(flag) not in CRITICAL)
    is_normal = not grave and all(any(_code(flag) == "N" for flag in line) for line in by_line)
    return grave or (every[:1] if is_normal else [])


def _code(flag: dict[str, Any]) -> str:
    return str(next((coding["code"] for coding in flag.get("coding", ())), ""))


def ranges(result: Result) -> list[dict[str, Any]]:
    """Return the reference ranges of all lines of a result."""
    if len(result.segments) == 1:
        return values.reference_range(result.obx)
    return once_each(limits for segment in result.segments for limits in values.reference_range(segment))


def once_each(elements: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return elements in their order, those that are equal once: a text may have a hundred thousand lines."""
    return list({encode(element): element for element in elements}.values())


def without_value(result: Result, elements: dict[str, Any]) -> dict[str, Any]:
    """Return why there is no value, where there is none."""
    if elements:
        return {}
    code = "not-asked" if result.obx.text(11) == "N" else WITHOUT_VALUE.get(result.status, "unknown")
    if documents.is_document(result.obx) and result.status not in WITHOUT_VALUE:
        code = "error"
    return absent(code)
