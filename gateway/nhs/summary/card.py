"""The risk card: what may harm before anything else is read, each item by source and date.

The card obeys the role and the absences itself. An item without an entry says from whom nothing was received, and never
that there is none (hazards HZ-SUMMARY-44 and after)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.nhs import kinds
from gateway.nhs.summary.absences import ABSENCES, PARTLY_IN_SCOPE
from gateway.nhs.summary.completeness import listed, named
from gateway.nhs.summary.record import Contribution, Record
from gateway.nhs.summary.sections import marked
from gateway.nhs.summary.sections.medicines import medicine, past_courses
from gateway.nhs.summary.sections.procedures import IMPLANT, implant_words, removals
from gateway.nhs.summary.sections.rows import Row, is_checkable, order, shown_date
from gateway.nhs.summary.shown import CONTRIBUTES, Section, has_gp, is_item_withheld

CLINICAL = frozenset({"problems", "results", "procedures", "encounters"})
CONTACTS = "contacts"
"""The right to related persons; the contacts that a Patient names need none."""
FORM = "A decision as recorded: see the signed form before acting on it."
LISTED = "By the list of high-risk medicines; one that the list does not know is not marked here."
NONE_LISTED = "None of the medicines received as current is on the list of high-risk medicines."
SCREEN_ONLY = "Alerts of safeguarding and unknown ones, if any, stand on the screen only."
EMPTY = "no-content-recorded"
PARTLY = "A part of what could say so is not for your role."


@dataclass(frozen=True, slots=True)
class Agent:
    """One thing that may harm, with what each source says of it beneath."""

    title: str
    rows: tuple[Row, ...]


Marked = Mapping[str, list[Row]]


@dataclass(frozen=True, slots=True)
class RiskKind:
    """One item of the card. ``rights`` are those to the sections where such an entry stands: without any of them the
    item is not for the role. ``could`` are the summary sections by which a kind of publisher could send it ("": every
    publisher could). ``note`` is a sentence that stands with its entries, ``section`` the section whose absence is its
    own."""

    id: str
    title: str
    rights: frozenset[str]
    could: frozenset[str]
    select: Callable[[Record, Mapping[str, Section], Marked], list[Agent]] = field(hash=False)
    note: str = ""
    section: str = ""


@dataclass(frozen=True, slots=True)
class Risk:
    """One item as shown: its agents, or the words of its absence with their ``reason`` (a key of ``ABSENCES``)."""

    kind: RiskKind
    agents: tuple[Agent, ...] = ()
    reason: str = ""
    absence: str = ""
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[Row]:
        return [row for agent in self.agents for row in agent.rows]


def card(record: Record, sections: Sequence[Section]) -> list[Risk]:
    """The items of the card, in the order of ``ITEMS``. ``sections`` are those of the same record."""
    by_id = {section.id: section for section in sections}
    entries = {name: marked.newest_first(held) for name, held in marked.marked(record).items()}
    return [_risk(record, kind, by_id, entries) for kind in ITEMS]


def safeguarding(record: Record) -> list[Row]:
    """The alerts of safeguarding, and those nothing knows, that this reader may see: they stand behind a click, and on
    no paper."""
    return marked.newest_first(marked.flags_now(record)[1]) if "alerts" in record.sections else []


def _risk(record: Record, kind: RiskKind, sections: Mapping[str, Section], entries: Marked) -> Risk:
    closed = kind.rights - record.sections
    if closed == kind.rights and kind.rights:
        reason = "scope" if closed & record.out_of_scope else "role"
        return Risk(kind, reason=reason, absence=ABSENCES[reason].said(""))
    agents = tuple(kind.select(record, sections, entries))
    section = sections.get(kind.section)
    is_told = (
        section is not None and section.reason == EMPTY or kind.id == "medicines" and bool(_medicine_rows(sections))
    )
    if section is not None and section.absence and (kind.id == "allergies" or not agents and not is_told):
        return Risk(kind, agents, section.reason, section.absence, section.notes)
    withheld = [ABSENCES["withheld"].said(right) for right in sorted(kind.rights) if is_item_withheld(record, right)]
    notes = [*_beside(record, kind, sections, agents), *(words for words in withheld if kind.id != "allergies")]
    if agents:
        return Risk(kind, agents, notes=tuple(notes))
    reason, absence = _absence(record, kind, sections)
    return Risk(kind, (), reason, " ".join([absence, *([PARTLY] if closed else [])]), tuple(notes))


def _beside(record: Record, kind: RiskKind, sections: Mapping[str, Section], agents: Sequence[Agent]) -> Iterator[str]:
    """The sentences that stand with the entries of an item; those of the list of medicines beside an empty one too.
    That alerts may stand behind the click is said whether or not any do: paper tells nothing of them."""
    if kind.rights & record.partly_in_scope:
        yield PARTLY_IN_SCOPE
    if kind.id == "adjustments" and "alerts" in record.sections:
        yield SCREEN_ONLY
    is_list = kind.id == "medicines" and bool(_medicine_rows(sections))
    if kind.note and (agents or is_list):
        yield kind.note
    if is_list and (words := _not_recognised(record, sections)):
        yield words


def _absence(record: Record, kind: RiskKind, sections: Mapping[str, Section]) -> tuple[str, str]:
    """Why an item has no entry: never that there is none."""
    if kind.id == "medicines" and _medicine_rows(sections):
        return EMPTY, NONE_LISTED
    if kind.id == "people" and CONTACTS not in record.sections:
        reason = "scope" if CONTACTS in record.out_of_scope else "role"
        return reason, ABSENCES[reason].said("")
    if record.withheld and kind.id != "medicines":
        return "withheld", ABSENCES["withheld"].said("")
    names = [named(record, source) for source in record.contributions if _could_send(source, kind)]
    if not names:
        return "unavailable", "No source that could send this is part of this page."
    no_gp = "" if has_gp(record) else f"{ABSENCES['unavailable'].said('')} "
    return EMPTY, f"{no_gp}Not received from {listed(names)}."


def _could_send(source: Contribution, kind: RiskKind) -> bool:
    if source.state not in CONTRIBUTES or kind.rights and kind.rights <= source.closed:
        return False
    return not kind.could or bool(kind.could & kinds.of(source.kind).sections)


# What stands on it


def _allergies(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    """Allergies by what they are to, with each source's own beneath. Two of one name are one agent and two lines: none
    is dropped."""
    section = sections.get("allergies")
    return _by_name(section.rows if section else ())


def _by_name(rows: Sequence[Row]) -> list[Agent]:
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row.title.casefold(), []).append(row)
    return [Agent(lines[0].title, tuple(lines)) for lines in by_name.values()]


def _medicines(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    """The current and acute medicines of the list, by class."""
    by_class: dict[str, list[Row]] = {}
    for row, _, classes in _looked_up(record, sections):
        for name in classes:
            by_class.setdefault(name, []).append(row)
    return [Agent(title, tuple(by_class[name])) for name, title in marked.CLASSES.items() if name in by_class]


def _looked_up(
    record: Record, sections: Mapping[str, Section]
) -> Iterator[tuple[Row, dict[str, Any] | None, frozenset[str]]]:
    """The medicines of now, with what names each and the classes it is known by."""
    knows, past = marked.high_risk(record.risk_sets), past_courses(record)
    for row in _medicine_rows(sections):
        if past.isdisjoint(row.references):
            concept = medicine(record, record.by_reference[row.references[0]].resource)
            yield row, concept, knows.classes(concept)


def _medicine_rows(sections: Mapping[str, Section]) -> list[Row]:
    return [row for name in ("repeat", "acute") if name in sections for row in sections[name].rows]


def _not_recognised(record: Record, sections: Mapping[str, Section]) -> str:
    """How many medicines nothing could look up: of no code, and of no name or one that the list lacks."""
    looked = _looked_up(record, sections)
    count = sum(not classes and not is_checkable(concept) for _, concept, classes in looked)
    return f"Not recognised: {count} without a code or name." if count else ""


def _implants(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    section = sections.get("procedures")
    implants = [row for row in (section.rows if section else ()) if IMPLANT in row.flags]
    taken_out = removals(record) if implants else []
    return [Agent(row.title, (_with_removal(row, taken_out),)) for row in implants]


def _with_removal(row: Row, taken_out: Sequence[tuple[frozenset[str], str, str]]) -> Row:
    """An implant with the removal of such a one that was recorded later: which of two it was, a reader can tell."""
    later = (
        (at, name)
        for parts, at, name in taken_out
        if parts & implant_words(row.title) and (not at or order(at) > order(row.at))
    )
    flags = [f"removal recorded {shown_date(at)}: {name}" for at, name in later]
    return replace(row, flags=(*row.flags, *flags[:1]))


def _entries(name: str) -> Callable[[Record, Mapping[str, Section], Marked], list[Agent]]:
    def select(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
        return [Agent(row.title, (row,)) for row in entries[name]]

    return select


def _frailty(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    """What each source said of frailty, back to the latest that says how frail; and what has no date, which may be
    later. A refusal or a remark hides no degree."""
    lines: list[Row] = []
    known: set[tuple[str, ...]] = set()
    for row in entries[marked.FRAILTY]:
        if row.sources in known and row.at:
            continue
        lines.append(row)
        if row.at and marked.is_degree(record, record.by_reference[row.references[0]]):
            known.add(row.sources)
    return [Agent(row.title, (row,)) for row in lines]


def _adjustments(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    """What the person needs of who treats them: adjustments, language, and every other alert that is active."""
    alerts = marked.flags_now(record)[0] if "alerts" in record.sections else []
    known = {
        reference
        for name in (marked.ADJUSTMENTS, marked.RESUSCITATION, marked.FRAILTY)
        for row in entries[name]
        for reference in row.references
    }
    more = [row for row in marked.newest_first(alerts) if known.isdisjoint(row.references)]
    rows = (*marked.languages(record), *entries[marked.ADJUSTMENTS], *more)
    return [Agent(row.title, (row,)) for row in rows]


def _people(record: Record, sections: Mapping[str, Section], entries: Marked) -> list[Agent]:
    return [Agent(row.title, (row,)) for row in marked.people(record)]


ITEMS = (
    RiskKind("allergies", "Known allergies", frozenset({"allergies"}), frozenset({"allergies"}), _allergies, section="allergies"),
    RiskKind("resuscitation", "Resuscitation and care plans", frozenset({"problems", "results", "procedures", "alerts", "documents"}), CLINICAL,
             _entries(marked.RESUSCITATION), note=FORM),
    RiskKind("medicines", "High-risk medicines", frozenset({"medicines"}), kinds.MEDICINES, _medicines, note=LISTED, section="repeat"),
    RiskKind("implants", "Implants", frozenset({"procedures"}), frozenset({"procedures"}), _implants, section="procedures"),
    RiskKind("frailty", "Frailty", frozenset({"problems", "results"}), CLINICAL, _frailty),
    RiskKind("adjustments", "Adjustments, communication and alerts", frozenset({"problems", "results", "alerts"}), CLINICAL, _adjustments),
    RiskKind("people", "Next of kin and carer", frozenset(), frozenset(), _people),
)  # fmt: skip
"""THE TABLE, in the order shown."""
