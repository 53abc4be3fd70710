"""The summary as a FHIR document: an IPS-shaped Composition, one Patient, coded entries, and narrative made here; a
source's own is never passed on."""

from __future__ import annotations

import html
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from gateway import __version__
from gateway.errors import Invalid
from gateway.fhir import build
from gateway.nhs.summary import ABSENCES, CAUTION, CODED, Section, sections
from gateway.nhs.summary.card import Risk, card
from gateway.nhs.summary.completeness import GRID, HOW_TO_READ, Line, completeness, notices
from gateway.nhs.summary.now import Now, now
from gateway.nhs.summary.record import Held, Record
from gateway.nhs.summary.sections.rows import shown_time
from gateway.steering import isolated
from gateway.summary.banner import TITLES, Banner, banner
from gateway.summary.gathered import HEAD, as_held, linked

BASE = "https://gateway.invalid/fhir/"
"""The base URL of entries where the server's own is not known. References from entry to entry are relative to it."""
LOINC, HEADINGS = "http://loinc.org", "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings"
NOTICES, SOURCES = ("Notices", "48767-8"), ("Completeness of sources", "48766-0")
"""Title and LOINC code of the sections of words only: an annotation comment, and the information source."""
RISKS, ENCOUNTERS = ("Risks", "75310-3"), "46240-8"
"""Title and LOINC code of the section of the risk card (health concerns), and the code of that of encounters."""
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
AUTHOR = "NHS record gateway"
ACT_CLASS = "http://terminology.hl7.org/CodeSystem/v3-ActClass"


def summary_bundle(record: Record, base: str = BASE) -> dict[str, Any]:
    """``summary_document`` as a plain dict."""
    return build.decode(summary_document(record, base))


def summary_document(record: Record, base: str = BASE) -> bytes:
    """https://hl7.org/fhir/uv/ips/StructureDefinition-Bundle-uv-ips.html

    The document Bundle of a record. The same record makes the same bytes. Its entries are named under ``base``, the
    address of the API, as is what an entry refers to outside of the document. Every entry is about the one Patient of
    the document, whichever of a person's Patients its source knows. Raises ``Invalid`` for a record without a Patient.
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    moment = record.now.isoformat(timespec="seconds")
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{record.subject_id} {moment} {record.caller_organisation}")
    author, about = _author(base), banner(record)
    composition = _composition(record, about, str(name), moment, author["id"])
    named = {entry["reference"] for section in composition["section"] for entry in section.get("entry", ())}
    shown = [held for held in record.resources if held.reference in named]
    ours = [composition, _patient(record, about, base), author]
    names = [
        *(f"{resource['resourceType']}/{resource['id']}" for resource in ours),
        *(held.reference for held in shown),
    ]
    whole = [*ours, *map(_bare, shown)]
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid5(name, "bundle")),
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{name}"},
        "type": "document",
        "timestamp": moment,
        "entry": [{"fullUrl": base + name, "resource": resource} for name, resource in zip(names, whole)],
    }
    inside = {name.encode(): name.encode() for name in names}
    inside |= {held.reference.encode(): names[1].encode() for held in record.patients}
    return _resolved(build.encode(bundle), inside, base)


def _composition(record: Record, about: Banner, id_: str, moment: str, author: str) -> dict[str, Any]:
    shown = sections(record)
    here, items = now(record, shown), card(record, shown)
    first = {ENCOUNTERS: here}
    contents = [_coded_section(lists, first.get(lists[0].kind.loinc)) for lists in _by_code(shown)]
    contents.insert(0, _risks(record, items))
    contents.append(_completeness(record, completeness(record, shown)))
    if said := notices(record):
        contents.insert(0, _text_section(*NOTICES, _paragraphs(said)))
    at = f"{shown_time(record.here.isoformat())} {record.here.tzname()}"
    title = TITLES[record.view]
    words = (f"{title} of {about.name}", f"Made {at} by {AUTHOR}", CAUTION)
    return {
        "resourceType": "Composition",
        "id": id_,
        "meta": {"profile": ["https://fhir.hl7.org.uk/StructureDefinition/UKCore-Composition"]},
        "text": _narrative(_paragraphs(words)),
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "60591-5", "display": "Patient summary Document"}]},
        "subject": {"reference": f"Patient/{record.subject_id}"},
        "date": moment,
        "author": [{"reference": f"Device/{author}", "display": AUTHOR}],
        "title": title,
        "confidentiality": "R",
        "event": [{"code": [{"coding": [{"system": ACT_CLASS, "code": "PCPR"}]}], "period": {"end": moment}}],
        "section": contents,
    }


def _by_code(shown: Sequence[Section]) -> Iterable[list[Section]]:
    """The lists of each code together, in the order of the first: one code, one section."""
    by_code: dict[str, list[Section]] = {}
    for section in shown:
        by_code.setdefault(section.kind.loinc, []).append(section)
    return by_code.values()


def _risks(record: Record, items: Sequence[Risk]) -> dict[str, Any]:
    """The risk card: each item with its rows by source and date, or with the words of its absence. IPS has no section
    that may hold all of these, so its code is that of health concerns. A Patient's own contact is no entry of it."""
    words, references = [], dict[str, None]()
    for item in items:
        rows = [(row.title, row.when, row.detail, "; ".join(row.flags), row.source) for row in item.rows]
        said = [item.kind.title, *([item.absence] if item.absence else []), *item.notes]
        words.append(_paragraphs(said) + _table(("Risk", "Date", "More", "Note", "Source"), rows))
        references |= dict.fromkeys(reference for row in item.rows for reference in row.references)
    held = [reference for reference in references if reference in record.by_reference]
    section = _text_section(*RISKS, "".join(words))
    return {**section, "entry": [{"reference": reference} for reference in held]} if held else section


def _now(here: Now) -> str:
    """Where the person is now, in words."""
    rows = [(row.title, row.when, row.detail, "; ".join(row.flags), row.source) for row in here.rows]
    return _paragraphs(["Now", *here.notes]) + _table(("Now", "Date", "More", "Note", "Source"), rows)


def _coded_section(lists: Sequence[Section], here: Now | None = None) -> dict[str, Any]:
    """One section of the lists of one code; that of encounters begins with where the person is now."""
    first = lists[0]
    title, heading = CODED.get(first.kind.loinc, (first.title, first.kind.heading))
    content: dict[str, Any] = {
        "title": title,
        "code": {"coding": [{"system": LOINC, "code": first.kind.loinc}, {"system": HEADINGS, "code": heading}]},
        "text": _narrative(
            (_now(here) if here else "") + "".join(_words(section, is_one=len(lists) == 1) for section in lists)
        ),
    }
    rows = [*(row for section in lists for row in section.rows), *(here.rows if here else ())]
    references = dict.fromkeys(reference for row in rows for reference in row.references)
    if references:
        content["entry"] = [{"reference": reference} for reference in references]
    else:
        content["emptyReason"] = _empty_reason(lists)
    return content


def _empty_reason(lists: Sequence[Section]) -> dict[str, Any]:
    """Why a section is empty. Of several lists, what was withheld outweighs what is merely not there."""
    outweighs = list(ABSENCES)
    section = max(lists, key=lambda section: outweighs.index(section.reason))
    system, code, display = ABSENCES[section.reason].code or ABSENCES["no-content-recorded"].code or ("", "", "")
    return {"coding": [{"system": system, "code": code, "display": display}], "text": section.absence}


def _words(section: Section, is_one: bool) -> str:
    """One list in words: its title where there are several, what to know of it, and its rows as a table."""
    said = [*([] if is_one else [section.title]), *([section.absence] if section.absence else []), *section.notes]
    date, what, more = section.kind.columns
    rows = [(_title(r.title, r.level), r.when, r.detail, "; ".join(r.flags), r.source) for r in section.rows]
    after = ["More entries are held than are shown here."] if section.more else []
    return _paragraphs(said) + _table((what, date, more, "Note", "Source"), rows) + _paragraphs(after)


def _title(words: str, level: int) -> str:
    """A row's title; what is a part of the row above says so by dashes, because narrative has no indents of its own."""
    return f"{'–' * level} {words}" if level else words


def _completeness(record: Record, lines: Sequence[Line]) -> dict[str, Any]:
    """How complete each source is, and how each holds the person: the Patients of the others are no entries, and what
    they say stands here."""
    head = ("Source", "Last received", *(kind.title for kind in GRID))
    table = _table(head, [(line.name, line.received, *line.cells) for line in lines])
    return _text_section(*SOURCES, _paragraphs((CAUTION, *HOW_TO_READ)) + table + _table(HEAD, as_held(record)))


def _text_section(title: str, loinc: str, words: str) -> dict[str, Any]:
    return {"title": title, "code": {"coding": [{"system": LOINC, "code": loinc}]}, "text": _narrative(words)}


def _narrative(words: str) -> dict[str, Any]:
    return {"status": "generated", "div": f"<div {XHTML}>{words}</div>"}


def _paragraphs(said: Iterable[str]) -> str:
    return "".join(f"<p>{escape(words)}</p>" for words in said)


def escape(words: str) -> str:
    """Words as XHTML text, with their lines and columns as sent. No word of ours stands in an attribute."""
    if AS_IT_IS.match(words) and "  " not in words:
        return words
    lines = html.escape(isolated(words), quote=False).splitlines() or [""]
    return "<br/>".join(re.sub(r" {2,}", lambda run: "\u00a0" * len(run[0]), line) for line in lines)


AS_IT_IS = re.compile(r"[A-Za-z0-9 .,:;()/%+-]*\Z", re.ASCII)
"""What is XHTML text as it is, as most cells are."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>" if rows else ""


def _bare(held: Held) -> msgspec.Raw:
    """A resource as it is served, without its own narrative: what a source wrote there was judged by nobody."""
    body = held.served()
    if NARRATIVE not in body:
        return msgspec.Raw(body)
    return msgspec.Raw(build.encode({name: value for name, value in build.decode(body).items() if name != "text"}))


NARRATIVE = b'"text":{'
"""How a narrative begins. A concept's text is a string, and in the words of a resource quotes are escaped."""


def _resolved(document: bytes, inside: Mapping[bytes, bytes], base: str) -> bytes:
    """The document with each relative reference leading where ``inside`` says. One that leads out of it is made
    absolute: it can be followed, and no reader takes it for an entry that was lost. Between quotes these bytes are
    never words of a resource: there, quotes are escaped."""
    outside = base.encode()

    def resolved(match: re.Match[bytes]) -> bytes:
        return b'"reference":"' + (inside.get(match[1]) or outside + match[1]) + b'"'

    return RELATIVE.sub(resolved, document)


RELATIVE = re.compile(rb'"reference":"([A-Z][A-Za-z]+/[A-Za-z0-9.-]{1,64})"')


def _patient(record: Record, about: Banner, base: str) -> dict[str, Any]:
    """The one Patient of the document: whose demographics are shown, with a narrative of ours and links to the others
    that were gathered, seen together and never merged."""
    words = [f"{title} {said}" for title, said in about.lines()]
    return {**linked(record, base), "text": _narrative(_paragraphs((about.name, *words)))}


def _author(base: str) -> dict[str, Any]:
    """The Device that made the document, for the gateway at an address always the same."""
    return {
        "resourceType": "Device",
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, base)),
        "text": _narrative(_paragraphs([f"{AUTHOR} {__version__}"])),
        "status": "active",
        "deviceName": [{"name": AUTHOR, "type": "user-friendly-name"}],
        "version": [{"value": __version__}],
    }
