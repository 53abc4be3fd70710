"""The result messages of one order to DiagnosticReports, their Observations and Specimens.

One filler number may carry several reports (a specimen number under which a laboratory sends full blood count and
liver tests), so a report is keyed by filler number, service and parent result; a result as ``sameness`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from gateway.fhir.build import resource, without_empty
from mappings import Group, Look
from mappings.hl7v2 import codes, documents, times
from mappings.hl7v2.datatypes import practitioner
from mappings.hl7v2.entities import request_numbers
from mappings.hl7v2.message import Repetition, Segment
from mappings.hl7v2.observation import Result, observation
from mappings.hl7v2.orders import results_of as orders_in
from mappings.hl7v2.people import by_person, owner
from mappings.hl7v2.replay import NOTHING, Sent, key_of, ordered, plausible
from mappings.hl7v2.reported import Heard, Outcome, Report, hear, orders_of
from mappings.hl7v2.sameness import Key
from mappings.hl7v2.service_requests import SECTIONS, placed_order
from mappings.hl7v2.service_requests import service_of as code_of_service
from mappings.hl7v2.specimen import Taken, specimen
from mappings.hl7v2.strays import outcomes
from mappings.hl7v2.ties import Found, source_of
from mappings.vocabulary import UK_CORE, UNKNOWN

LAB = UK_CORE + "UKCore-DiagnosticReport-Lab"
OTHER = UK_CORE + "UKCore-DiagnosticReport"
NOTE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
NOT_WHOLE = "A document was sent that is not whole or cannot be read. It is not shown: {}"
ENDLESS = "The format of a document does not say where it ends, so that it may not be complete: {}"


@dataclass(frozen=True)
class Scope:
    """What all resources of one order and person share. ``ids`` begins the keys of their ids."""

    filler: str
    ids: str
    patient: str
    subject: dict[str, Any]
    encounter: dict[str, Any]
    publisher: str
    look: Look


def to_reports(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the DiagnosticReports, Observations and Specimens of an ``order:`` group.

    An order number that names two people gives each their own results; the ids then hold the person, so that no
    resource ever changes from one to the other.
    """
    return [built for scope, outcome in scopes(group, look) for built in resources(scope, outcome)]


def withdrawn(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the messages of an ``order:`` group withdraw, in as few elements as FHIR asks for: they can be built
    whatever else is wrong with the group. Of two people, what only one of them has is also named as it was before the
    other came: it may be held so. Of a report with a withdrawn document, the report without its documents."""
    built: list[dict[str, Any]] = []
    if not group.key.startswith("order:"):
        return built
    replayed = scopes(group, look)
    for scope, outcome in replayed:
        reports, results = outcome.reports, outcome.results
        theirs = {key for _, other in replayed if other is not outcome for key in other.results}
        bare = partial(bare_resource, scope=scope)
        gone = {key for key, result in results.items() if result.status == "entered-in-error"}
        names = [(scope.ids, *key) for key in sorted(gone)]
        if scope.ids != scope.filler:
            names += [(scope.filler, *key) for key in sorted(gone - theirs)]
        built += [bare("Observation", "|".join(name), "entered-in-error") for name in names]
        for service, report in reports.items():
            if any(documents.is_document(results[key].obx) for key in report.results if key in gone):
                built.append(bare("DiagnosticReport", f"{scope.ids}|{service}", report.status))
    return built


def bare_resource(kind: str, key: str, status: str, scope: Scope) -> dict[str, Any]:
    profile = OTHER if kind == "DiagnosticReport" else UK_CORE + "UKCore-Observation"
    return resource(kind, scope.look.id(kind, key), profile, status=status, code=UNKNOWN, subject=scope.subject)


def scopes(group: Group, look: Look) -> list[tuple[Scope, Outcome]]:
    """Return what the messages of the group come to, by person."""
    filler = key_of(group, "order:")
    all_sent = ordered(group.of("ORU"), look, partial(issued, filler=filler, look=look))
    places = {sent.row.key: place for place, sent in enumerate(all_sent)}
    people = by_person(all_sent, look)
    if len(people) > 1:
        look.warn("OBR-3", "one order number, two people")
    heard: dict[str, list[Heard]] = {person: hear(filler, sent, places, look) for person, sent in people.items()}
    replayed = outcomes(heard, look.feed.zone, look)
    scoped = []
    for person, unordered in people.items():
        sent = sorted(unordered, key=lambda item: places[item.row.key])
        visit = next((key for item in reversed(sent) if (key := orders_in(item.row, look).visit)), "")
        scope = Scope(
            filler,
            filler if len(people) == 1 else f"{filler}|person|{person}",
            whose := owner(sent[-1].row, look),
            look.reference("Patient", whose),
            look.reference("Encounter", visit) if visit else {},
            group.publisher,
            look,
        )
        scoped.append((scope, replayed[person]))
    return scoped


def issued(sent: Sent, zone: str, filler: str, look: Look) -> str:
    """Return when a message's results of an order were issued: the latest OBR-22, unless it lies after the sending
    (MSH-7)."""
    said = [times.of(order.obr, 22) for order in orders_of(sent, filler, look)]
    latest = max(said, key=lambda text: times.rank(text, zone), default="")
    return plausible(latest, times.of(sent.message["MSH"], 7), zone)


def section_of(obr: Segment, look: Look) -> str:
    """Return ``lab``, or the department's code: OBR-24, else the feed's setting ``section``, else ``lab``, which ORU
    feeds are."""
    said = obr.text(24).strip().upper() or str(look.feed.settings.get("section", "LAB"))
    return codes.target("section", said) or said


def resources(scope: Scope, outcome: Outcome) -> list[dict[str, Any]]:
    """Return the resources of one person's reports."""
    look, reports, results = scope.look, outcome.reports, outcome.results
    built = []
    taken: dict[str, Taken] = {}
    sources = Found(results)
    attached = attachments(results, look)
    shown = {key for key, forms in attached.items() if any(forms)}
    for service, report in reports.items():
        is_lab = section_of(report.obr, look) == "lab"
        order = order_of(report.obr, scope)
        built.append(build(report, service, scope, results, attached, order))
        for key in report.results:
            for item in results[key].specimens:
                taken[item.key] = item
            if key not in shown:
                built.append(observed(results[key], key, sources, is_lab, scope) | based_on(order))
        taken.update((item.key, item) for item in report.specimens)
    return built + [
        specimen(item, specimen_key(scope, item), scope.subject, scope.publisher, look) for item in taken.values()
    ]


def observed(result: Result, key: Key, sources: Found, is_lab: bool, scope: Scope) -> dict[str, Any]:
    """Return the Observation of a result with what it was found in and its specimen (of several nobody says which)."""
    source, result = source_of(result, key, sources)
    name = (scope.ids, *source) if source else elsewhere(result, scope)
    return observation(
        result,
        "|".join((scope.ids, *key)),
        scope.subject,
        scope.encounter,
        is_lab,
        reference(scope, result.specimens[0]) if len(result.specimens) == 1 else {},
        scope.look.reference("Observation", "|".join(name)) if name else {},
        scope.publisher,
        scope.look,
    )


def elsewhere(result: Result, scope: Scope) -> Key:
    """Return the name of the result of another order that a result was found in, () for none. Of an order number of two
    people nobody knows whose that is."""
    tie = result.tie
    return (tie.order, *tie.source) if tie and tie.order and scope.ids == scope.filler else ()


def specimen_key(scope: Scope, taken: Taken) -> str:
    return f"{scope.ids}|specimen|{taken.key}"


def reference(scope: Scope, taken: Taken) -> dict[str, Any]:
    named = {"display": taken.words} if taken.words else {}
    return scope.look.reference("Specimen", specimen_key(scope, taken)) | named


def attachments(results: dict[Key, Result], look: Look) -> dict[Key, list[dict[str, Any]]]:
    """Return the documents of those results that are documents, {} for each that cannot be shown. A result with one
    that can is shown as documents of its report, and needs no Observation."""
    return {
        key: documents.documents(result.segments, look.feed.zone)
        for key, result in results.items()
        if documents.is_document(result.obx)
    }


def build(
    report: Report,
    service: str,
    scope: Scope,
    results: dict[Key, Result],
    attached: dict[Key, list[dict[str, Any]]],
    order: dict[str, Any],
) -> dict[str, Any]:
    """Return the DiagnosticReport; documents that are withdrawn or not whole are not shown."""
    obr, look, zone, publisher = report.obr, scope.look, scope.look.feed.zone, scope.publisher
    is_lab, said = section_of(obr, look) == "lab", obr.text(24).strip().upper()
    sent = [(results[key], attached[key]) for key in report.results if key in attached]
    live = [pair for pair in sent if pair[0].status != "entered-in-error" and not pair[0].is_blank]
    forms = [(result, form) for result, of_result in live for form in of_result]
    lost = [codes.text_of(result.obx, 3) for result, form in forms if not form]
    for _ in lost:
        look.warn("OBX-5", "a document that is not whole or cannot be read")
    doubtful = [codes.text_of(result.obx, 3) for result, form in forms if form.get("contentType") in documents.ENDLESS]
    for _ in doubtful:
        look.warn("OBX-5", "a document whose format does not say where it ends, shown as sent")
    notes = [*report.notes, *(NOT_WHOLE.format(title) for title in lost), *map(ENDLESS.format, doubtful)]
    start, end = times.fhir(times.of(obr, 7), zone), times.fhir(times.of(obr, 8), zone)
    sections = [
        code
        for code in dict.fromkeys(("LAB" if is_lab else "", said if codes.table("section").get(said) else ""))
        if code
    ]
    built = resource(
        "DiagnosticReport",
        look.id("DiagnosticReport", f"{scope.ids}|{service}"),
        LAB if is_lab else OTHER,
        is_clean=True,
        extension=[{"url": NOTE, "valueAnnotation": {"text": "\n".join(notes)}}] if notes else [],
        identifier=without_empty(identifiers(scope)),
        basedOn=without_empty(request(obr, publisher, order)),
        status=report.status,
        category=[{"coding": [{"system": SECTIONS, "code": code}]} for code in sections],
        code=codes.required(obr, 4, look, publisher),
        subject=scope.subject,
        encounter=scope.encounter,
        effectiveDateTime="" if end and end != start else start,
        effectivePeriod=without_empty({"start": start, "end": end}) if end and end != start else {},
        issued=times.instant(times.of(obr, 22), zone),
        resultsInterpreter=without_empty(interpreter(obr)),
        specimen=[reference(scope, taken) for taken in report.specimens],
        result=[
            look.reference("Observation", "|".join((scope.ids, *key)))
            for key in report.results
            if not any(attached.get(key, ()))
        ],
        presentedForm=without_empty([form for _, form in forms if form]),
    )
    return times.flagged(built, zone, obr[7], obr[8], obr[22], *(result.obx[14] for result, form in forms if form))


def identifiers(scope: Scope) -> list[dict[str, Any]]:
    """Return the filler's number, else the placer's; none of an order that carries no number."""
    if scope.filler.startswith("digest:"):
        return []
    authority, _, number = scope.filler.removeprefix("placer:").partition("|")
    return [{"system": codes.identifiers_of(scope.publisher, authority, "DiagnosticReport"), "value": number}]


def order_of(obr: Segment, scope: Scope) -> dict[str, Any]:
    """Return a reference to the order that was placed (ORM, OML, OMG), {} where none was sent."""
    placer, filler = request_numbers(NOTHING, obr)
    own = "" if scope.filler.startswith("digest:") else scope.filler
    key = placer or filler or (own if own.startswith("placer:") or not own else f"filler:{own}")
    return placed_order(key, code_of_service(obr), scope.patient, scope.look)


def based_on(order: dict[str, Any]) -> dict[str, Any]:
    return {"basedOn": [order]} if order else {}


def request(obr: Segment, publisher: str, order: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the request: the one that was placed, its number (OBR-2), and who made it (OBR-16) in words."""
    number = obr.text(2)
    names = [person["display"] for field in obr.repetitions(16) if (person := practitioner(field)).get("display")]
    if not number and not names and not order:
        return []
    system = codes.identifiers_of(publisher, obr.text(2, 2, 1), "ServiceRequest")
    return [
        {
            **order,
            "type": "ServiceRequest",
            "identifier": {"system": system, "value": number} if number else {},
            "display": f"Requested by {', '.join(names)}" if names else "",
        }
    ]


def interpreter(obr: Segment) -> list[dict[str, Any]]:
    """Return who interpreted the results (OBR-32): a name whose parts are subcomponents of component 1, or components
    of the field."""
    sources = []
    for field in obr.repetitions(32):
        sign, encoding = field.encoding.subcomponent, field.encoding
        first = field.raw.split(encoding.component)[0]
        whole = Repetition(first.replace(sign, encoding.component), encoding) if sign in first else field
        sources.append(practitioner(whole))
    return [item for item in sources if item]
