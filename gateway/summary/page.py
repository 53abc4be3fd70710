"""The summary as a page: the patient's banner, the risks, each section as a table, and how complete the sources are."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from jinja2 import Environment
from markupsafe import Markup, escape

from gateway.errors import Invalid
from gateway.nhs import kinds
from gateway.nhs.summary import CAUTION, Section, sections
from gateway.nhs.summary.card import card, safeguarding
from gateway.nhs.summary.completeness import GRID, HOW_TO_READ, completeness, notices
from gateway.nhs.summary.now import now
from gateway.nhs.summary.record import Record
from gateway.nhs.summary.sections.problems import MINOR
from gateway.nhs.summary.sections.rows import Row, shown_time
from gateway.nhs.summary.series import LAST, series
from gateway.steering import isolated
from gateway.summary.banner import TITLES, banner
from gateway.summary.plot import plot
from gateway.web.session_pages import Bar
from gateway.web.templating import environment

DATE = re.compile(r"\b(?:\d{2}-)?[A-Z][a-z]{2}-\d{4}(?: \d{2}:\d{2})?\b")
COLUMNS = re.compile(r"\S {3,}\S")


def summary_page(record: Record, session: Bar | None = None) -> str:
    """The page of a record, with the bar of the session in which it is shown. It needs no script, loads one style sheet
    of ours, and has no number in any link.

    Raises ``Invalid`` without a Patient.
    """
    if not record.patients:
        raise Invalid("record: no Patient")
    shown = sections(record)
    return _templates().get_template("summary.html").render(
        banner=banner(record), notices=notices(record), sections=shown, title=TITLES[record.view],
        risks=card(record, shown), now=now(record, shown), anchors=_anchors(shown), marks=Marks(), safeguarding=safeguarding(record),
        tests=[(test, plot(test)) for test in series(record)], last=LAST,
        medicines=_of(shown, "repeat", "acute"), problems=_of(shown, "problems"),
        grid=GRID, lines=completeness(record, shown), record=record, kind_title=lambda name: kinds.of(name).title,
        session=session, how_to_read=HOW_TO_READ, caution=CAUTION, is_first=len(record.contributions) < 2,
        printed=f"{shown_time(record.here.isoformat())} {record.here.tzname()}",
    )  # fmt: skip


class Marks:
    """Which rows have had their id: each stands once in a page."""

    def __init__(self) -> None:
        self._had: set[str] = set()

    def first(self, row: Row) -> bool:
        """Whether this is the first row of its resource."""
        is_first = row.references[0] not in self._had
        self._had.add(row.references[0])
        return is_first


def _of(shown: Sequence[Section], *ids: str) -> list[Section]:
    return [section for section in shown if section.id in ids]


def _anchors(shown: Sequence[Section]) -> dict[str, str]:
    """By the reference of a resource, the id of the row that tells all of it: the first that stands for it."""
    anchors: dict[str, str] = {}
    for section in shown:
        for row in section.rows:
            name = anchors.get(row.references[0], f"r-{row.references[0].replace('/', '-')}")
            for reference in row.references:
                anchors.setdefault(reference, name)
    return anchors


def dated(words: str) -> Markup:
    """Words in which no date breaks at the end of a line."""
    safe = str(escape(isolated(words)))
    return Markup(DATE.sub(lambda date: f'<span class="date">{date[0]}</span>', safe))  # escaped above


def is_in_columns(words: str) -> bool:
    """Whether words are laid out in columns by spaces, as a laboratory's text reports are: only a font of one width
    keeps them."""
    return bool(COLUMNS.search(words))


def is_saying_what(words: str) -> bool:
    """Whether the words of a date say themselves what was then, as "Began 2019" does: they need no label."""
    return words.startswith(("Began ", "Recorded "))


def is_minor(row: Row) -> bool:
    """Whether the practice files a problem as minor."""
    return MINOR in row.flags


def grouped(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Rows in groups: each with the deeper ones after it, which are its parts."""
    group: list[Row] = []
    for row in rows:
        if row.level == 0 and group:
            yield group
            group = []
        group.append(row)
    if group:
        yield group


@lru_cache(maxsize=1)
def _templates() -> Environment:
    templates = environment()
    templates.filters.update(dated=dated, grouped=grouped)
    templates.tests.update(in_columns=is_in_columns, saying_what=is_saying_what, minor=is_minor)
    return templates
