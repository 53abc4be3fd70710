"""The hospital's feed: HL7 v2.4 messages as English trusts send them (ITK), in files in the order they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from gateway.synth.draw import years_before
from gateway.synth.outputs import Files, Folder
from gateway.synth.truth import Item, Move, Person, Report, Staff, Visit

STRUCTURES = {
    "A01": "ADT_A01",
    "A02": "ADT_A02",
    "A03": "ADT_A03",
    "A04": "ADT_A01",
    "A08": "ADT_A01",
    "A11": "ADT_A09",
    "A12": "ADT_A09",
    "A13": "ADT_A01",
    "A28": "ADT_A05",
    "A31": "ADT_A05",
    "A40": "ADT_A39",
}
SEXES = {"M": "1", "F": "2", "I": "9", "U": "0"}
REGION = "QZZ"
EACH = 100
"""People a file."""


class Message(NamedTuple):
    """One message, in the order of sending: by time, then by person and by place among the person's own."""

    sent: datetime
    person: int
    number: int
    text: str


class Feed:
    """A feed in the making. Keeps the messages about a hundred people (by their numbers), to send them in order of
    time, and writes a file for each hundred."""

    def __init__(self, files: Files, inside: str = ""):
        self._files, self._inside = files, inside
        self._held: list[Message] = []
        self._block = 0
        self.written = 0

    def add(self, person: Person) -> None:
        """Take the messages about a person; none for one the hospital does not know."""
        block = (person.number - 1) // EACH + 1
        if block != self._block:
            self.end()
            self._block = block
        number = 0
        for record in person.records:
            if record.hospital:
                about = list(messages(record, number))
                number += len(about)
                self._held += about

    def end(self) -> None:
        """Write what is held."""
        if self._held:
            self.written += len(self._held)
            text = "".join(message.text for message in sorted(self._held))
            self._files.file(f"{self._inside}feed-{self._block:05d}.hl7").write(text)
            self._held = []


def write(people: Iterable[Person], folder: Path) -> int:
    """Write the feed about ``people`` into ``folder`` and return how many messages it holds."""
    with Folder(folder) as files:
        feed = Feed(files)
        for person in people:
            feed.add(person)
        feed.end()
    return feed.written


def messages(person: Person, before: int = 0) -> Iterator[Message]:
    """Yield the messages about one record in the order they were sent; ``before`` were sent about the person's
    others."""
    events = sorted(messages_of(person), key=lambda event: event[:2])
    for number, (at, _, event, of, segments) in enumerate(events, before + 1):
        sent = at + timedelta(minutes=3)
        kind = "ORU^R01^ORU_R01" if event == "R01" else f"ADT^{event}^{STRUCTURES[event]}"
        system = "LAB" if event == "R01" else "PAS"
        control = f"{person.number:07d}{number:04d}"
        head = [
            f"MSH|^~\\&|{system}|{person.trust.ods}|TIE|{REGION}|{stamp(sent)}||{kind}|{control}"
            "|T|2.4|||||GBR|UNICODE|EN||iTKv1.0"
        ]
        if event != "R01":
            head.append(f"EVN|{event}|{stamp(at)}||||{stamp(of or at)}")
        yield Message(sent, person.number, number, "\r".join([*head, *segments]) + "\r")


class Told(NamedTuple):
    """One thing to tell: when, its place among those of the same moment, which event, the time of what it cancels, its
    segments."""

    at: datetime
    place: int
    event: str
    of: datetime | None
    segments: list[str]


def messages_of(person: Person) -> Iterator[Told]:
    """Yield everything the hospital tells about a person: who it is, visits, results, and a merge where there were two
    numbers."""
    story = person.story
    visits = sorted(story.visits, key=lambda visit: visit.moves[0].at)
    firsts = [visit.moves[0].at for visit in visits] + [report.taken for report in story.reports]
    firsts += [datetime.combine(person.moved, datetime.min.time())] if person.moved else []
    known = min(
        firsts, default=datetime.combine(years_before(person.registered, -0.5), datetime.min.time())
    ) - timedelta(days=1)
    known = known.replace(hour=9, minute=30)
    seen = person.seen("hospital")
    merged = visits[0].moves[-1].at + timedelta(days=10) if seen.retired and visits else None
    if merged:
        yield Told(known, 0, "A28", None, [pid(person, known, seen.retired), pd1(person)])
        yield Told(merged - timedelta(days=1), 0, "A28", None, [pid(person, merged), pd1(person)])
        yield Told(merged, 0, "A40", None, [pid(person, merged), pd1(person), f"MRG|{local(person, seen.retired)}"])
        late = merged + timedelta(days=2)
        yield Told(
            late,
            0,
            "A08",
            None,
            [pid(person, late, seen.retired), pd1(person), pv1(person, visits[0], visits[0].moves[-1], 1)],
        )
    else:
        yield Told(known, 0, "A28", None, [pid(person, known), pd1(person)])
    numbers = {}
    for number, visit in enumerate(visits, 1):
        numbers[visit.key] = number, visit
        holder = seen.retired if merged and visit.moves[0].at < merged else seen.number
        yield from visit_told(person, visit, number, holder)
    for number, report in enumerate(sorted(story.reports, key=lambda report: report.taken), 1):
        holder = seen.retired if merged and report.taken < merged else seen.number
        yield from report_told(person, report, number, holder, *numbers.get(report.visit, (0, None)))
    if person.moved:
        told_on = datetime.combine(person.moved, datetime.min.time()) + timedelta(hours=10)
        yield Told(told_on, 0, "A31", None, [pid(person, told_on), pd1(person)])
    if person.death:
        told_on = datetime.combine(person.death, datetime.min.time()) + timedelta(days=2, hours=11)
        yield Told(told_on, 0, "A31", None, [pid(person, told_on, dead=True), pd1(person)])


def visit_told(person: Person, visit: Visit, number: int, holder: str) -> Iterator[Told]:
    """Yield the messages of one visit; in a stay the working diagnosis comes with an A08, the final one with the
    discharge."""
    for place, move in enumerate(visit.moves):
        segments = [pid(person, move.at, holder), pd1(person), pv1(person, visit, move, number)]
        if visit.reason:
            segments.append(f"PV2|||^{escape(person.free(visit.reason))}")
        if move.event in ("A01", "A04") and any(entry.code == "penicillin allergy" for entry in person.story.entries):
            segments.append("AL1|1|DA|91936005^Allergy to penicillin^SCT|MO|Rash")
        if move.event == "A03":
            segments += coded(visit, "F", move.at)
        yield Told(move.at, place, move.event, move.of, segments)
        if move.event == "A01" and visit.diagnoses and place == 0:
            later = Move("A08", move.at + timedelta(minutes=50), move.ward)
            update = [
                pid(person, later.at, holder),
                pd1(person),
                pv1(person, visit, later, number),
                *coded(visit, "W", later.at),
            ]
            yield Told(later.at, place, "A08", None, update)


def report_told(
    person: Person, report: Report, number: int, holder: str, visit_number: int, visit: Visit | None
) -> Iterator[Told]:
    """Yield one message for each time the report was sent."""
    filler = f"{person.seen('hospital').number}R{number:02d}"
    coding = f"{person.trust.ods}LAB"
    for place, issue in enumerate(report.issues):
        segments = [pid(person, issue.at, holder)]
        if visit:
            segments.append(
                f"PV1|1|{visit.kind}|{ward(person, visit.moves[0].ward)}" + "|" * 16 + visit_id(person, visit_number)
            )
        what, taken = f"{report.code}^{escape(report.words)}^{coding}", stamp(report.taken)
        order = {1: "1", 2: f"{filler}P^{person.trust.ods}", 3: f"{filler}^{coding}", 4: what, 7: taken, 14: taken}
        segments.append(segment("OBR", {**order, 22: stamp(issue.at), 24: report.section, 25: issue.status}))
        for line, item in enumerate(issue.items, 1):
            segments.append(obx(person, line, item, issue.status, coding, taken))
        if issue.note:
            segments.append(f"NTE|1|L|{escape(person.free(issue.note))}")
        yield Told(issue.at, place, "R01", None, segments)


def pid(person: Person, at: date, holder: str = "", dead: bool = False) -> str:
    """Return the PID as it stood at ``at``, under ``holder``, by default the person's number today; ``dead`` is once
    the death is known."""
    seen, where = person.seen("hospital"), person.address_on(at.date() if isinstance(at, datetime) else at)
    numbers = [f"{seen.nhs_number}^^^NHS^NH"] if seen.nhs_number else []
    numbers.append(local(person, holder or seen.number))
    lines = f"{escape(where.house)}^{escape(where.street)}" if where.house else f"{escape(where.street)}^"
    phones = f"{person.home_phone}^PRN^PH~{person.mobile}^PRN^CP~^NET^Internet^{person.email}"
    fields = {
        1: "1",
        3: "~".join(numbers),
        5: f"{escape(seen.family)}^{escape(seen.given)}^{escape(person.middle)}^^{person.title}^^L",
        7: f"{seen.birth:%Y%m%d}",
        8: SEXES[seen.sex or person.sex],
        11: f"{lines}^{escape(where.town)}^{escape(where.county)}^{where.postcode}^GBR^H",
        13: phones,
        22: person.ethnicity,
        32: "" if not seen.nhs_number else "NSTS01" if seen.verified else "NSTS02",
    }
    if dead and person.death:
        fields |= {29: f"{person.death:%Y%m%d}", 30: "Y"}
    return segment("PID", fields)


def pd1(person: Person) -> str:
    doctor = person.practice.staff[0]
    return segment("PD1", {3: f"{escape(person.practice.name)}^^{person.practice.ods}", 4: clinician(doctor, "GMP")})


def pv1(person: Person, visit: Visit, move: Move, number: int) -> str:
    """Return the PV1 as it stood at ``move``: a discharge's fields come with the discharge, and go when it is taken
    back."""
    started = visit.moves[0].at
    left = move.event == "A03"
    doctor = clinician(person.trust.staff[0 if visit.specialty in ("100", "110") else 1], "GMC")
    emergency = visit.kind == "E"
    return segment(
        "PV1",
        {
            1: "1",
            2: visit.kind,
            3: ward(person, move.ward),
            4: "" if emergency else visit.method,
            7: doctor,
            10: visit.specialty,
            14: "19",
            19: visit_id(person, number),
            36: (visit.disposal if emergency else "1") if left else "",
            37: visit.destination if left and not emergency else "",
            44: stamp(started),
            45: stamp(move.at) if left else "",
        },
    )


def coded(visit: Visit, kind: str, at: datetime) -> Iterator[str]:
    """Yield the diagnoses (ICD-10), and with the final ones the procedures (OPCS-4)."""
    for rank, (code, words) in enumerate(visit.diagnoses, 1):
        yield segment(
            "DG1", {1: str(rank), 2: "I10", 3: f"{code}^{escape(words)}^I10", 5: stamp(at), 6: kind, 15: str(rank)}
        )
    for rank, (code, words) in enumerate(visit.procedures if kind == "F" else (), 1):
        done = visit.moves[0].at + timedelta(days=1)
        yield segment("PR1", {1: str(rank), 2: "O4", 3: f"{code}^{escape(words)}^O4", 5: stamp(done)})


def obx(person: Person, line: int, item: Item, status: str, coding: str, taken: str) -> str:
    """Return one result line. Values of coded and structured kinds carry their own separators."""
    value = (
        item.value
        if item.kind in ("CE", "SN")
        else escape(person.free(item.value) if item.kind == "TX" else item.value)
    )
    what = f"{item.code}^{escape(item.words)}^{coding}"
    return f"OBX|{line}|{item.kind}|{what}||{value}|{escape(item.unit)}|{item.range}|{item.flag}|||{status}|||{taken}"


def segment(name: str, fields: dict[int, str]) -> str:
    """Return a segment from its fields by number; those between are empty."""
    return "|".join([name, *(fields.get(number, "") for number in range(1, max(fields) + 1))])


def local(person: Person, number: str) -> str:
    return f"{number}^^^{person.trust.ods}^PI"


def visit_id(person: Person, number: int) -> str:
    return f"{person.seen('hospital').number}V{number:02d}^^^{person.trust.ods}"


def ward(person: Person, name: str) -> str:
    return f"{name}^^^{person.trust.site}"


def clinician(staff: Staff, authority: str) -> str:
    return f"{staff.number}^{escape(staff.family)}^{escape(staff.given)}^^^{staff.title}^^^{authority}"


def stamp(at: datetime | date) -> str:
    """Return a local time to the second, without an offset, as trusts write it."""
    return f"{at:%Y%m%d%H%M%S}"


_ESCAPES = str.maketrans({"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "~": "\\R\\", "&": "\\T\\"})


def escape(text: str) -> str:
    return text.translate(_ESCAPES)
