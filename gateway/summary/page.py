"""The summary as a page: the patient's banner, the risks, each section as a table, and how complete the sources are."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.errors import Invalid
from gateway.nhs import kinds
from gateway.nhs.summary import sections
from gateway.nhs.summary.completeness import GRID, HOW_TO_READ, completeness, notices
from gateway.nhs.summary.record import Record
from gateway.nhs.summary.sections.rows import shown_time
from gateway.summary.banner import banner


def summary_page(record: Record) -> str:
    """The page of a record. It needs no script, loads one style sheet of ours, and has no number in any link.

    Raises ``Invalid`` without a Patient.
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    shown = sections(record)
    return _templates().get_template("summary.html").render(
        banner=banner(record), notices=notices(record), sections=shown, allergies=next(section for section in shown if section.id == "allergies"),
        grid=GRID, lines=completeness(record, shown), record=record, kind_title=lambda name: kinds.of(name).title, how_to_read=HOW_TO_READ,
        printed=shown_time(record.now.isoformat()) + " UTC",
    )  # fmt: skip


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("gateway.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
