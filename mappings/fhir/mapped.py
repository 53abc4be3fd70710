"""Maps a resource as sent to the resource as stored: its own id, references of this store, flags as labels, no
narrative."""

from __future__ import annotations

from typing import Any

from gateway.errors import Invalid
from gateway.fhir import model, params
from gateway.fhir.build import decode, encode, resource
from gateway.fhir.codes import NHS_NUMBER
from gateway.nhs.identifiers import is_valid, normalise
from mappings import AS_IS, Feed, Group, Look, Row
from mappings.fhir.references import logical, target
from mappings.vocabulary import HL7, NUMBER_VERIFICATION, UK_CORE, WRONG_NUMBER

TYPES = frozenset(params.SEARCHABLE) - {"Consent", "Task", "Provenance", *params.BOOK_TYPES}
"""The types that are mapped. A Consent would change who may see what, and a Task is a request to somebody: neither
comes in by a file. A Provenance is of several things, and of somebody's only if one of them is a Patient; a book is its
own organisation's. Other types that are sent are kept, and counted."""
LOOKED_UP = frozenset({"Medication"})
"""Types that are kept to be looked up: the substance of a MedicationRequest."""
HARMLESS = frozenset({"U", "L", "M", "N"})
"""The codes of v3-Confidentiality that hide nothing. R and V do."""
CONFIDENTIALITY, ACT_CODE = HL7 + "v3-Confidentiality", HL7 + "v3-ActCode"
SUBSET = (HL7 + "v3-ObservationValue", "SUBSETTED")
"""The tag of a resource of which a server left elements out (https://hl7.org/fhir/R4/search.html#summary)."""
TEST = (HL7 + "v3-ActReason", "HTEST")
OF_ANOTHER = ("focus",)
"""Elements that say a resource is about somebody or something else than its subject (a donor, a foetus): every reader
here would take it for the subject's."""
FEED, DEFAULT, NUMBERS, BY_API = "feed", "default", "numbers", "written"
"""The columns of a row, beside the resource, that hold what was decided of it as it came: the name of its feed, that
feed's words for uncoded results and verified numbers, where they differ from the usual; and that it came over the API.
What is mapped later by another feed, or by none, keeps them."""
WRITES = "written"
"""The setting of the feed by which what is written over the API is mapped. No operator's table can have it."""
UNKNOWN = "kept by an earlier version, run `gateway remap fhir`"
STATUSES = ("status", "verificationStatus")
ESSENTIAL = (
    "status", "verificationStatus", "intent", "class", "relationship", "code", "vaccineCode", "medicationCodeableConcept",
    "patient", "subject", "occurrenceDateTime", "occurrenceString",
)  # fmt: skip
"""What a resource that was entered in error needs to be valid R4 and to say so."""


def to_fhir(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return the resources of a group as they are stored."""
    resources = []
    for row in group.rows:
        if row.deleted:
            continue
        if look.feed.settings.get(WRITES) and not is_known(row):
            raise Invalid(f"{row.table}: {UNKNOWN}")
        if row.table in TYPES:
            resources.append(mapped(row, look))
        elif row.table not in LOOKED_UP:
            look.unlisted(row.table, "resource", "not taken")
    return resources


def is_known(row: Row) -> bool:
    """Whether a row says by what it came. Earlier versions did not keep it."""
    return bool(row.values[FEED] or is_written(row))


def is_written(row: Row) -> bool:
    """Whether a row came over the API."""
    return bool(row.values[BY_API]) or row.key.startswith(AS_IS)


def default(group: Group, feed: Feed) -> str:
    """What becomes of uncoded results of a group: what was decided when its rows came."""
    usual = {row.values[DEFAULT] or ("share" if is_known(row) else feed.default) for row in group.rows}
    return "withhold" if "withhold" in usual else "share"


def is_sure(row: Row, feed: Feed) -> bool:
    """Whether a contributor's word that a number was verified counts: where the feed by which the row came says so.
    Over the API it is never more than a word."""
    settings = row.values if row.values[FEED] else feed.settings
    return not is_written(row) and settings.get(NUMBERS) == "verified"


def hides(group: Group) -> bool:
    """Return whether any resource of the group asks to be hidden."""
    return any(flags(sent(row)) for row in group.rows if "resource" in row.values)


def withdrawn(group: Group, look: Look) -> list[dict[str, Any]]:
    """Return what the contributor says was entered in error, with no more than says so."""
    resources = []
    for row in group.rows:
        said = {} if row.deleted or row.table not in TYPES else sent(row)
        if any(_is_error(said.get(name)) for name in STATUSES):
            essential = {name: rewritten(said[name], look) for name in ESSENTIAL if name in said}
            resources.append(resource(row.table, look.id(row.table, row.key), None, flags(said), **essential))
    return resources


def _is_error(status: object) -> bool:
    codings = (status.get("coding") or ()) if isinstance(status, dict) else ({"code": status},)
    return any(coding.get("code") == "entered-in-error" for coding in codings if isinstance(coding, dict))


def sent(row: Row) -> dict[str, Any]:
    """Return the resource of a row as it was kept."""
    return decode(row.values["resource"].encode())


def mapped(row: Row, look: Look) -> dict[str, Any]:
    """Return one resource as it is stored. Raises ``Invalid`` naming the element that cannot be taken."""
    whole = sent(row)
    if _plain(whole.get("text")).get("status") == "additional":
        look.warn(f"{row.table}.text", "the narrative says more than the elements, and is not taken")
    said = _without_narrative(whole)
    _require_shape(said)
    profile = _profile(said, look)
    for name in ("implicitRules", *OF_ANOTHER):
        if name in said:
            raise Invalid(f"{row.table}.{name}")
    said = _with_substance(said, look)
    if row.table == "Patient":
        said["identifier"] = [_identifier(item, is_sure(row, look.feed)) for item in said.get("identifier", ())]
    left = {name: value for name, value in said.items() if name not in ("resourceType", "id", "meta")}
    elements = rewritten(left, look)
    return resource(row.table, look.id(row.table, row.key), profile, flags(said), **elements)


def _without_narrative(said: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without its own narrative and that of what it contains: nobody judges whether it may be
    shown."""
    kept = {name: value for name, value in said.items() if name != "text"}
    if isinstance(within := kept.get("contained"), list):
        kept["contained"] = [_without_narrative(item) if isinstance(item, dict) else item for item in within]
    return kept


def _require_shape(said: dict[str, Any]) -> None:
    """Raise ``Invalid`` naming the first element that has another shape than R4 says: what follows takes it for
    granted. Whether the rest is valid is asked of what is stored."""
    named = {**said, "id": "new"}  # the key of a row is no id of R4: it would be looked through at length
    for issue in model.check_resource(named, encode(named)):
        if issue.code == "structure":
            raise Invalid(f"{issue.location}: {issue.message}")


def _plain(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _profile(said: dict[str, Any], look: Look) -> str | None:
    """Return the UK Core profile that a resource claims; another claim is not ours to repeat. Raises ``Invalid`` for a
    part of a resource: it must not be taken for the whole."""
    meta = _plain(said.get("meta"))
    marks = [(mark.get("system"), mark.get("code")) for name in ("tag", "security") for mark in meta.get(name, ())]
    if SUBSET in marks:
        raise Invalid("meta.tag: a part of a resource")
    if TEST in marks:
        look.warn("meta.security", "test data")
    return next((url for url in meta.get("profile", ()) if url.startswith(UK_CORE)), None)


def flags(said: dict[str, Any]) -> tuple[str, ...]:
    """Return the flags of a resource for intake. A label that is not known hides, as the strictest known one does."""
    security = _plain(said.get("meta")).get("security", ())
    if not isinstance(security, list | tuple):
        return ("R",)
    words = {_flag(mark.get("system", ""), mark.get("code", "")) for mark in security if isinstance(mark, dict)}
    return tuple(sorted(words - {""}))


def _flag(system: str, code: str) -> str:
    if (system == CONFIDENTIALITY and code in HARMLESS) or (system, code) in (TEST, SUBSET):
        return ""
    return "NOPAT" if (system, code) == (ACT_CODE, "NOPAT") else "R"


def _with_substance(said: dict[str, Any], look: Look) -> dict[str, Any]:
    """Return a resource with the code of a Medication in the place of the reference to it: nobody can read a Medication
    by itself here. Raises ``Invalid`` where the substance is not in the data received, nor its name."""
    reference = said.get("medicationReference")
    if reference is None:
        return said
    key = str(reference.get("reference", ""))
    within = [item for item in said.get("contained", ()) if "#" + item.get("id", "") == key]
    row = None if within else look.row("Medication", target(key)[1])  # None also for one that was deleted
    medication: dict[str, Any] = within[0] if within else sent(row) if row and "resource" in row.values else {}
    concept = _plain(medication.get("code")) or ({"text": reference["display"]} if reference.get("display") else {})
    if not concept:
        raise Invalid("medicationReference: the substance is not in the data received")
    if within:
        said = {**said, "contained": [item for item in said["contained"] if item is not medication]}
    named = {**said, "medicationReference": concept}  # in its place: the order of the elements is the sender's
    return {
        "medicationCodeableConcept" if element == "medicationReference" else element: value
        for element, value in named.items()
    }


def _identifier(item: dict[str, Any], is_sure: bool) -> dict[str, Any]:
    """Return an identifier. An NHS number whose check digit is wrong is kept as text; a contributor's word that a
    number was verified is left out where it does not count."""
    if item.get("system") != NHS_NUMBER:
        return item
    if not is_valid(str(item.get("value", ""))):
        return {"type": WRONG_NUMBER, "value": item.get("value", "")}
    item = {**item, "value": normalise(item["value"])}
    if not is_sure:
        item["extension"] = [said for said in item.get("extension", ()) if said.get("url") != NUMBER_VERIFICATION]
    return item


def rewritten(value: Any, look: Look) -> Any:
    """Return a value with its references those of this store. Raises ``Invalid`` for a modifier extension: it may turn
    the meaning of what it stands on, and none is known."""
    if isinstance(value, list):
        return [rewritten(item, look) for item in value]
    if not isinstance(value, dict):
        return value
    if "modifierExtension" in value:
        raise Invalid("modifierExtension")
    value = {name: rewritten(inner, look) for name, inner in value.items()}
    return _referred(value, look) if isinstance(value.get("reference"), str) else value


def _referred(reference: dict[str, Any], look: Look) -> dict[str, Any]:
    """Return a Reference: to a resource of this contributor by our id, to what is within by its ``#``, else by what
    names it in words or by identifier."""
    text = reference["reference"]
    name, key = target(text)
    others = {element: value for element, value in reference.items() if element != "reference"}
    if name in TYPES:
        return {**look.reference(name, key), **others}
    if text.startswith("#"):
        return reference
    if by_identifier := logical(text):
        return {**by_identifier, **others}
    look.warn("reference", "to what is not taken")
    return {**({"type": name} if name else {}), **others}
