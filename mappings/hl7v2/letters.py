"""The messages of one document (MDM) to a DocumentReference: what it says now, what replaced it, who may see it.

Events and fields: HL7 v2.4 chapter 9; completion, confidentiality and availability are tables 0271 to 0273. A document
is known by its unique number (TXA-12). One that is cancelled (T11) keeps no content; one that is replaced (T10) is
superseded and keeps it; an addendum (T06) is another document, which says what it appends to.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from gateway.fhir.build import resource
from gateway.nhs.identifiers import is_ods_code
from mappings import Group, Look, Values
from mappings.hl7v2 import codes, documents, times, values
from mappings.hl7v2.datatypes import organisation, practitioner
from mappings.hl7v2.entities import document_key, parent_document_key, visit_key
from mappings.hl7v2.lines import group as lines_of
from mappings.hl7v2.message import Message, Repetition, Segment
from mappings.hl7v2.observation import status_of
from mappings.hl7v2.orders import Commented, Order
from mappings.hl7v2.people import by_person, owner
from mappings.hl7v2.replay import NOTHING, Fields, Sent, key_of, ordered, recorded
from mappings.hl7v2.service_requests import numbered, placed_order
from mappings.vocabulary import HL7, UK_CORE

PROFILE = UK_CORE + "UKCore-DocumentReference"
TYPES = HL7 + "v2-0270"
CANCELS = frozenset({"T11"})
APPENDS = frozenset({"T05", "T06"})
REPLACES = frozenset({"T07", "T08", "T09", "T10"})
"""What the event of a document says of its parent (TXA-13); any other event only links the two."""
EDITS = frozenset({"T07", "T08"})
NOTIFIES = frozenset({"T03"})
"""A notice of a status alone: it does not send a document again that was cancelled."""
OPEN = frozenset({"", "U", "N", "L", "M"})
"""TXA-18 that asks for nothing: usual control, normal, low, moderate. Anything else closes the document."""
SHUT = "UN"
"""TXA-19 of a document that is not available for patient care."""
STANDING, SUCCESSOR = "STANDING", "SUCCESSOR"
"""Tables of rows to be looked up: whether a document is cancelled, and what replaced it."""
WANTED: dict[str, tuple[int, ...]] = {"TXA": (2, 4, 5, 6, 7, 8, 9, 10, 14, 15, 16, 17, 18, 19, 21, 22, 25)}

REPLACED = "Replaced by another document"
NOT_REPLACED = "Another document replaced this one, and was cancelled itself"
EDITED = "Edited after it was final"
CANCELLED_BEFORE = "This document was cancelled before, and was sent again later"
DOUBTED = "This document was cancelled or replaced under another patient. Ask the sender whether it stands"
NOT_WHOLE = "A part of the document is not whole or cannot be read, and is not shown"
WITHDRAWN_PART = "A part of the document was withdrawn by its sender, and is not shown"
ENDLESS = "The format of a part does not say where it ends, so that it may not be complete"
EMPTY = "The document was announced without its content"


@dataclass
class Letter:
    """What the messages so far say of one document of one person."""

    fields: Fields = field(default_factory=lambda: Fields(WANTED))
    contents: list[Message] = field(default_factory=list)
    patient: str = ""
    visit: str = ""
    services: list[Segment] = field(default_factory=list)
    parents: dict[str, str] = field(default_factory=dict)
    first: Sent | None = None
    last: Sent | None = None
    is_cancelled: bool = False
    is_replaced: bool = False
    replacements: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def take(self, sent: Sent, key: str) -> None:
        """Take one message about this document, or about one that replaces it."""
        message, event = sent.message, sent.message.event
        if (other := document_key(message, sent.row.patient)) != key:
            if event in REPLACES:
                self.replacements[other] = None
            return
        if event in CANCELS:
            self.is_cancelled = True
            return
        if event not in NOTIFIES:
            self._revive()
        self._edit(event, sent)
        self.fields.take(message)
        self.visit, self.services = visit_key(message) or self.visit, message.all("OBR") or self.services
        self.first, self.last = self.first or sent, sent
        if parent := parent_document_key(message):
            self.parents[parent] = "appends" if event not in REPLACES else "replaces"

    def _revive(self) -> None:
        if self.is_cancelled:
            self.is_cancelled = False
            self.notes[CANCELLED_BEFORE] = None

    def _edit(self, event: str, sent: Sent) -> None:
        """Take the content of a message: in the place of what was sent before, but an addendum under the same number
        comes behind it."""
        is_final = codes.target("document_status", self.fields.text("TXA", 17)) == "final"
        if is_final and self.contents and event in EDITS | APPENDS:
            self.notes[EDITED] = None
        if any(has_content(segment) for segment in sent.message.all("OBX")):
            self.contents = [*(self.contents if event in APPENDS else ()), sent.message]

    @property
    def is_known(self) -> bool:
        """Whether a message tells of the document itself, and not only that it is cancelled or replaced."""
        return self.last is not None

    @property
    def status(self) -> str:
        said = codes.target("document_availability", self.fields.text("TXA", 19))
        if self.is_cancelled or said == "entered-in-error":
            return "entered-in-error"
        return "superseded" if self.is_replaced else said or "current"


def to_letters(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the DocumentReferences of a ``doc:`` group: one, or one for each person whose document has the number."""
    key, letters = replayed(group, look)
    return [build(letter, key, ids, group.publisher, look) for ids, letter in letters.items()]


def withdrawn(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the documents of the group that are cancelled, in as few elements as FHIR asks for."""
    _, letters = replayed(group, look)
    return [
        resource(
            "DocumentReference",
            look.id("DocumentReference", ids),
            PROFILE,
            status="entered-in-error",
            subject=look.reference("Patient", letter.patient),
            content=[{"attachment": absent("error")}],
        )
        for ids, letter in letters.items()
        if letter.status == "entered-in-error"
    ]


def hides(message: Message) -> bool:
    """Whether a message closes its document to others: by its confidentiality, or as not available for care."""
    txa = message["TXA"]
    return txa.text(18).upper() not in OPEN or txa.text(19).upper() == SHUT


def replayed(group: Group, look: Look) -> tuple[str, dict[str, Letter]]:
    """Return the document's key, and what the messages come to, by what the ids are made of; nothing for a person of
    whom no message tells of the document itself."""
    key = key_of(group, "doc:")
    letters: dict[str, Letter] = {}
    for person, sent in by_person(ordered(group.of("MDM"), look, recorded), look).items():
        letter = letters[person] = Letter()
        for item in sent:
            letter.take(item, key)
        letter.patient = owner(letter.last.row, look) if letter.last else ""
        letter.is_replaced = any(stands(other, look) for other in letter.replacements)
    owners = [letter for letter in letters.values() if letter.is_known]
    if len(owners) > 1:
        look.warn("TXA-12", "one document number, two people")
    for letter in letters.values():
        if not letter.is_known and owners and (letter.is_cancelled or letter.is_replaced):
            across(letter, owners, look)
    return key, {
        key if len(owners) < 2 else f"{key}|person|{person}": letter
        for person, letter in letters.items()
        if letter.is_known
    }


def stands(key: str, look: Look) -> bool:
    """Whether a document that replaced another still does: it is not cancelled, or what replaced it stands."""
    seen: set[str] = set()
    while key not in seen:
        seen.add(key)
        said = look.row(STANDING, key)
        if said is None or not said.values["cancelled"]:
            return True
        later = look.row(SUCCESSOR, key)
        key = later.values["document"] if later is not None else key
    return False


def looked_up(message: Message, patient: str) -> list[tuple[str, str, Values]]:
    """Return (table, key, values) of what is looked up of a document's message: whether it cancels the document or
    sends it again, and what it replaces. A notice of its status says neither, unless it says that it is cancelled."""
    key, parent, event = document_key(message, patient), parent_document_key(message), message.event
    is_cancelled = (
        event in CANCELS or codes.target("document_availability", message["TXA"].text(19)) == "entered-in-error"
    )
    rows = []
    if is_cancelled or event not in NOTIFIES:
        rows.append((STANDING, key, Values(cancelled="yes" if is_cancelled else "")))
    if parent and event in REPLACES:
        rows.append((SUCCESSOR, parent, Values(document=key)))
    return rows


def across(stray: Letter, owners: list[Letter], look: Look) -> None:
    """Let a cancellation or replacement that was sent under a patient without the document reach the one that has it;
    of several, each says that it is in doubt."""
    if len(owners) == 1:
        look.warn("TXA-12", "a cancellation or replacement sent under another patient, taken for the document it names")
        owners[0].is_cancelled |= stray.is_cancelled
        owners[0].is_replaced |= stray.is_replaced
        return
    look.warn("TXA-12", "a cancellation or replacement that may be of another patient's document")
    for letter in owners:
        letter.notes[DOUBTED] = None


def build(letter: Letter, key: str, ids: str, publisher: str, look: Look) -> dict[str, Any]:
    """Return the DocumentReference."""
    fields, zone = letter.fields, look.feed.zone
    is_error = letter.status == "entered-in-error"
    title = fields.text("TXA", 25) or type_of(fields, publisher, look).get("text", "") or fields.text("TXA", 16)
    attached, remarks = ([], []) if is_error else attachments(letter.contents, look)
    replaced = [REPLACED if letter.is_replaced else NOT_REPLACED] if letter.is_replaced or letter.replacements else []
    notes = [*letter.notes, *remarks, *replaced]
    notes += [f"Reason for the change: {why}"] if (why := fields.text("TXA", 21)) else []
    notes += [EMPTY] if not (attached or remarks or is_error) else []
    created = [fields.time("TXA", 6), fields.time("TXA", 4), fields.time("TXA", 8), first_recorded(letter, zone)]
    shown = [{"attachment": attachment} for attachment in attached]
    built = resource(
        "DocumentReference",
        look.id("DocumentReference", ids),
        PROFILE,
        security_of(fields),
        masterIdentifier=next(iter(identifiers(key, publisher)), {}),
        identifier=identifiers(key, publisher),
        status=letter.status,
        docStatus="" if is_error else doc_status(letter),
        type=type_of(fields, publisher, look),
        subject=look.reference("Patient", letter.patient),
        date=next((instant for text in created if (instant := times.instant(text, zone))), ""),
        author=authors(fields),
        authenticator=authenticator(fields),
        custodian=organisation(publisher) if is_ods_code(publisher) else {},
        relatesTo=[
            {"code": code, "target": look.reference("DocumentReference", parent)}
            for parent, code in letter.parents.items()
        ],
        description="; ".join(part for part in (title, *notes) if part),
        content=shown or [{"attachment": absent("error" if remarks or is_error else "unknown") | {"title": title}}],
        context=context(letter, publisher, look),
    )
    return times.flagged(built, zone, *created)


def first_recorded(letter: Letter, zone: str) -> str:
    return recorded(letter.first, zone) if letter.first else ""


def security_of(fields: Fields) -> tuple[str, ...]:
    """Return the label of TXA-18; one that nobody knows, and a document that is not available, close it too."""
    said = fields.text("TXA", 18).upper()
    if said not in OPEN:
        return (said if said in ("R", "V") else "R",)
    return ("R",) if fields.text("TXA", 19).upper() == SHUT else ()


def identifiers(key: str, publisher: str) -> list[dict[str, Any]]:
    """Return the unique number; none of a document that carries none."""
    if key.startswith("digest:"):
        return []
    authority, _, number = key.partition("|")
    return [{"system": codes.identifiers_of(publisher, authority, "DocumentReference"), "value": number}]


def doc_status(letter: Letter) -> str:
    """Return the completion status: amended where a final document was edited."""
    status = codes.target("document_status", letter.fields.text("TXA", 17))
    return "amended" if status == "final" and EDITED in letter.notes else status


def type_of(fields: Fields, publisher: str, look: Look) -> dict[str, Any]:
    """Return TXA-2: of HL7's table, else the sender's own."""
    sent = next(iter(fields.repetitions("TXA", 2)), None)
    if sent is None:
        return {}
    code, label = codes.table("document_type").get(sent.text(1).upper(), ("", ""))
    if code and not sent.text(3):
        return {"coding": [{"system": TYPES, "code": code, "display": label}], "text": sent.text(2) or label}
    return codes.codeable(sent, look, publisher, "document-type")


def authors(fields: Fields) -> list[dict[str, Any]]:
    """Return who originated the document (TXA-9), else who provided what it tells of (TXA-5)."""
    for number in (9, 5):
        people = [practitioner(person) for person in fields.repetitions("TXA", number)]
        if named := [person for person in people if person]:
            return named
    return []


def authenticator(fields: Fields) -> dict[str, Any]:
    """Return who signed the document (TXA-22, else TXA-10), of one that is signed only."""
    if codes.target("document_status", fields.text("TXA", 17)) != "final":
        return {}
    signed = (practitioner(person) for number in (22, 10) for person in fields.repetitions("TXA", number))
    return next((person for person in signed if person), {})


def context(letter: Letter, publisher: str, look: Look) -> dict[str, Any]:
    """Return the visit, the service and time of what the document tells of, and the orders that it answers."""
    start = times.fhir(letter.fields.time("TXA", 4), look.feed.zone)
    return {
        "encounter": [look.reference("Encounter", letter.visit)] if letter.visit else [],
        "event": [codes.first(service, 4, look, publisher) for service in letter.services],
        "period": {"start": start},
        "related": [
            order_by(number, kind, letter.patient, publisher, look)
            for field_, kind in ((14, "placer"), (15, "filler"))
            for number in letter.fields.repetitions("TXA", field_)
        ],
    }


def order_by(number: Repetition, kind: str, patient: str, publisher: str, look: Look) -> dict[str, Any]:
    """Return an order by its number, and the one that was placed where it was sent."""
    authority, value = number.text(2, 1) or number.text(2, 2), number.text(1).strip()
    if not value:
        return {}
    key = f"{kind}:{authority}|{value}"
    return {
        **placed_order(key, "", patient, look),
        "type": "ServiceRequest",
        "identifier": numbered(key, publisher),
    }


def absent(reason: str) -> dict[str, Any]:
    """Return an attachment that is not there, with why."""
    return {
        "extension": [
            {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason},
        ]
    }


def has_content(obx: Segment) -> bool:
    return bool(obx[5].strip())


def attachments(contents: Iterable[Message], look: Look) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the attachments of a document, and what a reader must be told of those that are not shown: its embedded
    files as they were sent, and all that is text in one."""
    attached: list[dict[str, Any]] = []
    remarks: dict[str, None] = {}
    written: list[tuple[str, str]] = []
    for parts in (parts for message in contents for parts in pieces(message)):
        segments = tuple(part.segment for part in parts)
        comments = "\n".join(note for part in parts for note in part.notes)
        if status_of(segments[-1], NOTHING) == "entered-in-error":
            remarks[WITHDRAWN_PART] = None
        elif segments[0] and documents.is_document(segments[0]):
            forms = documents.documents(segments, look.feed.zone)
            attached += [form for form in forms if form]
            lost = [form for form in forms if not form]
            doubtful = [form for form in forms if form.get("contentType") in documents.ENDLESS]
            remarks |= dict.fromkeys([NOT_WHOLE] * bool(lost) + [ENDLESS] * bool(doubtful))
            for _ in lost:
                look.warn("OBX-5", "a document that is not whole or cannot be read")
        elif segments[0]:
            written.append((codes.text_of(segments[0], 3), values.in_words(segments)))
        if comments:
            written.append(("Comment", comments))
    if text := joined(written):
        data = base64.b64encode(text.encode()).decode()
        attached.insert(0, {"contentType": "text/plain; charset=utf-8", "data": data, "title": written[0][0]})
    return attached, list(remarks)


def pieces(message: Message) -> list[list[Commented]]:
    """Return the OBX of a document that belong together, each with its comments; comments before the first stand
    alone."""
    order, waiting = Order("", NOTHING, []), Commented(NOTHING)
    for segment in message.segments:
        if segment.name == "OBX" and has_content(segment):
            order.results.append(Commented(segment))
        elif segment.name == "NTE" and segment.whole(3).strip():
            (order.results or [waiting])[-1].notes.append(segment.whole(3).strip("\r\n"))
    return [[waiting]] * bool(waiting.notes) + lines_of(order)


def joined(written: list[tuple[str, str]]) -> str:
    """Return the parts of a document that are text as one, each under its name where they have several."""
    is_named = len({name for name, _ in written}) > 1
    return "\n\n".join(f"{name}: {words}" if is_named and name else words for name, words in written)
