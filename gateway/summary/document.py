"""The summary as a FHIR document: an IPS-shaped Composition, coded entries, and narrative made here; a source's own is never passed on."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from html import escape

from gateway.errors import Invalid
from gateway.nhs import access
from gateway.nhs.sections import GRID, Line, Section, completeness, sections
from gateway.nhs.summary import Held, Record

BASE = "https://gateway.invalid/fhir/"
"""What entries are named under; the references inside them are relative to it."""
EMPTY = {
    "withheld": ("http://terminology.hl7.org/CodeSystem/list-empty-reason", "Information Withheld"),
    "unavailable": ("http://terminology.hl7.org/CodeSystem/list-empty-reason", "Unavailable"),
    "no-content-recorded": ("https://fhir.hl7.org.uk/CodeSystem/UKCore-ListEmptyReasonCode", "No content recorded"),
}
MISMATCH = "A possible mismatch is not shown: another record claims this person's NHS number. It is listed for review."
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def summary_bundle(record: Record) -> dict:
    """The document Bundle of a record. The same record makes the same bytes. Raises ``Invalid`` for a record without a Patient."""
    if not record.patients:
        raise Invalid("record: no Patient")
    shown = sections(record)
    moment = record.now.isoformat(timespec="seconds")
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{record.subject_id} {moment} {record.caller_organisation}")
    composition = _composition(record, shown, str(name), moment)
    patients = _patients(record.patients)
    named = {reference for section in composition["section"] for entry in section.get("entry", ()) for reference in (entry["reference"],)}
    resources = [each.resource for each in record.resources if f"{each.resource['resourceType']}/{each.resource['id']}" in named]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(name, "bundle")),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        "type": "document",
        "timestamp": moment,
        "entry": [{"fullUrl": f"{BASE}{each['resourceType']}/{each['id']}", "resource": each} for each in (composition, *patients, *resources)],
    }


def _composition(record: Record, shown: Sequence[Section], id_: str, moment: str) -> dict:
    made = [_section(each) for each in shown]
    made.append(_completeness(completeness(record, shown)))
    notices = [words for words, is_so in ((access.WITHHELD, record.withheld), (MISMATCH, record.mismatch)) if is_so]
    if notices:
        made.insert(0, _text_section("Notices", "".join(f"<p>{escape(words)}</p>" for words in notices)))
    return {
        "resourceType": "Composition",
        "id": id_,
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Composition"]},
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{record.subject_id}"},
        "date": moment,
        "author": [{"type": "Device", "display": "NHS record gateway"}],
        "title": "Summary record",
        "confidentiality": "R",
        "section": made,
    }


def _section(section: Section) -> dict:
    made: dict = {"title": section.title, "code": {"coding": [{"system": "http://loinc.org", "code": section.loinc}]}}
    words = f"<p>{escape(section.absence)}</p>" if section.absence else ""
    if section.rows:
        words += _table(("What", "When", "More", "Note", "Source"), [(r.title, r.when, r.detail, "; ".join(r.flags), r.source) for r in section.rows])
        if section.more:
            words += "<p>More entries are held than are shown here.</p>"
        made["text"] = {"status": "generated", "div": f"<div {XHTML}>{words}</div>"}
        made["entry"] = [{"reference": reference} for reference in dict.fromkeys(row.reference for row in section.rows)]
        return made
    system, display = EMPTY[section.reason]
    made["text"] = {"status": "generated", "div": f"<div {XHTML}>{words}</div>"}
    made["emptyReason"] = {"coding": [{"system": system, "code": section.reason, "display": display}], "text": section.absence}
    return made


def _completeness(lines: Sequence[Line]) -> dict:
    head = ("Source", "Last received", *(kind.title for kind in GRID))
    return _text_section("Completeness of sources", _table(head, [(line.name, line.received, *line.cells) for line in lines]))


def _text_section(title: str, words: str) -> dict:
    return {"title": title, "text": {"status": "generated", "div": f"<div {XHTML}>{words}</div>"}}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"


def _patients(patients: Sequence[Held]) -> list[dict]:
    """The Patient asked for, linked to the others that were gathered: seen together, never merged."""
    first, *others = (each.resource for each in patients)
    known = {link.get("other", {}).get("reference") for link in first.get("link", ())}
    links = [{"other": {"reference": f"Patient/{o['id']}"}, "type": "seealso"} for o in others if f"Patient/{o['id']}" not in known]
    return [{**first, "link": [*first.get("link", ()), *links]} if links else first, *others]
