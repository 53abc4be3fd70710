"""The result messages of one order to DiagnosticReports and their Observations.

One filler number may carry several reports (a specimen number under which a laboratory sends full blood count and
liver tests), so a report is keyed by filler number and service; a result by filler number, OBX-3 and OBX-4.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import Invalid
from gateway.fhir.build import resource
from mappings import Group, Look
from mappings.hl7v2 import codes, times, values
from mappings.hl7v2.identity import numbers, orders, visit_key
from mappings.hl7v2.message import Message, Segment
from mappings.hl7v2.observation import UNSETTLED, Result, accept, observation, status_of
from mappings.hl7v2.replay import Sent, key_of, ordered
from mappings.vocabulary import HL7, UK_CORE

LAB = UK_CORE + "UKCore-DiagnosticReport-Lab"
OTHER = UK_CORE + "UKCore-DiagnosticReport"
NOTE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-DiagnosticReport.note"
SECTIONS = HL7 + "v2-0074"

Key = tuple[str, ...]


@dataclass
class Report:
    """What the messages so far say of one service under the order."""

    obr: Segment
    status: str
    notes: list[str] = field(default_factory=list)
    specimen: str = ""
    results: dict[Key, None] = field(default_factory=dict)

    def take(self, obr: Segment, notes: list[str], specimen: str) -> None:
        """Take a later OBR, unless it would put something preliminary in the place of something final."""
        status = report_status(obr)
        if status in UNSETTLED | {"partial"} and self.status not in UNSETTLED | {"partial"}:
            return
        if not (status == "final" and self.status == "corrected"):
            self.status = status
        self.obr, self.notes, self.specimen = obr, notes or self.notes, specimen or self.specimen


def to_reports(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the DiagnosticReports and Observations of an ``order:`` group. Raises ``Invalid`` when one order number
    names two people."""
    filler = key_of(group, "order:")
    sent = ordered(group.of("ORU"), look)
    if not sent:
        return []
    one_person(sent)
    subject = look.reference("Patient", sent[-1].row.patient)
    visit = next((found for each in reversed(sent) if (found := visit_key(each.message))), "")
    encounter = look.reference("Encounter", visit) if visit else {}
    reports, held = replay(filler, sent)
    made = []
    for service, report in reports.items():
        is_lab = section_of(report.obr, look) == "lab"
        made.append(build(report, service, filler, held, subject, encounter, group.publisher, look))
        for key in report.results:
            if not is_document(held[key], look):
                made.append(
                    observation(held[key], "|".join((filler, *key)), subject, encounter, is_lab, group.publisher, look)
                )
    return made


def replay(filler: str, sent: list[Sent]) -> tuple[dict[str, Report], dict[Key, Result]]:
    """Return the reports by service, and the results that count by key."""
    shared = shared_codes(filler, sent)
    reports: dict[str, Report] = {}
    held: dict[Key, Result] = {}
    for each in sent:
        found: list[tuple[str, Key, Result]] = []
        for segments in (segments for key, segments in orders(each.message) if key == filler):
            obr, service = segments[0], service_of(segments[0])
            notes, specimen, results = read(segments)
            if service in reports:
                reports[service].take(obr, notes, specimen)
            else:
                reports[service] = Report(obr, report_status(obr), notes, specimen)
            for result in results:
                name = result_name(result.obx)
                found.append((service, (*name, service) if name in shared else name, result))
        sent_of, seen = Counter(name for _, name, _ in found), Counter[Key]()
        is_numbered = {
            name: max(count, len(alike(held, name))) < 2 or count == len(alike(held, name))
            for name, count in sent_of.items()
        }
        for service, name, result in found:
            seen[name] += 1
            own = name if seen[name] == 1 else (*name, f"#{seen[name]}")
            key = own if is_numbered[name] else place(held, name, own, result)
            held[key] = accept(held.get(key), result)
            home(reports, service, key)
    return reports, held


def alike(held: dict[Key, Result], name: Key) -> list[Key]:
    """Return the keys of the results held of one name, which are numbered where a message repeats it (two organisms of
    a culture)."""
    return [key for key in held if key == name or key[:-1] == name and key[-1].startswith("#")]


def place(held: dict[Key, Result], name: Key, own: Key, result: Result) -> Key:
    """Return the key of a result that a message repeats more or less often than is held, where numbers tell nothing.

    The same value is the same result, and another takes the place of none that is settled: nobody can say which of
    them it corrects.
    """
    here = alike(held, name)
    same = next((key for key in here if held[key].sent == result.sent), None)
    if same is not None:
        return same
    return own if own not in held or held[own].status in UNSETTLED else (*name, f"#{len(here) + 1}")


def home(reports: dict[str, Report], service: str, key: Key) -> None:
    """Give a result to the report it came with last, and to no other: it is one resource."""
    for name, report in reports.items():
        if name == service:
            report.results.setdefault(key)
        else:
            report.results.pop(key, None)


def shared_codes(filler: str, sent: list[Sent]) -> set[Key]:
    """Return the results that one message names under two services of this order (a comment, say), which the service
    must tell apart."""
    shared: set[Key] = set()
    for each in sent:
        services: dict[Key, str] = {}
        for segments in (segments for key, segments in orders(each.message) if key == filler):
            service = service_of(segments[0])
            for name in {result_name(segment) for segment in segments if segment.name == "OBX"}:
                if services.setdefault(name, service) != service:
                    shared.add(name)
    return shared


def read(segments: list[Segment]) -> tuple[list[str], str, list[Result]]:
    """Return (comments on the report, specimen, results) of an OBR and what follows it."""
    obr = segments[0]
    specimen = next((codes.text_of(segment, 4) for segment in segments if segment.name == "SPM"), "") or obr.text(
        15, 1, 1
    )
    comments: list[list[str]] = [[]]
    lines: list[list[Segment]] = []
    for segment in segments[1:]:
        if segment.name == "OBX":
            if lines and continues(lines[-1][-1], segment):
                lines[-1].append(segment)
            else:
                lines.append([segment])
                comments.append([])
        elif segment.name == "NTE" and segment.whole(3):
            comments[-1].append(segment.whole(3))
    results = [
        Result(tuple(found), obr, specimen, ("\n".join(notes),) if notes else (), status_of(found[-1]))
        for found, notes in zip(lines, comments[1:])
    ]
    return comments[0], specimen, results


def continues(before: Segment, after: Segment) -> bool:
    """Whether an OBX goes on with the text or document of the one before it. A line of another status (deleted, say)
    stands for itself."""
    return after.text(2) in values.JOINED and all(before[number] == after[number] for number in (2, 3, 4, 11))


def service_of(obr: Segment) -> str:
    return obr.text(4, 1).strip() or obr.text(4, 2).strip().casefold()


def result_name(obx: Segment) -> Key:
    """Return what names a result within its order: OBX-3 and OBX-4."""
    return (obx.text(3, 1).strip() or obx.text(3, 2).strip().casefold(), obx.whole(4).strip())


def report_status(obr: Segment) -> str:
    return codes.target("report_status", obr.text(25)) or "unknown"


def section_of(obr: Segment, look: Look) -> str:
    """Return ``lab``, or the department's code: OBR-24, else the feed's setting ``section``, else ``lab``, which ORU
    feeds are."""
    said = obr.text(24).strip().upper() or str(look.feed.settings.get("section", "LAB"))
    return codes.target("section", said) or said


def is_document(result: Result, look: Look) -> bool:
    return result.obx.text(2) == "ED" and bool(values.document(list(result.segments), look.feed.zone))


def build(
    report: Report,
    service: str,
    filler: str,
    held: dict[Key, Result],
    subject: dict[str, Any],
    encounter: dict[str, Any],
    publisher: str,
    look: Look,
) -> dict[str, Any]:
    """Return the DiagnosticReport; documents that are withdrawn are not shown."""
    obr, zone = report.obr, look.feed.zone
    is_lab, said = section_of(obr, look) == "lab", obr.text(24).strip().upper()
    results = [(key, held[key]) for key in report.results]
    documents = [result for _, result in results if is_document(result, look) and result.status != "entered-in-error"]
    authority, _, number = filler.removeprefix("placer:").partition("|")
    order = obr.text(2).strip()
    start, end = times.fhir(obr.text(7), zone), times.fhir(obr.text(8), zone)
    sections = [
        code
        for code in dict.fromkeys(("LAB" if is_lab else "", said if codes.table("section").get(said) else ""))
        if code
    ]
    made = resource(
        "DiagnosticReport",
        look.id("DiagnosticReport", f"{filler}|{service}"),
        LAB if is_lab else OTHER,
        extension=[{"url": NOTE, "valueAnnotation": {"text": "\n".join(report.notes)}}] if report.notes else [],
        identifier=[{"system": codes.identifiers_of(publisher, authority, "DiagnosticReport"), "value": number}],
        basedOn=[{"type": "ServiceRequest", "identifier": {"system": placer(obr, publisher), "value": order}}]
        if order
        else [],
        status=report.status,
        category=[{"coding": [{"system": SECTIONS, "code": code}]} for code in sections],
        code=codes.required(obr, 4, look, publisher),
        subject=subject,
        encounter=encounter,
        effectiveDateTime="" if end and end != start else start,
        effectivePeriod={"start": start, "end": end} if end and end != start else {},
        issued=times.instant(obr.text(22), zone),
        specimen=[{"display": report.specimen}] if report.specimen else [],
        result=[
            look.reference("Observation", "|".join((filler, *key)))
            for key, result in results
            if not is_document(result, look)
        ],
        presentedForm=[values.document(list(result.segments), zone) for result in documents],
    )
    return times.flagged(made, zone, obr[7], obr[8], obr[22], *(result.obx[14] for result in documents))


def placer(obr: Segment, publisher: str) -> str:
    return codes.identifiers_of(publisher, obr.text(2, 2, 1), "ServiceRequest")


def one_person(sent: list[Sent]) -> None:
    """Raise ``Invalid`` when the messages of one order number are of two people: a number used again must not mix
    their results.

    Another hospital number is the same person (after a merge) when the birth date agrees, and the NHS number or else
    the family name.
    """
    first = sent[0]
    for other in sent[1:]:
        if other.row.patient != first.row.patient and not same_person(first.message, other.message):
            raise Invalid("OBR-3: one order number, two patients")


def same_person(one: Message, other: Message) -> bool:
    a, b = one["PID"], other["PID"]
    if not a.text(7) or a.text(7)[:8] != b.text(7)[:8]:
        return False
    first, second = ({found.value for found in numbers(pid, 3) if found.nhs} for pid in (a, b))
    if first and second:
        return bool(first & second)
    return bool(a.text(5, 1, 1)) and a.text(5, 1, 1).casefold() == b.text(5, 1, 1).casefold()
