"""The summary as a page: the patient's banner, the risks, each section as a table, and how complete the sources are."""

from __future__ import annotations

from functools import lru_cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from gateway.errors import Invalid
from gateway.nhs.completeness import GRID, HOW_TO_READ, completeness, notices
from gateway.nhs.record import Record
from gateway.nhs.sections.rows import shown_time
from gateway.nhs.summary import sections
from gateway.summary.banner import banner

KINDS = {"gp": "GP", "hospital": "hospital", "social-care": "social care"}


def summary_page(record: Record) -> str:
    """The page of a record. It needs no script, loads one style sheet of ours, and has no number in any link.

    Raises ``Invalid`` without a Patient.
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    shown = sections(record)
    return _templates().get_template("summary.html").render(
        banner=banner(record), notices=notices(record), sections=shown, allergies=next(each for each in shown if each.id == "allergies"),
        grid=GRID, lines=completeness(record, shown), record=record, kinds=KINDS, how_to_read=HOW_TO_READ,
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
