"""What becomes of a message, by THE TABLE of outcomes: taken, kept as a reject, or refused. The mapping's reader reads;
nothing here looks into a message but at its header.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway import log
from gateway.intake.listen.listeners import Listener
from mappings import Feed, Reject, Row, Source
from mappings.hl7v2.acknowledgement import Header
from mappings.readers.files import File

FILE = Path("mllp")
"""The name that rejects of a listener have for their file."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """``code`` names the setting of the acknowledgement's code ("": AA). ``error`` is of HL7 table 0357. ``is_kept``:
    the bytes are kept, to be mapped or as a reject that can be replayed."""

    code: str
    error: str
    is_kept: bool


OUTCOMES = {
    "taken": Outcome("", "", True),
    "unreadable": Outcome("unreadable", "102", True),
    "unsupported": Outcome("unsupported", "200", True),
    "test": Outcome("unsupported", "202", True),
    "reused": Outcome("reused", "205", True),
    "bug": Outcome("unreadable", "207", True),
    "stranger": Outcome("refused", "103", False),
    "unknown": Outcome("refused", "103", False),
    "long": Outcome("refused", "102", False),
    "unavailable": Outcome("unavailable", "207", False),
}
"""THE TABLE of what becomes of a message. A stranger is not of the feed's ``senders``; an unknown one is of a publisher
that the operator has not registered. Neither is kept: it may be anybody's."""
IsKnown = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The name of an outcome, and why in fixed words. It never holds a value."""

    name: str
    reason: str = ""

    @property
    def outcome(self) -> Outcome:
        return OUTCOMES[self.name]


TAKEN = Verdict("taken")
UNKNOWN = Verdict("unknown", "MSH-4: a publisher that this store does not know")
REUSED = Verdict("reused", "MSH-10: another message came with this control id")


def code(verdict: Verdict, listener: Listener) -> str:
    """The code of the acknowledgement: AA, AE, AR, or "" for none at all."""
    name = verdict.outcome.code
    return str(getattr(listener.settings.codes, name)) if name else "AA"


def judge(
    payload: bytes, header: Header, listener: Listener, source: Source, is_sandbox: bool, is_known: IsKnown
) -> Verdict:
    """Return what becomes of a message that did not come before. ``is_known`` says whether the store takes what a
    publisher sends."""
    if not listener.is_sender(header.application, header.facility):
        return Verdict("stranger", "MSH-4: a sender that the feed does not list")
    if header.fault:
        return Verdict("unsupported", header.fault)
    if not listener.takes(header.processing, is_sandbox):
        return Verdict("test", "MSH-11: messages of this processing id are not taken")
    try:
        items = list(read(payload, listener.feed, source))
    except Exception as bug:  # of the reader: the message is kept for when it is mended, and the feed goes on
        log.bug(bug)
        return Verdict("bug", reason_of(bug))
    return _of_items(items, is_known)


def reason_of(bug: Exception) -> str:
    """What a reject says of a bug of the reader."""
    return f"a bug ({type(bug).__name__}); the log names the lines of code"


def _of_items(items: list[Row | Reject], is_known: IsKnown) -> Verdict:
    rejects = [item for item in items if isinstance(item, Reject)]
    rows = [item for item in items if isinstance(item, Row)]
    if len({row.line for row in rows}) + len(rejects) > 1:
        return Verdict("unreadable", "a frame holds more than one message, or a batch")
    if not items:
        return Verdict("unreadable", "nothing in it is read")
    if rejects:
        reason = rejects[0].reason
        return Verdict("unsupported" if reason.startswith("MSH-9") else "unreadable", reason)
    if not all(is_known(row.publisher) for row in rows):
        return UNKNOWN
    return TAKEN


def read(payload: bytes, feed: Feed, source: Source) -> list[Row | Reject]:
    """What the source's reader makes of a message."""
    return list(source.read(File(FILE, content=payload), feed))
