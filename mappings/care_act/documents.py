"""JSON-LD documents to rows: one for each assessment, plan and person; what must not be kept is taken out first.

Source: Standards for Assessments and Plans and the Person Standard, SocialCareData (``README.md``). A file holds one
document, or several under ``@graph``; ``.jsonl`` and ``.ndjson`` hold one a line.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.errors import Invalid, Refused
from gateway.fhir.build import decode, encode
from gateway.fhir.dates import interval
from gateway.fhir.model import UNREADABLE
from gateway.nhs.identifiers import is_council_code
from mappings import Feed, Reject, Row, Values
from mappings.care_act.questions import is_statutory
from mappings.cld.read import submitted
from mappings.readers.files import File, delivered
from mappings.readers.json_lines import json_rows
from mappings.vocabulary import without_nhs_number

ASSESSMENT, PLAN, PERSON = "CareNeedsAssessment", "CarePlan", "Person"
SUBJECT, ALIAS, COUNCIL = "Subject", "Alias", "Council"
"""Whom a document is about, by one identifier; which person an identifier is of; who sends the documents."""
AHEAD = "ahead"
"""Kept with a document whose day of completion had not come when it was sent."""
LINES = (".jsonl", ".ndjson")
SUFFIXES = (".json", ".jsonld", *LINES)
LARGEST = 1 << 26
"""Bytes of a document file: 64 MiB."""
GROUPS = {ASSESSMENT: "assessment", PLAN: "plan", PERSON: "person"}
KEPT_OF_PERSON = frozenset(
    "@type identifier name dateOfBirth isDeceased deceasedDate address contact genderCode communication".split()
)
"""What is kept of a person. The rest names relatives, colleagues and records elsewhere."""


def check(path: Path, feed: Feed) -> list[File]:
    """Return the documents at ``path``. Raises ``Refused`` where there are none, one is too large, or the feed does
    not say which council sends them."""
    if not is_council_code(council(feed)):
        raise Refused("the feed: council = its three-digit social-care code (GATEWAY_FEEDS)")
    files = delivered(path, SUFFIXES)
    if not files:
        raise Refused("the delivery: no .json, .jsonld, .jsonl or .ndjson file")
    for file in files:
        if file.size > LARGEST and not file.name.lower().endswith(LINES):
            raise Refused(f"{file.shown}: too large")
    return files


def council(feed: Feed) -> str:
    return str(feed.settings.get("council", "")).strip()


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://standard.socialcaredata.io (Standards for Assessments and Plans)

    Yield the rows of a file: of each document, of whom it is about, and of the council."""
    sent_at = submitted(file.stem)
    for place, item in documents(file):
        if isinstance(item, Reject):
            yield item
            continue
        try:
            yield from rows(item, sent_at, feed)
        except Invalid as error:
            yield Reject(place, str(error))
    yield Row(COUNCIL, council(feed), council(feed), sent_at, Values(), groups=(f"council:{council(feed)}",))


def documents(file: File) -> Iterator[tuple[str, dict[str, Any] | Reject]]:
    """Yield the place and the object of each document."""
    if file.name.lower().endswith(LINES):
        for line in json_rows(file):
            yield (line.place, line) if isinstance(line, Reject) else (f"line {line[0]}", line[1])
        return
    with file.open() as stream:
        content = stream.read(LARGEST + 1)
    try:
        whole = decode(content)
    except UNREADABLE:
        yield "", Reject("", "not JSON")
        return
    graph = whole.get("@graph") if isinstance(whole, dict) else whole
    for number, item in enumerate(graph if isinstance(graph, list) else [whole], 1):
        place = f"document {number}"
        yield place, item if isinstance(item, dict) else Reject(place, "not an object")


def rows(said: dict[str, Any], sent_at: int, feed: Feed) -> Iterator[Row]:
    """Yield the rows of one document. Raises ``Invalid`` naming the property that keeps it from being read."""
    kind = kind_of(said)
    if kind not in GROUPS:
        raise Invalid("@type")
    publisher = council(feed)
    if kind == PERSON:
        names = sorted(person_key(item, feed) for item in listed(said, "identifier"))
        if not names:
            raise Invalid("identifier")
        kept = {name: value for name, value in said.items() if name in KEPT_OF_PERSON}
        yield row(kind, names[0], names[0], kept, sent_at, publisher)
        for name in names:
            yield Row(ALIAS, name, publisher, sent_at, Values({"person": names[0]}), patient=names[0], aside=True)
        return
    subject, key = said.get("personId"), identifier(said.get("identifier"))
    name = person_key(subject, feed)
    if not key:
        raise Invalid("identifier")
    order = sent_at if sent_at >= 10**9 else completed(said)
    yield row(kind, local(key, feed), name, stripped(said), order, publisher, lies_ahead(said, order))
    about = Values({"identifier": encode({"identifier": subject}).decode()})
    yield Row(SUBJECT, name, publisher, order, about, patient=name, groups=(f"person:{name}",), aside=True)


def kind_of(said: dict[str, Any]) -> str:
    """Return the type of a document, "" where it has none or several."""
    types = listed(said, "@type")
    return types[0] if len(types) == 1 and isinstance(types[0], str) else ""


def row(
    kind: str, key: str, person: str, said: dict[str, Any], order: int, publisher: str, is_ahead: bool = False
) -> Row:
    return Row(
        kind,
        key,
        publisher,
        order,
        Values({"document": encode(said).decode(), **({AHEAD: "1"} if is_ahead else {})}),
        patient=person,
        groups=(f"{GROUPS[kind]}:{key}",),
    )


def listed(said: dict[str, Any], name: str) -> list[Any]:
    """Return the values of a property, which JSON-LD may write alone where there is only one."""
    value = said.get(name)
    return value if isinstance(value, list) else [] if value is None else [value]


def objects(said: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the values of a property that are objects."""
    return [item for item in listed(said, name) if isinstance(item, dict)]


def texts(said: dict[str, Any], name: str) -> list[str]:
    """Return the values of a property that are texts."""
    return [item for item in listed(said, name) if isinstance(item, str)]


def identifier(item: Any) -> str:
    """Return an Identifier object as one text, "" for what is none."""
    if not isinstance(item, dict) or not isinstance(value := item.get("value"), str) or not value.strip():
        return ""
    system = item.get("system")
    return f"{system or ''}|{value.strip()}" if system is None or isinstance(system, str) else ""


def person_key(item: Any, feed: Feed) -> str:
    """Return the key of a person by an Identifier. Raises ``Invalid("personId")`` for what is none."""
    if not (name := identifier(item)):
        raise Invalid("personId")
    return local(name, feed)


def local(name: str, feed: Feed) -> str:
    """Return an identifier as a key: a digest of one in which an NHS number may stand, which no key holds."""
    return without_nhs_number(name, feed.namespace)


def completed(said: dict[str, Any]) -> int:
    """Return the day of completion as an order (yyyymmdd and three digits), for a file whose name has no date."""
    when = said.get("dateCompleted")
    if not isinstance(when, str):
        raise Invalid("dateCompleted")
    interval(when)
    return int(when[:10].replace("-", "").ljust(8, "0")) * 1000


def lies_ahead(said: dict[str, Any], order: int) -> bool:
    """Whether a document is said to be completed after the day of its file. It is kept with the row, so that one which
    is sent again after that day has changed."""
    sent_on = str(order // 1000)
    return str(said.get("dateCompleted") or "")[:10] > f"{sent_on[:4]}-{sent_on[4:6]}-{sent_on[6:]}"


def stripped(said: dict[str, Any]) -> dict[str, Any]:
    """Return a document without the council's own questions: they are free text about people, and nobody has agreed to
    share them."""
    if "assessmentQuestion" not in said:
        return said
    questions = [item for item in listed(said, "assessmentQuestion") if is_statutory(item)]
    return {**said, "assessmentQuestion": questions}


def documents_in(whole: Any) -> list[tuple[str, Any]]:
    """Return the type and the content of each document of a sample file."""
    return [(kind_of(document), document) for document in whole.get("@graph", [whole])]
