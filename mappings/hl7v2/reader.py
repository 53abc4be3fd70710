"""Files of HL7 v2 messages to rows: one row a message and patient, whatever the file's line ends, framing, batch
headers and character set. What keeps a message from being read is a reject that holds it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from gateway.errors import Invalid, Refused
from mappings import Feed, Reject, Row, Values
from mappings.hl7v2 import letters, service_requests, times, vaccinations
from mappings.hl7v2.batches import parts
from mappings.hl7v2.charset import decode
from mappings.hl7v2.entities import (
    appointment_key,
    document_key,
    is_padding,
    moved_places,
    moved_visits,
    orders,
    parent_document_key,
    several,
    visit_of,
)
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.identity import UNPROVED, is_of_one, kept_priors, moved_priors, patient_key, prior_keys, publisher
from mappings.hl7v2.message import Message, Segment, normalise, parse
from mappings.hl7v2.message_types import ADT, DOCUMENT, NOT_READ, ORDER, RESULT, TABLES, TYPES, VACCINE
from mappings.hl7v2.possible import doubt
from mappings.hl7v2.replay import Sent, plausible, recorded
from mappings.hl7v2.sidefields import mended
from mappings.readers.files import HEAD, File, delivered
from mappings.vocabulary import CANNOT_BE

LONGEST = 1 << 25
"""Characters of a message at most: 32 MiB, so that an embedded document may have 16 MiB before base64 encodes it."""
SUFFIXES = {".hl7", ".txt", ".dat", ".er7", ".oru", ".adt"}
TEXTS = {"TX", "FT", "ST", "ED", "RP", ""}
OF_PATIENT = "an observation of the patient beside the orders, not read"
TYPE = re.compile(r"[A-Z]{3}\^[A-Z]\d\d")


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files at ``path``, a folder's in order of name. Raises ``Refused`` where none of them holds messages;
    one that does not, beside others that do, is a reject by its name."""
    files = delivered(path, SUFFIXES)
    if not files:
        raise Refused("the delivery: no .hl7, .txt or .dat file")
    if not any(_is_ours(file) for file in files):
        raise Refused(f"{files[0].shown}: not HL7 v2 (does not begin with MSH, FHS or BHS)")
    return files


def _is_ours(file: File) -> bool:
    with file.open(HEAD) as stream:
        start = stream.read(256).removeprefix(b"\xef\xbb\xbf").lstrip(b"\x0b\r\n ")
    return start.startswith((b"MSH", b"FHS", b"BHS"))


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://www.hl7.org/implement/standards/product_brief.cfm?product_id=144

    Yield one row a message, and a reject for each that cannot be read, by its place in the file; for a file or a
    batch that is not whole, too. Values are never told.
    """
    is_empty = True
    for part in parts(file, LONGEST):
        is_empty = False
        if isinstance(part, Reject):
            yield part
        elif part.payload is None:
            yield Reject(f"message {part.number}", f"longer than {LONGEST >> 20} MiB (line {part.line})")
        else:
            yield from _read(part.number, part.line, part.payload, feed)
    if is_empty:
        yield Reject("", "a file without messages")


def _read(number: int, line: int, payload: bytes, feed: Feed) -> Iterator[Row | Reject]:
    try:
        yield from list(rows(payload, feed, line))
    except Invalid as error:
        yield Reject(f"message {number}", str(error), payload)


def rows(payload: bytes, feed: Feed, line: int = 0) -> Iterator[Row]:
    """Yield the rows of one message: one for each patient, and one ``MERGE`` for each number that a merge retires,
    which says whose it is now. Raises ``Invalid`` naming the field that keeps it from being read."""
    warnings: list[tuple[str, str]] = []
    text = decode(payload, feed, warnings)
    message = parse(text)
    whole(payload, message)
    texts, apart = _apart(text, message)
    kept: list[Row] = []
    for sent, part, key in zip(texts, apart, _keys(payload, texts, message)):
        kept.append(_row(sent, part, key, feed, line, warnings))
        warnings = []
    if message.kind == ADT and EVENTS[message.event].swaps:
        _check_swap(kept)
    for row in kept:
        yield row
        yield from _looked_up(row, feed)


def reread(row: Row, feed: Feed) -> list[Row]:
    """Return a kept row as today's settings of its feed read it, under its key and publisher, and what is looked up of
    it, deleted ones for the numbers that it retires no more. Raises ``Invalid`` as ``rows`` does."""
    if row.table not in TABLES:
        return []
    sent = row.values["sent"] or row.values["message"]
    kept = replace(_row(sent, parse(sent), row.key, feed, row.line, []), publisher=row.publisher)
    beside = list(_looked_up(kept, feed))
    retired = _looked_up_keys(row) - {(item.table, item.key) for item in beside}
    return [
        kept,
        *beside,
        *(
            Row(table, key, row.publisher, row.order, Values(), deleted=True, bare=True, aside=True)
            for table, key in sorted(retired)
        ),
    ]


def _looked_up_keys(row: Row) -> set[tuple[str, str]]:
    """Return the tables and keys of what was made of a kept row to be looked up."""
    if row.table != ADT:
        return set()
    merges = kept_priors(row) if EVENTS[row.values["event"]].merges else []
    return {("MERGE", key) for key in merges} | {("MOVED", key) for key in _moves(row)}


def _moves(row: Row) -> list[str]:
    """Return the keys under which a move is looked up: what moved, and the patient whom it left."""
    places, priors = several(row.values["places"]), several(row.values["priors"])
    return [f"{place}|from|{prior}" for place in places for prior in priors]


def _check_swap(kept: list[Row]) -> None:
    """Raise ``Invalid`` unless two patients change places: each has a visit and a place of their own."""
    said = [parse(row.values["message"]) for row in kept]
    patients, visits = {row.patient for row in kept}, {visit_of(message) for message in said}
    places = {message["PV1"][3] for message in said}
    if len(kept) != 2 or not all(len(side - {""}) == 2 for side in (patients, visits, places)):
        raise Invalid("PID and PV1: not two patients, row with a visit and a place")


def _apart(text: str, message: Message) -> tuple[list[str], list[Message]]:
    """Return the texts and messages of each patient."""
    apart = people(message)
    return [text] if len(apart) == 1 else [_text(segment.raw for segment in part.segments) for part in apart], apart


def _keys(payload: bytes, texts: list[str], message: Message) -> list[str]:
    """Return the keys of a message's rows, by what was sent of each patient: its bytes, whatever the character set that
    they are read in."""
    if not payload.isascii():
        raw = normalise(payload.removeprefix(b"\xef\xbb\xbf").decode("iso-8859-1"))
        with suppress(Invalid):  # a separator may be a letter of several bytes
            apart = [raw] if len(texts) == 1 else _apart(raw, parse(raw))[0]
            return [_key(sent.encode("iso-8859-1"), message) for sent in apart]
    return [_key(sent.encode(), message) for sent in texts]


def _key(sent: bytes, message: Message) -> str:
    header = message["MSH"]
    return f"{header.text(3)}|{header.text(4)}|{header.text(10)}|{hashlib.sha256(sent).hexdigest()[:16]}"


def row(payload: bytes, feed: Feed, line: int = 0) -> Row:
    """Return the row of a message of one patient."""
    return next(rows(payload, feed, line))


def _row(sent: str, message: Message, key: str, feed: Feed, line: int, warnings: list[tuple[str, str]]) -> Row:
    """Return the row of ``sent``, read as its side fields are mended."""
    warnings = list(warnings)
    lines = mended(message, feed, warnings)
    values = Values(message=sent, event=message.event, control=message["MSH"].text(10))
    if lines != [segment.raw for segment in message.segments]:
        values["sent"], values["message"] = sent, _text(lines)
        message = parse(values["message"])
    values["feed"] = feed.name
    patient = patient_key(message, feed)
    if message.kind == ADT and EVENTS[message.event].moves:
        values["places"] = "\n".join(moved_places(message))
        values["priors"] = "\n".join(moved_priors(message, feed, patient))
    if patient.startswith(UNPROVED):
        warnings.append(
            ("PID-3", "no number that proves who it is: of one person with the same number, names, birth date and sex")
        )
    warnings.extend((place, CANNOT_BE) for place in doubt(message))
    warnings.extend(("OBX-5", OF_PATIENT) for _ in of_patient(message))
    at = order(message, feed.zone)
    if not at:
        warnings.append(("MSH-7", "no time of the message, taken as its oldest"))
    return Row(
        table=table_of(message),
        key=key,
        publisher=publisher(message, feed),
        order=at,
        values=values,
        patient=patient,
        groups=groups_of(message, feed, patient),
        line=line,
        warnings=tuple(warnings),
        by_content=True,
    )


def _looked_up(row: Row, feed: Feed) -> Iterator[Row]:
    """Yield what is looked up of a message: of a merge the retired number's row, which names the survivor; of a move
    that of each visit or account and the patient whom it left; of an order that of each of its numbers and services;
    of a document whether it is cancelled and what it replaces."""
    if row.table == ORDER:
        for key, values in service_requests.looked_up(parse(row.values["message"]), row.patient).items():
            yield Row("ORDER", key, row.publisher, row.order, values, row.patient, line=row.line, aside=True)
    if row.table == DOCUMENT:
        message = parse(row.values["message"])
        at = times.rank(recorded(Sent(row, message), feed.zone), feed.zone) or row.order
        for table, key, values in letters.looked_up(message, row.patient):
            yield Row(table, key, row.publisher, at, values, row.patient, line=row.line, aside=True)
    if row.table != ADT:
        return
    event = EVENTS[row.values["event"]]
    keys = [("MERGE", prior) for prior in prior_keys(parse(row.values["message"]), feed)] if event.merges else []
    if event.moves:
        keys = [("MOVED", key) for key in _moves(row)]
    for table, key in keys:
        values = Values(survivor=row.patient)
        yield Row(table, key, row.publisher, row.order, values, row.patient, line=row.line, aside=True)


def _text(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r" for line in lines)


def people(message: Message) -> list[Message]:
    """Return the message apart for each patient: a result message of several, and a merge of several pairs of PID and
    MRG. Raises ``Invalid`` where several patients of one event belong together (they swap beds, are linked)."""
    places = [place for place, segment in enumerate(message.segments) if segment.name == "PID"]
    if len(places) < 2:
        return [message]
    event = EVENTS.get(message.event)
    if message.kind == ADT and not (event and (event.merges or event.swaps or event.accounts)):
        raise Invalid("more than one PID")
    head, ends = message.segments[: places[0]], [*places[1:], len(message.segments)]
    return [Message(head + message.segments[start:end], message.encoding) for start, end in zip(places, ends)]


def whole(payload: bytes, message: Message) -> None:
    """Raise ``Invalid`` unless the message is of a kind and event we read, and complete."""
    header = message["MSH"]
    if payload[:1] == b"\x0b" and b"\x1c" not in payload:
        raise Invalid("truncated: the frame does not end")
    if not header.text(9):
        raise Invalid("MSH-9")
    kind = message.kind, message.event
    type_ = TYPES.get(kind)
    if type_ is None:
        raise Invalid(f"MSH-9: {_type(*kind)} is not read")
    if not message["PID"]:
        raise Invalid("no PID (a truncated message?)")
    if type_.needs and not any(message[name] for name in type_.needs):
        raise Invalid(f"no {' or '.join(type_.needs)} (a truncated message?)")
    if type_.table != ADT and is_cut(message, payload):
        raise Invalid("the last OBX ends with OBX-5 or before, without OBX-11 (a truncated message?)")


def _type(kind: str, event: str) -> str:
    """Return a type of message in words that hold no value: MSH-9 may hold anything."""
    return f"{kind}^{event}" if TYPE.fullmatch(f"{kind}^{event}") else "a message of another type"


def is_cut(message: Message, payload: bytes) -> bool:
    """Whether the last result may lack the end of its value: 13 for 135 must not be shown.

    The message ends there, without a unit or a status and not in the end of an MLLP frame, and it is neither text,
    whose end one misses, nor one of several that all come so from a sender who ends each line. A line end alone proves
    nothing: whatever wrote the file may have put it there.
    """
    if payload[:1] == b"\x0b" and payload.rstrip(b"\r\n")[-1:] == b"\x1c":
        return False
    *others, last = message.all("OBX") or [message["OBX"]]
    if message.segments[-1] is not last or len(last) > 5 or is_padding(last) or last.text(2) in TEXTS:
        return False
    is_ended = payload.rstrip(b"\x1c\x1a ")[-1:] in (b"\r", b"\n")
    return not (is_ended and any(not other[11] for other in others))


def of_patient(message: Message) -> list[Segment]:
    """Return the OBX of an order, result or vaccination message that stand before all of these: they are of the
    patient, and are not read."""
    if table_of(message) not in (RESULT, ORDER, VACCINE):
        return []
    names = [segment.name for segment in message.segments]
    first = min((names.index(name) for name in ("ORC", "OBR", "RXA") if name in names), default=len(names))
    return [obx for obx in message.segments[:first] if obx.name == "OBX" and not is_padding(obx)]


def table_of(message: Message) -> str:
    """Return the table of the rows that hold a message of this type."""
    return TYPES[message.kind, message.event].table


def groups_of(message: Message, feed: Feed, patient: str) -> tuple[str, ...]:
    """Return the groups of a message, its patient's by key among them."""
    match table_of(message):
        case "ADT":
            return adt_groups(message, feed, patient)
        case "ORM":
            return orm_groups(message, patient)
        case "VXU":
            return (*(f"vax:{key}" for key in vaccinations.keyed(message, patient)), f"pat:{patient}")
        case "SIU":
            return f"appt:{appointment_key(message)}", f"pat:{patient}"
        case "MDM":
            return mdm_groups(message, patient)
        case _:
            return oru_groups(message, patient)


def adt_groups(message: Message, feed: Feed, patient: str) -> tuple[str, ...]:
    """Return the groups of an ADT message: its patient, by key, and its visit; a merge belongs to both patients and the
    visits it names."""
    event, patients, visits = EVENTS[message.event], [patient], [visit_of(message)]
    if event.accounts and not is_of_one(message, feed, patient):
        raise Invalid("MRG-1: accounts of two patients")
    if event.merges:
        patients += prior_keys(message, feed)
    if event.merges or event.moves:
        visits = moved_visits(message)
    return tuple([f"pat:{key}" for key in patients] + [f"visit:{key}" for key in visits if key])


def oru_groups(message: Message, patient: str) -> tuple[str, ...]:
    """Return the groups of a result message: its orders, and its patient, by key, who is made from it only where no ADT
    tells of them."""
    keys = dict.fromkeys(key for key, _ in orders(message, patient))
    return (*(f"order:{key}" for key in keys), f"pat:{patient}")


def orm_groups(message: Message, patient: str) -> tuple[str, ...]:
    """Return the groups of an order message: its orders, and the patient. Raises ``Invalid`` for one of medicines, diet
    or supplies alone, and for an order without any number."""
    unread = [name for name in NOT_READ if message[name]]
    if unread and not message["OBR"]:
        raise Invalid(f"{unread[0]}: orders of medicines, diet and supplies are not read")
    keys = service_requests.keyed(message, patient)
    if "" in keys:
        raise Invalid("ORC-2 and ORC-3: a change of an order without a number")
    return (*(f"request:{key}" for key in keys), f"pat:{patient}")


def mdm_groups(message: Message, patient: str) -> tuple[str, ...]:
    """Return the groups of a document's message: the document, the one that it is about too, and the patient."""
    keys = [document_key(message, patient), parent_document_key(message)]
    return (*(f"doc:{key}" for key in keys if key), f"pat:{patient}")


def order(message: Message, zone: str) -> int:
    """Return when the event happened: EVN-6, else EVN-2, else MSH-7; for results the latest OBR-22, else MSH-7, else
    the latest of OBR-14 and OBR-7. 0 for a message without any time: it is older than all others.

    A cancelling event carries the time of what it cancels in EVN-6 (HL7 v2.4 chapter 3), so EVN-2 counts there. A time
    after the sending (a slip, or the time something is planned for) orders nothing.
    """
    sent = times.of(message["MSH"], 7)
    if message.kind == "ORU":
        obrs = message.all("OBR")
        issued, received, taken = (max((times.of(obr, n) for obr in obrs), default="") for n in (22, 14, 7))
        texts = [issued, sent, received, taken]
    else:
        recorded, happened = (times.of(message["EVN"], n) for n in (2, 6))
        event = EVENTS.get(message.event)
        texts = [recorded, happened] if event and event.cancels else [happened, recorded]
        texts.append(sent)
    return times.rank(plausible(next(filter(None, texts), ""), sent, zone), zone)
