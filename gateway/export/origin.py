"""Whose a found file is: the project, and the release, that the keyed pseudonyms in it came from.

A pseudonym has 128 bits under the key of one project, so one that can be made again names its project beyond doubt,
whatever columns the file has lost. Which of the project's releases it was is told by the order of the rows, for which
each release has a key of its own, and by what the store held at its moment.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from gateway import records
from gateway.errors import Refused
from gateway.export import standing
from gateway.nhs import pseudonym
from gateway.store import ledger
from gateway.store.session import Session

MOST = 1_000
"""Pseudonyms of a file that are looked for: the first so many that differ."""
ENOUGH, SHARE = 10, 0.9
"""A project is named by so many pseudonyms, where they and others are so large a share of the file's."""
BARREN = 100_000
"""Names that are tried after that in vain: the others of the file are then taken for no pseudonyms of ours."""
STEP = 10_000
"""Names tried between two reports of progress."""
_PSEUDONYM = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z2-7]{26}(?![A-Za-z0-9])")
Progress = Callable[[int, int], None]
_Hits = Mapping[bytes, records.Nameable]


@dataclass(frozen=True)
class Candidate:
    """One release of a project: how many of the file's pseudonyms it can have held, and which share of neighbouring
    rows, where they are about different people, stands in its order. Rows of another release are in order by half."""

    release: str
    at: str
    could_hold: int
    in_order: float | None


@dataclass(frozen=True)
class Origin:
    """One project at one version of its key, how many pseudonyms of the file are its own, and its releases, the most
    likely first."""

    project: str
    key_version: int
    pseudonyms: int
    releases: list[Candidate]


@dataclass(frozen=True)
class Report:
    """How many pseudonyms of a file were looked for, how many of them were not met, and whose the others are.
    ``tried``: how many names held here were tried; ``stopped_early``: others were not, and might have been met."""

    looked_for: int
    unknown: int
    origins: list[Origin]
    tried: int
    stopped_early: bool


@dataclass(frozen=True)
class _Project:
    """A project at one version of its key, with its releases in the ledger: (at, entry)."""

    name: str
    version: int
    key: bytes = field(repr=False)
    releases: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def pseudonyms(path: Path) -> list[bytes]:
    """What in a file has the shape of a pseudonym, in the order of the file, each once, ``MOST`` at most. Raises
    ``Refused`` for a file that cannot be read."""
    seen: dict[bytes, None] = {}
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            for match in _PSEUDONYM.finditer(text):
                seen[match[0].lower()] = None
                if len(seen) == MOST:
                    break
    except OSError:
        raise Refused("the file cannot be read") from None
    except ValueError:  # it is empty
        return []
    return list(seen)


def trace(
    session: Session, root: bytes, tokens: Sequence[bytes], progress: Progress = lambda tried, of: None
) -> Report:
    """Make the pseudonyms of everything held again, under the key of every project that has a release, until each of
    the file's is met, or enough of them are and ``BARREN`` further names bring none. ``tokens`` are as ``pseudonyms``
    returns them. Raises ``Refused`` for another root key than that of this store's exports."""
    standing.require_root(session, root)
    projects = _projects(session, root)
    met, tried, stopped_early = _met(session, projects, tokens, progress)
    origins = [
        Origin(project.name, project.version, len(hits), _ranked(session, project, tokens, hits))
        for project, hits in zip(projects, met, strict=True)
        if hits
    ]
    origins.sort(key=lambda origin: -origin.pseudonyms)
    return Report(len(tokens), len(tokens) - sum(map(len, met)), origins, tried, stopped_early)


def _projects(session: Session, root: bytes) -> list[_Project]:
    """Every key that a release in the ledger was made with."""
    projects: dict[bytes, _Project] = {}
    for at, entry, _ in ledger.entries(session):
        pins = entry["pins"]
        key = standing.key_of(pins, root)
        own = projects.setdefault(key, _Project(pins["approved"]["name"], pins["key_version"], key))
        own.releases.append((at, entry))
    return list(projects.values())


def _met(
    session: Session, projects: Sequence[_Project], tokens: Sequence[bytes], progress: Progress
) -> tuple[list[dict[bytes, records.Nameable]], int, bool]:
    """(of each project, which of the pseudonyms are its own, and of what; names tried; whether others were not)."""
    left = set(tokens)
    tried, last, is_enough, of_file = 0, 0, False, len(left)
    met: list[dict[bytes, records.Nameable]] = [{} for _ in projects]
    keyed = [HMAC(project.key, SHA256()) for project in projects]
    if not left or not projects:
        return met, 0, False
    of_all = records.count_nameable(session)
    for tried, of in enumerate(records.nameable(session), 1):
        if tried % STEP == 1:
            progress(tried - 1, of_all)
        text = of.text.encode()
        for hits, start in zip(met, keyed, strict=True):
            name = pseudonym.pseudonym_of(start, text)
            if name in left:
                hits[name] = of
                left.remove(name)
                last = tried
                is_enough = max(map(len, met)) >= ENOUGH and of_file - len(left) >= SHARE * of_file
        if not left:
            break
        if is_enough and tried - last >= BARREN:
            return met, tried, True
    return met, tried, False


def _ranked(session: Session, project: _Project, tokens: Sequence[bytes], hits: _Hits) -> list[Candidate]:
    candidates = [_candidate(session, project.key, at, entry, tokens, hits) for at, entry in project.releases]
    return sorted(candidates, key=lambda release: (-release.could_hold, -(release.in_order or 0.0), release.at))


def _candidate(
    session: Session, key: bytes, at: int, entry: Mapping[str, Any], tokens: Sequence[bytes], hits: _Hits
) -> Candidate:
    pins = entry["pins"]
    types = {"", *pins["types"]}
    could_hold = sum(of.type in types and records.was_held(session, of, pins["as_of"]) for of in hits.values())
    order = pseudonym.order_key(key, pins["release"])
    people = [hits[token].person for token in tokens if token in hits and hits[token].person]
    return Candidate(entry["release"], records.instant(at), could_hold, _in_order(people, order))


def _in_order(people: Sequence[str], order: bytes) -> float | None:
    """The share of neighbours, of two people, that stand in a release's order; None where there are none."""
    places = [pseudonym.place(order, name) for name in people]
    steps = [(before, after) for before, after in pairwise(places) if before != after]
    return round(sum(before < after for before, after in steps) / len(steps), 3) if steps else None
