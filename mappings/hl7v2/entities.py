"""The local keys of what messages tell of: visits, accounts, orders, vaccinations, appointments and documents. Whose
they are, ``identity`` says."""

from __future__ import annotations

from gateway.errors import Invalid
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.identity import digest, is_none
from mappings.hl7v2.message import Message, Segment


def visit_key(message: Message) -> str:
    """Return ``authority|number`` of PV1-19, or "" for none and for words that stand for none."""
    return _visit(message["PV1"], 19)


def visit_of(message: Message) -> str:
    """Return the key of the visit an ADT message speaks of, or "": person events and messages without a visit number
    have none."""
    event = EVENTS.get(message.event)
    return visit_key(message) if event and event.visit else ""


def moved_visits(message: Message) -> list[str]:
    """Return the visits a merge names (PV1-19, MRG-5): they follow the surviving patient."""
    named = [_visit(segment, 19) for segment in message.all("PV1")]
    named += [_visit(segment, 5) for segment in message.all("MRG")]
    return [key for key in dict.fromkeys(named) if key]


def account_key(segment: Segment, field: int) -> str:
    """Return ``authority|number`` of an account (PID-18, MRG-3), or ""."""
    return _visit(segment, field)


def moved_places(message: Message) -> list[str]:
    """Return what a move takes to another patient: the visits that it names, else the account. Raises ``Invalid`` where
    it names neither."""
    visits = [f"visit:{key}" for key in moved_visits(message)]
    account = account_key(message["MRG"], 3) or account_key(message["PID"], 18)
    if not visits and not account:
        raise Invalid("MRG-3 and MRG-5")
    return visits or [f"account:{account}"]


def several(column: str) -> list[str]:
    """Return the keys that a column of a row holds, a line each."""
    return column.split("\n") if column else []


def orders(message: Message, patient: str) -> list[tuple[str, Segment]]:
    """Return (order key, OBR) for each OBR of the result message of ``patient``, in order."""
    by_order: list[tuple[str, Segment]] = []
    orc = Segment("ORC", "", message.encoding)
    for segment in message.segments:
        if segment.name == "ORC":
            orc = segment
        elif segment.name == "OBR":
            by_order.append((order_key(segment, orc, patient), segment))
            orc = Segment("ORC", "", message.encoding)
    return by_order


def order_key(obr: Segment, orc: Segment, patient: str) -> str:
    """Return the filler number with its namespace (OBR-3, else ORC-3), else the placer's, else a digest of whose, what
    and when: the patient's key (one identifier more changes nothing), the service, the time and the specimen."""
    placer, filler = request_numbers(orc, obr)
    return filler.removeprefix("filler:") or placer or unnumbered_order(obr, patient)


def request_numbers(orc: Segment, obr: Segment) -> tuple[str, str]:
    """Return the keys of an order: by the placer's number (OBR-2, else ORC-2) and by the filler's, "" for none."""
    placer, filler = (_entity(obr, number, 2) or _entity(orc, number, 2) for number in (2, 3))
    return f"placer:{placer}" if placer else "", f"filler:{filler}" if filler else ""


def unnumbered_order(obr: Segment, patient: str) -> str:
    """Return the key of an order that carries no number."""
    return f"digest:|{digest('order', patient, obr[4], obr[7] or obr[14] or obr[22], obr[15])}"


def is_padding(segment: Segment) -> bool:
    """Whether an OBX has no name, no value and no status (InterSystems pads long reports with such): it says
    nothing."""
    return segment.name == "OBX" and not (segment[3] or segment[5] or segment[11])


def vaccination_key(orc: Segment, rxa: Segment, patient: str) -> str:
    """Return what names a vaccination: its filler number (ORC-3), else the placer's, which more people than one may
    have; else its patient with a digest of vaccine and day. A word that stands for no number is none."""
    numbers_ = (_entity(orc, number, 2) for number in (3, 2))
    number = next((key for key in numbers_ if key and not is_none(key.partition("|")[2])), "")
    if number:
        return number
    return f"{patient}|digest:{digest('vaccination', rxa.text(5) or rxa.text(5, 2), rxa.text(3)[:8])}"


def appointment_key(message: Message) -> str:
    """Return the filler's number of an appointment (SCH-2), else the placer's (SCH-1), with its place in a series
    (SCH-3). Raises ``Invalid`` where it has neither."""
    sch = message["SCH"]
    number = _entity(sch, 2, 2) or _entity(sch, 1, 2)
    if not number:
        raise Invalid("SCH-1 and SCH-2")
    return f"{number}|{sch.text(3)}" if sch.text(3) else number


def document_key(message: Message, patient: str) -> str:
    """Return the unique document number with its namespace (TXA-12), else a digest of whose, what and when; of a
    message that says none of it, the message's own."""
    txa, header = message["TXA"], message["MSH"]
    if key := _entity(txa, 12, 2):
        return key
    says = [txa[number] for number in (4, 6, 14, 15, 16)]
    return f"digest:|{digest('document', patient, txa[2], *(says if any(says) else (header[7], header[10])))}"


def parent_document_key(message: Message) -> str:
    """Return the key of the document that this one replaces or appends to (TXA-13), "" for none; without a namespace it
    is of the document's own."""
    txa = message["TXA"]
    own, parent = _entity(txa, 12, 2), _entity(txa, 13, 2)
    if parent.startswith("|"):
        parent = f"{own.partition('|')[0]}{parent}"
    return "" if parent == own else parent


def _visit(segment: Segment, field: int) -> str:
    key = _entity(segment, field, 4)
    return "" if not key or is_none(key.partition("|")[2]) else key


def _entity(segment: Segment, field: int, namespace: int) -> str:
    value = segment.text(field, 1).strip()
    if not value:
        return ""
    return f"{segment.text(field, namespace, 1) or segment.text(field, namespace, 2)}|{value}"
