"""A whole world on disk: everyone, in each source's own files, with the list of opt-outs and the key to who is who."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time
from pathlib import Path

from gateway.synth import cld, emis, hl7v2, optout, places
from gateway.synth.answers import Answers
from gateway.synth.emis.around import organisation_rows, reference_rows
from gateway.synth.emis.rows import organisation_guid, patient_guid
from gateway.synth.people import people
from gateway.synth.roles import FIXED
from gateway.synth.truth import Council, Person, Practice


@dataclass(frozen=True)
class Who:
    """A fixed person as the sources know them: numbers to look them up by. "" where a source does not know them."""

    role: str
    number: int
    nhs_number: str
    name: str
    birth: str
    practice: str
    emis_patient: str
    hospital_number: str
    retired_number: str
    council_number: str


@dataclass(frozen=True)
class Manifest:
    """What was written, where, and who is who. Paths are relative to ``folder``; ``written`` counts rows and messages
    by source."""

    folder: Path
    seed: int
    today: date
    count: int
    emis: Path
    hl7v2: Path
    cld: Path
    optout: Path
    practices: dict[str, str]
    trust: str
    councils: tuple[str, ...]
    people: dict[str, Who]
    known: dict[str, int]
    written: dict[str, int] = field(default_factory=dict)

    def path(self, source: str) -> Path:
        """Return the folder (or the opt-out file) of a source, to load from."""
        name: str = getattr(self, source)
        return self.folder / name


def write(
    folder: Path,
    count: int,
    seed: int,
    today: date,
    canary: bool = False,
    practices: Sequence[Practice] = (),
    councils: Sequence[Council] = (places.COUNCIL,),
    done: Callable[[int], None] = lambda number: None,
) -> Manifest:
    """Write ``count`` people into ``folder``: ``emis/<extract>/``, ``hl7v2/``, ``cld/``, ``optout.csv``,
    ``truth/people.ndjson`` and ``manifest.json``. ``done`` is called with the number of each person written.

    Everyone passes once, by all writers, and is forgotten: any number of people fits in the same memory. The same
    arguments write the same bytes. ``emis/`` holds the deliveries by time; ``emis.write_delta`` adds the next one.
    """
    practices = practices or places.practices(2)
    when = datetime.combine(today, time(1))
    extract = Path("emis") / f"{when:%Y%m%d%H%M%S}"
    fixed: dict[str, Who] = {}
    known = dict.fromkeys(("everywhere", "gp", "hospital", "social-care"), 0)
    with (
        emis.Extract(folder / extract, when) as practice_files,
        hl7v2.Feed(folder / "hl7v2") as feed,
        cld.Returns(folder / "cld", today, councils) as returns,
        optout.OptOuts(folder / "optout.csv") as optouts,
        Answers(folder / "truth") as answers,
    ):
        practice_files.put_all(reference_rows())
        practice_files.put_all(organisation_rows(practices, when))
        for person in people(count, seed, today, canary, practices, councils):
            for writer in (practice_files, feed, returns, optouts, answers):
                writer.add(person)
            if person.number in FIXED:
                fixed[FIXED[person.number].role] = who(person)
            tally(known, person)
            done(person.number)
    manifest = Manifest(
        folder=folder,
        seed=seed,
        today=today,
        count=count,
        emis=extract,
        hl7v2=Path("hl7v2"),
        cld=Path("cld"),
        optout=Path("optout.csv"),
        practices={practice.ods: organisation_guid(practice) for practice in practices},
        trust=places.TRUST.ods,
        councils=tuple(council.code for council in councils),
        people=fixed,
        known=known,
        written={
            "emis": sum(practice_files.written.values()),
            "hl7v2": feed.written,
            "cld": returns.written,
            "optout": optouts.written,
        },
    )
    document = {**asdict(manifest), "folder": "."}
    (folder / "manifest.json").write_text(
        json.dumps(document, indent=1, default=str, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
    return manifest


def who(person: Person) -> Who:
    hospital, care = person.hospital, person.care
    return Who(
        role=FIXED[person.number].role,
        number=person.number,
        nhs_number=person.nhs_number,
        name=f"{person.given} {person.family}",
        birth=str(person.birth),
        practice=person.practice.ods,
        emis_patient=patient_guid(person) if person.gp else "",
        hospital_number=hospital.number if hospital else "",
        retired_number=hospital.retired if hospital else "",
        council_number=care.number if care else "",
    )


def tally(known: dict[str, int], person: Person) -> None:
    held = {"gp": person.gp, "hospital": person.hospital, "social-care": person.care}
    for kind, seen in held.items():
        known[kind] += seen is not None
    known["everywhere"] += all(seen is not None for seen in held.values())
