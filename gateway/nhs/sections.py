"""THE TABLE of a summary's sections, and the pure functions that choose and word their rows. Nothing is merged away; absence has three words.

Every clinical trap of a summary is decided here: which medicine is current, what counts as nil known, what a council's return can say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from gateway.nhs.summary import Held, Record

NIL_KNOWN = "Nil known: recorded by a clinician, and nothing to the contrary is held."
NOTHING_RECORDED = "Nothing recorded in the data received. This is not a statement that there is none."
NOT_AVAILABLE = "Not available: no source that could hold this has contributed."
NOT_YOUR_ROLE = "Not available to your role."
"""The absences. They are never confused: a clinician's word, an empty record, no record, no right."""
NOT_CHECKED = "not checked by decision support"
LAST_KNOWN = "last known at"
ESTIMATED = "estimated"

NO_KNOWN_ALLERGY = frozenset({"716186003", "409137002"})
ACUTE_MONTHS, DISCONTINUED_MONTHS, ENCOUNTER_MONTHS = 12, 6, 6
MOST_ROWS = 60
STALE_DAYS = {"gp": 7, "hospital": 7, "social-care": 120}
SNOMED, DMD = "http://snomed.info/sct", "https://dmd.nhs.uk"
ESTIMATED_URL = "urn:nhs-record-gateway:estimated"
AS_AT_URL = "urn:nhs-record-gateway:cld:as-at"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: what, when, more, who recorded it, and what the reader must know of it. ``reference`` is the resource behind it."""

    title: str
    when: str
    detail: str
    source: str
    kind: str
    reference: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    """One section as shown: its rows, or the words of its absence. ``more`` says that rows beyond the most shown exist."""

    id: str
    title: str
    loinc: str
    rows: tuple[Row, ...]
    absence: str = ""
    reason: str = ""
    more: bool = False


Select = Callable[[Record], list[Row]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One row of the table: a section, the role's right that opens it, and the kinds of source that could hold it."""

    id: str
    title: str
    loinc: str
    right: str
    kinds: frozenset[str]
    select: Select = field(hash=False)


# Reading a resource


def text(concept: dict | None) -> str:
    """What the clinician saw: the text, else a display, else the code."""
    if not concept:
        return ""
    codings = concept.get("coding", ())
    return (
        concept.get("text")
        or next((c["display"] for c in codings if c.get("display")), "")
        or next((c["code"] for c in codings if c.get("code")), "")
    )


def codes(concept: dict | None, system: str = "") -> set[str]:
    """The codes of a concept, of one system or of all."""
    return {c.get("code", "") for c in (concept or {}).get("coding", ()) if not system or c.get("system") == system}


def is_checkable(concept: dict | None) -> bool:
    """Whether decision support could have known the code: SNOMED CT or dm+d, and not a degraded placeholder."""
    found = codes(concept, SNOMED) | codes(concept, DMD)
    return bool(found - DEGRADED)


DEGRADED = frozenset(
    {"196461000000101", "196471000000108", "196421000000109", "196451000000104", "196431000000106", "196441000000102", "196411000000103"}
)
"""The NHS transfer-degraded concepts: they say that a code was lost on the way, and nothing else."""


def when(resource: dict) -> str:
    """The clinical date of a resource in the precision it was sent, or ""."""
    for name in (
        "effectiveDateTime",
        "occurrenceDateTime",
        "performedDateTime",
        "onsetDateTime",
        "authoredOn",
        "recordedDate",
        "issued",
        "dateAsserted",
    ):
        if resource.get(name):
            return resource[name]
    for name in ("effectivePeriod", "period", "executionPeriod", "performedPeriod"):
        if resource.get(name, {}).get("start"):
            return resource[name]["start"]
    return ""


def shown_date(value: str) -> str:
    """A date as the NHS writes it, in the precision it has.

    >>> shown_date("2024-03-11"), shown_date("2024-03"), shown_date("1998"), shown_date("")
    ('11-Mar-2024', 'Mar-2024', '1998', 'date unknown')
    """
    months = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
    parts = value[:10].split("-")
    if not value:
        return "date unknown"
    if len(parts) == 1:
        return parts[0]
    month = months[int(parts[1]) - 1]
    return f"{parts[2]}-{month}-{parts[0]}" if len(parts) == 3 else f"{month}-{parts[0]}"


def _extension(element: dict, url: str) -> dict | None:
    return next((e for e in element.get("extension", ()) if e.get("url") == url), None)


def _row(held: Held, title: str, at: str, detail: str = "", *flags: str) -> Row:
    resource = held.resource
    reference = f"{resource['resourceType']}/{resource['id']}"
    return Row(title or "no name in the data received", shown_date(at), detail, held.publisher, held.kind, reference, tuple(f for f in flags if f))


def _of(record: Record, *types: str) -> list[Held]:
    return [each for each in record.resources if each.resource["resourceType"] in types]


def _newest(rows: Sequence[tuple[str, Row]]) -> list[Row]:
    return [row for _, row in sorted(rows, key=lambda pair: (pair[0], pair[1].title, pair[1].reference), reverse=True)]


def _months_before(record: Record, months: int) -> str:
    day: date = record.now.date() - timedelta(days=round(months * 30.44))
    return day.isoformat()


def _status(resource: dict) -> str:
    return next(iter(codes(resource.get("clinicalStatus"))), "")


def _is_error(resource: dict) -> bool:
    return resource.get("status") == "entered-in-error" or "entered-in-error" in codes(resource.get("verificationStatus"))


# Allergies


def allergies(record: Record) -> list[Row]:
    """Every allergy that is not resolved or an error, each source's own; a nil known only where no source says otherwise."""
    positive, nil = [], []
    for held in _of(record, "AllergyIntolerance"):
        resource = held.resource
        if _is_error(resource) or "refuted" in codes(resource.get("verificationStatus")) or _status(resource) == "resolved":
            continue
        if codes(resource.get("code"), SNOMED) & NO_KNOWN_ALLERGY:
            nil.append((when(resource), _row(held, text(resource.get("code")), when(resource))))
            continue
        reactions = "; ".join(text(m) for r in resource.get("reaction", ()) for m in r.get("manifestation", ()))
        severity = next((r["severity"] for r in resource.get("reaction", ()) if r.get("severity")), "")
        certainty = next(iter(codes(resource.get("verificationStatus"))), "")
        detail = ", ".join(part for part in (reactions, severity, certainty) if part)
        flags = ("inactive" if _status(resource) == "inactive" else "", "" if is_checkable(resource.get("code")) else NOT_CHECKED)
        positive.append((when(resource), _row(held, text(resource.get("code")), when(resource), detail, *flags)))
    return _newest(positive) if positive else _newest(nil)


def past_allergies(record: Record) -> list[Row]:
    """Allergies said to be resolved or refuted: apart, so that nobody reads them as current."""
    rows = []
    for held in _of(record, "AllergyIntolerance"):
        resource = held.resource
        refuted = "refuted" in codes(resource.get("verificationStatus"))
        if not _is_error(resource) and (refuted or _status(resource) == "resolved"):
            rows.append((when(resource), _row(held, text(resource.get("code")), when(resource), "", "refuted" if refuted else "resolved")))
    return _newest(rows)


# Medicines


def _plans(record: Record) -> list[Held]:
    return [each for each in _of(record, "MedicationRequest") if each.resource.get("intent") == "plan" and not _is_error(each.resource)]


def _course(resource: dict) -> str:
    found = codes(resource.get("courseOfTherapyType"))
    if "acute" in found:
        return "acute"
    return "repeat" if found & {"continuous", "continuous-repeating-dispensing", "continuous-repeat-dispensing"} else ""


def _last_issues(record: Record) -> dict[str, str]:
    last: dict[str, str] = {}
    for held in _of(record, "MedicationRequest"):
        if held.resource.get("intent") == "order":
            for based in held.resource.get("basedOn", ()):
                name = based.get("reference", "")
                last[name] = max(last.get(name, ""), held.resource.get("authoredOn", ""))
    return last


def _ends(record: Record) -> dict[str, tuple[str, bool]]:
    """When a course ended, by its plan, and whether the date is an estimate: from the statement that is based on it."""
    ends: dict[str, tuple[str, bool]] = {}
    for held in _of(record, "MedicationStatement"):
        period = held.resource.get("effectivePeriod", {})
        estimated = _extension(period.get("_end", {}), ESTIMATED_URL) is not None
        for based in held.resource.get("basedOn", ()):
            ends[based.get("reference", "")] = (period.get("end", ""), estimated)
    return ends


def _medicine(held: Held, at: str, issued: str, *flags: str) -> Row:
    resource = held.resource
    concept = resource.get("medicationCodeableConcept")
    dosage = "; ".join(each["text"] for each in resource.get("dosageInstruction", ()) if each.get("text"))
    quantity = resource.get("dispenseRequest", {}).get("quantity", {})
    amount = f"{quantity['value']} {quantity.get('unit', '')}".strip() if "value" in quantity else ""
    detail = " · ".join(part for part in (dosage, amount, f"last issued {shown_date(issued)}" if issued else "") if part)
    return _row(held, text(concept), at, detail, *flags, "" if is_checkable(concept) else NOT_CHECKED)


def _left(record: Record, held: Held) -> str:
    """A practice the patient is not registered with now: its medicines are what it last knew."""
    return "" if record.registered_at == held.publisher else f"{LAST_KNOWN} {held.publisher}"


def acute_medicines(record: Record) -> list[Row]:
    """Acute courses of the last year, by issue; and those without a date, which are never dropped for it."""
    since, rows, last = _months_before(record, ACUTE_MONTHS), [], _last_issues(record)
    for held in _plans(record):
        resource = held.resource
        course = _course(resource)
        issued = last.get(f"MedicationRequest/{resource['id']}", "") or when(resource)
        if course == "repeat" or (issued and issued[:10] < since and resource.get("status") != "active"):
            continue
        rows.append((issued, _medicine(held, issued, "", "" if course else "type not recorded", _left(record, held))))
    return _newest(rows)


def repeat_medicines(record: Record) -> list[Row]:
    """Repeats that are active, whenever they were last issued; those of a practice the patient has left are what it last knew."""
    rows, last = [], _last_issues(record)
    for held in _plans(record):
        resource = held.resource
        if _course(resource) == "repeat" and resource.get("status") == "active":
            issued = last.get(f"MedicationRequest/{resource['id']}", "")
            rows.append((when(resource), _medicine(held, when(resource), issued, _left(record, held))))
    return _newest(rows)


def discontinued_medicines(record: Record) -> list[Row]:
    """Repeats that ended in the last six months, and those whose end nobody dated."""
    since, rows = _months_before(record, DISCONTINUED_MONTHS), []
    ends, last = _ends(record), _last_issues(record)
    for held in _plans(record):
        resource = held.resource
        if _course(resource) != "repeat" or resource.get("status") == "active":
            continue
        name = f"MedicationRequest/{resource['id']}"
        end, estimated = ends.get(name, ("", False))
        if not end or end[:10] >= since:
            flags = ("end date unknown" if not end else "", f"end {ESTIMATED}" if estimated else "", _left(record, held))
            rows.append((end, _medicine(held, end, last.get(name, ""), *flags)))
    return _newest(rows)


# Problems, results and the rest


def _is_problem(held: Held) -> bool:
    if held.kind == "social-care":
        return False
    categories = {code for category in held.resource.get("category", ()) for code in codes(category)}
    return not _is_error(held.resource) and ("problem-list-item" in categories or held.kind == "hospital")


def _certainty(resource: dict) -> tuple[str, ...]:
    return tuple(
        code for code in sorted(codes(resource.get("verificationStatus"))) if code in ("provisional", "differential", "unconfirmed", "refuted")
    )


def _problem(held: Held) -> Row:
    resource = held.resource
    ended = resource.get("abatementDateTime", "")
    detail = f"ended {shown_date(ended)}" if ended else ""
    flags = ("not confirmed" if c != "refuted" else "refuted" for c in _certainty(resource))
    diagnosis = "hospital diagnosis" if held.kind == "hospital" else ""
    return _row(held, text(resource.get("code")), when(resource), detail, *flags, diagnosis)


def active_problems(record: Record) -> list[Row]:
    """The practice's active problem list, and what hospitals coded; never a support reason, never an episode's code."""
    found = [each for each in _of(record, "Condition") if _is_problem(each) and _status(each.resource) in ("active", "recurrence", "relapse", "")]
    return _newest([(when(each.resource), _problem(each)) for each in found if "refuted" not in codes(each.resource.get("verificationStatus"))])


def past_problems(record: Record) -> list[Row]:
    """Problems that are inactive, resolved or in remission, and those that were refuted."""
    found = [each for each in _of(record, "Condition") if _is_problem(each)]
    past = [
        e for e in found if _status(e.resource) in ("inactive", "resolved", "remission") or "refuted" in codes(e.resource.get("verificationStatus"))
    ]
    return _newest([(when(each.resource), _problem(each)) for each in past])


def value(resource: dict) -> str:
    """A result's value as it was sent: a comparator stays a bound, a missing value says so, absence of a flag says nothing."""
    if "valueQuantity" in resource:
        quantity = resource["valueQuantity"]
        return f"{quantity.get('comparator', '')}{quantity.get('value', '')} {quantity.get('unit', '') or quantity.get('code', '')}".strip()
    if "valueCodeableConcept" in resource:
        return text(resource["valueCodeableConcept"])
    if "valueString" in resource:
        return resource["valueString"]
    parts = [f"{text(part.get('code'))} {value(part)}".strip() for part in resource.get("component", ())]
    return " · ".join(part for part in parts if part)


def _range(resource: dict) -> str:
    for each in resource.get("referenceRange", ()):
        low, high = each.get("low", {}).get("value"), each.get("high", {}).get("value")
        if low is not None and high is not None:
            return f"range {low}–{high}"
        if low is not None or high is not None:
            return f"range {'over' if low is not None else 'under'} {low if low is not None else high}"
        if each.get("text"):
            return f"range {each['text']}"
    return ""


def results(record: Record) -> list[Row]:
    """Measurements and results with a value, newest first; the same code, time and value collapses, the later statement of a corrected one shows."""
    rows, seen = [], set()
    for held in _of(record, "Observation"):
        resource = held.resource
        if held.kind == "social-care" or _is_error(resource) or resource.get("status") in ("cancelled", "registered"):
            continue
        said = value(resource)
        if not said:
            continue
        same = (frozenset(codes(resource.get("code"))), when(resource), said)
        if same[1] and same in seen:
            continue
        seen.add(same)
        status = resource.get("status", "")
        interpretation = ", ".join(text(each) for each in resource.get("interpretation", ()))
        note = {"corrected": "corrected", "amended": "corrected", "preliminary": "preliminary"}.get(status, "")
        detail = " · ".join(part for part in (said, _range(resource)) if part)
        rows.append((when(resource), _row(held, text(resource.get("code")), when(resource), detail, interpretation, note)))
    return _newest(rows)


def immunisations(record: Record) -> list[Row]:
    """Vaccines given, and those not given as just that."""
    rows = []
    for held in _of(record, "Immunization"):
        resource = held.resource
        if _is_error(resource):
            continue
        not_given = resource.get("status") == "not-done"
        reason = text(resource.get("statusReason")) if not_given else ""
        rows.append((when(resource), _row(held, text(resource.get("vaccineCode")), when(resource), reason, "NOT GIVEN" if not_given else "")))
    return _newest(rows)


def encounters(record: Record) -> list[Row]:
    """Contacts of the last six months and those still open."""
    since, rows = _months_before(record, ENCOUNTER_MONTHS), []
    for held in _of(record, "Encounter"):
        resource = held.resource
        if _is_error(resource) or (when(resource)[:10] < since and resource.get("status") not in ("in-progress", "onleave")):
            continue
        title = text((resource.get("type") or [{}])[0]) or resource.get("class", {}).get("display", "") or "Encounter"
        place = next((each["location"].get("display", "") for each in reversed(resource.get("location", ())) if "location" in each), "")
        end = resource.get("period", {}).get("end", "")
        detail = " · ".join(part for part in (place, f"to {shown_date(end)}" if end else "") if part)
        flag = {"in-progress": "open", "cancelled": "CANCELLED", "planned": "planned", "onleave": "on leave"}.get(resource.get("status", ""), "")
        rows.append((when(resource), _row(held, title, when(resource), detail, flag)))
    return _newest(rows)


def _as_at(resource: dict) -> str:
    found = _extension(resource, AS_AT_URL)
    return found.get("valueDate", "") if found else resource.get("effectivePeriod", {}).get("end", "")


def social_care(record: Record) -> list[Row]:
    """What the council's return said, as at its quarter's end: services, assessments, reviews, support reasons and circumstances."""
    rows = []
    for held in record.resources:
        resource = held.resource
        if held.kind != "social-care" or _is_error(resource) or resource["resourceType"] in ("Organization",):
            continue
        as_at = _as_at(resource)
        flags = [f"as at {shown_date(as_at)}"] if as_at else []
        match resource["resourceType"]:
            case "EpisodeOfCare":
                title, end = text((resource.get("type") or [{}])[0]), resource.get("period", {}).get("end", "")
                if resource.get("status") == "active":
                    flags = [f"was active on {shown_date(as_at)}" if as_at and as_at < record.now.date().isoformat() else "active"]
                elif end:
                    estimated = _extension(resource.get("period", {}).get("_end", {}), ESTIMATED_URL) is not None
                    flags.append(f"ended {shown_date(end)}" + (f" ({ESTIMATED})" if estimated else ""))
                detail = resource.get("managingOrganization", {}).get("display", "")
            case "Condition":
                title, detail = f"Support reason: {text(resource.get('code'))}", ""
            case "Observation":
                title, detail = text(resource.get("code")), text(resource.get("valueCodeableConcept"))
            case _:
                title, detail = text(resource.get("code")), "; ".join(text(each) for each in resource.get("reasonCode", ()) if isinstance(each, dict))
                if isinstance(resource.get("reasonCode"), dict):
                    detail = text(resource["reasonCode"])
        rows.append((when(resource) or as_at, _row(held, title, when(resource), detail, *flags)))
    return _newest(rows)


GP, CLINICAL, ALL = frozenset({"gp"}), frozenset({"gp", "hospital"}), frozenset({"gp", "hospital", "social-care"})

SECTIONS = (
    Kind("allergies", "Allergies and adverse reactions", "48765-2", "allergies", CLINICAL, allergies),
    Kind("allergies-past", "Allergies resolved or refuted", "48765-2", "allergies", CLINICAL, past_allergies),
    Kind("acute", f"Acute medicines (the last {ACUTE_MONTHS} months)", "10160-0", "medicines", GP, acute_medicines),
    Kind("repeat", "Current repeat medicines", "10160-0", "medicines", GP, repeat_medicines),
    Kind(
        "discontinued", f"Discontinued repeat medicines (the last {DISCONTINUED_MONTHS} months)", "10160-0", "medicines", GP, discontinued_medicines
    ),
    Kind("problems", "Problems and diagnoses", "11450-4", "problems", CLINICAL, active_problems),
    Kind("problems-past", "Past problems", "11348-0", "problems", CLINICAL, past_problems),
    Kind("results", "Results and measurements", "30954-2", "results", CLINICAL, results),
    Kind("immunisations", "Immunisations", "11369-6", "immunisations", GP, immunisations),
    Kind("encounters", f"Encounters (the last {ENCOUNTER_MONTHS} months)", "46240-8", "encounters", CLINICAL, encounters),
    Kind("social-care", "Social care", "29762-2", "social-care", frozenset({"social-care"}), social_care),
)
"""THE TABLE, in the order shown. Hospital feeds carry no medicines and no immunisations: they are no source for those, whatever is empty."""
OPTIONAL = frozenset({"allergies-past", "problems-past"})
"""Shown only when they hold something."""


def sections(record: Record) -> list[Section]:
    """The sections of a record, with their rows or the words of their absence."""
    found = []
    for kind in SECTIONS:
        if kind.right not in record.sections:
            if kind.id not in OPTIONAL:
                found.append(Section(kind.id, kind.title, kind.loinc, (), NOT_YOUR_ROLE, "withheld"))
            continue
        rows = kind.select(record)
        if rows:
            found.append(
                Section(kind.id, kind.title, kind.loinc, tuple(rows[:MOST_ROWS]), more=len(rows) > MOST_ROWS, absence=_nil(kind, record, rows))
            )
        elif kind.id not in OPTIONAL:
            contributes = any(c.kind in kind.kinds and c.state in ("ok", "none held", "stale") for c in record.contributions)
            words, reason = (NOTHING_RECORDED, "no-content-recorded") if contributes else (NOT_AVAILABLE, "unavailable")
            found.append(Section(kind.id, kind.title, kind.loinc, (), words, reason))
    return found


def _nil(kind: Kind, record: Record, rows: Sequence[Row]) -> str:
    """Nil known, only when every row shown is a clinician's coded nil."""
    if kind.id != "allergies":
        return ""
    nil = {
        f"AllergyIntolerance/{each.resource['id']}" for each in _of(record, "AllergyIntolerance")
        if codes(each.resource.get("code"), SNOMED) & NO_KNOWN_ALLERGY
    }  # fmt: skip
    return NIL_KNOWN if all(row.reference in nil for row in rows) else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One source in the completeness grid: its state for each section, in the table's order."""

    name: str
    kind: str
    received: str
    cells: tuple[str, ...]


GRID = tuple(kind for kind in SECTIONS if kind.id not in OPTIONAL)


def completeness(record: Record, shown: Sequence[Section]) -> list[Line]:
    """Source × section: ok, none held, not contributed, not for your role, stale.

    An "ok" beside a medicine list means that source holds medicines.
    """
    lines = []
    by_id = {section.id: section for section in shown}
    for source in record.contributions:
        received = source.last_received.date() if source.last_received else None
        stale = received is not None and (record.now.date() - received).days > STALE_DAYS.get(source.kind, 7)
        cells = []
        for kind in GRID:
            if kind.right not in record.sections:
                cells.append("not for your role")
            elif source.kind not in kind.kinds or source.state == "not contributed":
                cells.append("not contributed")
            elif stale:
                cells.append("stale")
            else:
                section = by_id.get(kind.id)
                held = section is not None and any(row.source == source.name for row in section.rows)
                cells.append("ok" if held else "none held")
        lines.append(Line(source.name, source.kind, shown_date(received.isoformat() if received else ""), tuple(cells)))
    return lines
