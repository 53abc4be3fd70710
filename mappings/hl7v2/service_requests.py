"""Orders (ORM, ORR, OML, OMG) to ServiceRequests: what is asked for, by whom, and how it stands. Never a result.

HL7 v2.4 chapter 4. An order is known by its placer's number (ORC-2, OBR-2), else by the filler's; several tests under
one number are a ServiceRequest each. A result is based on the order that has its number, whichever arrives first.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from gateway.fhir.build import resource
from mappings import Group, Look, Values
from mappings.hl7v2 import codes, times, values
from mappings.hl7v2.datatypes import practitioner
from mappings.hl7v2.entities import is_padding, request_numbers, unnumbered_order, visit_key
from mappings.hl7v2.message import Message, Segment
from mappings.hl7v2.orders import Commented, Order
from mappings.hl7v2.people import by_person, owner, survivor
from mappings.hl7v2.replay import NOTHING, Sent, key_of, ordered, recorded
from mappings.hl7v2.specimen import specimen, specimens_of
from mappings.vocabulary import HL7, UK_CORE

PROFILE = UK_CORE + "UKCore-ServiceRequest"
SECTIONS = HL7 + "v2-0074"
TAKEN_BACK = frozenset({"revoked", "entered-in-error"})
REVIVES = frozenset({"NW", "RO", "XO", "XX", "XR", "UC", "UD", "UM"})
"""ORC-1 that opens an order again which was cancelled: it is placed anew or changed, or could not be cancelled or
replaced."""
CHANGES = frozenset({"RO", "XO", "XX", "XR"})
"""ORC-1 that opens an order again which was completed: it is replaced or changed. Another answer does not."""
UNABLE = frozenset({"UC", "UD", "UH", "UM"})
"""ORC-1 of what could not be cancelled, discontinued, held or replaced: the order stands as it did before."""
HALTED = TAKEN_BACK | {"on-hold"}
REPLACED = frozenset({"RP", "RQ", "RU"})
NOTED_REPLACED = "Replaced by another order"


@dataclass
class Asked:
    """One order of one message: its ORC and OBR, and what follows them. ``replaces`` is the placer's number that it
    takes the place of."""

    orc: Segment = NOTHING
    obr: Segment = NOTHING
    notes: list[str] = field(default_factory=list)
    answers: list[Commented] = field(default_factory=list)
    specimens: list[Commented] = field(default_factory=list)
    reasons: list[Segment] = field(default_factory=list)
    timing: Segment = NOTHING
    replaces: Segment = NOTHING
    patient: str = ""

    @property
    def keys(self) -> tuple[str, str]:
        """The placer's and the filler's key, "" for none."""
        return request_numbers(self.orc, self.obr)

    @property
    def key(self) -> str:
        placer, filler = self.keys
        return placer or filler or (unnumbered_order(self.obr, self.patient) if self.obr else "")

    @property
    def service(self) -> str:
        return service_of(self.obr)


def service_of(obr: Segment) -> str:
    """Return what names a test under its order: the code of OBR-4, else its words."""
    return obr.text(4, 1) or obr.text(4, 4) or (obr.text(4, 2) or obr.text(4, 5)).casefold()


def asked_in(message: Message, patient: str) -> list[Asked]:
    """Return the orders of a message of ``patient``. An OBR without an ORC before it is of the ORC of the OBR
    before."""
    orders: list[Asked] = []
    last = NOTHING
    for segment in message.segments:
        at = orders[-1] if orders else None
        match segment.name:
            case "ORC":
                orders.append(Asked(orc=segment, patient=patient))
                if segment.text(1).upper() == "RO":
                    orders[-1].replaces = last
                last = segment if segment.text(1).upper() in REPLACED else last
            case "OBR" if at is None or at.obr:
                before = at or Asked(patient=patient)
                orders.append(Asked(orc=before.orc, obr=segment, timing=before.timing, patient=patient))
            case "OBR" if at is not None:
                at.obr = segment
            case "TQ1" if at is not None and not at.timing:
                at.timing = segment
            case "DG1" if at is not None:
                at.reasons.append(segment)
            case "SPM" if at is not None:
                at.specimens.append(Commented(segment))
            case "OBX" if at is not None and not is_padding(segment):
                at.answers.append(Commented(segment))
            case "NTE" if at is not None and segment.whole(3).strip():
                at.notes.append(segment.whole(3).strip("\r\n"))
    return orders


def keyed(message: Message, patient: str) -> dict[str, list[Asked]]:
    """Return the orders of a message of ``patient`` by their key, in order."""
    orders: dict[str, list[Asked]] = {}
    for asked in asked_in(message, patient):
        orders.setdefault(asked.key, []).append(asked)
    return orders


def by_key(sent: Sent, look: Look) -> dict[str, list[Asked]]:
    """Return the same, read once for all groups that are mapped together: a message of many orders has a group for
    each. Not to be changed."""
    return look.once(("hl7v2 asked", sent.row.key), lambda: keyed(sent.message, sent.row.patient))


@dataclass
class Request:
    """What the messages so far say of one test of an order."""

    asked: Asked
    placed: str
    status: str = ""
    before: str = ""
    visit: str = ""
    numbers: dict[str, None] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)

    def take(self, asked: Asked) -> None:
        """Take a later message: what it asks for, and how it stands."""
        if asked.obr:
            known = self.asked
            self.asked = replace(asked, timing=asked.timing or known.timing, replaces=asked.replaces or known.replaces)
        self.settle(asked.orc)
        self.numbers.update(dict.fromkeys(key for key in asked.keys if key))

    def settle(self, orc: Segment) -> None:
        """Take the status of ORC-1 and ORC-5: what takes an order back counts, and only an order that is placed anew,
        changed or could not be cancelled is open again. One that is completed stays so until it is changed."""
        control = orc.text(1).upper()
        by_control, by_status = codes.target("order_control", control), codes.target("order_status", orc.text(5))
        said = next((status for status in (by_control, by_status) if status in TAKEN_BACK), by_status or by_control)
        if control in UNABLE:
            said = by_status or self.before or by_control
            self.notes.pop(NOTED_REPLACED, None)
        if self.status in TAKEN_BACK and said not in TAKEN_BACK and control not in REVIVES:
            said = ""
        if self.status == "completed" and said not in TAKEN_BACK and control not in CHANGES:
            said = ""
        self.status = said or self.status
        self.before = self.before if self.status in HALTED else self.status
        if control in REPLACED:
            self.notes[NOTED_REPLACED] = None
        if said in TAKEN_BACK and (why := orc.text(16, 2) or orc.text(16)):
            self.notes[f"Reason: {why}"] = None


def to_requests(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequests of a ``request:`` group with their Specimens. A number of two people is an order of
    each."""
    key = key_of(group, "request:")
    people = by_person(ordered(group.of("ORM"), look, recorded), look)
    built: list[dict[str, Any]] = []
    if len(people) > 1:
        look.warn("ORC-2", "one order number, two people")
    for person, sent in people.items():
        ids = key if len(people) == 1 else f"{key}|person|{person}"
        requests = replay(key, sent, look)
        if not requests:
            look.warn("ORC-1", "a change of an order that nobody placed")
        subject = look.reference("Patient", owner(sent[-1].row, look))
        for service, request in requests.items():
            built += resources(request, f"{ids}|{service}", subject, group.publisher, look)
    return list({(item["resourceType"], item["id"]): item for item in built}.values())


def replay(key: str, sent: list[Sent], look: Look) -> dict[str, Request]:
    """Return the tests of an order by what names them. What names none (a cancellation by number) is of all."""
    requests: dict[str, Request] = {}
    for item in sent:
        for asked in by_key(item, look).get(key, ()):
            if asked.obr and asked.service not in requests:
                placed = times.of(asked.orc, 9) or times.of(item.message["MSH"], 7)
                requests[asked.service] = Request(asked, placed)
            for service, request in requests.items():
                if not asked.obr or service == asked.service:
                    request.take(asked)
                    request.visit = visit_key(item.message) or request.visit
    return requests


def resources(request: Request, key: str, subject: dict[str, Any], publisher: str, look: Look) -> list[dict[str, Any]]:
    """Return the ServiceRequest and its Specimens."""
    asked, zone = request.asked, look.feed.zone
    orc, obr = asked.orc, asked.obr
    order = Order(key, obr, [], specimens=asked.specimens)
    taken = {f"{key}|specimen|{item.key}": item for item in specimens_of(order)}
    said, priority = priority_of(asked)
    wanted = next((text for text in occurs(asked) if times.fhir(text, zone)), "")
    section = obr.text(24).strip().upper()
    requester = next(
        (person for segment, number in ((orc, 12), (obr, 16)) for item in segment.repetitions(number)
         if (person := practitioner(item))), {}
    )  # fmt: skip
    built = resource(
        "ServiceRequest",
        look.id("ServiceRequest", key),
        PROFILE,
        identifier=[numbered(number, publisher) for number in request.numbers],
        replaces=[{"type": "ServiceRequest", "identifier": numbered(old, publisher)}]
        if (old := replaced(asked))
        else [],
        requisition=group_number(orc, publisher),
        status=request.status or "unknown",
        intent="order",
        category=[{"coding": [{"system": SECTIONS, "code": section}]}] if codes.table("section").get(section) else [],
        priority=priority,
        code=codes.required(obr, 4, look, publisher),
        subject=subject,
        encounter=look.reference("Encounter", request.visit) if request.visit else {},
        occurrenceDateTime=times.fhir(wanted, zone),
        authoredOn=times.fhir(request.placed, zone),
        requester=requester,
        reasonCode=reasons(asked, look, publisher),
        specimen=[look.reference("Specimen", name) for name in taken],
        note=[{"text": text} for text in notes(request, said) if text],
    )
    return [
        times.flagged(built, zone, request.placed, wanted),
        *(specimen(item, name, subject, publisher, look) for name, item in taken.items()),
    ]


def numbered(key: str, publisher: str) -> dict[str, Any]:
    """Return the identifier of a placer's or filler's number, by its key."""
    kind, _, rest = key.partition(":")
    authority, _, number = rest.partition("|")
    type_ = {"coding": [{"system": HL7 + "v2-0203", "code": "PLAC" if kind == "placer" else "FILL"}]}
    named = "ServiceRequest" if kind == "placer" else "DiagnosticReport"
    return {"type": type_, "system": codes.identifiers_of(publisher, authority, named), "value": number}


def replaced(asked: Asked) -> str:
    """Return the key of the order that this one takes the place of, "" for none."""
    placer, filler = request_numbers(asked.replaces, NOTHING)
    return placer or filler


def group_number(orc: Segment, publisher: str) -> dict[str, Any]:
    """Return ORC-4, the number of what was ordered together."""
    authority = orc.text(4, 2, 1) or orc.text(4, 2, 2)
    system = codes.identifiers_of(publisher, authority, "Requisition")
    return {"system": system, "value": orc.text(4)} if orc.text(4) else {}


def priority_of(asked: Asked) -> tuple[str, str]:
    """Return (words, code) of the priority: TQ1-9, else ORC-7.6, OBR-27.6 or OBR-5. One without a code stays in
    words."""
    said = (asked.timing.text(9), asked.orc.text(7, 6), asked.obr.text(27, 6), asked.obr.text(5))
    first = next((text for text in said if text), "")
    code = codes.target("priority", first)
    return ("" if code else codes.label("priority", first) or first), code


def occurs(asked: Asked) -> list[str]:
    """Return when the test is to be done, as TQ1-7, ORC-7.4, OBR-27.4 and OBR-6 say."""
    return [asked.timing.text(7), asked.orc.text(7, 4), asked.obr.text(27, 4), times.of(asked.obr, 6)]


def reasons(asked: Asked, look: Look, publisher: str) -> list[dict[str, Any]]:
    """Return why it is asked for: OBR-31, and the diagnoses behind the order."""
    coded = [codes.codeable(item, look, publisher) for item in asked.obr.repetitions(31)]
    for segment in asked.reasons:
        concept = next((codes.codeable(item, look, publisher, segment.text(2)) for item in segment.repetitions(3)), {})
        coded.append(concept or ({"text": segment.text(4)} if segment.text(4) else {}))
    return [concept for concept in coded if concept]


def notes(request: Request, priority: str) -> list[str]:
    """Return the comments on an order, the clinical details (OBR-13) and what was asked when it was placed."""
    asked = request.asked
    details = asked.obr.whole(13).strip()
    answers = [
        f"{codes.text_of(item.segment, 3)}: {values.in_words((item.segment,))}"
        for item in asked.answers
        if item.segment[5]
    ]
    remarks = [f"Clinical details: {details}" if details else "", f"Priority sent: {priority}" if priority else ""]
    return [*request.notes, *remarks, *answers, *asked.notes]


def placed_order(number: str, service: str, patient: str, look: Look) -> dict[str, Any]:
    """Return a reference to the order with a placer's or filler's number (by its key) that asks for ``service``; where
    one of the two names no service, to the only one of the number. {} where no order of this patient has it."""
    row = look.row("ORDER", number) if number else None
    if row is None:  # most results: a number without a row has none for its services
        return {}
    own = look.row("ORDER", f"{number}|{service}") if service else None
    if own is None and (row.values["service"] and service or look.row("ORDER", f"{number}|") is not None):
        return {}
    row = own or row
    if survivor(row.patient, look) != survivor(patient, look):
        return {}
    return look.reference("ServiceRequest", f"{row.values['request']}|{row.values['service']}")


def looked_up(message: Message, patient: str) -> dict[str, Values]:
    """Return what is looked up of an order message by key: each number with each of its services, so that a later
    message which names fewer takes none away; the number alone, of its last service; and the number with no service
    where one message names several."""
    rows: dict[str, Values] = {}
    for asked in asked_in(message, patient):
        for number in asked.keys if asked.obr else ():
            if not number:
                continue
            values = Values(request=asked.key, service=asked.service)
            if number in rows and rows[number] != values:
                rows[f"{number}|"] = values
            rows[number] = values
            if asked.service:
                rows[f"{number}|{asked.service}"] = values
    return rows
