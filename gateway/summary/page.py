"""The summary as a page: the patient's banner, the risks, each section as a table, and how complete the sources are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.errors import Invalid
from gateway.nhs import access, identifiers
from gateway.nhs.sections import GRID, NIL_KNOWN, completeness, sections, shown_date
from gateway.nhs.summary import Record
from gateway.summary.document import MISMATCH

NHS_NUMBER = "https://fhir.nhs.uk/Id/nhs-number"


@dataclass(frozen=True, slots=True)
class Banner:
    """Who this is, as every page and print says it (NHS common user interface: patient banner)."""

    name: str
    born: str
    age: str
    sex: str
    number: str
    deceased: str


def summary_page(record: Record) -> str:
    """The page of a record. It needs no script, loads one style sheet of ours, and has no number in any link.

    Raises ``Invalid`` without a Patient.
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    shown = sections(record)
    allergies = next((each for each in shown if each.id == "allergies"), None)
    return _templates().get_template("summary.html").render(
        banner=banner(record), sections=shown, allergies=allergies, grid=GRID, lines=completeness(record, shown), record=record, nil_known=NIL_KNOWN,
        withheld=access.WITHHELD if record.withheld else "", mismatch=MISMATCH if record.mismatch else "",
        printed=record.now.strftime("%d-%b-%Y %H:%M UTC"),
    )  # fmt: skip


def banner(record: Record) -> Banner:
    """The banner's words, from the Patient that was asked for."""
    held = record.patients[0]
    patient = held.resource
    names = patient.get("name", ())
    name = next((each for each in names if each.get("use") == "official"), names[0] if names else {})
    number = next((each.get("value", "") for each in patient.get("identifier", ()) if each.get("system") == NHS_NUMBER), "")
    given, title = " ".join(name.get("given", ())), " ".join(name.get("prefix", ()))
    return Banner(
        f"{name.get('family', 'name not known').upper()}, {given}" + (f" ({title})" if title else ""),
        shown_date(patient.get("birthDate", "")),
        _age(patient.get("birthDate", ""), record.now.date(), patient.get("deceasedDateTime", "")),
        {"male": "Male", "female": "Female", "other": "Indeterminate"}.get(patient.get("gender", ""), "Not known"),
        identifiers.spaced(number) if identifiers.is_valid(number) else "not known",
        _deceased(record),
    )


def _deceased(record: Record) -> str:
    """A death confirmed by the GP's record, or only reported by somebody else."""
    for held in sorted(record.patients, key=lambda each: each.kind != "gp"):
        at = held.resource.get("deceasedDateTime", "")
        if at or held.resource.get("deceasedBoolean") is True:
            day = shown_date(at) if at else "date unknown"
            return f"died {day}" if held.kind == "gp" else f"death reported by {held.publisher}, {day}; not confirmed"
    return ""


def _age(born: str, today: date, died: str) -> str:
    if len(born) < 10:
        return ""
    until = date.fromisoformat(died[:10]) if len(died) >= 10 else today
    day = date.fromisoformat(born)
    years = until.year - day.year - ((until.month, until.day) < (day.month, day.day))
    return f"{years} y" if years >= 2 else f"{(until.year - day.year) * 12 + until.month - day.month - (until.day < day.day)} m"


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.web", "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
