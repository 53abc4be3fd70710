"""The local keys in messages: of patients, visits and orders. An NHS number is never part of a key."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.errors import Invalid
from gateway.nhs import identifiers
from mappings import Feed
from mappings.hl7v2 import codes
from mappings.hl7v2.events import EVENTS
from mappings.hl7v2.message import Message, Repetition, Segment

NHS_AUTHORITIES = {"NHS", "NHSNBR", "NHS NUMBER", "NHSNUMBER", "2.16.840.1.113883.2.1.4.1"}
NHS_TYPES = {"NH", "NHS", "NHSNMBR", "NHSNBR"}
HOSPITAL_TYPES = {"MR", "MRN", "PI", "PATID", "HOSP", "LOCALID"}
OTHER_TYPES = {"SS", "DL", "PPN", "DN", "AN", "VN", "NI"}


class Number(NamedTuple):
    """One identifier of PID-3 or MRG-1. ``authority`` is "" when none was sent; ``traced`` is CX.2 where PIMS puts the
    tracing status."""

    value: str
    authority: str
    type: str
    nhs: bool
    traced: str = ""

    @property
    def key(self) -> str:
        return f"{self.authority}|{self.value}"


def number(field: Repetition) -> Number:
    """Return the identifier of one CX. A bare number that could be an NHS number is treated as one."""
    value, authority, kind = field.text(1).strip(), field.text(4, 1) or field.text(4, 2), field.text(5).strip().upper()
    compact, traced = identifiers.normalise(value), field.text(2).strip()
    nhs = authority.upper() in NHS_AUTHORITIES or kind in NHS_TYPES
    nhs = nhs or (kind == "NI" and len(compact) == 10 and compact.isdigit())
    nhs = nhs or (not authority and not kind and identifiers.is_valid(compact))
    status = traced if nhs and re.fullmatch(r"0[1-8]", traced) else ""
    return Number(compact if nhs else value, authority, kind, nhs, status)


def numbers(segment: Segment, field: int) -> list[Number]:
    """Return the identifiers of a repeating CX field that have a value."""
    return [found for found in map(number, segment.repetitions(field)) if found.value]


def local_number(segment: Segment, field: int, feed: Feed) -> Number | None:
    """Return the number that names the patient in this hospital: by the feed's preference, else a hospital type, else
    the first. A trust that gives its patients their NHS number as hospital number has given them none."""
    held = numbers(segment, field)
    nhs = nhs_values(held)
    local = [found for found in held if not found.nhs and identifiers.normalise(found.value) not in nhs]
    preferred = feed.settings.get("authorities") or ()
    if not isinstance(preferred, (list, tuple)):
        raise Invalid("setting authorities")
    for authority in preferred:
        for found in local:
            if found.authority == authority:
                return found
    ranked = sorted(local, key=lambda found: (found.type not in HOSPITAL_TYPES) + (found.type in OTHER_TYPES))
    return ranked[0] if ranked and ranked[0].type not in OTHER_TYPES else None


def nhs_values(held: list[Number]) -> set[str]:
    return {found.value for found in held if found.nhs}


def patient_key(message: Message, feed: Feed) -> str:
    """Return ``authority|number`` of the message's patient. Raises ``Invalid("PID-3")`` when it carries no local
    number."""
    found = local_number(message["PID"], 3, feed)
    if found is None:
        raise Invalid("PID-3 has no local patient number (an NHS number is never a key)")
    return found.key


def prior_keys(message: Message, feed: Feed) -> list[str]:
    """Return ``authority|number`` of each patient a merge retires (MRG-1). Raises ``Invalid("MRG-1")`` for none, or
    the survivor."""
    held = numbers(message["MRG"], 1)
    nhs = nhs_values([*held, *numbers(message["PID"], 3)])
    local = [found for found in held if not found.nhs and identifiers.normalise(found.value) not in nhs]
    keys = [found.key for found in local if found.type not in OTHER_TYPES]
    if not keys or patient_key(message, feed) in keys:
        raise Invalid("MRG-1")
    return list(dict.fromkeys(keys))


def visit_key(message: Message) -> str:
    """Return ``authority|number`` of PV1-19, or ""."""
    return _entity(message["PV1"], 19, 4)


def visit_of(message: Message) -> str:
    """Return the key of the visit an ADT message speaks of, or "": person events and messages without a visit number
    have none."""
    event = EVENTS.get(message.event)
    return visit_key(message) if event and event.visit else ""


def moved_visits(message: Message) -> list[str]:
    """Return the visits a merge names (PV1-19, MRG-5): they follow the surviving patient."""
    return [key for key in dict.fromkeys((visit_key(message), _entity(message["MRG"], 5, 4))) if key]


def orders(message: Message) -> list[tuple[str, list[Segment]]]:
    """Return (order key, OBR and what follows it) for each OBR of a result message.

    The key is the filler number with its namespace (OBR-3, else ORC-3), else the placer's. Raises ``Invalid("OBR-3")``
    for neither.
    """
    found: list[tuple[str, list[Segment]]] = []
    orc = Segment("ORC", "", message.encoding)
    for segment in message.segments:
        if segment.name == "ORC":
            orc = segment
        elif segment.name == "OBR":
            found.append((order_key(segment, orc), [segment]))
            orc = Segment("ORC", "", message.encoding)
        elif found and segment.name in ("OBX", "NTE", "SPM"):
            found[-1][1].append(segment)
    return found


def order_key(obr: Segment, orc: Segment) -> str:
    filler = _entity(obr, 3, 2) or _entity(orc, 3, 2)
    placer = _entity(obr, 2, 2) or _entity(orc, 2, 2)
    if not filler and not placer:
        raise Invalid("OBR-3")
    return filler or f"placer:{placer}"


def publisher(message: Message, feed: Feed) -> str:
    """Return the code of the trust: the feed's ``senders`` by ``MSH-3|MSH-4`` or MSH-4, else MSH-4 itself. Raises
    ``Invalid("MSH-4")``."""
    header = message["MSH"]
    facility = header.text(4, 1) or header.text(4, 2)
    senders = codes.settings(feed, "senders")
    code = senders.get(f"{header.text(3)}|{facility}") or senders.get(facility) or facility
    if not code:
        raise Invalid("MSH-4")
    return str(code)


def _entity(segment: Segment, field: int, namespace: int) -> str:
    value = segment.text(field, 1).strip()
    if not value:
        return ""
    return f"{segment.text(field, namespace, 1) or segment.text(field, namespace, 2)}|{value}"
