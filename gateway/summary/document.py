"""The summary as a FHIR document: an IPS-shaped Composition, coded entries, and narrative made here; a source's own is
never passed on."""

from __future__ import annotations

import html
import uuid
from collections.abc import Sequence
from typing import Any

from gateway.errors import Invalid
from gateway.nhs.summary import Section, sections
from gateway.nhs.summary.completeness import GRID, HOW_TO_READ, Line, completeness, notices
from gateway.nhs.summary.record import Held, Record

BASE = "https://gateway.invalid/fhir/"
"""The base URL of entries where no server is known that answers them. References inside them are relative to it."""
LOINC, HEADINGS = "http://loinc.org", "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings"
EMPTY = {
    "withheld": ("http://terminology.hl7.org/CodeSystem/list-empty-reason", "Information Withheld"),
    "unavailable": ("http://terminology.hl7.org/CodeSystem/list-empty-reason", "Unavailable"),
    "no-content-recorded": ("https://fhir.hl7.org.uk/CodeSystem/UKCore-ListEmptyReasonCode", "No Content Recorded"),
}
"""Nil known is none of these: it is a clinician's coded entry, and stands in the section as one."""
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'


def summary_bundle(record: Record, base: str = BASE) -> dict[str, Any]:
    """The document Bundle of a record. The same record makes the same bytes. Its entries are named under ``base``, the
    address of the API, which answers what the document refers to and does not hold. Raises ``Invalid`` for a record
    without a Patient.

    https://hl7.org/fhir/uv/ips/StructureDefinition-Bundle-uv-ips.html
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    moment = record.now.isoformat(timespec="seconds")
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{record.subject_id} {moment} {record.caller_organisation}")
    composition = _composition(record, sections(record), str(name), moment)
    named = {entry["reference"] for section in composition["section"] for entry in section.get("entry", ())}
    resources = [_bare(held.resource) for held in record.resources if held.reference in named]
    return {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(name, "bundle")),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        "type": "document",
        "timestamp": moment,
        "entry": [
            {"fullUrl": f"{base}{resource['resourceType']}/{resource['id']}", "resource": resource}
            for resource in (composition, *_patients(record.patients), *resources)
        ],
    }


def _composition(record: Record, shown: Sequence[Section], id_: str, moment: str) -> dict[str, Any]:
    contents = [_section(section) for section in shown]
    contents.append(_completeness(completeness(record, shown)))
    if said := notices(record):
        contents.insert(0, _text_section("Notices", "".join(f"<p>{escape(words)}</p>" for words in said)))
    return {
        "resourceType": "Composition",
        "id": id_,
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Composition"]},
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{record.subject_id}"},
        "date": moment,
        "author": [{"type": "Device", "display": "NHS record gateway"}],
        "title": "Summary record",
        "confidentiality": "R",
        "section": contents,
    }


def _section(section: Section) -> dict[str, Any]:
    kind = section.kind
    codings = [
        {"system": LOINC, "code": kind.loinc},
        *([{"system": HEADINGS, "code": kind.heading}] if kind.heading else []),
    ]
    words = f"<p>{escape(section.absence)}</p>" if section.absence else ""
    if section.rows:
        date, what, more = kind.columns
        words += _table(
            (what, date, more, "Note", "Source"),
            [(r.title, r.when, r.detail, "; ".join(r.flags), r.source) for r in section.rows],
        )
        words += "<p>More entries are held than are shown here.</p>" if section.more else ""
    content: dict[str, Any] = {
        "title": section.title,
        "code": {"coding": codings},
        "text": {"status": "generated", "div": f"<div {XHTML}>{words}</div>"},
    }
    if section.rows:
        content["entry"] = [
            {"reference": reference}
            for reference in dict.fromkeys(name for row in section.rows for name in row.references)
        ]
    else:
        system, display = EMPTY[section.reason]
        content["emptyReason"] = {
            "coding": [{"system": system, "code": section.reason, "display": display}],
            "text": section.absence,
        }
    return content


def _completeness(lines: Sequence[Line]) -> dict[str, Any]:
    head = ("Source", "Last received", *(kind.title for kind in GRID))
    how_to_read = "".join(f"<p>{escape(words)}</p>" for words in HOW_TO_READ)
    return _text_section(
        "Completeness of sources",
        how_to_read + _table(head, [(line.name, line.received, *line.cells) for line in lines]),
    )


def _text_section(title: str, words: str) -> dict[str, Any]:
    return {"title": title, "text": {"status": "generated", "div": f"<div {XHTML}>{words}</div>"}}


def escape(words: str) -> str:
    """Words as XHTML text. No word of ours stands in an attribute."""
    return html.escape(words, quote=False)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>" if rows else ""


def _bare(resource: dict[str, Any]) -> dict[str, Any]:
    """A resource without its own narrative: what a source wrote there was judged by nobody."""
    return {name: value for name, value in resource.items() if name != "text"} if "text" in resource else resource


def _patients(patients: Sequence[Held]) -> list[dict[str, Any]]:
    """The Patient asked for, linked to the others that were gathered: seen together, never merged."""
    first, *others = (_bare(held.resource) for held in patients)
    known = {link.get("other", {}).get("reference") for link in first.get("link", ())}
    links = [
        {"other": {"reference": f"Patient/{o['id']}"}, "type": "seealso"}
        for o in others
        if f"Patient/{o['id']}" not in known
    ]
    return [{**first, "link": [*first.get("link", ()), *links]} if links else first, *others]
