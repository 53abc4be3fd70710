"""An audit of a hospital with people in it who look where they have no business: who, at whom and when is known.

It invents staff, patients, bookings and rosters, ordinary views of many kinds, and a few of ``KINDS``. What it writes
knows nothing of the rules that are measured on it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from gateway.nhs.identifiers import synthetic
from gateway.synth.draw import stream

HOUR = 3_600_000_000
BEGIN = 1_767_571_200_000_000
"""A Monday at midnight, µs UTC."""
KINDS: dict[str, tuple[int, str]] = {
    "themselves": (6, "looks up their own results"),
    "household": (8, "lives with the person; two in five bear another name"),
    "kin": (8, "is a relation who lives elsewhere; a third bear another name"),
    "neighbour": (6, "lives some doors away"),
    "former partner": (5, "shares nothing any more, and looks for weeks, mostly at night"),
    "headline": (10, "one person was in the news, and each of these looks once, at work"),
    "workmate": (6, "works on the same corridor as the person; once or twice"),
}
"""THE TABLE of what is planted: kind → how many of it, and what they do."""
_NAMES = ("Adeyemi Ahmed Baker Begum Brown Carter Clarke Davies Doyle Evans Fox Green Hall Hussain Jones Kaur Khan Lee "
          "Lewis Moore Ncube Okafor Patel Price Quinn Roberts Shah Singh Smith Taylor Thomas Walker White Williams Wood").split()  # fmt: skip
_ENDS = ("", "ham", "ley", "worth", "son", "field", "well", "combe", "ridge", "stone")


@dataclass
class Hospital:
    """Rows as plain tuples: ``staff`` and ``patients`` are id → (surname, first line, postcode, NHS number),
    ``rosters`` and ``bookings`` id → (from, until), ``views`` (at, user, patient), ``truth`` (user, patient) → the
    kind planted. Times are µs UTC."""

    staff: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    patients: dict[str, tuple[str, str, str, str]] = field(default_factory=dict)
    rosters: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    bookings: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    views: list[tuple[int, str, str]] = field(default_factory=list)
    truth: dict[tuple[str, str], str] = field(default_factory=dict)


def planted(seed: int, days: int = 28, staff: int = 300, patients: int = 12_000, a_day: int = 1_500) -> Hospital:
    """A hospital's views of some weeks. The same numbers make the same hospital."""
    draw, built = stream(seed, 0, "snoopers"), Hospital()
    for number in range(patients):
        built.patients[f"p{number}"] = _someone(draw, number)
    for number in range(staff):
        # Half of the staff live nearby, and one in twenty is a patient too.
        is_patient = number % 20 == 0
        home = built.patients[f"p{number}"] if is_patient else _someone(draw, patients + number)
        built.staff[f"s{number}"] = home
        built.rosters[f"s{number}"] = _roster(draw, days)
    busy = list(built.patients)
    for number in range(patients // 2):
        _book(draw, built, busy[number * 2], days)
    _ordinary(draw, built, days, a_day)
    for number, (kind, (count, _)) in enumerate(KINDS.items()):
        _plant(draw, built, kind, count, days, number)
    built.views.sort()
    return built


def write(folder: Path, hospital: Hospital) -> dict[str, int]:
    """Write a hospital as CSV files, and ``truth.csv``, which no measured rule may read; return the rows of each."""
    people = ("surname", "line", "postcode", "number")
    periods = ("id", "from", "until")
    tables: dict[str, tuple[Sequence[str], list[tuple[object, ...]]]] = {
        "staff": (("id", *people), [(id_, *row) for id_, row in hospital.staff.items()]),
        "patients": (("id", *people), [(id_, *row) for id_, row in hospital.patients.items()]),
        "rosters": (periods, [(id_, *row) for id_, rows in hospital.rosters.items() for row in rows]),
        "bookings": (periods, [(id_, *row) for id_, rows in hospital.bookings.items() for row in rows]),
        "views": (("at", "user", "patient"), list(hospital.views)),
        "truth": (("user", "patient", "kind"), [(*pair, kind) for pair, kind in hospital.truth.items()]),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, (columns, rows) in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    return {name: len(rows) for name, (_, rows) in tables.items()}


def _someone(draw: Random, number: int) -> tuple[str, str, str, str]:
    # Some names are many people's and most are few people's.
    common = draw.random() < 0.5
    surname = draw.choice(_NAMES) if common else draw.choice(_NAMES) + draw.choice(_ENDS) + draw.choice(_ENDS)
    place = draw.randrange(900)
    line = f"{draw.randint(1, 60)} {draw.choice(_NAMES)} Street"
    return surname, line, f"ZZ{place // 30 + 1} {place % 9 + 1}{'ABCD'[place % 4]}A", synthetic(number)


def _roster(draw: Random, days: int) -> list[tuple[int, int]]:
    first, kept = draw.choice((7, 8, 9, 13, 20)), []
    for day in range(days):
        if draw.random() < 5 / 7:
            begin = BEGIN + day * 24 * HOUR + first * HOUR
            kept.append((begin, begin + 10 * HOUR))
    return kept


def _book(draw: Random, built: Hospital, patient: str, days: int) -> None:
    """A clinic, or a stay of some days."""
    begin = BEGIN + draw.randrange(-7, days) * 24 * HOUR + draw.randint(8, 16) * HOUR
    stay = draw.randint(24, 240) if draw.random() < 0.2 else 1
    built.bookings.setdefault(patient, []).append((begin, begin + stay * HOUR))


def _ordinary(draw: Random, built: Hospital, days: int, a_day: int) -> None:
    """Views that are somebody's work: nearly all of who comes, some of letters, advice and results of who does not, and
    some made before or after a shift."""
    booked, everyone, users = list(built.bookings), list(built.patients), list(built.staff)
    for _ in range(days * a_day):
        user = draw.choice(users)
        begin, end = draw.choice(built.rosters[user] or [(BEGIN, BEGIN + HOUR)])
        at = draw.randrange(begin, end)
        if draw.random() < 0.02:
            at = end + draw.randrange(HOUR, 3 * HOUR)
        if draw.random() < 0.03:
            built.views.append((at, user, draw.choice(everyone)))
            continue
        near = [patient for patient in draw.sample(booked, 12) if _is_near(built, patient, at)]
        built.views.append((at, user, near[0] if near else draw.choice(booked)))


def _is_near(built: Hospital, patient: str, at: int) -> bool:
    return any(begin - 72 * HOUR <= at <= end + 168 * HOUR for begin, end in built.bookings[patient])


def _plant(draw: Random, built: Hospital, kind: str, count: int, days: int, place: int) -> None:
    users = list(built.staff)
    for number in range(count):
        user = users[40 * place + number + 1] if kind != "themselves" else users[number * 20]
        patient = _target(draw, built, kind, user, number)
        built.truth[user, patient] = kind
        for at in _moments(draw, built.rosters[user], kind, days):
            built.views.append((at, user, patient))


def _target(draw: Random, built: Hospital, kind: str, user: str, number: int) -> str:
    """Whom they look at: somebody who is there, made to be what the kind says."""
    if kind == "themselves":
        return f"p{number * 20}"
    if kind == "headline":
        return "p777"
    name, line, postcode, _ = built.staff[user]
    patient = f"p{draw.randrange(1000, len(built.patients))}"
    surname, first, code, own = built.patients[patient]
    match kind:
        case "household":
            surname, first, code = (surname if draw.random() < 0.4 else name), line, postcode
        case "kin":
            surname = surname if draw.random() < 1 / 3 else name
        case "neighbour":
            house, _, street = line.partition(" ")
            first, code = f"{int(house) + 4} {street}", postcode
    built.patients[patient] = (surname, first, code, own)
    return patient


def _moments(draw: Random, roster: list[tuple[int, int]], kind: str, days: int) -> list[int]:
    count = {"former partner": draw.randint(5, 9), "themselves": 2, "headline": 1}.get(kind, draw.randint(1, 3))
    chosen = []
    for _ in range(count):
        begin, end = draw.choice(roster)
        at_night = draw.random() < (0.7 if kind == "former partner" else 0.1)
        chosen.append(end + draw.randrange(2 * HOUR, 5 * HOUR) if at_night else draw.randrange(begin, end))
    return chosen
