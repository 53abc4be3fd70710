"""What every resource of a patient's row shares: whose it is, when, by whom, and where."""

from __future__ import annotations

from typing import Any

from mappings import Look, Row, Values
from mappings.emis.codes import Code
from mappings.emis.entry import Entry, route
from mappings.emis.qualifiers import NONE
from mappings.emis.values import is_number, is_true
from mappings.tpp.codes import code_of
from mappings.tpp.columns import TABLES as COLUMNS
from mappings.tpp.delivery import reference_id
from mappings.tpp.lists import coded
from mappings.tpp.tables import CENTRAL

ROW = "urn:nhs-record-gateway:systmone-row"
"""The system of a row's own name: unit, table and RowIdentifier."""
HIDING = ("confidential", "sensitive", "restricted", "withheld")
"""Words in the name of a column that no published layout has: where such a column says yes, the row is hidden."""

_KNOWN = {table: frozenset(columns) for table, columns in COLUMNS.items()}


def name(row: Row) -> str:
    """Return what a row is called among all rows of its unit: each table numbers its own."""
    return f"{row.table}|{row.key}"


def identifier(row: Row) -> dict[str, Any]:
    """Return the identifier of a row."""
    return {"system": ROW, "value": f"{row.publisher}/{row.table}/{row.key}"}


def is_hidden(row: Row) -> bool:
    """Whether a column that we do not know asks for the row to be hidden. The published layouts have no such flag: one
    that is added must not wait for us."""
    known = _KNOWN[row.table]
    return any(
        is_true(text.strip()) or text.strip().casefold() in ("y", "yes")
        for column, text in row.values.items()
        if column not in known and any(word in column.casefold() for word in HIDING)
    )


def security(*rows: Row | None) -> tuple[str, ...]:
    """Return the label of what rows make, where one of them asks to be hidden."""
    return ("R",) if any(row is not None and is_hidden(row) for row in rows) else ()


def subject(row: Row, look: Look) -> dict[str, Any]:
    return look.reference("Patient", row.patient)


def encounter(values: Values, look: Look) -> dict[str, Any]:
    """Return the reference to the event, {} for none."""
    event = reference_id(values, "IDEvent")
    return look.reference("Encounter", event) if event else {}


def clinician(values: Values, look: Look) -> dict[str, Any]:
    """Return who did it: the member of staff, the name as it was typed, or {}."""
    staff = reference_id(values, "IDDoneBy")
    written = values.get("TextualEventDoneBy", "").strip()
    if staff and staff != "0":
        return look.reference("Practitioner", staff, CENTRAL) | ({"display": written} if written else {})
    return {"display": written} if written else {}


def recorder(values: Values, look: Look, column: str = "IDProfileEnteredBy") -> dict[str, Any]:
    """Return who entered it, in the role they had, {} for none."""
    profile = reference_id(values, column)
    return look.reference("PractitionerRole", profile, CENTRAL) if profile and profile != "0" else {}


def organisation(code: str, look: Look) -> dict[str, Any]:
    """Return the reference to an organisation by its ODS code, {} for none."""
    written = code.strip().upper()
    return look.reference("Organization", written, CENTRAL) if written and not written.startswith("-") else {}


def is_elsewhere(row: Row) -> bool:
    """Whether another organisation entered the row: it is shared with this unit, which only sees it."""
    entered = row.values.get("IDOrganisation", "").strip().upper()
    return bool(entered) and entered != row.publisher


def places(row: Row) -> list[dict[str, Any]]:
    """Return as notes that another organisation recorded or did it."""
    entered, done = (
        row.values.get(column, "").strip().upper() for column in ("IDOrganisation", "IDOrganisationDoneAt")
    )
    notes = [f"Recorded at organisation {entered}"] if is_elsewhere(row) else []
    if done and done not in (row.publisher, entered):
        notes.append(f"Done at organisation {done}")
    return [{"text": text} for text in notes]


def has_value(values: Values) -> bool:
    """Whether an entry has a numeric value. Where IsNumeric does not say so, 0 and -1 stand for none."""
    number = values.get("NumericValue", "").strip()
    if not number:
        return False
    if said := values.get("IsNumeric", "").strip():
        return is_true(said)
    return not is_number(number) or float(number) not in (0.0, -1.0)


def entry(row: Row, look: Look) -> Entry:
    """Return the entry of a coded row: what it is, and what its words say."""
    code: Code = code_of(row, look)
    values = Values(Value=row.values["NumericValue"]) if has_value(row.values) else Values()
    kind = (
        "medication" if code.route == "medication" else route(values, code, code.sense, bool(code.sense), False, False)
    )
    return Entry(row, row.key, row.values, code, NONE, kind, code.sense, bool(code.sense))


def notes(built: Entry) -> list[dict[str, Any]]:
    """Return as notes where it was recorded, and a value or comparator that the resource has no element for."""
    texts = []
    if has_value(built.values):
        values = built.values
        sign, number, unit = (values[column].strip() for column in ("NumericComparator", "NumericValue", "NumericUnit"))
        if built.route != "observation":
            texts.append(f"Value: {coded('comparator', sign, 'comparator')} {number} {unit}".replace("  ", " ").strip())
        elif sign and not coded("comparator", sign, "comparator") and (words := coded("comparator", sign, "words")):
            texts.append(words)
    return [*({"text": text} for text in texts), *places(built.row)]
