"""The council's returns: Client Level Data, a snapshot of twelve months for each quarter, one row an event, the person
in every row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.synth import places
from gateway.synth.layouts import tables
from gateway.synth.outputs import Files, Folder, Table
from gateway.synth.truth import Council, Person, Support

COLUMNS = tables("cld")["CLD"]
GENDERS = {"M": "Male", "F": "Female", "I": "Not known", "U": "Not known"}
ETHNICITIES = {
    "A": "White: English, Welsh, Scottish, Northern Irish or British",
    "B": "White: Irish",
    "C": "White: Any other White background",
    "D": "Mixed or multiple ethnic groups: White and Black Caribbean",
    "H": "Asian or Asian British: Indian",
    "J": "Asian or Asian British: Pakistani",
    "K": "Asian or Asian British: Bangladeshi",
    "M": "Black, Black British, Caribbean or African: Caribbean",
    "N": "Black, Black British, Caribbean or African: African",
    "R": "Asian or Asian British: Chinese",
    "S": "Other ethnic group: Any other ethnic group",
    "Z": "No data: Refused",
}
WORDS = {
    "route": "Request: Route of Access",
    "assessment": "Assessment Type",
    "eligible": "Eligible Needs Identified",
    "type": "Service Type",
    "component": "Service Component",
    "review": "Review Reason",
    "reason": "Primary Support Reason",
    "method": "Method of Assessment",
    "client": "Client Type",
    "hours": "Total Hrs Caring per week",
    "cared for": "No. of adults being cared for",
    "cost": "Unit Cost",
    "per": "Cost Frequency (Unit Type)",
    "units": "Planned units per week",
}
"""The column of each neutral name that a journey uses."""

CARE_HOME = "Long term support: Residential care"


class Period(NamedTuple):
    """The twelve months that a snapshot tells of."""

    start: date
    end: date


def periods(today: date, count: int = 2) -> list[Period]:
    """Return the last ``count`` periods that ended before ``today``, each ending with a quarter, the oldest first."""
    ends, first = [], date(today.year, (today.month - 1) // 3 * 3 + 1, 1)
    for _ in range(count):
        end = first - timedelta(days=1)
        ends.append(end)
        first = date(end.year, (end.month - 1) // 3 * 3 + 1, 1)
    return [
        Period((end + timedelta(days=1)).replace(year=(end + timedelta(days=1)).year - 1), end)
        for end in reversed(ends)
    ]


def submitted(period: Period, today: date) -> date:
    """Return when the council sends the snapshot, which its file's name tells: thirty days after the quarter, or
    today."""
    return min(period.end + timedelta(days=30), today)


class Returns:
    """Snapshots in the making: a file for each council and period. Rows go to their files as they come; nothing is
    kept."""

    def __init__(self, files: Files, today: date, councils: Sequence[Council] = (places.COUNCIL,), inside: str = ""):
        self._periods = periods(today)
        self._tables: dict[tuple[str, Period], Table] = {}
        for council in councils:
            for period in self._periods:
                name = f"{inside}CLD_{council.code}_{submitted(period, today):%Y%m%d}.csv"
                self._tables[council.code, period] = Table(files.file(name), COLUMNS)
        self.written = 0

    def begin(self) -> None:
        """Write the headers."""
        for table in self._tables.values():
            table.head()

    def add(self, person: Person) -> None:
        """Write the events of a person into each snapshot that tells of them; nothing for one the council does not
        know."""
        if person.care:
            for period in self._periods:
                table = self._tables[person.council.code, period]
                for row in rows(person, period, last=period == self._periods[-1]):
                    table.put(row)
                    self.written += 1


def write(people: Iterable[Person], folder: Path, today: date, councils: Sequence[Council] = (places.COUNCIL,)) -> int:
    """Write two quarterly snapshots for each council into ``folder`` and return how many rows they hold."""
    with Folder(folder) as files:
        returns = Returns(files, today, councils)
        returns.begin()
        for person in people:
            returns.add(person)
        return returns.written


def rows(person: Person, period: Period, last: bool) -> Iterator[dict[str, str]]:
    """Yield the rows of one person for one period; the latest snapshot leaves out the services that the council
    forgot."""
    for number, event in enumerate(person.story.support, 1):
        if is_told(event, person, period) and not (last and event.forgotten):
            yield {**common(person, period, event), **own(person, period, event, number)}


def is_told(event: Support, person: Person, period: Period) -> bool:
    """Whether the snapshot tells of the event: an event once it is complete, a service as soon as it has begun."""
    end = ended(event, person)
    if event.kind == "Service":
        return event.start <= period.end and (end is None or end >= period.start)
    return end is not None and period.start <= end <= period.end


def ended(event: Support, person: Person) -> date | None:
    """Return when the event ended; no service outlives the person."""
    return min(filter(None, (event.end, person.death)), default=None)


def common(person: Person, period: Period, event: Support) -> dict[str, str]:
    """Return the columns that every row of the person carries. A death is told once it lies in the period."""
    seen = person.seen("care")
    dead = person.death if person.death and person.death <= period.end else None
    at_home = event.words.get("type") != CARE_HOME
    return {
        "LA Code": person.council.code,
        "Reporting Period Start Date": day(period.start),
        "Reporting Period End Date": day(period.end),
        "NHS Number": seen.nhs_number,
        "LA Person Unique Identifier": seen.number,
        "First Name": seen.given,
        "Last Name": seen.family,
        "GP Practice Name": person.practice.name,
        "GP Practice Code": person.practice.ods,
        "Gender": GENDERS[person.sex],
        "Ethnicity": ETHNICITIES[person.ethnicity],
        "Date of Birth": day(seen.birth),
        "Date of Death": day(dead),
        "Client Type": event.words.get("client", "Service user"),
        "Postcode": person.address_on(period.end).postcode,
        "Accommodation Status": "Owner occupier or shared ownership scheme" if at_home else "Registered care home",
        "Has Unpaid Carer": "Yes" if person.carer else "No",
        "Visual Impairment": "No visual impairment",
        "Hearing Impairment": "No hearing impairment",
        "Dementia": "Yes" if any(entry.code == "dementia" for entry in person.story.entries) else "",
        "Client Funding Status": "Joint client and social care funded" if event.kind in ("Service", "Review") else "",
    }


def own(person: Person, period: Period, event: Support, number: int) -> dict[str, str]:
    """Return the columns of the event itself. What ends after the period has not ended in this snapshot."""
    end = ended(event, person)
    columns = {WORDS[word]: text for word, text in event.words.items()}
    if event.kind == "Assessment":
        columns.setdefault("Method of Assessment", "Service user and carer" if person.carer else "Service user only")
    if event.kind == "Review":
        columns |= {"Review Outcomes Achieved": "Fully Met", "Method of Review": "Service user only"}
    if event.kind == "Service":
        columns["Delivery Mechanism"] = "CASSR Managed Personal Budget"
        columns |= {"Provider CQC Location Name": "Lantern Home Care", "Provider CQC Location ID": "1-9990000001"}
        if event.words.get("cost"):
            columns.setdefault("Cost Frequency (Unit Type)", "Hourly")
    return {
        **columns,
        "Event Type": event.kind,
        "Event Reference": f"{person.seen('care').number}-{number}",
        "Event Start Date": day(event.start),
        "Event End Date": day(end if end and end <= period.end else None),
        "Event Description": person.free("Agreed with the family") if event.kind == "Assessment" else "",
        "Event Outcome": event.outcome,
    }


def day(on: date | None) -> str:
    return f"{on:%d/%m/%Y}" if on else ""
