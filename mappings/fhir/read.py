"""Reads files of FHIR resources to rows: one row a resource, with the references inside its Bundle made local."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from gateway.errors import Invalid, Refused
from gateway.fhir import dates, files, params, paths, structure
from gateway.fhir.build import decode, encode
from gateway.fhir.model import RESOURCE_TYPES, UNREADABLE
from gateway.nhs.identifiers import is_ods_code, is_valid
from mappings import Feed, Reject, Row, Values
from mappings.fhir.bundles import Entry, entries, read_bundle
from mappings.fhir.mapped import BY_API, DEFAULT, FEED, NUMBERS, TYPES, is_written
from mappings.fhir.references import Locality, is_id, local, target
from mappings.readers.files import File, delivered

SUFFIXES = (".json", ".ndjson", ".jsonl")
TIMELESS = (("meta.lastUpdated", "missing: what arrives last counts"),)
"""The warning on a resource that tells no time, in a Bundle that tells none either: an older file that is loaded late
would win, but a correction is never passed over."""
Object = dict[str, Any] | Invalid
"""A resource as it was sent, or why it cannot be read."""
TOGETHER = frozenset({"Patient", "EpisodeOfCare"})
"""The types that are one group for each patient."""
SKIPPED = frozenset({"OperationOutcome"})
"""What a server says of a search: no part of a record."""


def check(path: Path, feed: Feed) -> list[File]:
    """Return the files of the delivery. Raises ``Refused`` where there are none, or the feed names no publisher."""
    publisher_of(feed)
    resources = delivered(path, SUFFIXES, (feed.encoding,))
    if not resources:
        raise Refused("the delivery: no .json or .ndjson file")
    return resources


def publisher_of(feed: Feed, advice: str = "the contributor's ODS code is needed") -> str:
    """Return the ODS code of the contributor, which a feed's table must name: a resource's own word for it decides
    nothing. Raises ``Refused``."""
    code = feed.settings.get("publisher", "")
    if not isinstance(code, str) or not is_ods_code(code):
        raise Refused(f"GATEWAY_FEEDS: {feed.name}: publisher: {advice}")
    return code


def base_of(feed: Feed) -> str:
    """Return the contributor's own FHIR address, "" where the feed names none. Raises ``Refused``."""
    base = feed.settings.get("base", "")
    if not isinstance(base, str):
        raise Refused(f"GATEWAY_FEEDS: {feed.name}: base")
    return base.rstrip("/")


def read(file: File, feed: Feed) -> Iterator[Row | Reject]:
    """https://hl7.org/fhir/R4/bundle.html, https://hl7.org/fhir/R4/nd-json.html

    Yield a row for each resource of a file, or what cannot be taken, by its line."""
    publisher, base, decided = publisher_of(feed), base_of(feed), decided_by(feed)
    with file.open() as stream:
        for line, body in files.read(stream, is_lines=file.name.lower().endswith(files.LINES)):
            for item in _document(line, body, publisher, base):
                if isinstance(item, Row) and not item.bare:
                    item = replace(item, values=Values({**item.values, **decided}))
                yield item


def decided_by(feed: Feed) -> dict[str, Any]:
    """The columns that say by which feed a row came, and what that decides."""
    withheld = {DEFAULT: feed.default} if feed.default != "share" else {}
    sure = {NUMBERS: "verified"} if feed.settings.get(NUMBERS) == "verified" else {}
    return {FEED: feed.name, **withheld, **sure}


def written_over(row: Row, standing: Row | None, default: str) -> Row:
    """The row of what is written over the API, in the place of the one that stands: what was decided of uncoded results
    when that came still holds. ``default`` decides it for what is new."""
    withheld = (standing.values[DEFAULT] if standing else default) == "withhold"
    return replace(row, values=Values({**row.values, BY_API: "api", **({DEFAULT: "withhold"} if withheld else {})}))


def reread(row: Row, feed: Feed) -> list[Row]:
    """Return a kept row with what its feed decides today; [] for one of another contributor. Of what was written over
    the API the feed decides no more than what becomes of uncoded results."""
    if row.publisher != feed.settings.get("publisher") or row.deleted:
        return []
    said, decided = {"resource": row.values["resource"]}, decided_by(feed)
    if is_written(row):
        decided = {BY_API: "api", **{name: word for name, word in decided.items() if name == DEFAULT}}
    return [replace(row, values=Values({**said, **decided}))]


def _document(line: int, body: bytes, publisher: str, base: str, is_outer: bool = True) -> Iterator[Row | Reject]:
    """Yield what a document holds: a resource, or a Bundle of them. The answer to a batch is a Bundle of Bundles; none
    lies deeper."""
    bundle = read_bundle(body)
    if bundle is None:
        yield from _taken(Entry(line, body), _object(body), Locality(base, {}), "", publisher)
        return
    sent = [(entry, _object(entry.body)) for entry in entries(bundle, line, body)]
    names = {entry.full_url: name for entry, resource in sent if entry.full_url and (name := _name(resource, entry))}
    for entry, resource in sent:
        if is_outer and _is_bundle(resource, entry):
            yield from _document(entry.line, entry.body, publisher, base, is_outer=False)
        else:
            yield from _taken(entry, resource, Locality(base, names), bundle.timestamp, publisher)


def _is_bundle(resource: Object, entry: Entry) -> bool:
    """Whether an entry holds a Bundle that can be read, whatever else is at fault with it."""
    is_other = isinstance(resource, dict) and resource.get("resourceType") != "Bundle"
    return not is_other and read_bundle(entry.body) is not None


def _name(resource: Object, entry: Entry) -> str:
    """The type and id of an entry, or "" where they cannot be told."""
    try:
        return f"{_type(resource)}/{_id(resource, entry)}" if isinstance(resource, dict) else ""
    except Invalid:
        return ""


def _taken(entry: Entry, resource: Object, within: Locality, timestamp: str, publisher: str) -> Iterator[Row | Reject]:
    try:
        if entry.is_deletion:
            yield _deletion(entry, within, timestamp, publisher)
        elif entry.body:
            yield from _row(entry, resource, within, timestamp, publisher)
    except Invalid as fault:
        yield Reject(f"line {entry.line}", str(fault), payload=entry.body)


def _row(entry: Entry, resource: Object, within: Locality, timestamp: str, publisher: str) -> Iterator[Row]:
    if isinstance(resource, Invalid):
        raise resource
    name = _type(resource)
    if name in SKIPPED:
        return
    if name == "Bundle":
        raise Invalid("a Bundle that cannot be read")
    key = _id(resource, entry)
    said: dict[str, Any] = local(resource, within)
    meta = said.get("meta", {})
    if not isinstance(meta, dict):
        raise Invalid("meta")
    order = _order(meta.get("lastUpdated") or timestamp)
    yield row_of(said, name, key, publisher, order, entry.line)


def row_of(said: dict[str, Any], name: str, key: str, publisher: str, order: int, line: int = 0) -> Row:
    """The row of a resource whose references are its contributor's own keys. ``order`` is 0 where no time is told.
    Raises ``Invalid`` where it does not say whose it is."""
    patient = _patient(said, name, key)
    return Row(
        name,
        key,
        publisher,
        order,
        Values(resource=encode({**said, "id": key}).decode()),
        patient=patient,
        groups=(f"Patient/{patient}" if name in TOGETHER else f"{name}/{key}",),
        line=line,
        warnings=() if order else TIMELESS,
        by_content=not order,
    )


def deletion_of(name: str, key: str, publisher: str, order: int, line: int = 0) -> Row:
    """The row of a deletion."""
    return Row(name, key, publisher, order, Values(), deleted=True, bare=True, line=line)


def _deletion(entry: Entry, within: Locality, timestamp: str, publisher: str) -> Row:
    """A DELETE in a Bundle. It needs a time, or it could not be told from a deletion before the resource was made."""
    name, _, key = within.of(entry.url).partition("/")
    if name not in RESOURCE_TYPES or not is_id(key):
        raise Invalid("request.url: not the type and id of a resource")
    order = _order(entry.modified or timestamp)
    if not order:
        raise Invalid("Bundle.timestamp: a deletion needs a time")
    return deletion_of(name, key, publisher, order, entry.line)


def _object(body: bytes) -> Object:
    """Return the resource in a body, or the fault that it is refused for: it is read once, and asked several times."""
    try:
        resource = decode(body)
    except UNREADABLE:
        return Invalid("not JSON")
    if not isinstance(resource, dict):
        return Invalid("not a JSON object")
    if structure.duplicates(body):
        return Invalid("a name that stands twice in one object")
    return resource


def _type(resource: dict[str, Any]) -> str:
    name = resource.get("resourceType")
    if not isinstance(name, str) or name not in RESOURCE_TYPES:
        raise Invalid("resourceType")
    return name


def _id(resource: dict[str, Any], entry: Entry) -> str:
    """The id of a resource, or, of one that has none, of its entry's ``fullUrl``. Never an NHS number."""
    key = resource.get("id") or entry.full_url.rpartition("/")[2].rpartition(":")[2]
    if not isinstance(key, str) or not is_id(key):
        raise Invalid("id")
    if is_valid(key):
        raise Invalid("id: an NHS number is no id")
    return key


def _patient(resource: dict[str, Any], name: str, key: str) -> str:
    """The contributor's id of the patient whom a resource is about, "" for a directory's. Raises ``Invalid`` where a
    resource that is mapped does not say whose it is."""
    if name == "Patient":
        return key
    if name not in params.PATIENT_TYPES:
        return ""
    named = [target(reference) for reference in paths.references(resource, paths.path(params.subject(name)))]
    patients = {key for type_, key in named if type_ == "Patient"}
    if len(patients) == 1:
        return patients.pop()
    if name in TYPES:
        raise Invalid(f"{name}.{params.subject(name)}: not a patient of this contributor")
    return ""


def _order(text: object) -> int:
    """The order of a resource: its time in µs, 0 for none. Raises ``Invalid`` for what is no time."""
    if text in ("", None):
        return 0
    if not isinstance(text, str):
        raise Invalid("meta.lastUpdated")
    try:
        return dates.interval(text)[0]
    except Invalid:
        raise Invalid("meta.lastUpdated") from None
